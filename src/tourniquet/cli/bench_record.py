"""The record's benchmark: a journal of reports sealed, verified, proved and restored.

What is measured is what an operator would see: `record seal` to the head, `record verify`, `record
restore` into an empty database with every entry read back, one proof. The comparison is what would
be used without a vault: SQLite's own backup with its integrity check, which proves nothing.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tourniquet.cli import output
from tourniquet.cli.bench_intake import machine
from tourniquet.kernel.errors import OperatorError, UserError

if TYPE_CHECKING:
    from tourniquet.record.disk import Reader
    from tourniquet.record.vault import VaultReader
    from tourniquet.record.verification import Verified

RESULTS_A_REPORT = 20
REPORTS_A_PATIENT = 25
ENTRIES_A_COMMIT = 1000
PROOFS = 1000
START = datetime(2024, 6, 3, 6, tzinfo=UTC)
Figures = dict[str, Any]  # Any: numbers, texts and objects of them, as they go to JSON


def measure(*, entries: int, seed: int, database_url: str, restore_url: str) -> Figures:
    """The figures of one run, in a folder of its own that is removed.

    Raises: UserError when a database is not empty.
    """
    folder = Path(tempfile.mkdtemp(prefix="tourniquet-bench-"))
    try:
        return _measure(folder, entries, seed, database_url, restore_url)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(folder: Path, entries: int, seed: int, url: str, restore_url: str) -> Figures:
    output.configure_django(home=folder / "home", database_url=url)
    from django.core.management import call_command
    from django.db import connection

    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.keys import open_keys
    from tourniquet.record.vault import VaultReader
    from tourniquet.record.verification import verify_vault

    if connection.introspection.table_names():
        raise UserError("The database is not empty.", where="--database-url")
    call_command("migrate", verbosity=0, interactive=False)
    figures: Figures = {
        "entries": entries,
        "observations": _count_reports(entries) * RESULTS_A_REPORT,
        "work": f"reports of {RESULTS_A_REPORT} results, {REPORTS_A_PATIENT} to a patient",
        "database": connection.vendor,
        "seed": seed,
    }
    with output.progress("Writing a journal", entries) as steps:
        figures["journal_seconds"] = _timed(lambda: _write_journal(entries, seed, steps.advance))
    with output.progress("Sealing", entries) as steps:
        figures["seal_seconds"] = _timed(lambda: _seal(steps.advance))
    disk = Disk(LocalFiles(folder / "home/vault"))
    keys = open_keys(folder / "home/keys")
    verified: list[Verified] = []
    with output.progress("Verifying", None):
        figures["verify_seconds"] = _timed(
            lambda: verified.append(verify_vault(disk, keys.signer.verifier))
        )
    reader = VaultReader(disk, verified[0].checkpoint.size)
    figures["vault_bytes"] = _folder_bytes(folder / "home/vault")
    figures["proof_ms_p99"] = _proofs(disk, reader, verified[0].checkpoint.root, seed)
    if connection.vendor == "sqlite":
        figures["compared_with"] = _plain_copy(folder)
    figures |= _restore(folder, restore_url, reader, keys.ring)
    figures["seal_per_second"] = round(entries / figures["seal_seconds"])
    figures["verify_per_second"] = round(entries / figures["verify_seconds"])
    figures["machine"] = machine(folder)
    return figures


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return round(time.perf_counter() - started, 2)


def _count_reports(entries: int) -> int:
    return entries - -(-entries // (REPORTS_A_PATIENT + 1))


# The journal ------------------------------------------------------------------------------------


def _write_journal(entries: int, seed: int, advance: Callable[[int], None]) -> None:
    from tourniquet.record.journal import Act, writing

    bodies = _bodies(entries, random.Random(seed))  # noqa: S311 (no secret hangs on it)
    moment = START
    while group := list(islice(bodies, ENTRIES_A_COMMIT)):
        moment += timedelta(seconds=1)
        with writing(Act("bench", moment)) as journal:
            for subject, body in group:
                journal.append(body, subject=subject)
        advance(len(group))


def _bodies(entries: int, chance: random.Random) -> Iterator[tuple[str, Any]]:
    """So many entries: a patient, then the patient's reports, and the next one."""
    from tourniquet.kernel.identifiers import synthetic_nhs_numbers
    from tourniquet.patients.entries import Demographics, IdentifierFact, PatientRegistered

    numbers = synthetic_nhs_numbers()
    left, patient = entries, 0
    while left:
        patient += 1
        subject = f"{patient:026}"
        # NHS numbers from 999 are a million; the bench's people share them, so theirs is another.
        nhs = next(numbers, None)
        system, value = ("nhs", nhs.digits) if nhs else ("bench", f"{patient}")
        person = Demographics(family_name=f"BENCH{patient % 5000}", given_names="Nobody")
        yield subject, PatientRegistered(person, (IdentifierFact(system=system, value=value),))
        left -= 1
        for _ in range(min(left, REPORTS_A_PATIENT)):
            yield subject, _report(left, chance)
            left -= 1


