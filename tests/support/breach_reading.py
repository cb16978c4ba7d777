"""Read one content in this process, as a child would."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from itertools import count
from pathlib import Path

from tourniquet.breach.limits import DEFAULT, Limits
from tourniquet.breach.pieces import Ended, Inner, Passage, Piece, Rows, Shut, Wire
from tourniquet.breach.readers.registry import read_content

_NUMBERS = count()


class Given:
    """What a reader gave, sorted by what it is."""

    def __init__(self, pieces: list[Piece]) -> None:
        self.pieces = pieces
        ended = pieces[-1]
        assert isinstance(ended, Ended)
        self.ended = ended
        self.rows = [one for one in pieces if isinstance(one, Rows)]
        self.passages = [one for one in pieces if isinstance(one, Passage)]
        self.wires = [one for one in pieces if isinstance(one, Wire)]
        self.inners = [one for one in pieces if isinstance(one, Inner)]
        self.shuts = [one for one in pieces if isinstance(one, Shut)]

    def cells(self) -> dict[str, list[str]]:
        """Every row by its place."""
        return {one.place(at): row for one in self.rows for at, row in enumerate(one.rows)}

    def texts(self) -> dict[str, str]:
        """The text of every passage by its place."""
        found: dict[str, str] = {}
        for one in self.passages:
            found[one.place] = found.get(one.place, "") + one.text
        return found

    def members(self) -> dict[str, bytes]:
        """The bytes of every member by its name."""
        return {one.name: Path(one.file).read_bytes() for one in self.inners}


def read(
    folder: Path,
    content: bytes,
    name: str = "content",
    *,
    limits: Limits = DEFAULT,
    attempt: int = 0,
    kind: str = "",
) -> Given:
    """Read a content."""
    number = next(_NUMBERS)
    scratch = folder / f"scratch-{number}"
    scratch.mkdir()
    file = folder / f"content-{number}"
    file.write_bytes(content)
    pieces = read_content(
        file, name=name, limits=limits, scratch=scratch, kind=kind, attempt=attempt
    )
    return Given(list(pieces))


def zipped(
    members: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED, encrypted: bool = False
) -> bytes:
    """A zip archive; `encrypted` sets the mark alone, which is all that a reader goes by."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = into.getvalue()
    if not encrypted:
        return content
    changed = bytearray(content)
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = changed.find(mark)
        while place >= 0:
            (flags,) = struct.unpack_from("<H", changed, place + at)
            struct.pack_into("<H", changed, place + at, flags | 1)
            place = changed.find(mark, place + 4)
    return bytes(changed)


def tarred(members: dict[str, bytes], mode: str = "w") -> bytes:
    """A tar archive, `w:gz`, `w:bz2` or `w:xz` compressed."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode=mode) as archive:  # type: ignore[call-overload] # a mode of several
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return into.getvalue()
