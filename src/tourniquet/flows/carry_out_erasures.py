"""Approved erasures are carried out when they are due, and gone on with after every interruption.

1. Where a witness is pinned: once it has countersigned a checkpoint that covers an approval, append
   `erasure.witnessed` with its note. The waiting counts from there, by its clock.
2. Each that is due, in one transaction: look once more whether the person is still the same ids and
   nothing new stands against it. If so it is held, and a person alarmed, once a day.
3. In the same transaction take content and rows away (record.emptying), and append
   `erasure.carried_out`: counts, and positions that name the keys that the sealer destroys
   (record.destroying).
4. Once the sealer has destroyed them, sweep the outbox and the database's files; then append
   `erasure.finished`.

Invariants:
- After a crash anywhere it is gone on with by the next call: nothing but the state of the tables,
  which follow from the journal, decides what is left to do.
- Content is never gone without an entry that says so; a key is never gone before that entry is
  sealed.
- Setting this machine's clock forward makes nothing due where a witness is pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Q

from tourniquet.directory.roles import SYSTEM_VIEWER
from tourniquet.flows.ask_erasure import is_still_whole, list_warnings
from tourniquet.flows.forget_readings import forget_readings
from tourniquet.flows.raise_alarm import raise_alarm_once
from tourniquet.flows.sweep_outbox import sweep_outbox
from tourniquet.kernel import settings
from tourniquet.kernel.clock import london_midnight, service_day
from tourniquet.kernel.errors import IntegrityError
from tourniquet.patients.models import Reading
from tourniquet.record.destroying import read_published
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.emptying import Emptied, empty_patient, find_stray_entries
from tourniquet.record.entries import ErasureCarriedOut, ErasureFinished, ErasureWitnessed
from tourniquet.record.erasure_rules import WARNINGS, State, is_due
from tourniquet.record.erasures import (
    MOST,
    get_erasure,
    list_erasures,
    list_subjects,
    waiting_of,
)
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.record.models import Erasure, JournalEntry
from tourniquet.record.notes import Note
from tourniquet.record.strays import Stray
from tourniquet.record.sweeping import sweep_database
from tourniquet.record.witness import Witnessed, demand_ours, find_cosigned

HELD_ALARM = "erasure-held"
Empty = Callable[[str, Stray], Emptied]
MERGED = "the person's record was merged with another one"


@dataclass(frozen=True)
class CarriedOut:
    """What one call did: erasures by their ids."""

    carried_out: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()


def carry_out_erasures(
    *,
    now: datetime,
    empty: Empty | None = None,
    sweep: Callable[[], None] | None = None,
) -> CarriedOut:
    """Do what is due. Raises: StorageUnavailable; what was done by then stays done."""
    cosigned = _newest()
    approved = list_erasures(states=(State.APPROVED,), limit=MOST)
    # 1. The witness's clock.
    if cosigned is not None:
        _note_witness(approved, *cosigned, now=now)
    # 2 and 3. What is due.
    done: list[str] = []
    held: list[str] = []
    newest = cosigned[1] if cosigned else None
    for one in approved:
        if is_due(waiting_of(get_erasure(one.pk), newest), now=now):
            was_held = _carry_out(one.pk, empty or _empty, newest, now)
            (held if was_held else done).append(one.pk)
    return CarriedOut(tuple(done), tuple(held), finish_erasures(now=now, sweep=sweep))


def finish_erasures(*, now: datetime, sweep: Callable[[], None] | None = None) -> tuple[str, ...]:
    """Finish those whose keys are destroyed; their ids. Raises: StorageUnavailable."""
    # 4. Keys are gone: sweep, and say so.
    open_ones = list_erasures(states=(State.CARRIED_OUT,), limit=MOST)
    if not open_ones:
        return ()
    destroyed = read_published(Disk(LocalFiles(settings.home()))).destroyed
    ready = [one for one in open_ones if (one.ended_position or 0) <= destroyed]
    if not ready:
        return ()
    (sweep or _sweep)()
    with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
        for one in ready:
            journal.append(ErasureFinished(erasure=one.pk), cause=one.ended_position)
    return tuple(one.pk for one in ready)


def _empty(subject: str, looked: Stray) -> Emptied:
    return empty_patient(subject, looked=looked)


def _sweep() -> None:
    """The outbox's files, and what deleted rows left in the database's."""
    sweep_outbox()
    forget_readings()
    sweep_database()


def _newest() -> tuple[Note, Witnessed] | None:
    """The newest note of the witness's over our vault; None also where it does not fit."""
    try:
        found = find_cosigned()
        if found is not None:
            demand_ours(found[1].checkpoint)
    except IntegrityError:
        return None
    return found


