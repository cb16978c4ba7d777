"""Which readers read which type, the first and the second.

`read_content` is what a child does with one content: sniff, choose, read, say how it ended.

Invariants:
- A reader's module is imported when it is first needed: a child starts in a few hundredths of a
  second.
- Nothing that a reader raises leaves here, but for what ends the process.
- Empty output of a content that is not empty is a failure: `swept`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import cast

from tourniquet.breach import sniff
from tourniquet.breach.limits import Limits
from tourniquet.breach.pieces import Ended, Piece, State
from tourniquet.breach.readers.source import CannotRead, Reader, Scratch, ScratchFull, Source

_CONTAINERS = "tourniquet.breach.containers"
_READERS = "tourniquet.breach.readers"
_TIKA = f"{_READERS}.other:tika"
_WRITING = f"{_READERS}.text:writing"
_LINES = f"{_READERS}.text:lines"
_PROSE = f"{_READERS}.text:prose"
_IMAGE = (f"{_READERS}.images:image",)
READERS: dict[str, tuple[str, ...]] = {
    "zip": (f"{_CONTAINERS}:zip_members", f"{_CONTAINERS}:zip_salvaged"),
    "tar": (f"{_CONTAINERS}:tar_members", _WRITING),
    "gzip": (f"{_CONTAINERS}:packed_member",),
    "bzip2": (f"{_CONTAINERS}:packed_member",),
    "xz": (f"{_CONTAINERS}:packed_member",),
    "zstd": (f"{_CONTAINERS}:packed_member",),
    "7z": (f"{_CONTAINERS}:seven_zip_members",),
    "cab": (f"{_CONTAINERS}:cab_members",),
    "rar": (_TIKA,),
    "table": (f"{_READERS}.tables:table", _LINES),
    "lines": (_LINES, _WRITING),
    "text": (_PROSE, _WRITING),
    "hl7": (f"{_READERS}.messages:hl7", _LINES),
    "hl7-log": (f"{_READERS}.messages:hl7_log", _LINES),
    "edifact": (f"{_READERS}.messages:edifact", _LINES),
    "fhir": (f"{_READERS}.structured:fhir", _PROSE),
    "fhir-lines": (f"{_READERS}.structured:fhir_lines", _LINES),
    "json": (f"{_READERS}.structured:json_document", _PROSE),
    "json-lines": (f"{_READERS}.structured:json_lines", _LINES),
    "xml": (f"{_READERS}.markup:xml", _PROSE),
    "html": (f"{_READERS}.markup:html", _PROSE),
    "sql": (f"{_READERS}.databases:sql_dump", _LINES),
    "sqlite": (f"{_READERS}.databases:sqlite", f"{_READERS}.databases:sqlite_padded"),
    "access": (f"{_READERS}.databases:access", _WRITING),
    "eml": (f"{_READERS}.mail:eml", _PROSE),
    "mbox": (f"{_READERS}.mail:mbox", _PROSE),
    "msg": (f"{_READERS}.outlook:msg", _TIKA),
    "pst": (f"{_READERS}.outlook:pst", _WRITING),
    "tnef": (_TIKA, _WRITING),
    "xlsx": (f"{_READERS}.sheets:workbook", f"{_READERS}.sheets:xlsx_parts"),
    "xlsb": (f"{_READERS}.sheets:workbook", _TIKA),
    "xls": (f"{_READERS}.sheets:workbook", _TIKA),
    "ods": (f"{_READERS}.sheets:workbook", f"{_READERS}.office:open_document"),
    "xls-xml": (f"{_READERS}.sheets:xls_xml", f"{_READERS}.markup:xml"),
    "docx": (f"{_READERS}.office:docx", _TIKA),
    "pptx": (f"{_READERS}.office:pptx", _TIKA),
    "odt": (f"{_READERS}.office:open_document", _TIKA),
    "odp": (f"{_READERS}.office:open_document", _TIKA),
    "odf": (f"{_READERS}.office:open_document", _TIKA),
    "epub": (f"{_READERS}.office:epub", _TIKA),
    "rtf": (f"{_READERS}.office:rtf", _TIKA),
    "doc": (f"{_READERS}.ole:doc", _TIKA),
    "ppt": (f"{_READERS}.ole:ppt", _TIKA),
    "pdf": (f"{_READERS}.pdf:pdf", _TIKA),
    "jpeg": _IMAGE,
    "png": _IMAGE,
    "gif": _IMAGE,
    "tiff": _IMAGE,
    "bmp": _IMAGE,
    "webp": _IMAGE,
    **dict.fromkeys(("visio", "iwork", "chm", "onenote", "wordperfect"), (_TIKA, _WRITING)),
    "ole": (f"{_READERS}.ole:embedded", _TIKA),
    sniff.BINARY: (_WRITING,),
}
_NO_READER = "there is no reader for its type; its bytes were searched"
_ONLY_WRITING = "no reader knows its type; what is written in it was read as lines"
_NOTHING = "nothing was found in it"
_ENCRYPTED = "it is encrypted: a password is needed"
SCRATCH_FULL = "the scratch folder could not take what came out of it"
LAST_RESORT = sniff.BINARY  # the type as which a content is read when its own readers failed
_BLANK_BYTES_MOST = 64 * 1024


def readers_of(kind: str) -> tuple[str, ...]:
    """Names of the readers of a type, in the order in which they are tried."""
    return READERS.get(kind, ())


def read_content(
    file: Path, *, name: str, limits: Limits, scratch: Path, kind: str = "", attempt: int = 0
) -> Iterator[Piece]:
    """What one reader gives of a content; the last piece is how it ended.

    kind: its type where that is known. attempt: 0 for the first reader, 1 for the second.
    scratch: an empty folder of its own, in which members are left. Raises: OSError of the file.
    """
    kind = kind or sniff.sniff(file, name)
    if ended := _ended_at_once(kind):
        yield ended
        return
    readers = readers_of(kind)
    reader = readers[min(attempt, len(readers) - 1)]
    source = Source(file, name, kind, limits, Scratch(scratch, limits, file.stat().st_size))
    given = 0
    try:
        for piece in _function(reader)(source):
            given += 1
            yield piece
    except CannotRead as failure:
        yield Ended(failure.state, _short(reader), failure.why)
        return
    except ScratchFull:
        yield Ended(State.SWEPT, _short(reader), SCRATCH_FULL)
        return
    except MemoryError:
        most = limits.memory_bytes_most // (1024 * 1024)
        yield Ended(
            State.SWEPT, _short(reader), f"it needs more memory than the limit of {most:,} MB"
        )
        return
    except RecursionError:
        yield Ended(State.SWEPT, _short(reader), "it is nested more deeply than its reader goes")
        return
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 # its own fault, a panic of Rust's too
        yield Ended(State.SWEPT, _short(reader), f"its reader failed ({type(error).__name__})")
        return
    yield _ended(source, reader, given)


def _ended(source: Source, reader: str, given: int) -> Ended:
    why = "; ".join(source.notes)
    if given:
        if source.state is State.SWEPT:
            why = why or _ONLY_WRITING
        return Ended(source.state, _short(reader), why)
    if _is_blank(source.file):
        return Ended(State.PARSED, _short(reader), "it is blank")
    return Ended(State.SWEPT, _short(reader), why or _NOTHING)


def _ended_at_once(kind: str) -> Ended | None:
    if kind == sniff.EMPTY:
        return Ended(State.PARSED, "", "it is empty")
    if kind == "encrypted-office":
        return Ended(State.UNREADABLE, "", _ENCRYPTED)
    if not readers_of(kind):
        return Ended(State.SWEPT, "", _NO_READER)
    return None


def _is_blank(file: Path) -> bool:
    if file.stat().st_size > _BLANK_BYTES_MOST:
        return False
    return not file.read_bytes().strip(b" \t\r\n\x00\xff\xfe\xef\xbb\xbf\x1a")


def _short(reader: str) -> str:
    return reader.rsplit(":", 1)[-1]


def _function(name: str) -> Reader:
    module, _, function = name.partition(":")
    return cast("Reader", getattr(import_module(module), function))
