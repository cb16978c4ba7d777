"""After an exercise: what the journal and the tables say became of everybody.

Invariants:
- Reads only. What it counts comes from the journal's entries, not from the driver's memory; the
  driver's list of acknowledged messages is compared with the log of messages.
- A need is served where specimens were taken by appointment and no laboratory failed them later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tourniquet.diary.entries import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentMissed,
    AppointmentMoved,
    AppointmentTurnedAway,
    GateOvertaken,
    NeedCollected,
    NeedOpened,
)
from tourniquet.diary.harm import NEVER
from tourniquet.exercise.outcome import Outcome, OutcomeNotes
from tourniquet.exercise.world import World
from tourniquet.kernel.clock import service_day
from tourniquet.notices.models import Notice
from tourniquet.record.models import Alarm, JournalEntry, Message
from tourniquet.record.registry import Body, get_kind

UNGATED_ALARM = "ungated collection"
_KINDS = (
    "need.opened",
    "appointment.booked",
    "appointment.moved",
    "appointment.cancelled",
    "appointment.turned_away",
    "appointment.missed",
    "need.collected",
    "gate.overtaken",
)
_CHANGES = ("appointment.moved", "appointment.cancelled", "appointment.turned_away")
_CHUNK = 5000
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class MessageAudit:
    """Acknowledged messages against the log of messages."""

    acknowledged: int
    lost: int
    doubled: int


@dataclass(frozen=True)
class TellingAudit:
    """What became of the notices."""

    people_concerned: int
    people_told: int
    hours_to_tell: tuple[float, ...]
    notices: int


@dataclass
class _Standing:
    """Where one need stands while its entries are read."""

    number: int
    booked_on: int | None = None
    served: int = NEVER


def audit_needs(world: World, *, wrongly_passed: int) -> Outcome:
    """What became of every need; `wrongly_passed` are tubes that the gate let through in vain."""
    notes = OutcomeNotes(needs=len(world.needs), days=world.scenario.days)
    standing: dict[str, _Standing] = {}
    for day_of_entry, body in _entries(world):
        if isinstance(body, NeedOpened):
            number = number_of(body.requisition)
            if number is not None:
                standing[body.need] = _Standing(number)
            continue
        found = standing.get(getattr(body, "need", ""))
        if found is not None:
            _follow(world, notes, found, day_of_entry, body)
    served = np.full(len(world.needs), NEVER, dtype=np.int32)
    for found in standing.values():
        served[found.number] = min(served[found.number], found.served)
    notes.unprocessable = wrongly_passed + Alarm.objects.filter(kind=UNGATED_ALARM).count()
    end = world.scenario.days + world.scenario.tail_days
    return notes.finish("tourniquet", served, end=end)


def _follow(world: World, notes: OutcomeNotes, found: _Standing, day: int, body: Body) -> None:  # noqa: C901 (one branch a kind of entry)
    number = found.number
    if isinstance(body, AppointmentBooked):
        new_day = world.scenario.day_of(body.day)
        found.booked_on = new_day
        if new_day >= 0:
            notes.made += 1
        if day >= 0:
            notes.rebook(number, day=day, new_day=new_day, notice=False)
    elif isinstance(body, AppointmentMoved):
        new_day = world.scenario.day_of(body.day)
        if found.booked_on is not None and new_day > found.booked_on:
            notes.lose(number, day=day, lost_day=found.booked_on, dated=True)
            notes.made += 1
        notes.rebook(number, day=day, new_day=new_day, notice=False)
        found.booked_on = new_day
    elif isinstance(body, AppointmentCancelled | AppointmentTurnedAway):
        if found.booked_on is not None:
            dated = body.review_on is not None
            notes.lose(number, day=day, lost_day=found.booked_on, dated=dated)
        found.booked_on = None
    elif isinstance(body, AppointmentMissed):
        if day >= 0:
            notes.kept += 1
        found.booked_on = None
    elif isinstance(body, NeedCollected):
        found.served = world.scenario.day_of(body.collected_on)
        if found.served >= 0:
            notes.kept += found.booked_on is not None
            notes.tubes[found.served] += int(world.needs.tubes[number].sum())
        found.booked_on = None
    elif isinstance(body, GateOvertaken):
        found.served = NEVER
        notes.overtaken += int(world.needs.tubes[number].sum())


def _entries(world: World) -> Iterator[tuple[int, Body]]:
    """(exercise day, body) of every entry that changes what becomes of a need, in order."""
    after = 0
    while True:
        rows = list(
            JournalEntry.objects.filter(position__gt=after, kind__in=_KINDS)
            .order_by("position")
            .values_list("position", "kind", "kind_version", "recorded_at", "body")[:_CHUNK]
        )
        if not rows:
            return
        for _, name, version, recorded_at, body in rows:
            if body is None:  # erased
                continue
            yield (
                world.scenario.day_of(service_day(recorded_at)),
                get_kind(name, version).decoder.decode(bytes(body)),
            )
        after = rows[-1][0]


def number_of(requisition: str) -> int | None:
    """The need's number, or None for a requisition that is none of the exercise's."""
    digits = requisition.removeprefix("EX")
    return int(digits) - 1 if digits.isdigit() and requisition.startswith("EX") else None


def audit_messages(acknowledged: Mapping[str, str]) -> MessageAudit:
    """Each acknowledged control id must be in the log of messages once.

    Doubled: the log holds it more than once as applied. Control ids of an exercise are unique.
    """
    stored = Counter(
        Message.objects.filter(code="AA", channel="mllp").values_list("control_id", flat=True)
    )
    lost = sum(1 for control_id in acknowledged if stored[control_id] == 0)
    doubled = sum(1 for control_id in acknowledged if stored[control_id] > 1)
    return MessageAudit(len(acknowledged), lost, doubled)


def audit_telling() -> TellingAudit:
    """Whether each person was told of what concerned them last, and how long the slowest took.

    A notice that failed for good is followed by another; both are one telling, begun with the
    first. A notice that a later one replaced before it left is none. Who lost or got another date,
    as the journal has it, and has no notice at all, was not told.
    """
    begun: dict[str, datetime] = {}
    person_of: dict[str, str] = {}
    told_at: dict[str, datetime] = {}
    first: dict[str, str] = {}
    count = 0
    rows = (
        Notice.objects.exclude(status="superseded")
        .order_by("position")
        .values_list("id", "patient_id", "written_at", "told_at", "follows")
    )
    for notice, patient, written_at, told, follows in rows.iterator(chunk_size=_CHUNK):
        count += 1
        start = first.get(follows or "", follows or notice)
        first[notice] = start
        person_of[start] = patient
        begun.setdefault(start, written_at)
        if told is not None:
            told_at.setdefault(start, told)
    untold = {patient for start, patient in person_of.items() if start not in told_at}
    untold |= _changed() - set(person_of.values())
    slowest: dict[str, float] = {}
    for start, patient in person_of.items():
        if patient not in untold:
            hours = (told_at[start] - begun[start]).total_seconds() / SECONDS_AN_HOUR
            slowest[patient] = max(slowest.get(patient, 0.0), hours)
    return TellingAudit(
        people_concerned=len(untold) + len(slowest),
        people_told=len(slowest),
        hours_to_tell=tuple(slowest.values()),
        notices=count,
    )


def _changed() -> set[str]:
    """Patients of whom the journal says that an appointment was moved or taken away."""
    rows = JournalEntry.objects.filter(kind__in=_CHANGES).values_list("subject", flat=True)
    return {subject for subject in rows.distinct().iterator(chunk_size=_CHUNK) if subject}
