"""Approved erasures are carried out when they are due, and gone on with after every interruption.

1. Where a witness is pinned: once it has countersigned a checkpoint that covers an approval, append
   `erasure.witnessed` with its note. The waiting counts from there by its clock, and from the
   approval by ours.
2. Each that is due, in one transaction: look once more whether the person is still the same ids,
   nothing new stands against it, and the keys are no more than the sealer destroys at once. Else it
   is held, and a person alarmed, once a day.
3. In the same transaction take content and rows away (record.emptying), and append
   `erasure.carried_out`: counts, and positions that name the keys that the sealer destroys
   (record.destroying). Right after it, take what lies in the outbox.
4. Once the sealer has destroyed them, and nobody's snapshot shows the rows any more, sweep the
   outbox again and the database's files; then append `erasure.finished`.

Invariants:
- After a crash anywhere it is gone on with by the next call: nothing but the state of the tables,
  which follow from the journal, decides what is left to do.
- What goes wrong with one keeps no other one waiting: it is told at the end.
- What was listed is read again under the journal's lock before anything is decided from it.
- Content is never gone without an entry that says so; a key is never gone before that entry is
  sealed.
- Setting one clock forward, this machine's or the witness's, makes nothing due where one is pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from django.db.models import Min, Q

from tourniquet.directory.roles import SYSTEM_VIEWER
from tourniquet.flows.ask_erasure import is_still_whole, list_warnings
from tourniquet.flows.forget_readings import forget_readings
from tourniquet.flows.raise_alarm import raise_alarm_once
from tourniquet.flows.sweep_outbox import sweep_outbox
from tourniquet.kernel import settings
from tourniquet.kernel.clock import london_midnight, service_day
from tourniquet.kernel.errors import IntegrityError, TourniquetError
from tourniquet.patients.models import Reading
from tourniquet.record.destroying import KEYS_MOST, read_published
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
from tourniquet.record.sweeping import find_onlookers, still_seen, sweep_database
from tourniquet.record.witness import Witnessed, demand_ours, find_cosigned

HELD_ALARM = "erasure-held"
Empty = Callable[[str, Stray], Emptied]
MERGED = "the person's record was merged with another one"
NOBODY_LEFT = "nobody is left whom it is about, as after a restore to an earlier day"
_LOOK = "Data protection looks at it: approve it again, or withdraw it and ask anew."
_WITHDRAW = "Data protection withdraws it."
_TOO_MANY = (
    "Nothing of it was emptied. Data protection withdraws it, and asks who maintains this "
    "installation for a release that destroys so many; until then the person can't be erased."
)


class Outcome(Enum):
    """What came of looking at one that was listed as approved."""

    CARRIED_OUT = "carried out"
    HELD = "held"
    NOBODY = "nobody is left"
    NOT_DUE = "not due"  # also withdrawn, carried out or approved again by somebody else meanwhile


@dataclass(frozen=True)
class Failed:
    """What went wrong, and with which erasure; "" where with none in particular."""

    erasure: str
    error: TourniquetError


@dataclass(frozen=True)
class CarriedOut:
    """What one call did: erasures by their ids. `nobody`: held, because nobody is left to erase.

    `failed`: what went wrong before the keys; `unfinished`: why what is left then is not finished.
    """

    carried_out: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    nobody: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    failed: tuple[Failed, ...] = ()
    unfinished: TourniquetError | None = None


def carry_out_erasures(
    *,
    now: datetime,
    empty: Empty | None = None,
    sweep: Callable[[], None] | None = None,
) -> CarriedOut:
    """Do what is due. What goes wrong is in the answer; what was done by then stays done."""
    failed: list[Failed] = []
    outcomes: dict[str, Outcome] = {}
    with _noted(failed):  # what a call before this one did not come to, or was written since
        if list_erasures(states=(State.CARRIED_OUT,), limit=1):
            sweep_outbox()
    with _noted(failed):
        # 1. The witness's clock.
        cosigned = _newest()
        if cosigned is not None:
            _note_witness(*cosigned, now=now)
        newest = cosigned[1] if cosigned else None
        # 2 and 3. What is due.
        for one in list_erasures(states=(State.APPROVED,), limit=MOST):
            with _noted(failed, one.pk):
                outcomes[one.pk] = _look_at(one.pk, empty or _empty, newest, now)
                if outcomes[one.pk] is Outcome.CARRIED_OUT:
                    sweep_outbox()  # at once, whether or not a sealer runs
    # 4. Keys that are destroyed.
    done = finish_erasures(now=now, sweep=sweep)

    def those(outcome: Outcome) -> tuple[str, ...]:
        return tuple(one for one, came in outcomes.items() if came is outcome)

    return CarriedOut(
        carried_out=those(Outcome.CARRIED_OUT),
        held=those(Outcome.HELD),
        nobody=those(Outcome.NOBODY),
        finished=done.finished,
        failed=tuple(failed),
        unfinished=done.unfinished,
    )


def finish_erasures(*, now: datetime, sweep: Callable[[], None] | None = None) -> CarriedOut:
    """Finish those whose keys are destroyed. What goes wrong is in the answer."""
    failed: list[Failed] = []
    with _noted(failed):
        # 4. Keys are gone: sweep, and say so.
        open_ones = list_erasures(states=(State.CARRIED_OUT,), limit=MOST)
        if not open_ones:
            return CarriedOut()
        published = read_published(Disk(LocalFiles(settings.home())))
        sealed = [one for one in open_ones if (one.ended_position or 0) <= published.destroyed]
        ready = [one for one in sealed if one.ended_position not in published.not_heeded]
        if not ready:
            return CarriedOut()
        onlookers = find_onlookers(one.pk for one in ready)
        gone = [one for one in ready if one.pk not in onlookers]
        if gone:
            (sweep or _sweep)()
            with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
                for one in gone:
                    journal.append(ErasureFinished(erasure=one.pk), cause=one.ended_position)
        return CarriedOut(
            finished=tuple(one.pk for one in gone),
            unfinished=still_seen(onlookers) if onlookers else None,
        )
    return CarriedOut(unfinished=failed[0].error)


@contextmanager
def _noted(failed: list[Failed], erasure: str = "") -> Iterator[None]:
    """Note an error of ours, and go on behind it; a fault in the code ends everything."""
    try:
        yield
    except TourniquetError as error:
        failed.append(Failed(erasure, error))


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


def _note_witness(note: Note, witnessed: Witnessed, *, now: datetime) -> None:
    if not _list_covered(witnessed):
        return
    with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
        # As it stands now: one may have been withdrawn, or approved anew behind the checkpoint.
        for one in _list_covered(witnessed):
            body = ErasureWitnessed(erasure=one.pk, at=witnessed.at, note=str(note))
            journal.append(body, cause=one.approved_position)


def _list_covered(witnessed: Witnessed) -> list[Erasure]:
    """Approvals that this checkpoint covers, and of which that is not written down yet."""
    return [
        one
        for one in list_erasures(states=(State.APPROVED,), limit=MOST)
        if one.witnessed_at is None
        and one.approved_position is not None
        and one.approved_position <= witnessed.checkpoint.size
    ]


def _look_at(erasure_id: str, empty: Empty, newest: Witnessed | None, now: datetime) -> Outcome:
    """Carry one out that was approved, if it is due."""
    erasure = get_erasure(erasure_id)
    if not _is_due(erasure, newest, now):
        return Outcome.NOT_DUE
    whose = list_subjects(erasure_id)
    # Most of the reading, before the lock.
    looked = find_stray_entries(whose[0]) if whose else None
    with writing(Act(SYSTEM_VIEWER.account, now)) as journal:
        # 2. As it stands now: somebody may have withdrawn it meanwhile, or approved it again.
        erasure = get_erasure(erasure_id)
        if not _is_due(erasure, newest, now):
            return Outcome.NOT_DUE
        people = list_subjects(erasure.pk)
        if not people:
            _hold(journal, erasure, [NOBODY_LEFT], _WITHDRAW, now)
            return Outcome.NOBODY
        reasons = _against(erasure, people, now)
        if reasons:
            _hold(journal, erasure, reasons, _LOOK, now)
            return Outcome.HELD
        stray = find_stray_entries(people[0], looked)
        keys = {*_positions_of_keys(people), *stray.messages, *stray.reviews}
        if len(keys) > KEYS_MOST:
            _hold(journal, erasure, [_too_many(len(keys))], _TOO_MANY, now)
            return Outcome.HELD
        # 3. Content, rows, and the entry.
        handed_out = _handed_out(people)
        emptied = empty(people[0], stray)
        body = ErasureCarriedOut(
            erasure=erasure.pk,
            entries=emptied.entries,
            rows=sum(emptied.rows.values()),
            keys=tuple(sorted(keys)),
            mentions=emptied.mentions,
            handed_out=handed_out,
            covered=stray.covered,
        )
        journal.append(body, cause=erasure.approved_position)
    return Outcome.CARRIED_OUT


def _is_due(erasure: Erasure, newest: Witnessed | None, now: datetime) -> bool:
    if State(erasure.state) is not State.APPROVED:
        return False
    return is_due(waiting_of(erasure, newest), now=now)


def _against(erasure: Erasure, people: Sequence[str], now: datetime) -> list[str]:
    """Why it must not be carried out as it was approved."""
    if not is_still_whole(people):
        return [MERGED]
    assert erasure.approved_position is not None  # approved
    known = erasure.warnings.split(",")
    since = list_warnings(people, now=now, since=erasure.approved_position)
    return [
        f"{WARNINGS[one]} (since the approval)" if one in since else WARNINGS[one]
        for one in list_warnings(people, now=now)
        if one not in known or one in since
    ]


def _too_many(keys: int) -> str:
    return f"it names {keys} keys, and the sealer destroys {KEYS_MOST} of one erasure at most"


def _hold(
    journal: Writer, erasure: Erasure, reasons: Sequence[str], remedy: str, now: datetime
) -> None:
    raise_alarm_once(
        journal,
        HELD_ALARM,
        f"Erasure {erasure.pk} is due and was not carried out: {'; '.join(reasons)}. {remedy}",
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
