"""Members come out within limits, whatever an archive says of itself."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import cabarchive
import py7zr
import pytest
import zstandard

from tests.support.breach_reading import read, tarred, zipped
from tourniquet.breach.containers import member_name
from tourniquet.breach.limits import Limits
from tourniquet.breach.pieces import State

MEMBERS = {"march/list.csv": b"a,b\n1,2\n", "note.txt": b"x" * 1000}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip(tmp_path: Path, method: int) -> None:
    given = read(tmp_path, zipped(MEMBERS, method=method))
    assert given.members() == MEMBERS
    assert given.ended.state is State.PARSED


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(tmp_path: Path, mode: str) -> None:
    assert read(tmp_path, tarred(MEMBERS, mode)).members() == MEMBERS


def test_packed(tmp_path: Path) -> None:
    for name, content in (
        ("x.gz", gzip.compress(b"abc")),
        ("x.bz2", bz2.compress(b"abc")),
        ("x.xz", lzma.compress(b"abc")),
        ("x.zst", zstandard.compress(b"abc")),
    ):
        assert read(tmp_path, content, name).members() == {"x": b"abc"}, name
    into = io.BytesIO()
    with gzip.GzipFile("oru.hl7", "wb", fileobj=into) as opened:
        opened.write(b"abc")
    assert read(tmp_path, into.getvalue(), "copy of it.gz").members() == {"oru.hl7": b"abc"}


def test_seven_zip_and_cabinet(tmp_path: Path) -> None:
    into = io.BytesIO()
    with py7zr.SevenZipFile(into, "w") as archive:
        for name, content in MEMBERS.items():
            archive.writestr(content, name)
    assert read(tmp_path, into.getvalue()).members() == MEMBERS

    cab = cabarchive.CabArchive()
    for name, content in MEMBERS.items():
        cab[name] = cabarchive.CabFile(content)
    assert read(tmp_path, cab.save(compress=True)).members() == MEMBERS


def test_seven_zip_encrypted(tmp_path: Path) -> None:
    for header in (False, True):
        into = io.BytesIO()
        with py7zr.SevenZipFile(into, "w", password="x") as archive:
            archive.set_encrypted_header(header)
            archive.writestr(b"secret", "a.txt")
        given = read(tmp_path, into.getvalue())
        assert not given.inners
        why = given.ended.why if header else given.shuts[0].why
        assert why == "it is encrypted: a password is needed"


def test_encrypted_members_are_listed(tmp_path: Path) -> None:
    given = read(tmp_path, zipped(MEMBERS, encrypted=True))
    assert [(one.name, one.state) for one in given.shuts] == [
        (name, State.UNREADABLE) for name in MEMBERS
    ]
    assert given.shuts[0].why == "it is encrypted: a password is needed"
    salvaged = read(tmp_path, zipped(MEMBERS, encrypted=True)[:-60], attempt=1)
    assert {one.name for one in salvaged.shuts} == set(MEMBERS)


def test_names_are_only_told(tmp_path: Path) -> None:
    names = ["../../../../etc/x", "/etc/passwd", "C:\\x\\y.txt", "a\x00b"]
    content = zipped(dict.fromkeys(names, b"x"))
    given = read(tmp_path, content)
    assert [one.name for one in given.inners][:3] == [
        "../../../../etc/x",
        "/etc/passwd",
        "C:/x/y.txt",
    ]
    assert all(Path(one.file).parent.parent == tmp_path for one in given.inners)


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("résultats.csv".encode(), "résultats.csv"),
        ("résultats.csv".encode("cp1252"), "résultats.csv"),
        ("résultats.csv".encode("cp437"), "résultats.csv"),
    ],
)
def test_names_of_other_systems(raw: bytes, name: str) -> None:
    assert member_name(raw) == name


def test_links_in_a_tar_are_listed(tmp_path: Path) -> None:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        pipe = tarfile.TarInfo("pipe")
        pipe.type = tarfile.FIFOTYPE
        archive.addfile(pipe)
    given = read(tmp_path, into.getvalue())
    assert [one.why for one in given.shuts] == [
        "it is a link, which is not followed",
        "it is a device, which is not followed",
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_truncated_zip_is_salvaged(tmp_path: Path, method: int) -> None:
    rows = "".join(f"{n},{n * n}\n" for n in range(3_000)).encode()
    whole = zipped({"a.csv": rows, "b.csv": rows[::-1], "c.csv": rows}, method=method)
    cut = whole[: whole.rfind(b"PK\x03\x04") + 1_500]
    assert "directory is missing" in read(tmp_path, cut).ended.why
    given = read(tmp_path, cut, attempt=1)
    members = given.members()
    assert members["a.csv"] == rows
    assert members["b.csv"] == rows[::-1]
    assert rows.startswith(members["c.csv"])
    assert 0 < len(members["c.csv"]) < len(rows)
    assert "cut short" in given.inners[-1].note


def test_truncated_tar_and_gzip_give_what_there_was(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n * n}\n" for n in range(60_000)).encode()
    cut = tarred({"a.csv": rows, "b.csv": rows})[: len(rows) + 10_000]
    given = read(tmp_path, cut)
    assert given.members()["a.csv"] == rows
    packed = gzip.compress(rows)
    given = read(tmp_path, packed[: len(packed) // 2], "a.gz")
    assert rows.startswith(given.members()["a"])
    assert "cut short" in given.inners[0].note


def test_ratio_at_the_limit_and_one_past(tmp_path: Path) -> None:
    content = zipped({"a": bytes(1_000), "b": bytes(1_000)}, method=zipfile.ZIP_STORED)
    enough = Limits(inflated_bytes_least=2_000, inflated_ratio_most=0)
    assert len(read(tmp_path, content, limits=enough).inners) == 2
    short = Limits(inflated_bytes_least=1_999, inflated_ratio_most=0)
    given = read(tmp_path, content, limits=short)
    assert len(given.inners) == 1
    assert given.shuts[0].name == "b"
    assert given.shuts[0].why == "what comes out of it goes beyond the limit of 1,999 bytes"


def test_members_at_the_limit_and_one_past(tmp_path: Path) -> None:
    content = zipped({str(n): b"x" for n in range(4)})
    assert len(read(tmp_path, content, limits=Limits(members_most=4)).inners) == 4
    given = read(tmp_path, content, limits=Limits(members_most=3))
    assert len(given.inners) == 3
    assert given.shuts[0].why == "there are more than 3 members in its container"


def test_bomb(tmp_path: Path) -> None:
    bomb = zipped({"bomb": bytes(50_000_000), "after.txt": b"small"})
    limits = Limits(inflated_bytes_least=1_000_000, inflated_ratio_most=400)
    given = read(tmp_path, bomb, limits=limits)
    assert [one.name for one in given.shuts] == ["bomb"]
    assert given.members() == {"after.txt": b"small"}
    assert sum(one.stat().st_size for one in tmp_path.rglob("*") if one.is_file()) < 2_000_000


@pytest.mark.parametrize(
    "content",
    [
        zipped(MEMBERS)[:40],
        tarred(MEMBERS)[:600],
        gzip.compress(b"x" * 99)[:14],
        b"7z\xbc\xaf\x27\x1c" + bytes(26),
        b"MSCF\x00\x00\x00\x00" + bytes(40),
        lzma.compress(b"x" * 99)[:30],
    ],
)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    for attempt in (0, 1):
        given = read(tmp_path, content, attempt=attempt)
        assert given.ended.why or given.inners or given.shuts
