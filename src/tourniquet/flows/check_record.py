"""Journal and tables are compared, a little every minute; where they differ, a person is alarmed.

1. What was the journal's head last time still stands: nothing was cut off or written anew.
2. The newest entries: chain, bodies and rows.
3. The next stretch of the whole journal; after the last entry it begins anew.
4. The next patients of the index, whose rows are made anew from their entries and compared.
5. What was found is looked at once more while nobody writes: an entry may have been committed
   between two questions. What still differs raises an alarm, one a day for each kind of difference.
6. How far it came is kept in a file of the home, whole or not at all.

Whoever can write both the database and the home can hide from this check: the vault's replica, on
another machine, is for them.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tourniquet.directory.roles import SYSTEM_VIEWER
from tourniquet.flows.raise_alarm import raise_alarm_once
from tourniquet.kernel.clock import london_midnight, service_day
from tourniquet.kernel.settings import home
from tourniquet.patients.divergence import look_at_patients
from tourniquet.record.divergence import Divergence, find_head, look_at
from tourniquet.record.journal import Act, read_head, writing

DIVERGENCE_ALARM = "record-diverges"
TAIL_ENTRIES = 500
STRETCH_ENTRIES = 2000
PATIENTS_AT_ONCE = 200


@dataclass(frozen=True)
class Progress:
    """How far the check has come: the head seen last, the end of the stretch, the last patient."""

    head: int = 0
    head_chain: str = ""
    stretch: int = 0
    patient: str = ""


@dataclass(frozen=True)
class Checked:
    """What one look did."""

    entries: int
    found: tuple[Divergence, ...]
    raised: int


def check_record(*, now: datetime) -> Checked:
    """Look at the next part; what was found, and how many alarms were raised."""
    before = read_progress()
    after, entries, found = _look(before)  # 1. to 4.
    raised = 0
    if found:
        with writing(Act(SYSTEM_VIEWER.account, now)) as journal:  # 5.
            _, _, found = _look(before)
            day = service_day(now)
            for one in found:
                raised += raise_alarm_once(
                    journal,
                    DIVERGENCE_ALARM,
                    f"The record and the tables do not say the same ({one.what}, {one.where}). "
                    "Change nothing, keep the database as it is, and call whoever runs Tourniquet.",
                    since=london_midnight(day),
                    about_what=(one.what,),
                )
    write_progress(after)  # 6.
    return Checked(entries, tuple(found), raised)


def _look(before: Progress) -> tuple[Progress, int, list[Divergence]]:
    found: list[Divergence] = []
    head = read_head()
    # 1.
    known = find_head(before.head)
    cut = known is None or (before.head_chain and known.chain.hex() != before.head_chain)
    if cut:
        found.append(Divergence("journal cut or rewritten", f"position {before.head}"))
    # 2.
    base = find_head(max(0, head.position - TAIL_ENTRIES))
    tail = look_at(base, entries=TAIL_ENTRIES) if base else None
    # 3.
    start = find_head(before.stretch if before.stretch < head.position else 0)
    stretch = look_at(start, entries=STRETCH_ENTRIES) if start else None
    # 4.
    people = look_at_patients(before.patient, patients=PATIENTS_AT_ONCE)
    found += [one.found for one in (tail, stretch, people) if one is not None and one.found]
    reached, begun = (stretch.head.position, start.position) if stretch and start else (0, 0)
    if stretch and stretch.found and reached == begun:
        reached += STRETCH_ENTRIES  # past what is broken, to see the rest too
    after = Progress(head.position, head.chain.hex(), reached, people.last)
    return after, max(0, reached - begun), found


def progress_file() -> Path:
    """Where the check keeps how far it came."""
    return home() / "record-check.json"


def read_progress() -> Progress:
    """How far the check came; from the beginning where the file is not there or cannot be read."""
    try:
        return Progress(**json.loads(progress_file().read_text()))
    except (OSError, ValueError, TypeError):
        return Progress()


def write_progress(progress: Progress) -> None:
    """Keep how far the check came: the file is replaced whole."""
    path = progress_file()
    new = path.with_suffix(".new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "w") as opened:
        json.dump(asdict(progress), opened)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(path)
