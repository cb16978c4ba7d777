"""What lies in the folder, and what became of each file and member: `files.csv`.

1. Walk the folder, in a stable order, without following anything out of it.
2. Each content is known by its SHA-256, however many paths lead to it; what became of it is told
   once, with the contents that came out of it.
3. The ledger is every path to every content: a row for each file, and for each member on each path.

Names that are not UTF-8 are shown with `\\xe9` for each byte that does not fit, and a backslash of
their own as `\\\\`; `raw_path` makes the bytes again.

Invariants:
- Nothing is opened to write; links and devices are listed and never opened.
- Nothing is left out: what can't be listed is a row, and so is a limit that was reached.
- A container that holds itself ends at DEPTH_MOST; the row says so.
"""

from __future__ import annotations

import csv
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tourniquet.breach.pieces import State

INSIDE = "!/"
COLUMNS = ("path", "sha256", "bytes", "type", "state", "why")
DEPTH_MOST = 16  # one row deeper than contents are opened, and a bit
ROWS_MOST = 20_000_000
_ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2})")
_LONE = re.compile("[\ud800-\udfff]")
_KINDS = (
    (stat.S_ISLNK, "link", "it is a link, which is not followed"),
    (stat.S_ISFIFO, "device", "it is a pipe, which is not opened"),
    (stat.S_ISSOCK, "device", "it is a socket, which is not opened"),
    (stat.S_ISBLK, "device", "it is a device, which is not opened"),
    (stat.S_ISCHR, "device", "it is a device, which is not opened"),
)


@dataclass(frozen=True)
class Entry:
    """Something in the folder. `why` is set where it can't be read as a file."""

    path: str  # shown form, from the folder on
    file: Path
    size: int
    type: str = ""
    why: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it has a content to read."""
        return not self.why


@dataclass(frozen=True)
class LedgerRow:
    """A row of `files.csv`."""

    path: str
    sha256: str
    size: int
    type: str
    state: State
    why: str = ""

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """As `files.csv` has it."""
        return (self.path, self.sha256, str(self.size), self.type, self.state.value, self.why)


@dataclass(frozen=True)
class Member:
    """What came out of a content: another content, or, without a hash, what could not be had."""

    name: str
    sha256: str
    size: int
    state: State = State.SWEPT
    why: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of one content."""

    sha256: str
    size: int
    type: str
    state: State
    why: str = ""
    reader: str = ""
    members: tuple[Member, ...] = ()


@dataclass
class Ledger:
    """All entries of the folder and all outcomes of contents."""

    entries: list[tuple[Entry, str]] = field(default_factory=list)  # with the hash, or ""
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def rows(self) -> Iterator[LedgerRow]:
        """Every path to everything, in order of the paths of files."""
        for entry, sha256 in self.entries:
            if not sha256:
                why = entry.why or "it could not be read"
                yield LedgerRow(
                    entry.path, "", entry.size, entry.type or "file", State.UNREADABLE, why
                )
                continue
            yield from self._rows(entry.path, Member(entry.path, sha256, entry.size), 0)

    def _rows(self, path: str, member: Member, depth: int) -> Iterator[LedgerRow]:
        outcome = self.outcomes.get(member.sha256) if member.sha256 else None
        if outcome is None:
            why = member.why or "it was not read"
            yield LedgerRow(path, member.sha256, member.size, "unknown", member.state, why)
            return
        why = "; ".join(one for one in (member.why, outcome.why) if one)
        if depth >= DEPTH_MOST and outcome.members:
            why = f"containers lie in it deeper than the limit of {DEPTH_MOST}"
            yield LedgerRow(path, outcome.sha256, outcome.size, outcome.type, State.SWEPT, why)
            return
        yield LedgerRow(path, outcome.sha256, outcome.size, outcome.type, outcome.state, why)
        for name, one in zip(member_names(outcome.members), outcome.members, strict=True):
            yield from self._rows(f"{path}{INSIDE}{name}", one, depth + 1)


def walk(folder: Path) -> Iterator[Entry]:
    """Everything in a folder that is no folder, in order of the bytes of paths.

    Raises: OSError where the folder itself can't be listed.
    """
    yield from _walk(os.fsencode(folder), b"")


def _walk(folder: bytes, inner: bytes) -> Iterator[Entry]:
    here = folder + b"/" + inner if inner else folder
    try:
        with os.scandir(here) as found:
            listed = sorted(found, key=lambda one: one.name)
    except OSError as error:
        if not inner:
            raise
        yield _refused(folder, inner, "folder", f"the folder could not be listed: {_reason(error)}")
        return
    for one in listed:
        path = inner + b"/" + one.name if inner else one.name
        try:
            found_stat = one.stat(follow_symlinks=False)
        except OSError as error:
            yield _refused(folder, path, "file", f"it could not be looked at: {_reason(error)}")
            continue
        if stat.S_ISDIR(found_stat.st_mode):
            yield from _walk(folder, path)
            continue
        yield _entry(folder, path, found_stat)


def _entry(folder: bytes, path: bytes, found: os.stat_result) -> Entry:
    for test, kind, why in _KINDS:
        if test(found.st_mode):
            return _refused(folder, path, kind, why)
    return Entry(shown_path(path), Path(os.fsdecode(folder + b"/" + path)), found.st_size)


def _refused(folder: bytes, path: bytes, kind: str, why: str) -> Entry:
    file = Path(os.fsdecode(folder + b"/" + path))
    return Entry(shown_path(path), file, 0, type=kind, why=why)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def shown_path(path: bytes) -> str:
    """A path's bytes as text that any file can hold, and that `raw_path` turns back."""
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "surrogateescape")
    return _LONE.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text)


def raw_path(shown: str) -> bytes:
    """The bytes of a path, from how it is shown."""

    def back(found: re.Match[str]) -> str:
        inner = found[1]
        return "\\" if inner == "\\" else chr(0xDC00 + int(inner[1:], 16))

    return _ESCAPED.sub(back, shown).encode("utf-8", "surrogateescape")


def member_names(members: Sequence[Member]) -> list[str]:
    """Names of members, each once: a second `list.csv` is `list.csv (2)`."""
    used: set[str] = set()
    counts: dict[str, int] = {}
    names = []
    for member in members:
        name = member.name
        while name in used:
            counts[member.name] = counts.get(member.name, 1) + 1
            name = f"{member.name} ({counts[member.name]})"
        used.add(name)
        names.append(name)
    return names


def write_ledger(rows: Iterable[LedgerRow], file: Path) -> int:
    """Write `files.csv`, whole or not at all; how many rows. Raises: OSError."""
    part = file.with_name(f"{file.name}.part")
    count = 0
    with part.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in rows:
            if count >= ROWS_MOST:
                why = f"there are more rows than the limit of {ROWS_MOST:,}; the rest is not listed"
                writer.writerow(("…", "", "0", "limit", State.SWEPT.value, why))
                break
            writer.writerow(row.cells())
            count += 1
    part.replace(file)
    return count