def _report(number: int, chance: random.Random) -> Any:
    from tourniquet.pathology.entries import ObservationFact, ReportFact, ReportFiled

    observations = tuple(
        ObservationFact(
            sequence=sequence,
            code=f"BENCH{sequence}",
            code_display="A test of the benchmark",
            value_type="NM",
            value_text=(text := f"{chance.uniform(1, 200):.1f}"),
            value_number=float(text),
            unit="mmol/L",
            reference_range="3.5-5.3",
            effective_at=START,
        )
        for sequence in range(1, RESULTS_A_REPORT + 1)
    )
    fact = ReportFact(
        id=f"{number:026}",
        version=1,
        code="BENCH",
        status="final",
        change="new",
        content=f"{number:064x}",
        filler_number=f"F{number}",
        effective_at=START,
        issued_at=START,
        observations=observations,
    )
    return ReportFiled("BENCH|X", (fact,), performing="X")


# What is measured -------------------------------------------------------------------------------


def _seal(advance: Callable[[int], None]) -> None:
    from tourniquet.record.sealer import open_sealer

    sealer = open_sealer(now=START)
    try:
        while count := sealer.seal_next(now=START):
            advance(count)
    finally:
        sealer.close()


def _proofs(disk: Reader, reader: VaultReader, root: bytes, seed: int) -> float:
    """Milliseconds for one inclusion proof at a random position, made and checked: the 99th."""
    from tourniquet.record.log import read_tile
    from tourniquet.record.tree import Tree, check_inclusion, hash_leaf

    chance = random.Random(seed)  # noqa: S311 (no secret hangs on it)
    tree = Tree(reader.size, lambda *tile: read_tile(disk, *tile))
    seconds = []
    for _ in range(PROOFS):
        position = chance.randrange(1, reader.size + 1)
        started = time.perf_counter()
        proof = tree.prove_inclusion(position - 1)
        leaf = hash_leaf(reader.packed(position))
        check_inclusion(leaf, index=position - 1, size=reader.size, root=root, proof=proof)
        seconds.append(time.perf_counter() - started)
    return round(sorted(seconds)[PROOFS * 99 // 100] * 1000, 2)


def _restore(folder: Path, url: str, reader: VaultReader, ring: Any) -> Figures:
    """Restore into an empty database, and read every entry back."""
    from tourniquet.record.database import point
    from tourniquet.record.restoring import compare, prepare_target, restore
    from tourniquet.site.settings import database

    target = folder / "restored"
    target.mkdir()
    point("default", database(url, target))
    prepare_target()
    figures: Figures = {"restored_into": "postgresql" if url else "sqlite"}
    with output.progress("Restoring", None):
        figures["restore_seconds"] = _timed(lambda: restore(reader, ring, last=reader.size))
    tables: list[dict[str, int]] = []
    with output.progress("Comparing", None):
        figures["compare_seconds"] = _timed(
            lambda: tables.append(compare(reader, last=reader.size))
        )
    figures["rows"] = sum(tables[0].values())
    if tables[0]["pathology.Observation"] != _count_reports(reader.size) * RESULTS_A_REPORT:
        raise OperatorError("The restored tables do not have every result.", where="bench record")
    return figures


def _plain_copy(folder: Path) -> Figures:
    """SQLite's own backup of the home's database, and its integrity check."""
    source = sqlite3.connect(folder / "home/tourniquet.sqlite3")
    copy = sqlite3.connect(folder / "plain.sqlite3")
    seconds = _timed(lambda: source.backup(copy))
    check = _timed(lambda: copy.execute("PRAGMA integrity_check").fetchall())
    size = (folder / "plain.sqlite3").stat().st_size
    copy.close()
    source.close()
    (folder / "plain.sqlite3").unlink()
    return {"how": "SQLite's backup and integrity check, which prove nothing",
            "copy_seconds": seconds, "check_seconds": check, "bytes": size}  # fmt: skip


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def tell(figures: Figures) -> None:
    """Print them for a person."""
    say = output.say
    say(f"{figures['entries']:,} entries with {figures['observations']:,} results "
        f"({figures['work']}), journalled on {figures['database']} in "
        f"{figures['journal_seconds']} s.")  # fmt: skip
    say(f"Sealed in {figures['seal_seconds']} s ({figures['seal_per_second']:,} entries/s), "
        f"{figures['vault_bytes'] / 1e6:,.0f} MB; verified in {figures['verify_seconds']} s; "
        f"one proof, made and checked, p99 {figures['proof_ms_p99']} ms.")  # fmt: skip
    say(f"Restored into {figures['restored_into']} in {figures['restore_seconds']} s, every entry "
        f"read back and compared in {figures['compare_seconds']} s: {figures['rows']:,} "
        "rows.")  # fmt: skip
    if compared := figures.get("compared_with"):
        say(f"Compared with {compared['how']}: {compared['copy_seconds']} and "
            f"{compared['check_seconds']} s, {compared['bytes'] / 1e6:,.0f} MB.")  # fmt: skip
    say("Machine: " + ", ".join(f"{k} {v}" for k, v in figures["machine"].items()) + ".")
