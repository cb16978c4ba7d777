"""The patient index of a review: `people.csv` brought into one form, and looked up in.

1. Read the file; a row that does not fit is named and left out, and so is a value that is none.
2. Bring names, numbers, dates and addresses into one form (breach.canonical).
3. Write people, numbers, local numbers and names as Parquet, and the numbers once more as an array
   that a sweep maps into memory.

An index is a folder named by the hash of its source; it is made once and never changed.

Invariants:
- Whoever lies in the file is in the index or in `left_out`; nothing is dropped without a word.
- An open quotation mark could swallow the rest of the file, so it refuses the file.
- `row` counts people from 0, in the file's order; every table refers to it.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tourniquet.breach import canonical
from tourniquet.kernel.errors import UserError

COLUMNS = (
    "person", "nhs_number", "local_numbers", "family_name", "given_names", "previous_family_name",
    "birth_date", "sex", "address", "postcode", "phone", "email", "gp_practice",
    "superseded_nhs_numbers", "died_on",
)  # fmt: skip
REQUIRED = ("person",)
PEOPLE_MOST = 100_000_000
LEFT_OUT_MOST = 10_000  # that are named one by one
HEADER_BYTES_MOST = 64 * 1024
BLOCK_BYTES = 1024 * 1024
MEMORY = "1500MB"
_DONE = "index.json"
_NUMBERS = "numbers.npy"
_LIST = ";"


@dataclass(frozen=True)
class LeftOut:
    """A row, or a value of one, that is not in the index.

    where: `line 12` (the header is line 1), or `person K77` by the key of the file.
    """

    where: str
    column: str
    why: str


class Summary(msgspec.Struct, frozen=True):
    """What an index says of itself."""

    people: int
    left_out: int
    sha256: str
    version: int = 1


@dataclass(frozen=True)
class Index:
    """An index that is ready: the folder and what it holds."""

    folder: Path
    summary: Summary

    @property
    def people(self) -> Path:
        """One row for each person; see `_PEOPLE`."""
        return self.folder / "people.parquet"

    @property
    def numbers(self) -> Path:
        """`nhs, row, is_superseded`, sorted by number."""
        return self.folder / "numbers.parquet"

    @property
    def local_numbers(self) -> Path:
        """`organisation, number, row`."""
        return self.folder / "local_numbers.parquet"

    @property
    def names(self) -> Path:
        """`kind, name, people`: in how many people's names each word is; family or given."""
        return self.folder / "names.parquet"

    def known_numbers(self) -> NDArray[np.int64]:
        """All NHS numbers, sorted, mapped into memory."""
        return np.asarray(np.load(self.folder / _NUMBERS, mmap_mode="r"))

    def left_out(self) -> list[LeftOut]:
        """The first LEFT_OUT_MOST rows and values that are not in it."""
        with (self.folder / "left_out.csv").open(encoding="utf-8", newline="") as file:
            return [LeftOut(where, column, why) for where, column, why in csv.reader(file)]


def provide_index(people: Path, into: Path) -> Index:
    """The index of a file, made where it was not yet made from the same bytes.

    Raises: UserError when the file can't be read or its header or quoting is not right.
    """
    digest = _digest(people)
    folder = into / digest[:16]
    if not (folder / _DONE).is_file():
        part = into / f"{digest[:16]}.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _make(people, part, digest)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
    return open_index(folder)


def open_index(folder: Path) -> Index:
    """An index that was made. Raises: UserError when there is none."""
    try:
        content = (folder / _DONE).read_bytes()
        return Index(folder, msgspec.json.decode(content, type=Summary))
    except (OSError, msgspec.MsgspecError):
        raise UserError(
            "Here is no index of people.", where=str(folder), remedy="Run the review again."
        ) from None


def _digest(people: Path) -> str:
    digest = hashlib.sha256()
    try:
        with people.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise UserError(
            f"The file can't be read: {error.strerror}.", where=str(people), remedy="See --people."
        ) from None
    return digest.hexdigest()


def _header(people: Path) -> list[str]:
    with people.open("rb") as file:
        first = file.readline(HEADER_BYTES_MOST)
    try:
        names = next(csv.reader([first.decode("utf-8-sig")]), [])
    except (UnicodeDecodeError, csv.Error):
        names = []
    names = [name.strip() for name in names]
    missing = [name for name in REQUIRED if name not in names]
    if missing or len(set(names)) != len(names) or not all(names):
        raise UserError(
            "The first line does not name the columns, each once.",
            where=f"{people.name}, line 1",
            remedy=f"Write UTF-8 with a header: {','.join(COLUMNS)}. Only person must be there.",
        )
    return names


