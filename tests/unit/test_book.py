"""A book survives power cuts at every point, and says so where somebody changed it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable, UserError
from tourniquet.record.book import LINE_BYTES_MOST, Book
from tourniquet.record.disk import Disk, LocalFiles

KEY = b"k" * 32
LINES = [b"first", b"", b"third" * 50]


def book_of(folder: Path, key: bytes = KEY) -> Book:
    return Book(Disk(LocalFiles(folder)), "book", key)


def written(folder: Path) -> Book:
    book = book_of(folder)
    assert [book.add(line) for line in LINES] == [1, 2, 3]
    return book


def test_what_was_added_is_there_again_and_unreadable(tmp_path: Path) -> None:
    written(tmp_path)
    again = book_of(tmp_path)
    assert list(again) == LINES
    assert again.add(b"fourth") == 4
    assert list(book_of(tmp_path)) == [*LINES, b"fourth"]
    assert b"first" not in (tmp_path / "book").read_bytes()


def test_a_torn_line_is_dropped_and_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    written(tmp_path)
    whole = (tmp_path / "book").read_bytes()
    end = (tmp_path / "book.end").read_bytes()
    book_of(tmp_path).add(b"last")
    longer = (tmp_path / "book").read_bytes()
    for cut in range(len(whole), len(longer)):  # the power went while "last" was written
        (tmp_path / "book").write_bytes(longer[:cut])
        (tmp_path / "book.end").write_bytes(end)
        assert list(book_of(tmp_path)) == LINES
        assert (tmp_path / "book").read_bytes() == whole
    for rubbish in (bytes(40), os.urandom(500)):  # blocks that were allotted and not written
        (tmp_path / "book").write_bytes(whole + rubbish)
        assert list(book_of(tmp_path)) == LINES
    (tmp_path / "book").write_bytes(longer)  # whole, and its end was not written down
    (tmp_path / "book.end").write_bytes(end)
    assert list(book_of(tmp_path)) == [*LINES, b"last"]


def test_a_changed_byte_anywhere_is_found_and_nothing_is_cut_off(tmp_path: Path) -> None:
    written(tmp_path)
    for name in ("book", "book.end"):
        content = (tmp_path / name).read_bytes()
        for at in range(len(content)):
            changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            (tmp_path / name).write_bytes(changed)
            with pytest.raises(IntegrityError):
                book_of(tmp_path)
            assert (tmp_path / name).read_bytes() == changed
        (tmp_path / name).write_bytes(content)
    assert list(book_of(tmp_path)) == LINES


def test_a_book_that_was_cut_off_or_taken_away_is_an_error(tmp_path: Path) -> None:
    written(tmp_path)
    content = (tmp_path / "book").read_bytes()
    for cut in range(len(content)):
        (tmp_path / "book").write_bytes(content[:cut])
        with pytest.raises(IntegrityError):
            book_of(tmp_path)
    (tmp_path / "book").unlink()
    with pytest.raises(IntegrityError, match="ends after line 0"):
        book_of(tmp_path)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(IntegrityError, match="does not open with this key"):
        book_of(tmp_path, b"x" * 32)


def test_a_failed_write_stops_the_book_until_it_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = written(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "flush", _fails)
        with pytest.raises(StorageUnavailable):
            book.add(b"lost")
    assert book.failed
    with pytest.raises(StorageUnavailable):
        book.add(b"refused")
    assert list(book_of(tmp_path))[:3] == LINES


def _fails(*_: object) -> None:
    raise OSError(5, "Input/output error")


def test_a_line_has_a_limit(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    assert book.add(b"x" * LINE_BYTES_MOST) == 1
    with pytest.raises(UserError, match="too long"):
        book.add(b"x" * (LINE_BYTES_MOST + 1))
