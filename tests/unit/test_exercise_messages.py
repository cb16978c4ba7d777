"""What the simulated practices, clinics and laboratories send is read back as it was meant."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tourniquet.exercise import messages
from tourniquet.exercise.demand import Need
from tourniquet.exercise.people import Person
from tourniquet.exercise.world import World, make_world
from tourniquet.wire.hl7v2 import Message, parse

AT = datetime(2024, 6, 3, 6, 30, tzinfo=UTC)
WANTED = date(2024, 6, 7)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("june-2024", people=2_000, seed=7)


@pytest.fixture(scope="module")
def need(world: World) -> Need:
    """One with several tests and specimens."""
    rows = (world.needs.row(number) for number in range(len(world.needs)))
    return max(
        rows, key=lambda row: (messages.specimen_count(row, world.catalogue), len(row.tests))
    )


@pytest.fixture(scope="module")
def person(world: World, need: Need) -> Person:
    return world.person_of(need.number)


def _assert_about(message: Message, person: Person) -> None:
    pid = message.first("PID")
    assert pid is not None
    identifiers = {found.value(5): found.value(1) for found in pid.repetitions(3)}
    assert identifiers["MR"] == person.local_number
    assert identifiers.get("NH", "") == (person.nhs_number or "")
    assert pid.value(5) == person.family_name
    assert f"{pid.value(5, 2)} {pid.value(5, 3)}".strip() == person.given_names
    assert pid.value(7) == person.birth_date.strftime("%Y%m%d")
    assert pid.value(11, 5) == person.postcode
    assert pid.value(13) == person.phone


def test_an_order(world: World, need: Need, person: Person) -> None:
    control, raw = messages.order_message(need, person, world.catalogue, at=AT, wanted_on=WANTED)
    message = parse(raw)
    assert str(message.message_type).startswith("OML^O21")
    assert (message.control_id, control) == (f"O{need.key}", f"O{need.key}")
    assert message.timestamp == "20240603063000+0000"
    _assert_about(message, person)
    orders = [one for one in message.segments if one.name == "ORC"]
    tests = [one for one in message.segments if one.name == "OBR"]
    assert [one.value(4) for one in tests] == list(need.tests)
    assert {one.value(1) for one in orders} == {"NW"}
    assert {one.value(4) for one in orders} == {need.key}, "one form, one visit"
    assert [one.value(2) for one in orders] == [one.value(2) for one in tests]
    assert len({one.value(2) for one in tests}) == len(need.tests)
    assert {one.value(31) for one in tests} == {need.indication.code}
    times = [one for one in message.segments if one.name == "TQ1"]
    assert {one.value(7) for one in times} == {"20240607"}
    assert all(one.value(7) == "" for one in tests), "nothing is collected yet"


def test_a_collection(world: World, need: Need, person: Person) -> None:
    def sent(visit: int) -> Message:
        _, raw = messages.collection_message(
            need,
            person,
            world.catalogue,
            clinic="CL001",
            laboratory="LAB01",
            at=AT,
            wanted_on=WANTED,
            visit=visit,
        )
        return parse(raw)

    first, second = sent(1), sent(2)
    _assert_about(first, person)
    specimens = [one for one in first.segments if one.name == "SPM"]
    assert len(specimens) == messages.specimen_count(need, world.catalogue)
    labels = {one.value(2, 1) for one in specimens}
    assert len(labels) == len(specimens)
    again = {one.value(2, 1) for one in second.segments if one.name == "SPM"}
    assert not labels & again, "a second visit's specimens are other specimens"
    assert first.control_id != second.control_id
    assert {one.value(7) for one in first.segments if one.name == "OBR"} == {"20240603063000+0000"}
    with pytest.raises(ValueError, match="laboratory"):
        messages.collection_message(
            need,
            person,
            world.catalogue,
            clinic="CL001",
            laboratory="",
            at=AT,
            wanted_on=WANTED,
            visit=1,
        )


def test_a_result(world: World, need: Need, person: Person) -> None:
    line = messages.ResultLine(
        "HB", "Haemoglobin & more", "131", "g/L", "115-165", "N", numeric=True
    )
    text = messages.ResultLine("C", "Comment", "Seen | noted", "", "", "", numeric=False)
    results = [(code, [line, text]) for code in need.tests]
    control, raw = messages.result_message(
        need, person, world.catalogue, results, laboratory="LAB01", collected_at=AT, at=AT, visit=1
    )
    message = parse(raw)
    assert message.control_id == control
    _assert_about(message, person)
    groups = message.groups("OBR")
    reports = [one for one in message.segments if one.name == "OBR"]
    assert [one.value(4) for one in reports] == list(need.tests)
    assert {one.value(25) for one in reports} == {"F"}
    assert len({one.value(3) for one in reports}) == len(reports), "each report has its own number"
    for group in groups:
        number, comment = group.all("OBX")
        assert (number.value(2), number.value(3, 2)) == ("NM", "Haemoglobin & more")
        assert (number.value(5), number.value(6), number.value(7)) == ("131", "g/L", "115-165")
        assert (comment.value(2), comment.value(5)) == ("ST", "Seen | noted")


def test_a_specimen_that_could_not_be_processed(world: World, need: Need, person: Person) -> None:
    _, raw = messages.unprocessed_message(
        need,
        person,
        world.catalogue,
        laboratory="LAB01",
        collected_at=AT,
        at=AT,
        visit=1,
        reason="The laboratory failed.",
    )
    message = parse(raw)
    assert {one.value(25) for one in message.segments if one.name == "OBR"} == {"X"}
    assert {one.value(5) for one in message.segments if one.name == "OBX"} == {
        "The laboratory failed."
    }


def test_the_same_need_gives_the_same_bytes_and_no_two_a_control_id(world: World) -> None:
    def all_orders() -> list[tuple[str, bytes]]:
        return [
            messages.order_message(
                world.needs.row(number),
                world.person_of(number),
                world.catalogue,
                at=AT,
                wanted_on=WANTED,
            )
            for number in range(0, len(world.needs), 7)
        ]

    sent = all_orders()
    assert all_orders() == sent
    assert len({control for control, _ in sent}) == len(sent)
    for control, raw in sent:
        assert parse(raw).control_id == control


def test_checkboxes_are_ticked_as_a_person_would() -> None:
    page = (
        '<input class="x" type="checkbox" name="need" value="N1"><input type="checkbox" '
        'value="N2" name="need" ><input type="checkbox" name="other" value="N3">'
        '<input type="radio" name="need" value="N4">'
    )
    assert messages.checkbox_values(page, "need") == ["N1", "N2"]
