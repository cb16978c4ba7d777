"""What a content is, by what it holds. Its name only breaks ties.

1. Marks at the head, of formats that have one.
2. Containers of formats are looked into: which parts a zip has, which streams an OLE2 file has.
3. What is text is told apart by its lines: messages, mail, tables, dumps, markup, logs, prose.

Invariants:
- Reads the head and, of a zip, its directory: never the whole. Nothing raises but OSError.
- A type is a word of `KINDS`, or `other:` with the ending that its format has, or `binary`.
"""

from __future__ import annotations

import csv
import re
import zipfile
import zlib
from collections import Counter
from itertools import pairwise
from pathlib import Path, PurePosixPath

import filetype
import olefile

from tourniquet.breach.readers.decoding import decode, newlines

HEAD_BYTES = 64 * 1024
DIRECTORY_BYTES_MOST = 64 * 1024 * 1024
_NAMES_MOST = 5_000
EMPTY = "empty"
BINARY = "binary"
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "pdf"),
    (0, b"{\\rtf", "rtf"),
    (0, b"\x1f\x8b\x08", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\x00", "xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"MSCF\x00\x00\x00\x00", "cab"),
    (0, b"Rar!\x1a\x07", "rar"),
    (0, b"!BDN", "pst"),
    (0, b"SQLite format 3\x00", "sqlite"),
    (4, b"Standard Jet DB", "access"),
    (4, b"Standard ACE DB", "access"),
    (257, b"ustar", "tar"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"ITSF", "chm"),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "onenote"),
    (0, b"\xffWPC", "wordperfect"),
    (0, b"\x78\x9f\x3e\x22", "tnef"),
    (0, b"\x09\x08\x10\x00\x00\x06", "xls"),
    (0, b"PK\x07\x08PK\x03\x04", "zip"),
    (0, b"PK00PK\x03\x04", "zip"),
)
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
_PDF_WITHIN = 1024
_OOXML = (
    ("word/document", "docx"),
    ("xl/workbook.bin", "xlsb"),
    ("xl/", "xlsx"),
    ("ppt/", "pptx"),
    ("word/", "docx"),
)
_MIMETYPES = (
    ("opendocument.text", "odt"),
    ("opendocument.spreadsheet", "ods"),
    ("opendocument.presentation", "odp"),
    ("opendocument", "odf"),
    ("sun.xml.writer", "odt"),
    ("sun.xml.calc", "ods"),
    ("sun.xml.impress", "odp"),
    ("epub", "epub"),
)
_OLE_STREAMS = (
    ("encryptedpackage", "encrypted-office"),
    ("worddocument", "doc"),
    ("workbook", "xls"),
    ("book", "xls"),
    ("powerpoint document", "ppt"),
    ("pp97_dualstorage", "ppt"),
    ("__properties_version1.0", "msg"),
    ("visiodocument", "visio"),
)
_SEGMENT = re.compile(r"[\x0b\x1c\s]*(?:MSH\||FHS\||BHS\|)")
_MID_SEGMENT = re.compile(
    r"(?:PID|PV1|PV2|ORC|OBR|OBX|NTE|SPM|EVN|NK1|PD1|MRG|AL1|DG1|GT1|IN1|FT1|TXA|ZDS)\|[^\n]*\|"
)
_MSH_WITHIN = re.compile(r"MSH\|\^~\\?&|MSH\|[^\w\s]{4}\|")
_EDIFACT = re.compile(r"\s*(?:UNA.{6}\s*)?UN[BH]\+|\s*UNA.{6}\s*UNB")
_EDIFACT_WITHIN = re.compile(r"'\s*(?:UNH|UNT|NAD|PNA|RFF|DTM|S\d\d|INV|RSL)\+")
_MAIL_HEAD = re.compile(
    r"(?:return-path|received|delivered-to|from|to|cc|bcc|subject|date|message-id|mime-version|"
    r"reply-to|sender|content-type|content-transfer-encoding|x-[a-z0-9-]+|dkim-signature|"
    r"thread-topic|thread-index|importance|in-reply-to|references|status|user-agent):",
    re.IGNORECASE,
)
_MBOX = re.compile(r"From \S+.*\d{4}|From [^\n:]*\d\d:\d\d")
_SQL = re.compile(
    r"^\s*(?:INSERT\s+(?:IGNORE\s+)?INTO\s+\S+|CREATE\s+TABLE\s+\S+|COPY\s+\S+\s*\([^)]*\)\s+FROM\s|"
    r"COPY\s+\S+\s+FROM\s+stdin)",
    re.IGNORECASE | re.MULTILINE,
)
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body|table|div|p|br|meta)\b", re.IGNORECASE)
_XML = re.compile(r"\s*(?:<\?xml|<!DOCTYPE\s+(?!html)|<[A-Za-z_][\w.:-]*(?:\s[^<>]*)?/?>)")
_FHIR = re.compile(r'"resourceType"\s*:\s*"[A-Z]\w+"')
_JSON = re.compile(r'\s*(?:\{\s*(?:"|\})|\[\s*(?:[\[{"\d\]tfn-]))')
_CONTROL = bytes(
    one for one in range(32) if one not in b"\t\n\r\x0b\x0c\x1b\x1c\x1d\x1e\x1f\x08\x00"
)
_CONTROL_SHARE_MOST = 0.005
_DELIMITERS = ",\t;|^~"
_TAGS_LEAST = 5
_OPEN_LINES_MOST = 20
_SAMPLE_LINES = 400
_TABLE_LINES = 60
_TABLE_SHARE = 0.8
_LINES_SHARE = 0.5
_STAMP = re.compile(
    r"\W{0,2}(?:\d{4}-\d\d-\d\d|\d\d?[/.-]\d\d?[/.-]\d{2,4}|[A-Z][a-z]{2} [ \d]\d |\d{8}|\d\d:\d\d)"
)
_LOG_ENDS = re.compile(r"\.(?:log|out|err|trc|audit)(?:\.\d+)?$")
_ARRAY_ENDS = (".jsonl", ".ndjson")


