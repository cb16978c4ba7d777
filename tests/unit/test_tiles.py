"""Names and content of a log's files."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.tiles import (
    ENTRIES,
    ENTRY_BYTES_MOST,
    pack_entries,
    parse_tile_path,
    tile_path,
    unpack_entries,
)

PATHS = [
    (0, 0, 256, "tile/0/000"),
    (0, 999, 256, "tile/0/999"),
    (1, 1000, 256, "tile/1/x001/000"),
    (2, 1_234_067, 256, "tile/2/x001/x234/067"),
    (0, 273, 112, "tile/0/273.p/112"),
    (ENTRIES, 1_234_067, 1, "tile/entries/x001/x234/067.p/1"),
]


@pytest.mark.parametrize(("level", "number", "width", "path"), PATHS)
def test_names_are_as_published(level: int, number: int, width: int, path: str) -> None:
    assert tile_path(level, number, width) == path
    assert parse_tile_path(path) == (level, number, width)


@given(st.integers(ENTRIES, 7), st.integers(0, 2**56), st.integers(1, 256))
def test_every_tile_has_one_name(level: int, number: int, width: int) -> None:
    assert parse_tile_path(tile_path(level, number, width)) == (level, number, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/00/000",
        "tile/8/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000/",
        "tile/0/" + "\N{ARABIC-INDIC DIGIT ZERO}" * 3,
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/000\n",
        "tile/0/" + "x001/" * 2000 + "000",
    ],
)
def test_what_is_no_tile_is_refused(path: str) -> None:
    with pytest.raises(IntegrityError):
        parse_tile_path(path)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_come_back_as_they_were(entries: list[bytes]) -> None:
    assert unpack_entries(pack_entries(entries), len(entries)) == entries


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), st.data())
def test_a_bundle_cut_or_lengthened_is_refused(entries: list[bytes], data: st.DataObject) -> None:
    bundle = pack_entries(entries)
    cut = data.draw(st.integers(0, len(bundle) - 1))
    for wrong in (bundle[:cut], bundle + b"\x00", bundle + b"\x00\x00"):
        with pytest.raises(IntegrityError, match="whole entries"):
            unpack_entries(wrong, len(entries))


def test_a_bundle_has_limits() -> None:
    longest = bytes(ENTRY_BYTES_MOST)
    assert unpack_entries(pack_entries([longest] * 2), 2) == [longest] * 2
    with pytest.raises(IntegrityError, match="65536 bytes"):
        pack_entries([longest + b"!"])
    for count in (0, 257):
        with pytest.raises(IntegrityError, match="1 to 256"):
            pack_entries([b""] * count)
