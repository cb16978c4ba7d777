"""The benchmark of erasure: people taken out of a copy of an exercise, and what is left compared.

What is measured is how long the journal's lock is held for one person, with and without looking
for stray messages first, and how long a sweep takes. Then the emptied journal is replayed, and the
bytes of the copy are searched for ids and NHS numbers of those who went.
"""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tourniquet.cli import output
from tourniquet.cli.bench_intake import machine
from tourniquet.kernel.errors import IntegrityError, UserError

DATABASE = "tourniquet.sqlite3"
PART_BYTES = 1 << 24
MARK_BYTES_MOST = 64  # longer than any id or number that is searched for
Figures = dict[str, Any]  # Any: numbers, texts and objects of them, as they go to JSON


def measure(*, source: Path, people: int, seed: int) -> Figures:
    """The figures of one run, on a copy in a folder of its own that is removed.

    Raises: UserError when the home is no exercise's; IntegrityError when a replay differs.
    """
    if not (source / DATABASE).exists():
        raise UserError(
            "There is no SQLite database in that home.",
            where=str(source),
            remedy="Name the home of an exercise that was played on SQLite.",
        )
    folder = Path(tempfile.mkdtemp(prefix="tourniquet-bench-"))
    try:
        return _measure(source, folder, people, seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(source: Path, folder: Path, people: int, seed: int) -> Figures:
    home = folder / "home"
    home.mkdir(mode=0o700)
    for path in source.glob(f"{DATABASE}*"):
        shutil.copyfile(path, home / path.name)
    output.configure_django(home=home, database_url="")
    from tourniquet.patients.models import Patient
    from tourniquet.record.home import exercise_name
    from tourniquet.record.models import JournalEntry
    from tourniquet.record.sweeping import sweep_database

    if not exercise_name():
        raise UserError(
            "That home is no exercise's.",
            where=str(source),
            remedy="Patients of a real home are not for measuring. Play an exercise first.",
        )
    ids = list(Patient.objects.order_by("pk").values_list("pk", flat=True))
    chosen = random.Random(seed).sample(ids, min(people, len(ids)))  # noqa: S311 (no secret hangs on it)
    figures: Figures = {
        "people": len(ids),
        "entries": JournalEntry.objects.count(),
        "entries_about_nobody": JournalEntry.objects.filter(subject=None).count(),
        "database_bytes": (home / DATABASE).stat().st_size,
        "erased": len(chosen),
        "seed": seed,
    }
    marks = _erase(chosen, figures)
    figures["marks"] = len(marks)
    figures["plain_sweep_seconds"] = _timed(sweep_database)
    figures["marks_left_after_plain_sweep"] = _count_found(home, marks)
    figures["rebuild_seconds"] = _timed(lambda: sweep_database(rebuild=True))
    figures["marks_left_after_rebuild"] = _count_found(home, marks)
    figures["replay_seconds"] = _timed(lambda: _compare(folder))
    figures["machine"] = machine(folder)
    return figures


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 3)


def _erase(chosen: Sequence[str], figures: Figures) -> set[str]:
    """Take them out one by one; ids and numbers that nothing should hold any more."""
    from tourniquet.patients.belongings import find_words
    from tourniquet.record.emptying import empty_patient, find_stray_entries, people_of
    from tourniquet.record.journal import Act, writing

    marks: set[str] = set()
    looking: list[float] = []
    locked: list[float] = []
    entries: list[int] = []
    act = Act("bench", datetime.now(UTC))
    for subject in chosen:
        people = people_of(subject)
        marks |= {*people, *find_words(people).nhs_numbers}
        started = time.perf_counter()
        looked = find_stray_entries(subject)
        looking.append(time.perf_counter() - started)
        started = time.perf_counter()
        with writing(act):
            emptied = empty_patient(subject, looked=looked)
        locked.append(time.perf_counter() - started)
        entries.append(emptied.entries)
    figures["entries_each"] = _spread(entries)
    figures["looking_seconds"] = _spread(looking)
    figures["locked_seconds"] = _spread(locked)
    return marks


def _spread(values: Sequence[float]) -> Figures:
    return {
        "median": round(statistics.median(values), 3),
        "worst": round(max(values), 3),
    }


def _count_found(home: Path, marks: set[str]) -> int:
    """How many of them stand in the database's files."""
    wanted = {mark: mark.encode() for mark in marks}
    found: set[str] = set()
    for path in home.glob(f"{DATABASE}*"):
        with path.open("rb") as file:
            before = b""
            while part := file.read(PART_BYTES):
                text = before + part
                found |= {mark for mark, content in wanted.items() if content in text}
                before = text[-MARK_BYTES_MOST:]
    return len(found)


def _compare(folder: Path) -> None:
    """Replay the emptied journal into an empty database. Raises: IntegrityError naming tables."""
    from django.core.management import call_command
    from django.db import connections

    from tourniquet.record.database import point
    from tourniquet.record.replay import SOURCE, compare_tables, replay

    described = dict(connections["default"].settings_dict)
    (folder / "replayed").mkdir()
    point(SOURCE, described)
    point("default", {**described, "NAME": str(folder / "replayed" / DATABASE)})
    call_command("migrate", verbosity=0, interactive=False)
    replay()
    differing = [one.table for one in compare_tables() if not one.equal]
    if differing:
        raise IntegrityError(f"A replay gives other rows in {', '.join(differing)}.")


def tell(figures: Figures) -> None:
    """Print them for a person."""
    say = output.say
    looking, locked = figures["looking_seconds"], figures["locked_seconds"]
    say(f"{figures['people']:,} people, {figures['entries']:,} entries, "
        f"{figures['database_bytes'] / 1e6:,.0f} MB; {figures['erased']:,} people "
        f"erased, {figures['entries_each']['median']:,} entries each (median).")  # fmt: skip
    say(f"Looking for stray messages {looking['median']} s (worst {looking['worst']}); then the "
        f"journal is locked {locked['median']} s (worst {locked['worst']}).")  # fmt: skip
    say(f"Swept in {figures['plain_sweep_seconds']} s, {figures['marks_left_after_plain_sweep']} "
        f"of {figures['marks']} marks left; rebuilt in {figures['rebuild_seconds']} s, "
        f"{figures['marks_left_after_rebuild']} left.")  # fmt: skip
    say(f"A replay of what is left gives equal tables ({figures['replay_seconds']} s).")
    say("Machine: " + ", ".join(f"{k} {v}" for k, v in figures["machine"].items()) + ".")
