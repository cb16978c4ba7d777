"""An erasure that is due is held for what came up since its approval, item by item."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.flows.test_erasure import ALL, BEN, DUE, approved
from tests.support.console import NOW, PRACTICE, seed_region, sent_pid
from tests.support.database import Database
from tests.support.messages import codes, oml, oru, pid, valid_nhs
from tourniquet.directory.roles import Role, Viewer
from tourniquet.flows import carry_out_erasures as carrying
from tourniquet.flows.ask_erasure import approve_erasure
from tourniquet.flows.carry_out_erasures import carry_out_erasures
from tourniquet.flows.close_call import attempt_call
from tourniquet.kernel.identifiers import synthetic_nhs_numbers
from tourniquet.pathology.models import CriticalCall
from tourniquet.patients.entries import IdentifierFact, PatientUpdated
from tourniquet.patients.index import read_demographics
from tourniquet.patients.models import Identifier, Patient
from tourniquet.record.erasure_rules import WARNINGS
from tourniquet.record.erasures import get_erasure
from tourniquet.record.journal import Act, writing
from tourniquet.record.models import Alarm

STRANGE_NUMBER = valid_nhs("999700000")


def critical(control_id: str, number: str, *, moment: datetime) -> None:
    """A critical potassium of the region's first person."""
    line = "NM|K^Potassium^L||7.1|mmol/L|3.5-5.3|HH|||F"
    report = oru(control_id, sent_pid(0), number=number, test="UE^Urea^L", lines=(line,))
    assert codes(report, now=moment) == ["AA"]


def another_request(moment: datetime) -> None:
    order = oml("N1", sent_pid(0), placer=f"P9^{PRACTICE}", requisition="F9")
    assert codes(order, now=moment) == ["AA"]


def another_critical(moment: datetime) -> None:
    critical("N2", "L0-9", moment=moment)


def another_stranger(moment: datetime) -> None:
    """Somebody with the person's number, and neither their name nor their birth date."""
    number = next(iter(synthetic_nhs_numbers())).digits
    person = pid(number, family="NOBODY", given="ELSE", born=f"200101{moment:%d}", local="")
    assert codes(oru(f"N3-{moment:%d}", person, number=f"L7-{moment:%d}"), now=moment) == ["AA"]


def another_number(moment: datetime) -> None:
    """The person turns out to have a number that somebody not yet identified came with."""
    fact = IdentifierFact(system="NHS", value=STRANGE_NUMBER, kind="NH", state="superseded")
    first = Identifier.objects.get(
        value=next(iter(synthetic_nhs_numbers())).digits, state="current"
    )
    with writing(Act("tester", moment)) as journal:
        person = read_demographics(first.patient_id)
        journal.append(PatientUpdated(person=person, identifiers=(fact,)), subject=first.patient_id)


@pytest.mark.parametrize(
    ("new", "come_up"),
    [
        ("critical_result", another_critical),
        ("waiting_test", another_request),
        ("perhaps_same", another_stranger),
        ("perhaps_same", another_number),
    ],
)
def test_what_came_up_meanwhile_holds_it_and_alarms_once_a_day(
    database: Database, new: str, come_up: Callable[[datetime], None]
) -> None:
    """Though one of its kind was acknowledged: what was looked at is the item, not the kind."""
    patient, *_ = seed_region()
    critical("O1", "L0-1", moment=NOW)
    another_stranger(NOW)
    somebody = pid(STRANGE_NUMBER, family="SOMEBODY", given="ELSE", born="20010101", local="")
    assert codes(oru("N4", somebody, number="L8"), now=NOW) == ["AA"]
    erasure = approved(patient)
    assert new in get_erasure(erasure).warnings.split(",")
    come_up(NOW + timedelta(days=3))
    assert carry_out_erasures(now=DUE).held == (erasure,)
    assert carry_out_erasures(now=DUE).held == (erasure,)
    (alarm,) = Alarm.objects.filter(kind=carrying.HELD_ALARM)
    assert erasure in alarm.text
    assert f"{WARNINGS[new]} (since the approval)" in alarm.text
    assert [one for one in WARNINGS if WARNINGS[one] in alarm.text] == [new]
    assert patient not in alarm.text
    assert Patient.objects.filter(pk=patient).exists()
    approve_erasure(erasure, viewer=BEN, now=DUE, acknowledged=ALL)
    assert carry_out_erasures(now=DUE).carried_out == ()  # the waiting begins anew
    assert carry_out_erasures(now=DUE + timedelta(days=14)).carried_out == (erasure,)


def test_a_kind_that_nobody_acknowledged_holds_it(database: Database) -> None:
    patient, *_ = seed_region()
    erasure = approved(patient)
    assert "critical_result" not in get_erasure(erasure).warnings.split(",")
    another_critical(NOW)
    assert carry_out_erasures(now=DUE).held == (erasure,)


def test_what_was_acknowledged_may_move_on_meanwhile(database: Database) -> None:
    """Somebody phones about the result that both had looked at: nothing new."""
    patient, *_ = seed_region()
    critical("O1", "L0-1", moment=NOW)
    erasure = approved(patient)
    call = CriticalCall.objects.get(patient_id=patient)
    laboratory = Viewer("lab", Role.LABORATORY)
    attempt_call(call.pk, viewer=laboratory, outcome="no answer", now=NOW)
    assert carry_out_erasures(now=DUE).carried_out == (erasure,)