def _note_witness(
    approved: Sequence[Erasure], note: Note, witnessed: Witnessed, *, now: datetime
) -> None:
    covered = [
        one
        for one in approved
        if one.witnessed_at is None
        and one.approved_position is not None
        and one.approved_position <= witnessed.checkpoint.size
    ]
    if not covered:
        return
    with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
        for one in covered:
            body = ErasureWitnessed(erasure=one.pk, at=witnessed.at, note=str(note))
            journal.append(body, cause=one.approved_position)


def _carry_out(
    erasure_id: str,
    empty: Empty,
    newest: Witnessed | None,
    now: datetime,
) -> bool:
    """Carry one out; True where it was held instead."""
    whose = list_subjects(erasure_id)
    if not whose:
        return False  # somebody else did meanwhile
    looked = find_stray_entries(whose[0])  # most of the reading, before the lock
    with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
        # 2. As it stands now: somebody may have withdrawn it meanwhile, or approved it again.
        erasure = get_erasure(erasure_id)
        if State(erasure.state) is not State.APPROVED:
            return False
        if not is_due(waiting_of(erasure, newest), now=now):
            return False
        people = list_subjects(erasure.pk)
        reasons = _against(erasure, people, now)
        if reasons:
            _hold(journal, erasure, reasons, now)
            return True
        # 3. Content, rows, and the entry.
        keys = set(_positions_of_keys(people))
        handed_out = _handed_out(people)
        stray = find_stray_entries(people[0], looked)
        emptied = empty(people[0], stray)
        body = ErasureCarriedOut(
            erasure=erasure.pk,
            entries=emptied.entries,
            rows=sum(emptied.rows.values()),
            keys=tuple(sorted({*keys, *stray.messages, *stray.reviews})),
            mentions=emptied.mentions,
            handed_out=handed_out,
            covered=stray.covered,
        )
        journal.append(body, cause=erasure.approved_position)
    return False


def _against(erasure: Erasure, people: Sequence[str], now: datetime) -> list[str]:
    """Why it must not be carried out as it was approved."""
    if not is_still_whole(people):
        return [MERGED]
    known = erasure.warnings.split(",")
    return [WARNINGS[one] for one in list_warnings(people, now=now) if one not in known]


def _hold(journal: Writer, erasure: Erasure, reasons: Sequence[str], now: datetime) -> None:
    raise_alarm_once(
        journal,
        HELD_ALARM,
        f"Erasure {erasure.pk} is due and was not carried out: {'; '.join(reasons)}. Data "
        "protection looks at it: approve it again, or withdraw it and ask anew.",
        since=london_midnight(service_day(now)),
        about_what=(erasure.pk,),
    )


def _handed_out(people: Sequence[str]) -> tuple[int, ...]:
    """Where it says that the person's data was handed out: as proofs, for laptops, on paper."""
    rows = Reading.objects.filter(patient_id__in=list(people)).filter(
        Q(what="proof") | Q(what__startswith="bundle") | Q(what__startswith="paper pack")
    )
    return tuple(rows.order_by("position").values_list("position", flat=True))


def _positions_of_keys(people: Sequence[str]) -> list[int]:
    """For each id the first entry that still has content: if anything was sealed, that was."""
    rows = (
        JournalEntry.objects.filter(subject__in=list(people), body__isnull=False)
        .values("subject")
        .annotate(first=Min("position"))
    )
    return [row["first"] for row in rows]
