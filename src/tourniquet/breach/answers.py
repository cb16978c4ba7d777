"""The answer of a review: the files that INTERFACES names, from what was found.

1. Tie: each link of a person on whom was decided, with what was exposed and under whose care.
2. Write affected.csv, evidence.csv, unresolved.csv and files.csv, each beside and then in place.
3. Count, and write summary.json last: where it is, the answer is whole.

Invariants:
- The same findings give the same bytes, in whatever order they were found.
- Every path of the folder is in files.csv, with a state.
- A person is in affected.csv only with evidence in evidence.csv.
- The folder is its owner's alone: the answer holds personal data.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import msgspec

from tourniquet.breach.fragments import FieldKind

MEMORY = "1500MB"
SUMMARY = "summary.json"
BASE = "answer.duckdb"
_FOLDER_MODE = 0o700
_CATEGORY_OF = {  # of INTERFACES, by the kind of field
    FieldKind.NHS_NUMBER: "nhs_number",
    FieldKind.NHS_NUMBER_NEAR: "nhs_number",
    FieldKind.LOCAL_NUMBER: "local_number",
    FieldKind.NAME: "name",
    FieldKind.FAMILY_NAME: "name",
    FieldKind.GIVEN_NAMES: "name",
    FieldKind.BIRTH_DATE: "birth_date",
    FieldKind.SEX: "sex",
    FieldKind.ADDRESS: "address",
    FieldKind.POSTCODE: "postcode",
    FieldKind.PHONE: "phone",
    FieldKind.EMAIL: "email",
    FieldKind.PRACTICE: "practice",
    FieldKind.TEST: "test",
    FieldKind.RESULT: "result",
    FieldKind.NARRATIVE: "narrative",
}
_FILES = {
    "affected": (
        (
            "person, decision, round(probability, 4) AS probability, files, fragments, categories,"
            " sensitive, controllers"
        ),
        "person",
    ),
    "evidence": (
        (
            "person, path, locator, fields, round(probability, 4) AS probability, categories,"
            " controller"
        ),
        "person, path, content, number",
    ),
    "unresolved": (
        "fragment, path, locator, fields, controller, why",
        "path, content, number",
    ),
    "files": ("path, sha256, bytes, type, state, why", "path"),
}


@dataclass(frozen=True)
class Findings:
    """What a review has found: Parquet files, or patterns of them, by what they hold.

    paths: `path, sha256, bytes, type, state, why`. fragments: breach.store. exposed: `content,
    number, categories, sensitive, controller, conflict`. links: `content, number, row,
    probability`. decided: `row, decision, probability`. nobody: `content, number, why`. people:
    the index's.
    """

    paths: str
    fragments: str
    exposed: str
    links: str
    decided: str
    nobody: str
    people: str


class Counts(msgspec.Struct, frozen=True):
    """The beginning of summary.json."""

    files: int
    bytes: int
    people_notify: int
    people_review: int
    unresolved: int


def write_answer(found: Findings, out: Path, *, work: Path) -> Counts:
    """Write the files but for the summary; what they count. Raises: OSError: a full disk.

    What they are made of stays in a database in the folder `work`, for the packs.
    """
    out.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    work.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    (work / BASE).unlink(missing_ok=True)
    with duckdb.connect(work / BASE) as base:
        base.execute(f"SET memory_limit = '{MEMORY}'")
        # 1.
        for name in Findings.__dataclass_fields__:
            source = _quoted(getattr(found, name))
            base.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{source}')")
        base.execute(_written())
        base.execute(files(__package__).joinpath("answers.sql").read_text(encoding="utf-8"))
        # 2.
        base.execute("CREATE VIEW files AS SELECT * FROM paths")
        for name, (columns, order) in _FILES.items():
            part = out / f"{name}.csv.part"
            query = f"SELECT {columns} FROM {name} ORDER BY {order}"
            base.execute(f"COPY ({query}) TO '{_quoted(str(part))}' (FORMAT csv, HEADER true)")
            _put_in_place(part, out / f"{name}.csv")
        return _count(base)


def write_summary(out: Path, summary: Mapping[str, object]) -> None:
    """Write summary.json: the answer is whole."""
    part = out / f"{SUMMARY}.part"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(dict(summary)), indent=2) + b"\n")
    _put_in_place(part, out / SUMMARY)


def _written() -> str:
    """Which kinds of fields a fragment has, in the words of evidence.csv."""
    cases = ", ".join(
        f"CASE WHEN len({kind.value}) > 0 THEN '{word}' END" for kind, word in _CATEGORY_OF.items()
    )
    return (
        "CREATE VIEW written AS SELECT content, number,"
        f" list_filter([{cases}], lambda one: one IS NOT NULL) AS fields FROM fragments"
    )


def _count(base: duckdb.DuckDBPyConnection) -> Counts:
    found = base.execute(
        """
        SELECT (SELECT count(*) FROM paths WHERE NOT contains(path, '!/')),
               (SELECT coalesce(sum(bytes), 0) FROM paths WHERE NOT contains(path, '!/')),
               (SELECT count(*) FROM affected WHERE decision = 'notify'),
               (SELECT count(*) FROM affected WHERE decision = 'review'),
               (SELECT count(*) FROM unresolved)
        """
    ).fetchone()
    assert found is not None  # counts always are
    return Counts(*(int(one) for one in found))


def _put_in_place(part: Path, target: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _quoted(text: str) -> str:
    """Text within the quotes of SQL."""
    return text.replace("'", "''")