def sniff(file: Path, name: str) -> str:
    """The type of a content. Raises: OSError."""
    with file.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
        size = file.stat().st_size
    if not head:
        return EMPTY
    lower = PurePosixPath(name.lower()).name
    if marked := _of_mark(file, head):
        return marked
    if _is_text(head):
        return _of_text(head, lower, is_whole=size <= len(head))
    return _of_binary(head)


def _of_mark(file: Path, head: bytes) -> str:
    """By the mark with which its head begins; "" where it has none."""
    if head.startswith(_ZIP_MARKS):
        return _of_zip(file, head)
    if head.startswith(OLE_MARK):
        return _of_ole(file)
    for at, mark, kind in _MARKS:
        if head.startswith(mark, at):
            return _of_packed(file, kind) if kind in _INFLATED else kind
    return "pdf" if b"%PDF-" in head[:_PDF_WITHIN] else ""


_INFLATED = ("gzip", "bzip2", "xz")


def _of_packed(file: Path, kind: str) -> str:
    """A compressed tar is one container, not two."""
    from tourniquet.breach.containers import inflated_head  # noqa: PLC0415 # it imports us

    head = inflated_head(file, kind)
    return "tar" if head.startswith(b"ustar", 257) else kind


def _of_zip(file: Path, head: bytes) -> str:
    mimetype = ""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [one.filename for one in archive.infolist()[:_NAMES_MOST]]
            if "mimetype" in names:
                with archive.open("mimetype") as opened:
                    mimetype = opened.read(200).decode("latin-1")
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, RuntimeError,
            OverflowError, zlib.error):  # fmt: skip
        names = _names_in_head(head)
        mimetype = head[38 : 38 + 80].decode("latin-1") if names[:1] == ["mimetype"] else ""
    for part, kind in _MIMETYPES:
        if part in mimetype:
            return kind
    return _of_parts([one.replace("\\", "/") for one in names])


def _of_parts(names: list[str]) -> str:
    """By the parts that the formats of Office put into a zip archive."""
    if "[Content_Types].xml" in names or any(one.endswith(".rels") for one in names):
        for prefix, kind in _OOXML:
            if any(one.startswith(prefix) for one in names):
                return kind
    if "content.xml" in names and "META-INF/manifest.xml" in names:
        return "odf"
    if "Index/Document.iwa" in names or "index.apxl" in names or "index.xml" in names:
        return "iwork"
    return "zip"


