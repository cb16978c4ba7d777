"""Types by content, whatever the name says."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sqlite3
from pathlib import Path

import pytest

from tests.support.breach_reading import tarred, zipped
from tourniquet.breach.sniff import delimiter_of, sniff

HL7 = "MSH|^~\\&|LIMS|X9801|TIE|X99025|202002140830||ORU^R01|M1|P|2.4\rPID|1||9990000018\r"
MAIL = "From: a@example.org\nTo: b@example.org\nSubject: list\n\nbody\n"
TABLE = "NHS No,Surname,DoB\n9990000018,SMITH,01/02/1945\n9990000026,JONES,03/04/1956\n"
FHIR = json.dumps({"resourceType": "Patient", "id": "a"})
TYPES = {
    "table": TABLE,
    "table with tabs": TABLE.replace(",", "\t"),
    "table with bars": TABLE.replace(",", "|"),
    "hl7": HL7,
    "hl7 from the middle": HL7[HL7.index("PID") :] + "OBX|1|ST|HB||120|g/L\rOBX|2|ST|WCC||5|\r",
    "hl7 in a batch": "FHS|^~\\&|LIMS\rBHS|^~\\&|LIMS\r" + HL7,
    "hl7-log": f"2024-05-01 10:00:00 DEBUG RX {HL7}\n2024-05-01 10:00:01 INFO sent\n",
    "edifact": "UNB+UNOA:2+X9806+MESH+240529:2314+1'UNH+1+MEDRPT:0:1:RT:NHS003'",
    "edifact with its signs": "UNA:+.? 'UNB+UNOA:2+X9806+MESH+240529:2314+1'UNH+1+MEDRPT'",
    "eml": MAIL,
    "mbox": f"From a@example.org Wed May  1 10:00:00 2024\n{MAIL}",
    "sql": "-- dump\nCREATE TABLE `a` (`b` text);\nINSERT INTO `a` VALUES ('x');\n",
    "sql of PostgreSQL": "--\nCOPY public.a (b, c) FROM stdin;\n1\t2\n\\.\n",
    "json": json.dumps({"a": [1, 2]}),
    "json-lines": '{"a": 1}\n{"a": 2}\n{"a": 3}\n',
    "fhir": FHIR,
    "fhir-lines": f"{FHIR}\n{FHIR}\n",
    "html": "<!DOCTYPE html><html><body><p>x</p></body></html>",
    "xml": "<?xml version='1.0'?><a><b>1</b></a>",
    "lines": "".join(f"2024-05-01 10:00:0{n} INFO user looked at 999000001{n}\n" for n in range(6)),
    "text": "Dear colleague,\n\nthank you for seeing this lady. She was well, and went home.\n",
    "rtf": "{\\rtf1 x}",
    "empty": "",
}


@pytest.mark.parametrize("label", TYPES)
@pytest.mark.parametrize("name", ["content", "x.pdf", "x.zip"])
def test_text(tmp_path: Path, label: str, name: str) -> None:
    file = tmp_path / "content"
    file.write_bytes(TYPES[label].encode())
    assert sniff(file, name) == label.split(maxsplit=1)[0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("label", ["table", "eml", "json", "html"])
def test_text_in_other_encodings(tmp_path: Path, label: str, encoding: str) -> None:
    file = tmp_path / "content"
    file.write_bytes(TYPES[label].encode(encoding))
    assert sniff(file, "content") == label


def test_ebcdic(tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_bytes(TYPES["table"].replace("\n", "\r\n").encode("cp500"))
    assert sniff(file, "content") in {"table", "lines", "text"}


def test_names_break_ties(tmp_path: Path) -> None:
    file = tmp_path / "content"
    file.write_text("a,b\n")
    assert sniff(file, "list.csv") == "table"
    assert sniff(file, "list.txt") == "text"


OOXML = "[Content_Types].xml"
BINARY = {
    "zip": zipped({"a.txt": b"x"}),
    "docx": zipped({OOXML: b"", "word/document.xml": b"<a/>"}),
    "xlsx": zipped({OOXML: b"", "xl/workbook.xml": b"<a/>"}),
    "xlsb": zipped({OOXML: b"", "xl/workbook.bin": b"x"}),
    "pptx": zipped({OOXML: b"", "ppt/presentation.xml": b"<a/>"}),
    "docx that is cut": zipped({OOXML: b"", "word/document.xml": b"<a/>" * 9})[:-30],
    "odt": zipped({"mimetype": b"application/vnd.oasis.opendocument.text"}),
    "ods": zipped({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet"}),
    "epub": zipped({"mimetype": b"application/epub+zip"}),
    "tar": tarred({"a.txt": b"x"}),
    "tar in gzip": tarred({"a.txt": b"x"}, "w:gz"),
    "tar in bzip2": tarred({"a.txt": b"x"}, "w:bz2"),
    "tar in xz": tarred({"a.txt": b"x"}, "w:xz"),
    "gzip": gzip.compress(b"x"),
    "bzip2": bz2.compress(b"x"),
    "xz": lzma.compress(b"x"),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(30),
    "pst": b"!BDN" + bytes(30),
    "pdf": b"%PDF-1.4\n",
    "pdf behind other bytes": b"\x00\x01junk%PDF-1.4\n",
    "ole that is cut": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
    "doc that is cut": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    + bytes(600)
    + "WordDocument".encode("utf-16-le"),
    "access": b"\x00\x01\x00\x00Standard Jet DB\x00" + bytes(30),
    "binary": bytes(range(256)),
    "other:mp3": b"ID3\x03" + bytes(range(32)) * 4,
}


@pytest.mark.parametrize("label", BINARY)
def test_binary(tmp_path: Path, label: str) -> None:
    file = tmp_path / "content"
    file.write_bytes(BINARY[label])
    assert sniff(file, "list.csv") == label.split(maxsplit=1)[0]


def test_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "content"
    with sqlite3.connect(file) as base:
        base.execute("CREATE TABLE a (b)")
    base.close()
    assert sniff(file, "thumbs.jpg") == "sqlite"


@pytest.mark.parametrize(
    ("lines", "sign"),
    [
        (["a,b,c", "1,2,3", "4,5,6"], ","),
        (["a;b;c", "1,5;2;3", "4,5;5;6"], ";"),
        (['a,"b,c"', '1,"2,3"', "4,5"], ","),
        (["title", "", "a\tb\tc", "1\t2\t3", "4\t5\t6"], "\t"),
        (["prose without any", "of them"], ""),
    ],
)
def test_delimiters(lines: list[str], sign: str) -> None:
    assert delimiter_of(lines) == sign
