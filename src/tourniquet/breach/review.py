"""Whose data is in these files: the whole story of a review.

1. *Index.* The people of `--people`, organisations and tests, made ready to be looked up in.
2. *Sweep.* Every byte of every file is hashed and searched for NHS numbers: the first estimate.
3. *Read.* Every content once, in children that may be killed; fragments and what they expose.
4. *Link.* All fragments against the index, with probabilities.
5. *Answer.* The files of INTERFACES, packs for controllers, the draft for the regulator, letters'
   data; the summary last.

Invariants:
- The stolen files are opened to read alone.
- OUT is its owner's alone. Another review's OUT is not written over; its own is gone on with only
  when that is asked for (`resume`).
- 1 to 3 are kept in OUT/work and not done again; 4 and 5 are done anew, and are quick.
- The same files, index and settings give the same answer, killed half-way or not.
"""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyrage.x25519 import Recipient

from tourniquet import __version__
from tourniquet.breach.answers import SUMMARY, Counts, Findings, write_answer, write_summary
from tourniquet.breach.detect import fragments_of
from tourniquet.breach.drafts import (
    DRAFT,
    LETTERS,
    Progress,
    count_known,
    regulator_draft,
    write_letters,
)
from tourniquet.breach.engine import Done, Engine, LocalPool
from tourniquet.breach.estimate import Expected, first_estimate, is_issued
from tourniquet.breach.floor import floor_fragments, look_below
from tourniquet.breach.folder import FolderReader, Read
from tourniquet.breach.fragments import FieldKind, Fragment
from tourniquet.breach.index import Index, provide_index
from tourniquet.breach.ledger import INSIDE, Entry, LedgerRow, walk
from tourniquet.breach.linking import Linked, link
from tourniquet.breach.lookup import Lookup, open_lookup
from tourniquet.breach.packs import read_recipient, write_packs
from tourniquet.breach.pieces import State
from tourniquet.breach.segments import Segments
from tourniquet.breach.sweep import is_in, sweep
from tourniquet.kernel.errors import UserError
from tourniquet.record.keys import only_one

WORK = "work"
LOCK = "review.lock"
SETTINGS = "review.json"
READ_VERSION = 1  # of how contents are read; another number reads them all anew
_FOLDER_MODE = 0o700
_GOOD = {State.PARSED, State.OCR}
_PATHS = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("type", pa.string()),
        ("state", pa.string()),
        ("why", pa.string()),
    ]
)
_ROWS_AT_ONCE = 20_000


@dataclass(frozen=True)
class Asked:
    """What somebody asks for."""

    files: Path
    people: Path
    out: Path
    today: date  # decides who is a child
    organisations: Path | None = None
    tests: Path | None = None
    resume: bool = False
    workers: int = 0  # 0: as many as there are processors


@dataclass(frozen=True)
class SweptFile:
    """What a sweep found in one file; `why` where it could not be read."""

    path: str
    sha256: str
    size: int
    values: tuple[int, ...]
    limit: str = ""
    why: str = ""


class Told(Protocol):
    """Who is told how far it has come."""

    def stage(self, words: str, total: int) -> None:
        """A stage begins, with so many bytes or steps."""

    def moved(self, done: int) -> None:
        """So many of them are done."""

    def estimate(self, expected: Expected) -> None:
        """A new estimate of how many people are affected."""


class Nobody:
    """Nobody is told."""

    def stage(self, words: str, total: int) -> None:
        """See `Told`."""

    def moved(self, done: int) -> None:
        """See `Told`."""

    def estimate(self, expected: Expected) -> None:
        """See `Told`."""


NOBODY = Nobody()


@dataclass
class Reviewed:
    """The end of a review."""

    counts: Counts
    linked: Linked
    expected: Expected
    seconds: float
    read_again: int = 0  # contents that were done by an earlier run
    packs: int = 0
    left_out: int = 0
    stages: dict[str, float] = field(default_factory=dict)


