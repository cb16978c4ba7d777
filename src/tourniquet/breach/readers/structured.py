"""JSON: tables where objects repeat, FHIR resources as messages, the rest as values with names.

Invariants:
- Places are bytes of the file, or lines where each line is an object.
- What is cut short gives what stands before the cut, and the rest as text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain

import msgspec

from tourniquet.breach.pieces import Piece, Shape, Syntax, Wire
from tourniquet.breach.readers.decoding import decode, line_blocks
from tourniquet.breach.readers.source import (
    CannotRead,
    Source,
    clip,
    passages,
    placed_rows,
)

_DEPTH_MOST = 60
_VALUES_MOST = 2_000_000
_LINES_AT_ONCE = 5_000
_DECODER = json.JSONDecoder(strict=False, parse_float=str, parse_int=str)
_BLANK = re.compile(r"[\s,]*")
_COLUMNS_MOST = 400
_RUN_LEAST = 2


def flat(value: object, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Values with their names, dots between: `patient.name: SMITH`."""
    if depth > _DEPTH_MOST:
        yield name, "(deeper than the limit)"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from flat(one, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list):
        if all(not isinstance(one, (dict, list)) for one in value):
            yield name, " ".join(cell(one) for one in value)
        else:
            for number, one in enumerate(value):
                yield from flat(one, f"{name}.{number}" if number else name, depth + 1)
    else:
        yield name, cell(value)


def cell(value: object) -> str:
    """A single value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clip(value if isinstance(value, str) else str(value))


def _tables(objects: Iterator[tuple[str, dict[str, str]]], table: str) -> Iterator[Piece]:
    """Objects in a row that have the same names, as tables."""
    held: list[tuple[str, dict[str, str]]] = []
    columns: dict[str, None] = {}

    def give() -> Iterator[Piece]:
        names = list(columns)
        cells = ((place, [one.get(name, "") for name in names]) for place, one in held)
        yield from placed_rows(table, cells, columns=names)

    for place, one in objects:
        strange = one.keys() - columns.keys()
        if held and (len(held) >= _LINES_AT_ONCE or len(strange) * 2 > len(one)):
            yield from give()
            held, columns = [], {}
        held.append((place, one))
        for name in list(one)[:_COLUMNS_MOST]:
            columns.setdefault(name)
    if held:
        yield from give()


def json_lines(source: Source) -> Iterator[Piece]:
    """One object a line."""
    yield from _tables(_line_objects(source), "")


def _line_objects(source: Source) -> Iterator[tuple[str, dict[str, str]]]:
    number = 0
    for lines in line_blocks(source.file):
        for line in lines:
            number += 1
            if not line.strip():
                continue
            try:
                value = msgspec.json.decode(line)
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                source.note("some of its lines are cut short or damaged")
                yield f"line {number}", {"": clip(line)}
                continue
            yield f"line {number}", dict(flat(value))


def fhir_lines(source: Source) -> Iterator[Piece]:
    """One FHIR resource a line, as bulk exports are."""
    number = 0
    for lines in line_blocks(source.file):
        for line in lines:
            number += 1
            if line.strip():
                yield Wire(f"line {number}", Syntax.FHIR, line.strip().encode(), _is_object(line))


def _is_object(text: str) -> bool:
    return text.lstrip().startswith("{") and text.rstrip().endswith("}")


def fhir(source: Source) -> Iterator[Piece]:
    """A resource, or each resource of a bundle, by its bytes."""
    text = decode(source.whole())
    count = 0
    for start, end, value in _elements(text, {"entry", "contained"}):
        count += 1
        place = f"bytes {start}-{end}"
        resource = value.get("resource", value) if isinstance(value, dict) else value
        yield Wire(place, Syntax.FHIR, json.dumps(resource).encode())
    if not count and text.strip():
        is_whole = _is_object(text)
        yield Wire(f"bytes 0-{source.size}", Syntax.FHIR, text.strip().encode(), is_whole)


def json_document(source: Source) -> Iterator[Piece]:
    """Arrays of objects as tables, anything else as values with names, one to a line."""
    text = decode(source.whole()).lstrip("\ufeff")
    lead = text.lstrip()[:1]
    if lead == "[":
        yield from _array(source, text, "")
        return
    if lead != "{":
        raise CannotRead("it does not begin as JSON does")
    plain: list[tuple[str, str]] = []
    for name, start, value in _top_values(text):
        if text[start] == "[" and value is None:
            yield from _array(source, text, name, start)
        else:
            plain += flat(value, name)
    if plain:
        lines = "\n".join(f"{name}: {value}" for name, value in plain[:_VALUES_MOST])
        yield from passages("text", Shape.MARKUP, lines)


def _array(source: Source, text: str, table: str, start: int = -1) -> Iterator[Piece]:
    elements = _walk_array(text, text.index("[") if start < 0 else start)
    objects = ((f"bytes {low}-{high}", dict(flat(value))) for low, high, value in elements)
    first = next(objects, None)
    if first is None:
        source.note("there is an empty list in it")
        return
    yield from _tables(chain([first], objects), table)


def _top_values(text: str) -> Iterator[tuple[str, int, object]]:
    """Names of the outermost object with where their values begin; an array of objects as None."""
    at = text.index("{") + 1
    while True:
        at = _skip(text, at)
        if at >= len(text) or text[at] != '"':
            return
        try:
            name, at = _DECODER.raw_decode(text, at)
            at = _skip(text, at, ":")
            if text[at] == "[" and re.match(r"\[\s*\{", text[at : at + 200]):
                yield name, at, None
                at = _end_of_array(text, at)
                continue
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, IndexError, RecursionError):
            return
        yield name, at, value
        at = end


def _end_of_array(text: str, at: int) -> int:
    try:
        return _DECODER.raw_decode(text, at)[1]
    except (ValueError, RecursionError):
        return len(text)


def _elements(text: str, names: set[str]) -> Iterator[tuple[int, int, object]]:
    """Elements of the arrays of these names, with their bytes."""
    if not text.lstrip().startswith("{"):
        if text.lstrip().startswith("["):
            yield from _walk_array(text, text.index("["))
        return
    for name, start, value in _top_values(text):
        if name in names and value is None:
            yield from _walk_array(text, start)


def _walk_array(text: str, start: int) -> Iterator[tuple[int, int, object]]:
    """Elements of an array with the bytes that each takes, as far as they can be read."""
    at, counted, at_byte = start + 1, 0, 0
    while True:
        at = _skip(text, at)
        if at >= len(text) or text[at] == "]":
            return
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            rest = text[at : at + 1_000_000]
            low = at_byte + len(text[counted:at].encode("utf-8", "replace"))
            yield low, low + len(rest.encode("utf-8", "replace")), {"": rest}
            return
        low = at_byte + len(text[counted:at].encode("utf-8", "replace"))
        high = low + len(text[at:end].encode("utf-8", "replace"))
        counted, at_byte = end, high
        yield low, high, value
        at = end


def _skip(text: str, at: int, also: str = "") -> int:
    found = _BLANK.match(text, at)
    at = found.end() if found else at
    if also and text[at : at + 1] == also:
        return _skip(text, at + 1)
    return at
