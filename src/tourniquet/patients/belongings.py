"""Whose the patient index's rows are, who is one person, and how a person is written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from django.db.models import Q

from tourniquet.kernel.clock import service_day
from tourniquet.patients.entries import (
    Demographics,
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
from tourniquet.patients.rules import CURRENT, DOUBTFUL, NHS, PROVISIONAL, family_key
from tourniquet.record.emptying import (
    people_by,
    rows_about,
    rows_at_entries,
    rows_keyed,
    rows_of_nobody,
    words_by,
)
from tourniquet.record.models import JournalEntry
from tourniquet.record.recognising import Name, Written
from tourniquet.record.registry import get_kind
from tourniquet.record.tables import select_in

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
    """Numbers and names, those of before included, as the journal has them.

    A number that somebody else has today, or that no longer is this person's and was another's too,
    is shared; so is a name with a birth date that fits somebody else in the index.
    """
    nhs_numbers: set[str] = set()
    other_numbers: set[str] = set()
    names: set[Name] = set()
    for body in _bodies(people):
        for fact in body.identifiers:
            if fact.state != DOUBTFUL:
                (nhs_numbers if fact.system == NHS else other_numbers).add(fact.value)
        if isinstance(body, PatientRegistered | PatientUpdated) and body.person.family_name:
            names.add(_name(body.person))
    shared = _shared_among(people, nhs_numbers | other_numbers)
    namesakes = {name for name in names if _has_namesake(people, name)}
    return Written(
        frozenset(nhs_numbers - shared),
        frozenset(other_numbers - shared),
        frozenset(names - namesakes),
        frozenset(nhs_numbers & shared),
        frozenset(namesakes),
    )


def _name(person: Demographics) -> Name:
    born = person.birth_date
    return Name(
        family=person.family_name,
        given=next(iter(person.given_names.split()), ""),
        birth=born.strftime("%Y%m%d") if born else "",
    )


def _shared_among(people: Sequence[str], numbers: Iterable[str]) -> set[str]:
    """Those numbers of a person that are somebody else's as well, or instead."""
    rows = list(
        select_in(
            Identifier, ("system", "value", "patient_id", "state"), "value", sorted(set(numbers))
        )
    )
    ours = {row[1] for row in rows if row[2] in people and row[3] == CURRENT}
    return {
        value
        for _, value, patient, state in rows
        if patient not in people and (state == CURRENT or (state != DOUBTFUL and value not in ours))
    }


def _has_namesake(people: Sequence[str], name: Name) -> bool:
    """Whether somebody else has this family name, birth date and first given name."""
    if not name.birth:
        return False
    others = Patient.objects.filter(
        family_key=family_key(name.family), birth_date=date.fromisoformat(name.birth)
    ).exclude(pk__in=people)
    given = family_key(name.given)
    return any(
        family_key(next(iter(one.split()), "")) == given
        for one in others.values_list("given_names", flat=True)
    )


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