def review(asked: Asked, *, engine: Engine | None = None, told: Told = NOBODY) -> Reviewed:
    """Run a review. Raises: UserError, OperatorError, OSError."""
    begun = time.monotonic()
    _demand_place(asked)
    with only_one(asked.out / WORK, LOCK):
        work = asked.out / WORK
        clock = _Clock()
        # 1. Index.
        told.stage("Reading the index", 1)
        index = provide_index(asked.people, work / "index")
        _demand_same(asked, index)
        lookup = open_lookup(index, asked.organisations, asked.tests)
        clock.stage("index")
        # 2. Sweep.
        swept = _sweep(asked, work, index, engine or LocalPool(asked.workers or None), told)
        expected = _first(swept, index)
        told.estimate(expected)
        clock.stage("sweep")
        # 3. Read.
        segments = Segments(work / f"read-{_read_digest(asked, index)}")
        rows, again = _read(asked, work, segments, index, lookup, swept, told)
        clock.stage("read")
        # 4. Link.
        told.stage("Linking", 1)
        linked = link(segments.fragments, index, work / "links")
        clock.stage("link")
        # 5. Answer.
        told.stage("Writing the answer", 1)
        counts = write_answer(
            Findings(
                paths=str(rows),
                fragments=str(segments.folder / "*.fragments.parquet"),
                exposed=str(segments.folder / "*.exposed.parquet"),
                links=str(linked.links),
                decided=str(linked.people),
                nobody=str(linked.nobody_file),
                people=str(index.people),
            ),
            asked.out,
            work=work,
        )
        found = Reviewed(counts, linked, expected, 0.0, again, left_out=index.summary.left_out)
        found.packs = _write_outgoing(asked, work, index, found, rows)
        clock.stage("answer")
        found.seconds, found.stages = time.monotonic() - begun, clock.seconds
        write_summary(asked.out, _summary(found))
        return found


# Places ------------------------------------------------------------------------------------------


def _demand_place(asked: Asked) -> None:
    """OUT is empty, or another run's of this review that is to be gone on with."""
    if not asked.files.is_dir():
        raise UserError(
            "There is no folder with this name.", where=str(asked.files), remedy="See FILES."
        )
    out, files = asked.out.resolve(), asked.files.resolve()
    if out == files or files in out.parents or out in files.parents:
        raise UserError(
            "The answer may not lie in the stolen files, nor they in it.",
            where="--out",
            remedy="Name a folder of its own.",
        )
    if out.exists() and any(out.iterdir()) and not (out / WORK).is_dir():
        raise UserError(
            "The folder is not empty, and no review's.",
            where="--out",
            remedy="Name an empty folder, or one that is not there.",
        )
    if (out / WORK / SETTINGS).is_file() and not asked.resume:
        raise UserError(
            "Here is a review already.",
            where="--out",
            remedy="Go on with it by --resume, which does again only what has changed; or name "
            "another folder.",
        )
    out.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    out.chmod(_FOLDER_MODE)
    (out / WORK).mkdir(mode=_FOLDER_MODE, exist_ok=True)
    (out / SUMMARY).unlink(missing_ok=True)


def _demand_same(asked: Asked, index: Index) -> None:
    """The folder of files is the same as in an earlier run; everything else may have changed."""
    file = asked.out / WORK / SETTINGS
    now = {"files": os.fsdecode(os.fsencode(asked.files.resolve())), "people": index.summary.sha256}
    if file.is_file():
        before = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
        if before.get("files") != now["files"]:
            raise UserError(
                "The review in this folder is of other files.",
                where="--out",
                remedy="Name another folder for the answer.",
            )
    file.write_bytes(msgspec.json.encode(now))


def _read_digest(asked: Asked, index: Index) -> str:
    """Names what was read with this index, these organisations and tests, in this version."""
    digest = hashlib.sha256(f"{READ_VERSION}\0{index.summary.sha256}".encode())
    for file in (asked.organisations, asked.tests):
        digest.update(b"\0" + (hashlib.sha256(file.read_bytes()).digest() if file else b""))
    return digest.hexdigest()[:16]


# Sweep -------------------------------------------------------------------------------------------


class _ToSweep(msgspec.Struct, frozen=True):
    """A file to sweep, and the array of numbers that are known."""

    path: str
    file: bytes
    numbers: str


