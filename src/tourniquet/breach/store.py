"""Fragments as columns, in Parquet: what linking, exposure and the answers read.

Each kind of field is a list column of values in one form (breach.fragments); `places` says for each
value, in the order of `PLACED`, where in the piece it stands. Rows of a table share their places,
so that a column costs nothing for each row.

Invariants:
- A file holds the fragments of whole contents, in reading order, and is put in place by rename.
- `fingerprint` is equal where the same was written about somebody: copies are not independent.
- Names are not joined to persons here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tourniquet.breach.fragments import Field, FieldKind, Fragment, Mark

PLACED = tuple(kind.value for kind in FieldKind)  # the columns with values, in this order
ROWS_AT_ONCE = 20_000
_TEXTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("content", pa.string()),
        ("number", pa.int32()),
        ("place", pa.string()),
        ("shape", pa.string()),
        ("table", pa.string()),
        ("marks", _TEXTS),
        ("truncated", pa.bool_()),
        ("fingerprint", pa.string()),
        *((kind, _TEXTS) for kind in PLACED),
        ("raw", _TEXTS),
        ("places", _TEXTS),
    ]
)
_IDENTITY = tuple(
    kind
    for kind in PLACED
    if kind not in {FieldKind.ORGANISATION, FieldKind.TEST, FieldKind.RESULT, FieldKind.DATE}
)


def write_fragments(fragments: Iterable[Fragment], file: Path) -> int:
    """Write fragments into a file that is there whole or not at all; how many. Raises: OSError."""
    part = file.with_name(f"{file.name}.part")
    count = 0
    with pq.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
        for some in _batches(fragments):
            writer.write_table(to_table(some))
            count += len(some)
    part.replace(file)
    return count


def to_table(fragments: list[Fragment]) -> pa.Table:
    """Fragments as columns."""
    columns: dict[str, list[object]] = {name: [] for name in SCHEMA.names}
    for one in fragments:
        columns["content"].append(one.content)
        columns["number"].append(one.number)
        columns["place"].append(one.place)
        columns["shape"].append(one.shape)
        columns["table"].append(one.table)
        columns["marks"].append([mark.value for mark in one.marks])
        columns["truncated"].append(one.truncated)
        columns["fingerprint"].append(fingerprint(one))
        ordered = sorted(one.fields, key=lambda found: PLACED.index(found.kind))
        for kind in PLACED:
            columns[kind].append([found.value for found in ordered if found.kind == kind])
        columns["raw"].append([found.raw for found in ordered])
        columns["places"].append([found.at for found in ordered])
    return pa.table(columns, schema=SCHEMA)


def read_fragments(file: Path) -> Iterator[Fragment]:
    """Fragments from a file; their fields in the order of PLACED."""
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(ROWS_AT_ONCE):
            for row in batch.to_pylist():
                yield _from_row(row)


def fingerprint(fragment: Fragment) -> str:
    """Equal for two that say the same of somebody, whatever file or line they stand in."""
    digest = hashlib.blake2b(digest_size=16)
    for kind in _IDENTITY:
        for value in sorted(set(fragment.values(FieldKind(kind)))):
            digest.update(f"{kind}\x1f{value}\x1e".encode())
    return digest.hexdigest()


def _from_row(row: dict[str, object]) -> Fragment:
    texts = _lists(row)
    kinds = [(FieldKind(kind), value) for kind in PLACED for value in texts[kind]]
    fields = tuple(
        Field(kind, value, raw, at)
        for (kind, value), raw, at in zip(kinds, texts["raw"], texts["places"], strict=True)
    )
    number = row["number"]
    assert isinstance(number, int)  # the schema's
    return Fragment(
        content=str(row["content"]),
        number=number,
        place=str(row["place"]),
        shape=str(row["shape"]),
        fields=fields,
        marks=tuple(Mark(mark) for mark in texts["marks"]),
        table=str(row["table"]),
        truncated=bool(row["truncated"]),
    )


def _lists(row: dict[str, object]) -> dict[str, list[str]]:
    return {
        name: [str(one) for one in value] for name, value in row.items() if isinstance(value, list)
    }


def _batches(fragments: Iterable[Fragment]) -> Iterator[list[Fragment]]:
    some: list[Fragment] = []
    for one in fragments:
        some.append(one)
        if len(some) == ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some
