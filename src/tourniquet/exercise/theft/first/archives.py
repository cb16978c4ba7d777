"""First family: archives in archives, names that are not UTF-8, archives cut off in the middle.

Invariants:
- What a cut-off archive still holds is found by inflating what is left: a fragment is in the truth
  only if all of it can be had from there.
"""

from __future__ import annotations

import gzip
import io
import re
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import replace

from tourniquet.exercise.theft.content import (
    FIXED_SECONDS,
    Content,
    Draft,
    nest,
    zipped,
)
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.letters import docx_letter
from tourniquet.exercise.theft.first.mail import eml
from tourniquet.exercise.theft.first.messages import hl7_batch
from tourniquet.exercise.theft.first.sheets import workbook
from tourniquet.exercise.theft.first.tables import csv_contacts, csv_lims, tsv

LOCAL_HEADER_BYTES = 30
_ROW_END = re.compile(rb'<row r="(\d+)"[^>]*>.*?</row>', re.DOTALL)


def zip_of(name: str, inside: Sequence[Content], folders: Sequence[str] = ()) -> Content:
    """A zip with these contents, each in a folder."""
    placed = [
        replace(one, name=f"{folder}/{one.name}" if folder else one.name)
        for one, folder in zip(inside, [*folders, *[""] * len(inside)], strict=False)
    ]
    return nest(name, zipped([(one.name, one.data) for one in placed]), placed)


def gzipped(data: bytes) -> bytes:
    """Gzip without a time."""
    return gzip.compress(data, compresslevel=6, mtime=0)


def tar_of(name: str, inside: Sequence[Content], *, latin: bool = False) -> Content:
    """A gzipped tar; `latin` writes names in Latin-1, which is not UTF-8."""
    out = io.BytesIO()
    with tarfile.open(
        fileobj=out, mode="w", format=tarfile.GNU_FORMAT,
        encoding="latin-1" if latin else "utf-8",
    ) as file:  # fmt: skip
        for one in inside:
            info = tarfile.TarInfo(one.name)
            info.size, info.mtime, info.mode = len(one.data), FIXED_SECONDS, 0o644
            file.addfile(info, io.BytesIO(one.data))
    return nest(name, gzipped(out.getvalue()), inside)


def small(desk: Desk, share: int = 3) -> Desk:
    """A desk for a member: fewer rows."""
    return replace(desk, rows=max(4, desk.rows // share))


def zip_folders(desk: Desk) -> Content:
    """A zip with folders, one of them telling whose it is."""
    desk = small(desk)
    inside = (csv_lims(desk), docx_letter(desk), workbook(desk), eml(desk))
    return zip_of("backup of N drive.zip", inside, ("march", "march/letters", "april"))


def zip_in_zip(desk: Desk) -> Content:
    """A zip in a zip in a gzipped tar."""
    desk = small(desk)
    inner = zip_of("2021.zip", (csv_contacts(desk), tsv(desk)))
    outer = zip_of("old.zip", (inner, docx_letter(desk)), ("archive",))
    return tar_of(f"server{desk.chance.number(1, 9)}.tar.gz", (outer, hl7_batch(desk)))


def tar_latin(desk: Desk) -> Content:
    """Names that are not UTF-8."""
    desk = small(desk)
    inside = replace(csv_lims(desk), name="r\xe9sultats \xe0 envoyer.csv")
    return tar_of("export_caf.tgz", (inside,), latin=True)


def gz_log(desk: Desk) -> Content:
    """One gzipped file; its member has the name without the ending."""
    inside = hl7_batch(desk)
    return nest(f"{inside.name}.gz", gzipped(inside.data), (inside,))


def _inflated(data: bytes, at: int) -> bytes:
    """What can be inflated of the member whose local header begins at `at`."""
    name, extra = (int.from_bytes(data[at + n : at + n + 2], "little") for n in (26, 28))
    start = at + LOCAL_HEADER_BYTES + name + extra
    return zlib.decompressobj(-15).decompress(data[start:])


def zip_cut(desk: Desk) -> Content:
    """A zip that breaks off in its second member: no directory, half a table."""
    whole, broken = csv_contacts(small(desk)), csv_lims(replace(desk, rows=desk.rows * 4))
    whole, broken = replace(whole, name="a.csv"), replace(broken, name="b.csv")
    full = zipped([(whole.name, whole.data), (broken.name, broken.data)])
    second = full.find(b"PK\x03\x04", 4)
    end = full.rfind(b"PK\x01\x02", 0, full.rfind(b"PK\x01\x02"))
    data = full[: second + (end - second) * 2 // 3]
    left = len(_inflated(data, second))
    kept = replace(
        broken, data=broken.data[:left],
        drafts=tuple(one for one in broken.drafts if one.where.end <= left),
    )  # fmt: skip
    made = nest("transfer_incomplete.zip", data, (whole, kept))
    members = (made.members[0], replace(made.members[1], readable=False))
    return replace(made, members=members)


def xlsx_cut(desk: Desk) -> Content:
    """A workbook that breaks off in its first sheet; texts are before it."""
    made = workbook(replace(desk, rows=desk.rows * 3))
    at = made.data.find(b"xl/worksheets/sheet1.xml") - LOCAL_HEADER_BYTES
    following = made.data.find(b"PK\x03\x04", at + 4)
    data = made.data[: at + (following - at) * 2 // 3]
    rows = {int(found) for found in _ROW_END.findall(_inflated(data, at))}
    kept: tuple[Draft, ...] = tuple(
        one for one in made.drafts if one.where.sheet == "Requests" and one.where.row in rows
    )
    return replace(made, name=f"cut {made.name}", data=data, drafts=kept)


SHAPES: dict[str, Maker] = {
    "zip": zip_folders,
    "tar-zip-zip": zip_in_zip,
    "tar-latin": tar_latin,
    "gz": gz_log,
    "zip-cut": zip_cut,
    "xlsx-cut": xlsx_cut,
}
