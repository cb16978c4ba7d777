"""Independent readers of what the maker of thefts writes: they find a place's text again."""

from __future__ import annotations

import email
import email.policy
import gzip
import html
import io
import mailbox
import re
import sqlite3
import tarfile
import zipfile
import zlib
from contextlib import closing
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import docx
import openpyxl
import pypdfium2

Where = dict[str, Any]


def open_member(root: Path, path: str) -> bytes:
    """The bytes of a file or of a member, through every container."""
    top, *inner = path.split("!/")
    data = (root / top).read_bytes()
    name = top
    for step in inner:
        data = _member(name, data, step)
        name = step
    return data


def _member(name: str, data: bytes, step: str) -> bytes:
    if data.startswith(b"PK\x03\x04"):
        return _from_zip(data, step)
    if name.endswith((".tgz", ".tar.gz")):
        with tarfile.open(fileobj=io.BytesIO(data), encoding="latin-1") as file:
            found = file.extractfile(step)
            assert found is not None
            return found.read()
    if name.endswith(".gz"):
        return gzip.decompress(data)
    for message in _messages(name, data):
        for part in message.walk():
            if part.get_filename() == step:
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                return content
    raise AssertionError(f"{step} is not in {name}")


def _from_zip(data: bytes, step: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            return file.read(step)
    except zipfile.BadZipFile:
        at = data.index(step.encode()) - 30
        size = int.from_bytes(data[at + 26 : at + 28], "little")
        return zlib.decompressobj(-15).decompress(data[at + 30 + size :])


def _messages(name: str, data: bytes) -> list[Any]:
    if not name.endswith((".mbox", ".mbx")):
        return [email.message_from_bytes(data, policy=email.policy.default)]
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp") / "theft_box.mbox"
    path.write_bytes(data)
    with closing(mailbox.mbox(path, create=False)) as box:
        texts = [one.as_bytes() for one in box]
    path.unlink()
    return [email.message_from_bytes(text, policy=email.policy.default) for text in texts]


def text_at(name: str, data: bytes, where: Where) -> str:
    """The text at a place of a content, unescaped."""
    kind = "pdf" if data.startswith(b"%PDF") else name.rpartition(".")[2]
    reader = READERS.get(kind)
    if reader is None:
        return unescaped(data[where.get("start", 0) : where.get("end", len(data))])
    return reader(data, where)


def _database_row(data: bytes, where: Where) -> str:
    with closing(sqlite3.connect(":memory:")) as base:
        base.deserialize(data)
        question = f"SELECT * FROM {where['sheet']} WHERE rowid = ?"
        row = base.execute(question, (where["row"],)).fetchone()
    return " | ".join(str(cell) for cell in row)


def _page(data: bytes, where: Where) -> str:
    page = pypdfium2.PdfDocument(data)[where.get("page", 1) - 1]
    return str(page.get_textpage().get_text_bounded())


def _mail(name: str) -> Any:
    def read(data: bytes, where: Where) -> str:
        message = _messages(name, data)[where["message"] - 1]
        parts = [p.get_payload(decode=True) for p in message.walk() if not p.is_multipart()]
        return b"\n".join(p for p in parts if p).decode("utf-8", "replace")

    return read


def _open_document(data: bytes, where: Where) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        content = file.read("content.xml").decode()
    return html.unescape(content.split("<table:table-row>")[where["row"]])


def _xml_sheet(data: bytes, where: Where) -> str:
    return html.unescape(data.decode().split("<Row>")[where["row"]])


def unescaped(raw: bytes) -> str:
    """Text in whichever code, without the escapes of SQL, HTML, EDIFACT, JSON and RTF."""
    text = raw.decode("utf-16-le" if b"\x00" in raw else "utf-8", "replace")
    text = unquote(text) if "/results/search?" in text else text
    return html.unescape(re.sub(r"(?:\?|\\|\')(?=['+:?])", "", text))


@lru_cache(maxsize=1)
def _workbook(data: bytes) -> Any:
    return openpyxl.load_workbook(io.BytesIO(data))


def _sheet_row(data: bytes, where: Where) -> str:
    """A row's cells as people see them."""
    try:
        sheet = _workbook(data)[where["sheet"]]
    except zipfile.BadZipFile:
        return _salvaged_row(data, where)
    out = []
    for cell in sheet[where["row"]]:
        if isinstance(cell.value, datetime):
            out += [cell.value.strftime("%d/%m/%Y"), cell.value.strftime("%d-%b-%Y")]
        elif cell.value is not None:
            out.append(str(cell.value))
    return " | ".join(out)


def _salvaged_row(data: bytes, where: Where) -> str:
    """A row of a workbook that breaks off in its first sheet."""
    strings = re.findall(rb"<si><t[^>]*>(.*?)</t></si>", _from_zip(data, "xl/sharedStrings.xml"))
    sheet = _from_zip(data, "xl/worksheets/sheet1.xml")
    row = re.search(rb'<row r="%d"[^>]*>(.*?)</row>' % where["row"], sheet, re.DOTALL)
    assert row is not None
    out = []
    for kind, value in re.findall(rb'<c r="[A-Z]+\d+"([^>]*)><v>(.*?)</v>', row[1]):
        if b't="s"' in kind:
            out.append(html.unescape(strings[int(value)].decode()))
        else:
            out.append(value.decode())
            if float(value) < 60_000:
                day = date(1899, 12, 30) + timedelta(days=int(float(value)))
                out.append(day.strftime("%d/%m/%Y"))
    return " | ".join(out)


def _word(data: bytes, where: Where) -> str:
    document = docx.Document(io.BytesIO(data))
    if where.get("row"):
        cells = document.tables[0].rows[where["row"] - 1].cells
        return " | ".join(cell.text for cell in cells)
    texts = [paragraph.text for paragraph in document.paragraphs]
    return texts[where["line"] - 1] if where.get("line") else "\n".join(texts)


def squeezed(text: str) -> str:
    """Without blanks, separators and case: pages break lines, and messages part addresses."""
    return re.sub(r"[\s,:;^+]+", "", text).casefold()


READERS: dict[str, Any] = {
    "xlsx": _sheet_row,
    "db": _database_row,
    "sqlite": _database_row,
    "pdf": _page,
    "docx": _word,
    "eml": _mail(".eml"),
    "mbox": _mail(".mbox"),
    "mbx": _mail(".mbox"),
    "ods": _open_document,
    "xls": _xml_sheet,
}
