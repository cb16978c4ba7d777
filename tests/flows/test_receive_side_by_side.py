"""Orders about different patients are written together, and mean what they mean alone."""

from __future__ import annotations

from itertools import groupby

from tests.support.database import Database
from tests.support.messages import NOW, codes, oml, pid, valid_nhs
from tourniquet.diary.models import Need
from tourniquet.pathology.models import ServiceRequest, Specimen, SpecimenEvent
from tourniquet.record.models import JournalEntry

PEOPLE = 5
TAKEN = "20240603093000+0000"


def _person(number: int) -> str:
    return pid(valid_nhs(f"9991000{number:02d}"), local=f"B{number:06d}^^^RJ1^MR", given="PAT")


def _order(number: int, *, form: str = "", control: str = "") -> bytes:
    form = form or f"F{number}"
    return oml(
        control or f"O{form}",
        _person(number),
        placer=f"P{control or form}^PRAC",
        requisition=form,
    )


def _collection(number: int, *, form: str = "") -> bytes:
    form = form or f"F{number}"
    return oml(
        f"C{form}",
        _person(number),
        order="SC",
        status="IP",
        placer=f"P{form}^PRAC",
        requisition=form,
        collected=TAKEN,
        specimen=f"S{form}",
    )


def _came_of(form: str) -> dict[str, list[tuple[object, ...]]]:
    """What the tables say of a form, without ids and positions, which differ."""
    specimens = Specimen.objects.filter(requisition=form)
    return {
        "requests": sorted(
            ServiceRequest.objects.filter(requisition=form).values_list("code", "status")
        ),
        "needs": sorted(Need.objects.filter(requisition=form).values_list("status", "due")),
        "specimens": sorted(specimens.values_list("status", "collected_at", "type_code")),
        "steps": sorted(
            SpecimenEvent.objects.filter(specimen_id__in=specimens.values("id")).values_list(
                "kind", "at"
            )
        ),
    }


def test_a_group_means_what_its_messages_mean_alone(database: Database) -> None:
    together, alone = range(PEOPLE), range(50, 50 + PEOPLE)
    for story in (_order, _collection):
        assert set(codes(*(story(number) for number in together))) == {"AA"}
        for number in alone:
            assert codes(story(number)) == ["AA"]
        for one, other in zip(together, alone, strict=True):
            found = _came_of(f"F{one}")
            assert found == _came_of(f"F{other}")
            assert found["requests"]
            assert found["needs"]
            assert bool(found["specimens"]) == (story is _collection)


def test_entries_of_one_kind_stand_together(database: Database) -> None:
    codes(*(_order(number) for number in range(PEOPLE)))
    kinds = JournalEntry.objects.order_by("position").values_list("kind", flat=True)
    runs = [(kind, len(list(run))) for kind, run in groupby(kinds)]
    assert ("order.received", PEOPLE) in runs
    assert ("need.opened", PEOPLE) in runs


def test_one_patient_twice_in_a_group_is_taken_in_order(database: Database) -> None:
    """An order, its collection, and the form again: three stories that depend on each other."""
    shapes = []
    for first, group in ((1, True), (51, False)):
        form = f"F{first}"
        messages = [
            _order(first),
            _order(first + 1),
            _collection(first),
            _order(first, form=form, control=f"again{first}"),
        ]
        if group:
            assert codes(*messages) == ["AA"] * 4
        else:
            assert [code for raw in messages for code in codes(raw)] == ["AA"] * 4
        shapes.append((_came_of(form), _came_of(f"F{first + 1}")))
    assert shapes[0] == shapes[1]
    needs = sorted(status for status, _ in shapes[0][0]["needs"])
    assert needs == ["collected", "waiting"], f"at {NOW}: the form was asked for again"
