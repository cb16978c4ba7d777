"""A book survives power cuts at every point, and says so where somebody changed it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.support.simulated_files import PowerCut, SimulatedFiles
from tourniquet.kernel.errors import IntegrityError, StorageUnavailable, UserError
from tourniquet.record.book import LINE_BYTES_MOST, Book
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.open_book import OpenBook

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


CALLS_OF_A_LINE = 8
SEEDS, LIVES, LINES_MOST = 300, 4, 6


def on(files: SimulatedFiles) -> Book:
    return Book(Disk(files), "book", KEY)


def test_what_a_failed_flush_left_in_the_cache_breaks_no_later_line() -> None:
    for seed in range(50):
        for call in range(1, CALLS_OF_A_LINE):
            files = SimulatedFiles(Random(seed))
            book = on(files)
            book.add(b"first")
            files.fail_at = files.calls + call
            with suppress(StorageUnavailable):
                book.add(b"second")
            files.fail_at = None
            if files.is_shut:
                files.cut_power()
            number = on(files).add(b"later")
            files.cut_power()
            found = list(on(files))
            assert found[0] == b"first", (seed, call)
            assert found[number - 1] == b"later", (seed, call)


@dataclass
class Told:
    """What was said of each line."""

    kept: dict[int, bytes] = field(default_factory=dict)
    refused: dict[bytes, str] = field(default_factory=dict)
    noted: set[bytes] = field(default_factory=set)

    def check(self, files: SimulatedFiles, *, seed: int) -> None:
        found = list(OpenBook(lambda: on(files)))
        for number, line in self.kept.items():
            assert found[number - 1] == line, (seed, number)
        for line, what in self.refused.items():
            assert ("Nothing was kept" in what) != ("not known whether" in what), (seed, what)
            assert line not in found or "not known" in what, (seed, what)
        assert self.noted <= set(found), seed
        assert len(found) == len(set(found)), seed  # nothing twice


def live(files: SimulatedFiles, told: Told, random: Random, number: int) -> None:
    """Lines of one process; what it is told of each."""
    book = OpenBook(lambda: on(files))
    for at in range(random.randrange(1, LINES_MOST)):
        line = f"{number}-{at}".encode()
        if random.random() < 0.3:
            if book.note(line):
                told.noted.add(line)
        else:
            try:
                told.kept[book.add(line)] = line
            except StorageUnavailable as error:
                told.refused[line] = error.what
        if files.fail_at is not None and files.calls > files.fail_at and not files.is_shut:
            files.fail_at = None  # the disk has room again


def test_whether_a_line_was_kept_is_told_truly() -> None:
    for seed in range(SEEDS):
        random = Random(seed)
        files, told = SimulatedFiles(random), Told()
        for number in range(LIVES):
            strike = files.calls + random.randrange(1, 40)
            fails = random.random() < 0.6
            files.cut_at, files.fail_at = (None, strike) if fails else (strike, None)
            try:
                live(files, told, random, number)
            except PowerCut:
                assert not fails
            files.cut_at = files.fail_at = None
            if files.is_shut or random.random() < 0.6 or not fails:
                files.cut_power()
            told.check(files, seed=seed)


def test_a_book_on_a_full_disk_opens_and_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "write_at", _fails)
        book = OpenBook(lambda: book_of(tmp_path))
        assert list(book) == LINES
        assert book.fault == "Input/output error"
        assert not book.note(b"who unlocked it")
        with pytest.raises(StorageUnavailable, match="Nothing was kept"):
            book.add(b"a result")
    assert book.add(b"a result") == 5
    assert not book.fault
    assert list(book_of(tmp_path)) == [*LINES, b"who unlocked it", b"a result"]


def test_a_book_that_does_not_open_never_counts_as_empty(tmp_path: Path) -> None:
    written(tmp_path)
    whole = (tmp_path / "book").read_bytes()
    (tmp_path / "book").write_bytes(whole[:-1])
    book = OpenBook(lambda: book_of(tmp_path))
    with pytest.raises(StorageUnavailable, match="cannot be read"):
        list(book)
    assert not book.note(b"opened")
    with pytest.raises(IntegrityError, match="Nothing was kept"):
        book.add(b"a result")
    (tmp_path / "book").write_bytes(whole)
    with pytest.raises(StorageUnavailable, match="holds what was not known"):
        book.add(b"decided by nothing")
    assert book.add(b"a result") == 5
    assert list(book) == [*LINES, b"opened", b"a result"]
