"""A patient's record is opened, and the journal says so before the page or the answer leaves.

1. Append one `record.read` for each patient: who, what, from where, and why; first whatever could
   not be journalled before. Somebody who was erased while the page waited for the journal's lock is
   not there: nothing is shown and nothing written. A late reading of such a person says who and
   when, and neither whose record nor why (`reading.unnamed`).
2. Watch what was read (`watch_readings`): a record that nobody should read, a ceiling passed.
3. Where the journal cannot be written, care is not refused: the readings go to a file beside it,
   one line each, synced, and into the journal with the next reading that can be written.

Invariants:
- The file holds ids, names of accounts and why they read, no more, and is readable by its owner
  only.
- A line leaves the file only after its entry is committed; a crash in between writes it twice
  rather than never.
- A reading from the file is watched like any other, when it reaches the journal.
- After the sweep of an erasure neither the file nor what is kept of torn lines names the person.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from django.db import transaction

from tourniquet.directory.roles import Viewer
from tourniquet.flows.watch_readings import Reading, watched
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import NotFound, StorageUnavailable
from tourniquet.kernel.settings import home
from tourniquet.patients.entries import ReadingUnnamed, RecordRead
from tourniquet.patients.grounds import CONSOLE, Why, word_of
from tourniquet.patients.readings import list_erased, list_there
from tourniquet.record.journal import Act, Writer, writing

LATE_AT_ONCE = 500
_lock = threading.Lock()


def read_record(
    patient_id: str, *, viewer: Viewer, why: Why, now: datetime, what: str = "record"
) -> bool:
    """Note that a person opens a record; False where a file was written and not the journal.

    Raises: NotFound where the patient was erased meanwhile; OSError where neither can be written,
    and the caller decides.
    """
    one = reading_of(patient_id, viewer, channel=CONSOLE, why=why, now=now, what=what)
    return note_readings([one], viewer, now)


def reading_of(
    patient_id: str, viewer: Viewer, *, channel: str, why: Why, now: datetime, what: str
) -> Reading:
    """A reading by this viewer."""
    return Reading(
        patient=patient_id,
        actor=viewer.account,
        organisation=viewer.organisation,
        at=now,
        what=what,
        channel=channel,
        role=viewer.role.value,
        why=why,
    )


def note_readings(readings: Sequence[Reading], viewer: Viewer, now: datetime) -> bool:
    """Note readings; False where the journal could not be written and the file was.

    Raises: as `read_record`.
    """
    try:
        with writing(Act(viewer.account, now, viewer.organisation)) as journal:
            demand_there(one.patient for one in readings)
            write_late(journal)
            write_down(journal, readings)
    except StorageUnavailable:
        keep_late(late_file(), readings)  # 3.
        return False
    return True


def demand_there(patient_ids: Iterable[str]) -> None:
    """Demand that these patients are in the index still. Raises: NotFound."""
    wanted = set(patient_ids)
    if wanted - list_there(wanted):
        raise NotFound(
            "There is no such patient any more.", remedy="The record was erased meanwhile."
        )


def write_down(journal: Writer, readings: Sequence[Reading], *, late_by: str = "") -> None:
    """Append readings and watch them."""
    with watched(journal, readings) as noted:  # 2.
        for one in readings:  # 1.
            body = RecordRead(
                what=one.what,
                channel=one.channel,
                role=one.role,
                ground=one.why.ground,
                reason=one.why.reason,
                words=one.why.words,
                late_by=late_by,
            )
            act = Act(one.actor, journal.act.moment, one.organisation)
            noted.append(journal.append(body, subject=one.patient, happened_at=one.at, act=act))


def write_unnamed(journal: Writer, one: Reading, *, late_by: str) -> None:
    """Append that somebody opened a record, of a person who was erased since."""
    journal.append(
        ReadingUnnamed(what=word_of(one.what), channel=one.channel, role=one.role, late_by=late_by),
        happened_at=one.at,
        act=Act(one.actor, journal.act.moment, one.organisation),
    )


# What could not be journalled ---------------------------------------------------------------------


def late_file() -> Path:
    """Where readings are kept that the journal could not take."""
    return home() / "readings-not-journalled.jsonl"


def write_late(journal: Writer) -> None:
    """Journal what is in the file; its lines leave the file once that is committed."""
    path = late_file()
    if not path.exists():
        return
    lines = list_lines(path)[:LATE_AT_ONCE]
    late = [one for one in map(_reading, lines) if one is not None]
    gone = list_erased(one.patient for one in late) | {""}  # "": its line was swept already
    named = [one for one in late if one.patient not in gone]
    if named:
        write_down(journal, named, late_by=journal.act.actor)
    for one in late:
        if one.patient in gone:
            write_unnamed(journal, one, late_by=journal.act.actor)
    transaction.on_commit(lambda: _drop(path, lines))


def keep_late(path: Path, readings: Sequence[Reading]) -> None:
    """Add readings to the file, synced, until the journal can take them.

    Raises: OSError where the file cannot be written; the caller decides.
    """
    with _held():
        _write(path, [json.dumps(_line(one)) for one in readings])


def list_late(account: str, day: date) -> set[str]:
    """Patients whom the account read on that day according to the file."""
    path = late_file()
    if not path.exists():
        return set()
    readings = [one for one in map(_reading, list_lines(path)) if one is not None]
    return {
        one.patient
        for one in readings
        if one.patient and one.actor == account and service_day(one.at) == day
    }


def torn_file() -> Path:
    """Where lines are kept that broke off."""
    return late_file().with_suffix(".torn")


def rewrite_late(path: Path, change: Callable[[str], str]) -> None:
    """Change each line of such a file, or take it out where "" is left of it.

    Raises: OSError where it cannot be written; it is as it was then.
    """
    with _held():
        lines = _lines_of(path)
        changed = [line for line in map(change, lines) if line]
        if changed != lines:
            _replace(path, changed)


def _line(one: Reading) -> dict[str, str]:
    return {
        "patient": one.patient,
        "actor": one.actor,
        "organisation": one.organisation,
        "at": one.at.isoformat(),
        "what": one.what,
        "channel": one.channel,
        "role": one.role,
        "ground": one.why.ground,
        "reason": one.why.reason,
        "words": one.why.words,
    }


def _reading(line: str) -> Reading | None:
    """A line of the file, or None where it is torn; the first release's lines say less."""
    try:
        row = json.loads(line)
        return Reading(
            patient=row["patient"],
            actor=row["actor"],
            organisation=row["organisation"],
            at=datetime.fromisoformat(row["at"]),
            what=row.get("what", "record"),
            channel=row.get("channel", CONSOLE),
            role=row.get("role", ""),
            why=Why(row.get("ground", ""), row.get("reason", ""), row.get("words", "")),
        )
    except (ValueError, KeyError, TypeError):
        return None


def list_lines(path: Path) -> list[str]:
    with _held():
        return _lines_of(path)


def _lines_of(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def _drop(path: Path, lines: Sequence[str]) -> None:
    """Take these lines from the head of the file; torn ones are kept beside it.

    Where another reader has taken them already, nothing is taken.
    """
    with _held():
        now = _lines_of(path)
        if now[: len(lines)] != list(lines):
            return
        torn = [line for line in lines if _reading(line) is None]
        if torn:
            _write(torn_file(), torn)
        _replace(path, now[len(lines) :])


@contextmanager
def _held() -> Iterator[None]:
    """Nobody else changes these files meanwhile: no other thread, and no other process."""
    with _lock:
        folder = os.open(home(), os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _replace(path: Path, lines: Sequence[str]) -> None:
    """Put these lines in the place of a file's; without any there is no file."""
    if not lines:
        path.unlink(missing_ok=True)
        return
    new = path.with_suffix(f"{path.suffix}.new")
    new.unlink(missing_ok=True)
    _write(new, lines)
    new.replace(path)


def _write(path: Path, lines: Sequence[str]) -> None:
    """Add lines to a file that its owner alone may read, synced."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        left = memoryview("".join(f"{line}\n" for line in lines).encode())
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)