def _names_in_head(head: bytes) -> list[str]:
    """Names in local headers, where there is no directory."""
    names = []
    at = head.find(b"PK\x03\x04")
    while at >= 0:
        length = int.from_bytes(head[at + 26 : at + 28], "little")
        names.append(head[at + 30 : at + 30 + length].decode("latin-1"))
        at = head.find(b"PK\x03\x04", at + 4)
    return names


def _of_ole(file: Path) -> str:
    try:
        with olefile.OleFileIO(str(file)) as opened:
            names = {"/".join(path).lower() for path in opened.listdir(streams=True, storages=True)}
    except Exception:  # noqa: BLE001 # a damaged file may raise anything; its head is certain
        return _of_ole_bytes(file)
    for name, kind in _OLE_STREAMS:
        if name in names:
            return kind
    if any(name.startswith("\x06dataspaces/") for name in names):
        return "encrypted-office"
    return "ole"


def _of_ole_bytes(file: Path) -> str:
    """A truncated OLE2 file's names may lie where its directory was."""
    with file.open("rb") as opened:
        content = opened.read(DIRECTORY_BYTES_MOST)
    for name, kind in (("WordDocument", "doc"), ("Workbook", "xls"), ("PowerPoint", "ppt")):
        if name.encode("utf-16-le") in content:
            return kind
    return "ole"


def _of_binary(head: bytes) -> str:
    try:
        found = filetype.guess(head)
    except Exception:  # noqa: BLE001 # the library's own matchers on arbitrary bytes
        return BINARY
    if found is None:
        return BINARY
    known = {"jpg": "jpeg", "png": "png", "tif": "tiff", "gif": "gif", "bmp": "bmp", "webp": "webp"}
    return known.get(found.extension, f"other:{found.extension}")


