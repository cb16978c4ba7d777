"""Names and content of the files in a C2SP tlog-tiles log. Pure.

- `tile/<L>/<N>` holds the hashes of tile N of level L, `tile/<L>/<N>.p/<W>` the first W of them
  while it is partial. N is written in groups of three digits, all but the last behind an x:
  1234067 is x001/x234/067.
- `tile/entries/<N>` holds the entries whose leaf hashes tile N of level 0 holds, each behind its
  length in two bytes, big-endian.

Invariants:
- A number has one name, a bundle one content: what is read back is refused unless it would be
  written so.

Source: C2SP tlog-tiles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.tree import LEVELS_MOST, TILE_WIDTH

ENTRY_BYTES_MOST = 0xFFFF
LENGTH_BYTES = 2
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/){0,6}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)
ENTRIES = -1
"""The level that stands for a bundle of entries."""


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile, or with level ENTRIES of a bundle, from the log's folder."""
    assert number >= 0
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    name = "entries" if level == ENTRIES else str(level)
    partial = f".p/{width}" if width < TILE_WIDTH else ""
    return f"tile/{name}/{'/'.join(groups)}{partial}"


def parse_tile_path(path: str) -> tuple[int, int, int]:
    """Level, number and width of a tile's path. Raises: IntegrityError."""
    found = _PATH.fullmatch(path)
    if found:
        level = ENTRIES if found["level"] == "entries" else int(found["level"])
        number = int(found["number"].replace("x", "").replace("/", ""))
        width = int(found["width"] or TILE_WIDTH)
        if level < LEVELS_MOST and tile_path(level, number, width) == path:
            return level, number, width
    raise IntegrityError("This is not the name of a tile.", where=path[:200])


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle of entries. Raises: IntegrityError when one is too long or there are too many."""
    if not 0 < len(entries) <= TILE_WIDTH:
        raise IntegrityError(f"A bundle holds 1 to {TILE_WIDTH} entries, not {len(entries)}.")
    parts: list[bytes] = []
    for at, entry in enumerate(entries):
        if len(entry) > ENTRY_BYTES_MOST:
            raise IntegrityError(
                f"Entry {at} of the bundle has {len(entry)} bytes; {ENTRY_BYTES_MOST} are the most."
            )
        parts += (len(entry).to_bytes(LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def unpack_entries(bundle: bytes, width: int) -> list[bytes]:
    """The `width` entries of a bundle. Raises: IntegrityError when it holds others, or a rest."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        start = at + LENGTH_BYTES
        end = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or end > len(bundle) or len(entries) == width:
            break
        entries.append(bundle[start:end])
        at = end
    if at != len(bundle) or len(entries) != width:
        raise IntegrityError(
            f"The bundle does not hold {width} whole entries: "
            f"after {len(entries)} of them {len(bundle) - at} bytes are left."
        )
    return entries