def sweep_one(task: _ToSweep) -> SweptFile:
    """A task: sweep one file; only issued numbers are told, each once."""
    try:
        swept = sweep(Path(os.fsdecode(task.file)))
    except OSError as error:
        return SweptFile(task.path, "", 0, (), why=error.strerror or type(error).__name__)
    values = np.unique(np.array([hit.value for hit in swept.hits], np.int64))
    issued = values[is_issued(values)] if values.size else values
    return SweptFile(task.path, swept.sha256, swept.size, tuple(issued.tolist()), limit=swept.limit)


def _sweep(
    asked: Asked, work: Path, index: Index, engine: Engine, told: Told
) -> dict[str, SweptFile]:
    """Every file of the folder, by its path; those that did not change are not read again."""
    entries = [one for one in walk(asked.files) if one.is_file]
    before = _read_swept(work)
    stamps = {one.path: _stamp(one) for one in entries}
    found = {path: one for path, (stamp, one) in before.items() if stamps.get(path) == stamp}
    todo = [one for one in entries if one.path not in found]
    total = sum(one.size for one in entries)
    told.stage("Sweeping every byte", total)
    done = sum(found[one.path].size for one in entries if one.path in found)
    tasks = (_ToSweep(one.path, os.fsencode(one.file), str(index.folder)) for one in todo)
    with (work / "swept.jsonl").open("ab") as file:
        for ended in engine.run(sweep_one, tasks):
            if isinstance(ended, Done):
                one = ended.result
            else:
                one = SweptFile(ended.task.path, "", 0, (), why="its sweep was killed twice")
            found[one.path] = one
            if one.sha256:
                file.write(msgspec.json.encode((stamps[one.path], one)) + b"\n")
                file.flush()
            done += one.size
            told.moved(done)
    return found


def _stamp(entry: Entry) -> str:
    """What changes when a file does."""
    try:
        found = entry.file.stat()
    except OSError:
        return ""
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ino}"


def _read_swept(work: Path) -> dict[str, tuple[str, SweptFile]]:
    """What earlier runs swept; a line that was cut off is swept again."""
    found: dict[str, tuple[str, SweptFile]] = {}
    file = work / "swept.jsonl"
    if not file.is_file():
        return found
    with file.open("rb") as opened:
        for line in opened:
            try:
                stamp, one = msgspec.json.decode(line, type=tuple[str, SweptFile])
            except msgspec.MsgspecError:
                continue
            found[one.path] = (stamp, one)
    return found


def _first(swept: Mapping[str, SweptFile], index: Index) -> Expected:
    known = index.known_numbers()
    values = np.unique(
        np.concatenate(
            [np.empty(0, np.int64), *(np.array(one.values, np.int64) for one in swept.values())]
        )
    )
    of_index = int(is_in(values, known).sum())
    return first_estimate(
        of_index=of_index, of_nobody=int(values.size) - of_index, index_size=index.summary.people
    )


# Read --------------------------------------------------------------------------------------------


def _read(  # noqa: PLR0917 (one stage, called once)
    asked: Asked,
    work: Path,
    segments: Segments,
    index: Index,
    lookup: Lookup,
    swept: Mapping[str, SweptFile],
    told: Told,
) -> tuple[Path, int]:
    """Read what is not done; the file of all paths, and how many contents were done before."""
    before = len(segments.outcomes)
    known = index.known_numbers()
    scratch = (work / "scratch").resolve()  # children have a folder of their own
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=_FOLDER_MODE)
    hashes = {path: one.sha256 for path, one in swept.items() if one.sha256}
    reader = FolderReader(
        asked.files.resolve(),
        scratch=scratch,
        children=asked.workers or os.cpu_count() or 1,
        hashes=hashes,
        is_done=segments.find_done,
        look=partial(look_below, known=known),
    )
    reader.ledger.outcomes.update(segments.outcomes)
    told.stage("Reading contents", sum(one.size for one in swept.values()))
    done = 0
    try:
        for one in reader:
            segments.add(one.outcome, _fragments(one, lookup), lookup, path=one.row.path)
            if INSIDE not in one.row.path:
                done += one.row.size
                told.moved(done)
        segments.end()
    except BaseException:
        segments.abandon()
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return _write_paths(reader.ledger.rows(), work / "paths.parquet"), before