def _make(people: Path, into: Path, digest: str) -> None:
    header = _header(people)
    with duckdb.connect(":memory:") as base:
        base.execute(f"SET memory_limit = '{MEMORY}'")
        base.execute(f"SET temp_directory = '{_quoted(str(into / 'spill'))}'")
        # 1.
        _read(base, people, header)
        # 2.
        for column, kind in (
            ("family_name", "family"),
            ("previous_family_name", "previous"),
            ("given_names", "given"),
        ):
            _tell_names(base, column, kind)
        base.execute(files(__package__).joinpath("index.sql").read_text(encoding="utf-8"))
        # 3.
        for name, query in _TABLES.items():
            target = _quoted(str(into / f"{name}.parquet"))
            base.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        values = base.execute("SELECT DISTINCT nhs FROM numbers ORDER BY nhs").fetchnumpy()["nhs"]
        np.save(into / _NUMBERS, np.asarray(values, np.int64))
        left_out = _write_left_out(base, into)
        count = _count(base, "people")
    shutil.rmtree(into / "spill", ignore_errors=True)
    (into / _DONE).write_bytes(msgspec.json.encode(Summary(count, left_out, digest)))


def _read(base: duckdb.DuckDBPyConnection, people: Path, header: Sequence[str]) -> None:
    """Read the file as it is into `source`; what does not fit into `left_out`."""
    types = ", ".join(f"'{_quoted(name)}': 'VARCHAR'" for name in header)
    wanted = ", ".join(
        f"trim(coalesce(\"{name}\", '')) AS {name}" if name in header else f"'' AS {name}"
        for name in COLUMNS
    )
    base.execute(
        f"""
        CREATE TABLE source AS SELECT {wanted}, row_number() OVER () - 1 AS place
        FROM read_csv('{_quoted(str(people))}', auto_detect=false, columns={{{types}}}, header=true,
             delim=',', quote='"', escape='"', strict_mode=true, store_rejects=true,
             rejects_limit={LEFT_OUT_MOST + 1})
        """
    )
    base.execute(
        """
        CREATE TABLE left_out AS SELECT DISTINCT ON (line) 'line ' || line AS spot,
            coalesce(column_name, '') AS field, lower(error_type::VARCHAR) AS why
        FROM reject_errors ORDER BY line
        """
    )
    opened = base.execute(
        "SELECT min(line) FROM reject_errors WHERE error_type = 'UNQUOTED VALUE'"
    ).fetchone()
    if opened and opened[0] is not None:
        raise UserError(
            "A quotation mark is opened and not closed where its value ends.",
            where=f"{people.name}, line {opened[0]}",
            remedy="Mend that line: whoever comes behind it could be lost without a word.",
        )
    if not 0 < _count(base, "source") <= PEOPLE_MOST:
        raise UserError(
            "The file names nobody, or more people than an index holds.",
            where=people.name,
            remedy=f"Give a file with a row for each person, {PEOPLE_MOST:,} at most.",
        )


def _tell_names(base: duckdb.DuckDBPyConnection, column: str, kind: str) -> None:
    """Bring each different name of a column into one form, once."""
    rows = base.execute(f"SELECT DISTINCT {column} FROM source WHERE {column} <> ''").fetchall()
    written = [str(name) for (name,) in rows]
    table = pa.table(
        {
            "written": pa.array(written, pa.string()),
            "key": pa.array([canonical.name_key(one) for one in written], pa.string()),
            "words": pa.array(
                [list(canonical.name_words(one)) for one in written], pa.list_(pa.string())
            ),
        }
    )
    base.register("told", table)
    base.execute(f"CREATE TABLE {kind}_forms AS SELECT * FROM told")
    base.unregister("told")


def _count(base: duckdb.DuckDBPyConnection, table: str) -> int:
    found = base.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert found is not None  # a count always is
    return int(found[0])


def _write_left_out(base: duckdb.DuckDBPyConnection, into: Path) -> int:
    rows = base.execute(f"SELECT spot, field, why FROM left_out LIMIT {LEFT_OUT_MOST}").fetchall()
    with (into / "left_out.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return _count(base, "left_out")


def _quoted(text: str) -> str:
    """Text within the quotes of SQL."""
    return text.replace("'", "''")


_TABLES = {  # by the name of its file
    "people": "SELECT * FROM people ORDER BY row",
    "numbers": "SELECT * FROM numbers ORDER BY nhs, row",
    "local_numbers": "SELECT * FROM local_numbers ORDER BY number, organisation, row",
    "names": "SELECT * FROM names ORDER BY kind, name",
}
