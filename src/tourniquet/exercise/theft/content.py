"""What is made before it lies in the folder: bytes, and the fragments that are in them.

Invariants:
- A draft knows where in its own content it is; containers put their members' paths in front.
- Byte ranges are of the innermost content, from its first byte, end not included.
- Everything repeats byte for byte: archives and office files carry a fixed time.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tourniquet.exercise.theft.cast import Subject

FIXED_TIME = (2024, 5, 29, 23, 14, 6)
FIXED_STAMP = "2024-05-29T23:14:06Z"
FIXED_SECONDS = 1_717_024_446
_CORE_TIMES = re.compile(rb">\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ?<")


@dataclass(frozen=True)
class Written:
    """One field as it stands: `text` is what is written, `value` what it says when read rightly.

    `kind` is one of the interface's categories; `part` is finer (family, given, initial, full,
    postcode, line, phone, email, or a trust's code for a local number).
    """

    kind: str
    part: str
    text: str
    value: str
    distortions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Where:
    """Coordinates inside a content; nought and empty mean that there is none.

    `whole` says that the fragment is all of the page, message or content that is named.
    """

    sheet: str = ""
    row: int = 0
    line: int = 0
    last_line: int = 0
    page: int = 0
    message: int = 0
    start: int = 0
    end: int = 0
    whole: bool = False

    def locator(self) -> str:
        """As the interface writes it."""
        if self.row:
            return f"{self.sheet}!R{self.row}" if self.sheet else f"R{self.row}"
        if self.page:
            return f"page {self.page}"
        if self.message:
            return f"message {self.message}"
        if self.end:
            return f"bytes {self.start}-{self.end}"
        return f"line {self.line}" if self.line else "whole"


@dataclass(frozen=True)
class Draft:
    """One fragment to be. `context` is the trust in whose context local numbers stand."""

    subject: Subject | None
    written: tuple[Written, ...]
    where: Where = Where()
    sensitive: tuple[str, ...] = ()
    controller: str = ""
    context: str = ""
    decoy: str = ""
    conflict: bool = False
    member: str = ""
    shape: str = ""


@dataclass(frozen=True)
class Member:
    """A file inside a container, by its path there. `readable` is false where it was cut off."""

    path: str
    size: int
    sha256: str
    readable: bool = True


@dataclass(frozen=True)
class Content:
    """A file to be, with everything that is in it. `folder` hints at whose it is, or is empty."""

    name: str
    data: bytes
    drafts: tuple[Draft, ...] = ()
    members: tuple[Member, ...] = ()
    folder: str = ""


def nest(name: str, data: bytes, inside: Sequence[Content], *, folder: str = "") -> Content:
    """A container with these contents as its members."""
    drafts: list[Draft] = []
    members: list[Member] = []
    for one in inside:
        members.append(Member(one.name, len(one.data), hashlib.sha256(one.data).hexdigest()))
        members += [replace(m, path=f"{one.name}!/{m.path}") for m in one.members]
        drafts += [
            replace(d, member=f"{one.name}!/{d.member}" if d.member else one.name)
            for d in one.drafts
        ]
    return Content(name, data, tuple(drafts), tuple(members), folder)


def zipped(members: Sequence[tuple[str, bytes]], *, stored: bool = False) -> bytes:
    """A zip of these names and bytes with a fixed time."""
    out = io.BytesIO()
    kind = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", kind) as file:
        for name, data in members:
            info = zipfile.ZipInfo(name, FIXED_TIME)
            info.compress_type = kind
            file.writestr(info, data)
    return out.getvalue()


def steady_office(data: bytes, *, first: Sequence[str] = ()) -> bytes:
    """An office file with fixed times; members whose names end as in `first` come first."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        parts = [(info.filename, file.read(info)) for info in file.infolist()]
    parts = [
        (name, _CORE_TIMES.sub(f">{FIXED_STAMP}<".encode(), text) if "core.xml" in name else text)
        for name, text in parts
    ]
    order = {name: n for n, name in enumerate(first)}
    parts.sort(key=lambda part: order.get(part[0], len(order)))
    return zipped(parts)


@dataclass
class Paper:
    """Text that grows line by line and knows where each line lies."""

    encoding: str = "utf-8"
    newline: str = "\n"
    data: bytearray = field(default_factory=bytearray)
    drafts: list[Draft] = field(default_factory=list)
    lines: int = 0
    records: int = 0

    def line(self, text: str, *about: Draft, rows: bool = False) -> None:
        """Add one record, which is about these; `rows` says that records are rows of a table."""
        self.block((text,), *about, rows=rows)

    def block(
        self, texts: Sequence[str], *about: Draft, rows: bool = False, message: int = 0
    ) -> None:
        """Add several lines that are one fragment."""
        start, first = len(self.data), self.lines + 1
        for text in texts:
            self.data += (text + self.newline).encode(self.encoding, "replace")
        self.lines += sum(1 + text.count("\n") for text in texts)
        self.records += 1
        end = len(self.data) - len(self.newline.encode(self.encoding))
        for draft in about:
            where = replace(
                draft.where, line=first, last_line=self.lines, start=start, end=end,
                row=self.records if rows else 0, message=message or draft.where.message,
            )  # fmt: skip
            self.drafts.append(replace(draft, where=where))

    def content(self, name: str, *, folder: str = "", bom: bytes = b"") -> Content:
        """The text as a file."""
        drafts = self.drafts
        if bom:
            drafts = [replace(d, where=_moved(d.where, len(bom))) for d in drafts]
        return Content(name, bom + bytes(self.data), tuple(drafts), (), folder)


def _moved(where: Where, by: int) -> Where:
    return replace(where, start=where.start + by, end=where.end + by)
