"""Whose the patient index's rows are, who is one person, and how a person is written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Q

from tourniquet.kernel.clock import service_day
from tourniquet.patients.entries import (
    PatientAbsorbed,
    PatientIdentified,
    PatientRegistered,
    PatientUpdated,
)
from tourniquet.patients.models import (
    BrokenGlass,
    Canary,
    ExportAllowance,
    ExportStop,
    Identifier,
    Patient,
    Reading,
    ReadingDay,
)
from tourniquet.patients.rules import DOUBTFUL, NHS, PROVISIONAL
from tourniquet.record.emptying import (
    people_by,
    rows_about,
    rows_at_entries,
    rows_keyed,
    rows_of_nobody,
    words_by,
)
from tourniquet.record.models import JournalEntry
from tourniquet.record.registry import get_kind
from tourniquet.record.strays import Name, Written

_TELLING = ("patient.registered", "patient.updated", "patient.identified", "patient.absorbed")


def list_merged_with(subject: str) -> tuple[str, ...]:
    """Every id that merges have made one person with this one, itself included."""
    found = {subject}
    fresh = {subject}
    while fresh:
        into = Patient.objects.filter(pk__in=fresh, merged_into__isnull=False)
        out_of = Patient.objects.filter(merged_into__in=fresh)
        met = {into for into in into.values_list("merged_into", flat=True) if into is not None}
        met.update(out_of.values_list("pk", flat=True))
        fresh = met - found
        found |= fresh
    return tuple(sorted(found))


def list_perhaps_same(subject: str, *, since: int = 0) -> tuple[str, ...]:
    """Other patients, not yet settled, with a number of this person: a person must settle them.

    With `since` only those with whom the number is shared since an entry behind that position.

    They are not emptied with the subject. Erase only when nobody is left here, or when it was
    decided that they are somebody else.
    """
    people = list_merged_with(subject)
    ours = Identifier.objects.filter(patient_id__in=people, system=NHS).exclude(state=DOUBTFUL)
    numbers = list(ours.values_list("value", "position"))
    came = [value for value, position in numbers if position > since]
    sharing = Identifier.objects.filter(
        Q(position__gt=since) | Q(value__in=came),
        system=NHS,
        value__in=[value for value, _ in numbers],
    ).exclude(patient_id__in=people)
    found = Patient.objects.filter(
        pk__in=list(sharing.values_list("patient_id", flat=True)), state=PROVISIONAL
    )
    return tuple(found.order_by("pk").values_list("pk", flat=True))


def find_words(people: Sequence[str]) -> Written:
    """Numbers and names, those of before included, as the journal has them."""
    nhs_numbers: set[str] = set()
    other_numbers: set[str] = set()
    names: set[Name] = set()
    for body in _bodies(people):
        for fact in body.identifiers:
            if fact.state != DOUBTFUL:
                (nhs_numbers if fact.system == NHS else other_numbers).add(fact.value)
        if isinstance(body, PatientRegistered | PatientUpdated) and body.person.family_name:
            born = body.person.birth_date
            names.add(
                Name(
                    family=body.person.family_name,
                    given=next(iter(body.person.given_names.split()), ""),
                    birth=born.strftime("%Y%m%d") if born else "",
                )
            )
    return Written(frozenset(nhs_numbers), frozenset(other_numbers), frozenset(names))


def _bodies(
    people: Sequence[str],
) -> Iterator[PatientRegistered | PatientUpdated | PatientIdentified | PatientAbsorbed]:
    rows = JournalEntry.objects.filter(
        subject__in=people, kind__in=_TELLING, body__isnull=False
    ).values_list("kind", "kind_version", "body")
    for kind, version, content in rows:
        assert content is not None
        yield get_kind(kind, version).decoder.decode(bytes(content))


def _days_read(people: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    rows = Reading.objects.filter(patient_id__in=people).values_list("account", "at", "patient_id")
    yield from sorted({(account, service_day(at), patient) for account, at, patient in rows})


people_by(list_merged_with)
words_by(find_words)
rows_about(Patient, "id")
rows_about(Identifier, "patient_id")
rows_at_entries(Reading)
rows_keyed(ReadingDay, _days_read)
rows_at_entries(BrokenGlass)
rows_about(Canary, "patient_id")
rows_of_nobody(ExportStop, "an account and a day; whom it asked for is not in it")
rows_of_nobody(ExportAllowance, "an account, until when, and a reason that names no patient")
