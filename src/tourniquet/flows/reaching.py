"""Who can be told within the hour: by text. The urgent are phoned by somebody if need be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from tourniquet.diary.rows import NeedRow
from tourniquet.diary.rules import URGENT
from tourniquet.notices.rendering import BOOKED
from tourniquet.notices.rules import TEXT, Recipient, choose_channel
from tourniquet.patients.models import Patient

PATIENTS_AT_ONCE = 500


def find_reachable(rows: Iterable[NeedRow], today: date) -> set[str]:
    """The needs of those whom a word reaches the same morning."""
    found = list(rows)
    recipients = _recipients({row.patient for row in found})
    return {
        row.id
        for row in found
        if row.patient in recipients
        and (
            row.priority in URGENT
            or choose_channel(recipients[row.patient], BOOKED, today=today) == TEXT
        )
    }


def _recipients(patients: set[str]) -> dict[str, Recipient]:
    wanted = sorted(patients)
    found: dict[str, Recipient] = {}
    for start in range(0, len(wanted), PATIENTS_AT_ONCE):
        for row in Patient.objects.filter(
            id__in=wanted[start : start + PATIENTS_AT_ONCE]
        ).values_list(
            "id",
            "recorded_dead",
            "sensitive",
            "unsafe_contact",
            "state",
            "birth_date",
            "phone",
            "address",
        ):
            found[row[0]] = Recipient(*row[1:4], row[4] == "active", *row[5:])
    return found