def _is_text(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if b"\x00" in head:
        from tourniquet.breach.readers.decoding import encoding_of  # noqa: PLC0415

        if not encoding_of(head).startswith("utf-16"):
            return False
        text = head.decode(encoding_of(head), "replace")[:-1]
        strange = sum(one == "\ufffd" or (one < " " and one not in "\t\r\n") for one in text)
        return strange < _CONTROL_SHARE_MOST * len(text)
    controls = len(head) - len(head.translate(None, _CONTROL))
    return controls <= _CONTROL_SHARE_MOST * len(head)


def _of_text(head: bytes, name: str, *, is_whole: bool) -> str:
    text = newlines(decode(head)).lstrip("\ufeff")
    if not text.strip():
        return "text"
    return (
        _of_messages(text)
        or _of_mail(text)
        or _of_markup(text, name)
        or ("sql" if _SQL.search(text) else "")
        or ("table" if _is_table(text, name, is_whole=is_whole) else "")
        or _of_lines(text, name)
    )


def _of_messages(text: str) -> str:
    if _SEGMENT.match(text):
        return "hl7"
    if _EDIFACT.match(text):
        return "edifact"
    lines = [line for line in text.split("\n") if line.strip()]
    segments = sum(bool(_MID_SEGMENT.match(line)) for line in lines[:400])
    is_log = any(_STAMP.match(line) for line in lines[:400])
    if segments >= 2 and segments * 2 >= min(len(lines), 400) and not is_log:
        return "hl7"
    if _MSH_WITHIN.search(text) or segments >= 2:
        return "hl7-log"
    if len(_EDIFACT_WITHIN.findall(text)) >= 3:
        return "edifact"
    return ""


def _of_mail(text: str) -> str:
    lines = text.lstrip("\n").split("\n", 60)
    if _MBOX.match(lines[0]) and len(lines) > 1:
        return "mbox"
    heads = 0
    for line in lines:
        if not line:
            break
        if _MAIL_HEAD.match(line):
            heads += 1
        elif not line.startswith((" ", "\t")) and not re.match(r"[A-Za-z0-9-]+:", line):
            return ""
    return "eml" if heads >= 2 else ""


def _of_markup(text: str, name: str) -> str:
    if _JSON.match(text):
        return _of_json(text, name)
    start = text.lstrip()[:2_000]
    if not start.startswith("<"):
        return "html" if len(_HTML.findall(text[:8_000])) >= _TAGS_LEAST else ""
    if "urn:schemas-microsoft-com:office:spreadsheet" in text[:8_000]:
        return "xls-xml"
    lead = re.sub(r"<\?xml.*?\?>|<!--.*?-->", "", start, flags=re.DOTALL).lstrip()
    if re.match(r"<(?:!doctype\s+html|html)\b", lead, re.IGNORECASE):
        return "html"
    if _XML.match(start) and (start.startswith("<?xml") or not _HTML.match(start)):
        return "xml"
    return "html" if _HTML.match(start) else ""


def _of_json(text: str, name: str) -> str:
    lines = [line for line in text.split("\n", 20)[:20] if line.strip()]
    is_lines = len(lines) > 1 and all(
        line.startswith("{") and line.rstrip().endswith("}") for line in lines[:-1]
    )
    if is_lines or name.endswith(_ARRAY_ENDS):
        return "fhir-lines" if _FHIR.search(lines[0]) else "json-lines"
    return "fhir" if _FHIR.search(text[:4_000]) else "json"


def delimiter_of(lines: list[str]) -> str:
    """What separates the columns of a table, by its first lines; "" where it is none."""
    lines = [line for line in _joined(lines) if line.strip()][:_TABLE_LINES]
    best, best_score = "", 0.0
    for sign in _DELIMITERS:
        counts = Counter(_count(line, sign) for line in lines)
        zero = counts.pop(0, 0)
        if not counts:
            continue
        common, times = counts.most_common(1)[0]
        share = times / len(lines)
        near = sum(n for c, n in counts.items() if abs(c - common) <= 1) / len(lines)
        enough = share >= _TABLE_SHARE or (near >= _TABLE_SHARE and common >= 3)
        titled = zero + times == len(lines) and times >= 3 and common >= 2
        if not enough and not titled and not (share >= _LINES_SHARE and common >= 4):
            continue
        score = share * min(common, 6)
        if score > best_score:
            best, best_score = sign, score
    return best


def _joined(lines: list[str]) -> list[str]:
    """Lines with those put together between which a quotation mark is open."""
    joined: list[str] = []
    open_lines = 0
    for line in lines:
        if open_lines:
            joined[-1] += "\n" + line
        else:
            joined.append(line)
        is_open = joined[-1].count('"') % 2 == 1 and open_lines < _OPEN_LINES_MOST
        open_lines = open_lines + 1 if is_open else 0
    return joined


def _count(line: str, sign: str) -> int:
    if '"' not in line:
        return line.count(sign)
    try:
        return len(next(csv.reader(line.split("\n"), delimiter=sign))) - 1
    except (csv.Error, StopIteration):
        return line.count(sign)


def _is_table(text: str, name: str, *, is_whole: bool) -> bool:
    lines = text.split("\n")
    if not is_whole:
        lines = lines[:-1] or lines
    filled = [line for line in _joined(lines[:_SAMPLE_LINES]) if line.strip()][:_TABLE_LINES]
    sign = delimiter_of(filled)
    if not sign:
        return False
    if name.endswith((".csv", ".tsv", ".psv")):
        return True
    if len(filled) < 2:
        return False
    if sign in ",;" and _prose_share(filled) > 0.3:
        return False
    if sign == "," and _LOG_ENDS.search(name) and all(_STAMP.match(one) for one in filled):
        return False
    return not all(line.count(sign) == 0 for line in filled[1:])


def _prose_share(lines: list[str]) -> float:
    """Lines in which a comma is followed by a blank and there are many words."""
    prose = sum(
        line.count(", ") * 2 >= line.count(",") > 0 and line.count(" ") > 6 for line in lines
    )
    return prose / len(lines)


def _of_lines(text: str, name: str) -> str:
    lines = [line for line in text.split("\n") if line.strip()][:400]
    if _LOG_ENDS.search(name):
        return "lines"
    stamped = sum(bool(_STAMP.match(line)) for line in lines)
    if stamped >= _LINES_SHARE * len(lines) and len(lines) > 1:
        return "lines"
    digits = sum(any(one.isdigit() for one in line) for line in lines)
    blanks = sum(not one.strip() for one, _ in pairwise(text.split("\n")))
    listed = len(lines) >= 5 and digits >= 0.8 * len(lines) and blanks * 4 < len(lines)
    return "lines" if listed else "text"
