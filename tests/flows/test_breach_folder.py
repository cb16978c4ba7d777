"""A folder is read whole: every path in the ledger, every content once, nothing left in scratch."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import MATERIAL_VARIABLE
from tests.support.breach_reading import tarred, zipped
from tourniquet.breach.folder import FolderReader, hash_file, read_folder
from tourniquet.breach.ledger import INSIDE, LedgerRow, Outcome, walk
from tourniquet.breach.limits import Limits
from tourniquet.breach.pieces import Ended, Passage, Rows, State
from tourniquet.kernel.errors import StorageUnavailable

TABLE = b"NHS No,Surname,DoB\n9990000018,SMITH,01/02/1945\n9990000026,JONES,03/04/1956\n"
BOXES = ("carriers", "hapi-hl7v2", "l4h-hl7", "nhs-edifact", "nwgmsa-hl7", "oie-hl7", "python-hl7")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    found = tmp_path / "scratch"
    found.mkdir()
    return found


@pytest.fixture
def files(tmp_path: Path) -> Path:
    found = tmp_path / "files"
    found.mkdir()
    return found


def rows_of(reader: FolderReader) -> dict[str, LedgerRow]:
    for one in reader:
        pieces = list(one.pieces())
        assert isinstance(pieces[-1], Ended)
    return {row.path: row for row in reader.ledger.rows()}


def test_boxes_in_boxes(files: Path, scratch: Path) -> None:
    inner = zipped({"old/list.csv": TABLE, "note.txt": b"Dear Mrs SMITH,\nthank you.\n"})
    (files / "a.tgz").write_bytes(tarred({"inner.zip": inner}, "w:gz"))
    (files / "copy of a.tgz").write_bytes((files / "a.tgz").read_bytes())
    (files / "list.csv").write_bytes(TABLE)
    (files / "link").symlink_to("/etc/passwd")
    (files / "secret.zip").write_bytes(zipped({"x": b"y"}, encrypted=True))
    (files / os.fsdecode(b"\xe9.csv")).write_bytes(TABLE)
    reader = FolderReader(files, scratch=scratch)
    found = rows_of(reader)
    assert {path: row.type for path, row in found.items()} == {
        "\\xe9.csv": "table",
        "a.tgz": "tar",
        "a.tgz!/inner.zip": "zip",
        "a.tgz!/inner.zip!/note.txt": "text",
        "a.tgz!/inner.zip!/old/list.csv": "table",
        "copy of a.tgz": "tar",
        "copy of a.tgz!/inner.zip": "zip",
        "copy of a.tgz!/inner.zip!/note.txt": "text",
        "copy of a.tgz!/inner.zip!/old/list.csv": "table",
        "link": "link",
        "list.csv": "table",
        "secret.zip": "zip",
        "secret.zip!/x": "unknown",
    }
    assert len(reader.ledger.outcomes) == 5, "each content once"
    assert found["secret.zip!/x"].state is State.UNREADABLE
    assert list(scratch.iterdir()) == []


def test_rows_and_pieces(files: Path, scratch: Path) -> None:
    (files / "list.csv").write_bytes(TABLE)
    ((row, pieces),) = [(row, list(pieces)) for row, pieces in read_folder(files, scratch=scratch)]
    assert (row.path, row.state, row.sha256) == (
        "list.csv",
        State.PARSED,
        hash_file(files / "list.csv"),
    )
    assert isinstance(pieces[0], Rows)
    assert pieces[0].rows[1] == ["9990000018", "SMITH", "01/02/1945"]


def test_paths_from_where_one_stands(
    files: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "a.zip").write_bytes(zipped({"list.csv": TABLE}))
    monkeypatch.chdir(files.parent)
    found = rows_of(FolderReader(Path("files"), scratch=Path("scratch")))
    assert {row.state for row in found.values()} == {State.PARSED}


def test_the_same_ledger_however_many_children(files: Path, scratch: Path) -> None:
    chance = random.Random(5)
    for at in range(30):
        content = zipped({f"{n}.csv": TABLE * (n + 1) for n in range(chance.randrange(5))})
        (files / f"{at}.zip").write_bytes(content)
    ledgers = [
        list(rows_of(FolderReader(files, scratch=scratch, children=count)).values())
        for count in (1, 3)
    ]
    assert ledgers[0] == ledgers[1]


def test_what_is_done_is_not_done_again(files: Path, scratch: Path) -> None:
    (files / "list.csv").write_bytes(TABLE)
    (files / "new.txt").write_text("Dear Mrs SMITH,\nthank you.\n")
    done = Outcome(hash_file(files / "list.csv"), len(TABLE), "table", State.PARSED, "as before")
    known = {done.sha256: done}
    reader = FolderReader(files, scratch=scratch, is_done=known.get)
    assert [one.row.path for one in reader] == ["new.txt"]
    assert [row.why for row in reader.ledger.rows()] == ["as before", ""]


def test_a_sweeps_hashes_are_taken(files: Path, scratch: Path) -> None:
    (files / "list.csv").write_bytes(TABLE)
    reader = FolderReader(files, scratch=scratch, hashes={"list.csv": "0" * 64})
    assert [one.row.sha256 for one in reader] == ["0" * 64]


def test_depth_at_the_limit_and_one_past(files: Path, scratch: Path) -> None:
    content = TABLE
    for _ in range(3):
        content = zipped({"in": content})
    (files / "a.zip").write_bytes(content)
    deepest = "a.zip!/in!/in!/in"
    enough = rows_of(FolderReader(files, scratch=scratch, limits=Limits(depth_most=3)))
    assert enough[deepest].type == "table"
    short = rows_of(FolderReader(files, scratch=scratch, limits=Limits(depth_most=2)))
    assert short[deepest].why == "it lies deeper in containers than the limit of 2"
    assert short[deepest].state is State.SWEPT


def test_boxes_do_not_multiply(files: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tourniquet.breach.folder.FILE_BYTES_LEAST", 100_000)
    monkeypatch.setattr("tourniquet.breach.folder.FILE_RATIO_MOST", 1)
    chance = random.Random(6)
    boxes = {
        f"{n}.zip": zipped({str(m): chance.randbytes(1) * 10_000 + bytes([n, m]) for m in range(5)})
        for n in range(5)
    }
    (files / "bomb.zip").write_bytes(zipped(boxes))
    found = rows_of(FolderReader(files, scratch=scratch, children=1))
    assert len(found) == 31, "each member is listed"
    beyond = [row for row in found.values() if "beyond the limit" in row.why]
    assert 10 <= len(beyond) <= 20
    assert list(scratch.iterdir()) == []


def test_files_that_can_not_be_read(
    files: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone.csv", "here.csv"):
        (files / name).write_bytes(TABLE)

    def vanishing(file: Path) -> str:
        if file.name == "gone.csv":
            raise FileNotFoundError
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tourniquet.breach.folder.hash_file", vanishing)
    found = rows_of(FolderReader(files, scratch=scratch))
    assert found["gone.csv"].why == "it vanished before it was read"
    assert found["here.csv"].why == "it could not be read: Permission denied"
    assert {row.state for row in found.values()} == {State.UNREADABLE}


def test_stopping_half_way_leaves_no_child(files: Path, scratch: Path) -> None:
    for at in range(50):
        (files / f"{at}.csv").write_bytes(TABLE + str(at).encode())
    for one in FolderReader(files, scratch=scratch):
        assert one.row.type == "table"
        break
    standing = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cwd").readlink() == scratch:
                standing.append(folder.name)
    assert not standing


def test_scratch_that_is_gone(files: Path, tmp_path: Path) -> None:
    (files / "list.csv").write_bytes(TABLE)
    with pytest.raises(StorageUnavailable, match="scratch"):
        list(FolderReader(files, scratch=tmp_path / "none"))


def material() -> Iterator[Path]:
    folder = os.environ.get(MATERIAL_VARIABLE)
    if folder:
        yield from (Path(folder) / name for name in BOXES if (Path(folder) / name).is_dir())


@pytest.mark.skipif(MATERIAL_VARIABLE not in os.environ, reason="no material is at hand")
def test_material(scratch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hundreds of documents of others, some damaged on purpose: none is left out."""
    counted: Counter[tuple[str, str]] = Counter()
    said: Mapping[str, int] = Counter()
    for folder in material():
        reader = FolderReader(folder, scratch=scratch)
        listed = {one.path for one in walk(folder)}
        said = Counter(type(piece).__name__ for one in reader for piece in one.pieces()) + Counter(
            said
        )
        rows = list(reader.ledger.rows())
        assert {row.path for row in rows if INSIDE not in row.path} == listed
        assert len({row.path for row in rows}) == len(rows)
        assert all(row.why for row in rows if row.state in {State.SWEPT, State.UNREADABLE})
        assert not [row for row in rows if "its reader gave" in row.why or "longer than" in row.why]
        counted.update((row.type, row.state.value) for row in rows)
    assert list(scratch.iterdir()) == []
    with capsys.disabled():
        print()
        for (kind, state), count in sorted(counted.items()):
            print(f"{kind:18} {state:10} {count:5}")
        print(dict(said))
    parsed = sum(count for (_, state), count in counted.items() if state in {"parsed", "ocr"})
    assert parsed >= 0.6 * sum(counted.values())
    assert said[Passage.__name__] > 500