def _fragments(one: Read, lookup: Lookup) -> Iterator[Fragment]:
    """What readers gave, and what they did not give of the index's numbers in the bytes."""
    content, path = one.row.sha256, one.row.path
    given: set[str] = set()
    number = 0
    for fragment in fragments_of(content, one.pieces(), lookup, path=path):
        given.update(fragment.values(FieldKind.NHS_NUMBER))
        number = fragment.number + 1
        yield fragment
    below = one.looked
    if isinstance(below, list) and below:
        yield from floor_fragments(
            content, below, lookup, first=number, given=frozenset(given), path=path
        )


def _write_paths(rows: Iterator[LedgerRow], file: Path) -> Path:
    part = file.with_name(f"{file.name}.part")
    with pq.ParquetWriter(part, _PATHS, compression="zstd") as writer:
        while some := list(islice(rows, _ROWS_AT_ONCE)):
            columns = {
                "path": [one.path for one in some],
                "sha256": [one.sha256 for one in some],
                "bytes": [one.size for one in some],
                "type": [one.type for one in some],
                "state": [one.state.value for one in some],
                "why": [one.why for one in some],
            }
            writer.write_table(pa.table(columns, schema=_PATHS))
    part.replace(file)
    return file


# Answer ------------------------------------------------------------------------------------------


def _write_outgoing(asked: Asked, work: Path, index: Index, found: Reviewed, rows: Path) -> int:
    """Packs, the regulator's draft and letters' data; how many packs."""
    packs = write_packs(work, asked.out, _recipients(asked.organisations))
    (asked.out / DRAFT).write_text(
        regulator_draft(_progress(found, rows), count_known(work)), encoding="utf-8"
    )
    write_letters(work, str(index.people), asked.out / LETTERS, today=asked.today)
    return sum(one.file is not None for one in packs)


def _recipients(organisations: Path | None) -> dict[str, Recipient]:
    """Recipients of packs, from an optional column `recipient` of the organisations."""
    if organisations is None:
        return {}
    with organisations.open(encoding="utf-8-sig", newline="") as file:
        return {
            row["ods_code"].strip().upper(): read_recipient(
                row["recipient"], where=f"recipient of {row['ods_code']}"
            )
            for row in csv.DictReader(file)
            if row.get("recipient") and row.get("ods_code")
        }


def _progress(found: Reviewed, rows: Path) -> Progress:
    table = pq.read_table(rows, columns=["path", "bytes", "state"])
    files = parsed = size = parsed_size = 0
    for path, count, state in zip(*(table[name].to_pylist() for name in table.column_names),
                                  strict=True):  # fmt: skip
        if INSIDE in path:
            continue
        files, size = files + 1, size + count
        if state in _GOOD:
            parsed, parsed_size = parsed + 1, parsed_size + count
    counts = found.counts
    return Progress(
        files,
        parsed,
        size,
        parsed_size,
        counts.people_notify,
        counts.people_review,
        counts.unresolved,
        max(found.expected.low, counts.people_notify),
        found.expected.high,
    )


def _summary(found: Reviewed) -> dict[str, object]:
    counts = found.counts
    return {
        **msgspec.structs.asdict(counts),
        "seconds": round(found.seconds, 2),
        "megabytes_per_second": round(counts.bytes / 1e6 / max(found.seconds, 1e-9), 2),
        "version": __version__,
        "fragments": found.linked.fragments,
        "read_before": found.read_again,
        "left_out_of_index": found.left_out,
        "expected_low": found.expected.low,
        "expected_high": found.expected.high,
        "expected_because": found.expected.because,
        "packs": found.packs,
        "stages": {name: round(seconds, 2) for name, seconds in found.stages.items()},
    }


class _Clock:
    """How long each stage took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.monotonic()

    def stage(self, name: str) -> None:
        """A stage ends."""
        now = time.monotonic()
        self.seconds[name] = now - self._last
        self._last = now
