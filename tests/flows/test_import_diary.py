"""flows: another system's diary comes in: who is unknown is refused by line, replay is equal."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time

import pytest

from tests.support.database import Database, Databases
from tests.support.replaying import assert_replay_equal
from tests.support.small_region import FIRST_DAY, NOW, SmallRegion, set_up
from tourniquet.diary.models import Appointment, Need
from tourniquet.flows.import_diary import DiaryLine, import_diary
from tourniquet.flows.import_people import PersonRow, import_people
from tourniquet.flows.tell_people import tell_people
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import synthetic_nhs_numbers
from tourniquet.notices.models import Notice
from tourniquet.record.models import JournalEntry


def _known(region: SmallRegion, count: int) -> list[str]:
    """People of the index; their NHS numbers."""
    numbers = [
        str(number) for number, _ in zip(synthetic_nhs_numbers(), range(count), strict=False)
    ]
    import_people(
        [
            PersonRow(
                nhs_number=number,
                local_numbers=(("RJ1", f"A{at:06d}"),),
                family_name=f"Test{at}",
                given_names="Ada",
                title="",
                birth_date=date(1980, 1, 1),
                sex="female",
                address="1 Test Street",
                postcode="SE1 1AA",
                phone="07700 900000",
                email="",
                language="",
                gp_practice="G10001",
                died_on=None,
                unsafe_contact=False,
            )
            for at, number in enumerate(numbers)
        ],
        act=region.act(),
        ids=region.ids,
    )
    return numbers


def _line(number: str, requisition: str, *, day: int | None = None) -> DiaryLine:
    return DiaryLine(
        identifier_system="NHS",
        identifier=number,
        requisition=requisition,
        indication="CKD",
        tests=(),
        authored_at=NOW,
        wanted_on=FIRST_DAY,
        zone="Z1",
        organisation="G10001",
        clinic="" if day is None else "CLIN1",
        day=FIRST_DAY if day is None else FIRST_DAY.replace(day=FIRST_DAY.day + day),
        at=time(9, 0),
        laboratory="" if day is None else "LAB1",
    )


def test_needs_and_bookings_come_in_as_they_stand(database: Database, databases: Databases) -> None:
    region = set_up()
    numbers = _known(region, 3)
    lines = [_line(numbers[0], "EX1"), _line(numbers[1], "EX2", day=1), _line(numbers[2], "EX3")]
    lines.append(
        replace(lines[1], identifier_system="RJ1", identifier="A000002", requisition="EX4")
    )
    assert import_diary(lines, act=region.act(), ids=region.ids) == 4
    assert Need.objects.filter(status="waiting").count() == 2
    assert Need.objects.filter(status="booked").count() == 2
    made = Appointment.objects.get(need_id=Need.objects.get(requisition="EX2").id)
    assert (made.clinic, made.day, made.at) == ("CLIN1", FIRST_DAY.replace(day=4), time(9, 0))
    assert made.reason == "booked before"
    tell_people(now=region.now, ids=region.ids)
    assert not Notice.objects.filter(appointment_id=made.id).exists(), "they know their date"
    assert_replay_equal(databases, database)


@pytest.mark.parametrize(
    ("system", "identifier"), [("NHS", "9999999999"), ("RJZ", "A000000"), ("NHS", "A000000")]
)
def test_a_line_of_somebody_unknown_is_refused_by_its_number(
    database: Database, system: str, identifier: str
) -> None:
    region = set_up()
    known = _line(_known(region, 1)[0], "EX1")
    unknown = replace(known, identifier_system=system, identifier=identifier, requisition="EX2")
    before = JournalEntry.objects.count()
    with pytest.raises(UserError) as refused:
        import_diary([known, unknown], act=region.act(), ids=region.ids)
    assert refused.value.where == "line 2"
    assert identifier not in str(refused.value), "no identifier in a message"
    assert Need.objects.count() == 0, "nothing of its batch was taken"
    assert JournalEntry.objects.count() == before
