"""What was read of contents, in segments: fragments and what they expose, with their outcomes.

A segment is three files with one number: fragments and exposures in Parquet, and the outcomes of
the contents whose they are. The outcomes are put in place last; without them a segment is nothing,
and its number is used again.

Invariants:
- A content is in one segment, whole.
- A content is done when its outcome is there, and the outcomes of all that lies in it.
- A segment is closed after so many contents, fragments or seconds: no more is lost by a kill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tourniquet.breach.controllers import controller_of
from tourniquet.breach.exposure import exposure_of
from tourniquet.breach.fragments import Fragment
from tourniquet.breach.ledger import Outcome
from tourniquet.breach.lookup import Lookup
from tourniquet.breach.store import SCHEMA, to_table

CONTENTS_MOST = 2_000
FRAGMENTS_MOST = 200_000
SECONDS_MOST = 30.0
ROWS_AT_ONCE = 5_000
_TEXTS = pa.list_(pa.string())
EXPOSED = pa.schema(
    [
        ("content", pa.string()),
        ("number", pa.int32()),
        ("categories", _TEXTS),
        ("sensitive", _TEXTS),
        ("negated", _TEXTS),
        ("controller", pa.string()),
        ("conflict", pa.string()),
    ]
)
_OUTCOMES = msgspec.json.Decoder(list[Outcome])


@dataclass
class _Open:
    """The segment that is being written."""

    number: int
    fragments: pq.ParquetWriter
    exposed: pq.ParquetWriter
    begun: float
    outcomes: list[Outcome]
    rows: int = 0


class Segments:
    """The segments of a review, in a folder of their own."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._now = now
        self._open: _Open | None = None
        self.outcomes: dict[str, Outcome] = {}
        self._numbers: list[int] = []
        for file in sorted(folder.glob("*.json")):
            self._numbers.append(int(file.stem))
            for one in _OUTCOMES.decode(file.read_bytes()):
                self.outcomes[one.sha256] = one

    @property
    def fragments(self) -> list[Path]:
        """The files of fragments that are whole."""
        return [self.folder / f"{number:06d}.fragments.parquet" for number in self._numbers]

    @property
    def exposed(self) -> list[Path]:
        """The files of exposures that are whole."""
        return [self.folder / f"{number:06d}.exposed.parquet" for number in self._numbers]

    def find_done(self, sha256: str) -> Outcome | None:
        """The outcome of a content that is done, with all that lies in it."""
        seen: set[str] = set()
        waiting = [sha256]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            outcome = self.outcomes.get(one)
            if outcome is None:
                return None
            waiting += [member.sha256 for member in outcome.members if member.sha256]
        return self.outcomes[sha256]

    def add(
        self, outcome: Outcome, fragments: Iterable[Fragment], lookup: Lookup, *, path: str
    ) -> int:
        """Keep what was read of a content; how many fragments. Raises: OSError."""
        segment = self._open or self._begin()
        some: list[Fragment] = []
        count = 0
        for one in fragments:
            some.append(one)
            if len(some) == ROWS_AT_ONCE:
                count += self._write(segment, some, lookup, path)
                some = []
        count += self._write(segment, some, lookup, path)
        segment.outcomes.append(outcome)
        if (
            len(segment.outcomes) >= CONTENTS_MOST
            or segment.rows >= FRAGMENTS_MOST
            or self._now() - segment.begun >= SECONDS_MOST
        ):
            self.close()
        return count

    def close(self) -> None:
        """Put the segment at hand in place."""
        segment, self._open = self._open, None
        if segment is None:
            return
        segment.fragments.close()
        segment.exposed.close()
        part = self.folder / f"{segment.number:06d}.json.part"
        part.write_bytes(msgspec.json.encode(segment.outcomes))
        part.rename(part.with_suffix(""))
        self._numbers.append(segment.number)
        self.outcomes |= {one.sha256: one for one in segment.outcomes}

    def end(self) -> None:
        """Put the last segment in place; where nothing was ever read, one of nothing."""
        if self._open is None and not self._numbers:
            self._begin()
        self.close()

    def abandon(self) -> None:
        """Leave the segment at hand unfinished: it is made anew."""
        segment, self._open = self._open, None
        if segment is not None:
            segment.fragments.close()
            segment.exposed.close()

    def _begin(self) -> _Open:
        number = max(self._numbers, default=0) + 1
        self._open = _Open(
            number,
            pq.ParquetWriter(
                self.folder / f"{number:06d}.fragments.parquet", SCHEMA, compression="zstd"
            ),
            pq.ParquetWriter(
                self.folder / f"{number:06d}.exposed.parquet", EXPOSED, compression="zstd"
            ),
            self._now(),
            [],
        )
        return self._open

    def _write(self, segment: _Open, some: list[Fragment], lookup: Lookup, path: str) -> int:
        if not some:
            return 0
        segment.fragments.write_table(to_table(some))
        segment.exposed.write_table(_exposed(some, lookup, path))
        segment.rows += len(some)
        return len(some)


def _exposed(some: list[Fragment], lookup: Lookup, path: str) -> pa.Table:
    """What fragments expose, and whose they are by what is written in them and around them."""
    columns: dict[str, list[object]] = {name: [] for name in EXPOSED.names}
    for one in some:
        exposure = exposure_of(one, lookup, path=path)
        decision = controller_of(one, lookup, paths=[path])
        columns["content"].append(one.content)
        columns["number"].append(one.number)
        columns["categories"].append(list(exposure.categories))
        columns["sensitive"].append(list(exposure.sensitive))
        columns["negated"].append(list(exposure.negated))
        columns["controller"].append(decision.controller)
        is_conflict = bool(decision.evidence) and not decision.controller
        columns["conflict"].append(decision.why if is_conflict else "")
    return pa.table(columns, schema=EXPOSED)
