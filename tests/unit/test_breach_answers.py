"""The files of an answer, from findings made by hand."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import date
from pathlib import Path
from stat import S_IMODE

import pyarrow as pa
import pyarrow.parquet as pq
import pyrage
import pytest

from tourniquet.breach.answers import Counts, Findings, write_answer, write_summary
from tourniquet.breach.drafts import (
    TO_FILL_IN,
    Known,
    Progress,
    count_known,
    regulator_draft,
    write_letters,
)
from tourniquet.breach.fragments import Field, FieldKind, Fragment
from tourniquet.breach.packs import read_recipient, write_packs
from tourniquet.breach.store import write_fragments
from tourniquet.kernel.errors import UserError

A, B, C = "a" * 64, "b" * 64, "c" * 64


def fragment(content: str, number: int, *kinds: FieldKind) -> Fragment:
    """A fragment with a field of each kind."""
    fields = tuple(Field(kind, f"V{kind.value}", f"v{kind.value}", "A") for kind in kinds)
    return Fragment(content, number, f"row {number + 2}", "rows", fields)


def write(folder: Path, name: str, rows: list[dict[str, object]], **types: pa.DataType) -> str:
    """A Parquet file of rows."""
    file = folder / f"{name}.parquet"
    schema = pa.schema(list(types.items()))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)
    return str(file)


@pytest.fixture
def found(tmp_path: Path) -> Findings:
    """Two people, one of them in two copies of a file and in a letter, and somebody unknown."""
    text, texts = pa.string(), pa.list_(pa.string())
    folder = tmp_path / "work"
    (folder / "fragments").mkdir(parents=True)
    name, birth, result = FieldKind.NAME, FieldKind.BIRTH_DATE, FieldKind.RESULT
    number, family = FieldKind.NHS_NUMBER, FieldKind.FAMILY_NAME
    write_fragments(
        [fragment(A, 0, number, name, birth), fragment(A, 1, family), fragment(A, 2, name, birth)],
        folder / "fragments" / "a.parquet",
    )
    write_fragments([fragment(B, 0, name, result)], folder / "fragments" / "b.parquet")
    path_types = {"path": text, "sha256": text, "bytes": pa.int64()}
    path_types |= {"type": text, "state": text, "why": text}
    paths = [
        ("lists/a.csv", A, 100, "csv", "parsed", ""),
        ("old/copy, of a.csv", A, 100, "csv", "parsed", ""),
        ("mail.zip", C, 900, "zip", "parsed", ""),
        ("mail.zip!/letter.docx", B, 50, "docx", "parsed", ""),
        ("broken.bin", "d" * 64, 7, "unknown", "swept", "no reader knows it"),
    ]
    exposed = [
        (A, 0, ["name", "birth_date", "nhs_number"], [], "X1", ""),
        (A, 1, ["name"], [], "", ""),
        (A, 2, ["name", "birth_date"], [], "", "path says X1, mail says X2"),
        (B, 0, ["name", "result"], ["hiv"], "", ""),
    ]
    return Findings(
        paths=write(
            folder,
            "paths",
            [dict(zip(path_types, one, strict=True)) for one in paths],
            **path_types,
        ),
        fragments=str(folder / "fragments" / "*.parquet"),
        exposed=write(
            folder,
            "exposed",
            [
                dict(
                    zip(
                        ("content", "number", "categories", "sensitive", "controller", "conflict"),
                        one,
                        strict=True,
                    )
                )
                for one in exposed
            ],
            content=text,
            number=pa.int32(),
            categories=texts,
            sensitive=texts,
            controller=text,
            conflict=text,
        ),
        links=write(
            folder,
            "links",
            [
                {"content": A, "number": 0, "row": 0, "probability": 0.99999},
                {"content": B, "number": 0, "row": 0, "probability": 0.98},
                {"content": A, "number": 2, "row": 1, "probability": 0.6},
                {"content": A, "number": 1, "row": 2, "probability": 0.01},
            ],
            content=text,
            number=pa.int32(),
            row=pa.int32(),
            probability=pa.float64(),
        ),
        decided=write(
            folder,
            "decided",
            [
                {"row": 0, "decision": "notify", "probability": 0.99999},
                {"row": 1, "decision": "review", "probability": 0.6},
                {"row": 2, "decision": "", "probability": 0.01},
            ],
            row=pa.int32(),
            decision=text,
            probability=pa.float64(),
        ),
        nobody=write(
            folder,
            "nobody",
            [{"content": A, "number": 1, "why": "a family name alone"}],
            content=text,
            number=pa.int32(),
            why=text,
        ),
        people=write(
            folder,
            "people",
            [{"row": at, "person": f"K{at}", "practice": f"P{at}"} for at in range(3)],
            row=pa.int32(),
            person=text,
            practice=text,
        ),
    )


def read(file: Path) -> list[list[str]]:
    """A CSV file's rows."""
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened))


def test_the_files_of_an_answer(found: Findings, tmp_path: Path) -> None:
    out = tmp_path / "out"

    counts = write_answer(found, out, work=tmp_path / "base")

    assert counts == Counts(files=4, bytes=1107, people_notify=1, people_review=1, unresolved=2)
    assert read(out / "affected.csv") == [
        [
            "person",
            "decision",
            "probability",
            "files",
            "fragments",
            "categories",
            "sensitive",
            "controllers",
        ],
        ["K0", "notify", "1.0", "3", "3", "name;birth_date;nhs_number;result", "hiv", "P0;X1"],
        ["K1", "review", "0.6", "2", "2", "name;birth_date", "", ""],  # the conflict is a person's
    ]
    assert read(out / "evidence.csv")[1:] == [
        [
            "K0",
            "lists/a.csv",
            "row 2",
            "birth_date;name;nhs_number",
            "1.0",
            "name;birth_date;nhs_number",
            "X1",
        ],
        ["K0", "mail.zip!/letter.docx", "row 2", "name;result", "0.98", "name;result", "P0"],
        [
            "K0",
            "old/copy, of a.csv",
            "row 2",
            "birth_date;name;nhs_number",
            "1.0",
            "name;birth_date;nhs_number",
            "X1",
        ],
        ["K1", "lists/a.csv", "row 4", "birth_date;name", "0.6", "name;birth_date", ""],
        ["K1", "old/copy, of a.csv", "row 4", "birth_date;name", "0.6", "name;birth_date", ""],
    ]
    assert read(out / "unresolved.csv")[1:] == [
        [f"{A[:12]}-1", "lists/a.csv", "row 3", "name", "", "a family name alone"],
        [f"{A[:12]}-1", "old/copy, of a.csv", "row 3", "name", "", "a family name alone"],
    ]
    assert [row[0] for row in read(out / "files.csv")[1:]] == [
        "broken.bin", "lists/a.csv", "mail.zip", "mail.zip!/letter.docx", "old/copy, of a.csv",
    ]  # fmt: skip
    assert S_IMODE(out.stat().st_mode) == 0o700
    assert not list(out.glob("*.part"))


def test_the_same_findings_give_the_same_bytes(found: Findings, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_answer(found, tmp_path / name, work=tmp_path / "base")

    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_the_summary_comes_last_and_whole(tmp_path: Path) -> None:
    write_summary(tmp_path, {"files": 3, "version": "1"})

    assert json.loads((tmp_path / "summary.json").read_text()) == {"files": 3, "version": "1"}
    assert [one.name for one in tmp_path.iterdir()] == ["summary.json"]


def test_a_controller_gets_its_own_and_no_more(found: Findings, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "base"
    write_answer(found, out, work=work)
    identity = pyrage.x25519.Identity.generate()

    packs = write_packs(work, out, {"X1": identity.to_public()})

    assert [(one.controller, one.people, one.evidence, one.unresolved) for one in packs] == [
        ("", 1, 2, 2),
        ("P0", 1, 1, 0),
        ("X1", 1, 2, 0),
    ]
    assert sorted(one.name for one in (out / "packs").iterdir()) == ["X1.zip.age", "index.csv"]
    assert [row[-2:] for row in read(out / "packs" / "index.csv")[1:]] == [
        ["", "no controller was found for these"],
        ["", "no recipient was given"],
        ["X1.zip.age", ""],
    ]
    opened = pyrage.decrypt((out / "packs" / "X1.zip.age").read_bytes(), [identity])
    with zipfile.ZipFile(io.BytesIO(opened)) as archive:
        assert archive.namelist() == ["affected.csv", "evidence.csv", "unresolved.csv"]
        affected = archive.read("affected.csv").decode().splitlines()
    assert affected[1:] == ["K0,notify,1.0,2,2,birth_date;name;nhs_number,"]  # not its letter's HIV


def test_what_is_no_recipient_is_refused() -> None:
    with pytest.raises(UserError, match="no recipient"):
        read_recipient("ssh-ed25519 AAAA", where="recipient of X1")


def test_the_draft_has_counts_and_no_names(found: Findings, tmp_path: Path) -> None:
    work = tmp_path / "base"
    write_answer(found, tmp_path / "out", work=work)
    known = count_known(work)

    text = regulator_draft(Progress(4, 3, 1107, 1100, 1, 1, 2, 2, 5), known)

    assert known == Known(
        (("birth_date", 2), ("name", 2), ("nhs_number", 1), ("result", 1)), (("hiv", 1),), 2, 3
    )
    assert "to be told: 1" in text
    assert "2 to 5 people" in text
    assert "  hiv: 1" in text
    assert "3 of 4 files" in text
    assert "K0" not in text
    assert text.count(TO_FILL_IN) == 5


@pytest.mark.parametrize(
    ("birth", "died", "route", "why"),
    [
        ("1945-07-14", None, "letter", ""),
        ("2008-06-03", None, "letter", ""),  # sixteen today
        ("2008-06-04", None, "practice", "a child"),
        ("1945-07-14", "2020-01-01", "practice", "recorded dead"),
        (None, None, "practice", "birth date not known"),
    ],
)
def test_who_gets_a_letter(  # noqa: PLR0917 (a table's columns)
    found: Findings,
    tmp_path: Path,
    birth: str | None,
    died: str | None,
    route: str,
    why: str,
) -> None:
    work = tmp_path / "base"
    write_answer(found, tmp_path / "out", work=work)
    dated = {
        "birth": date.fromisoformat(birth) if birth else None,
        "died": date.fromisoformat(died) if died else None,
    }
    people = write(
        tmp_path,
        "dated",
        [{"person": "K0", **dated}],
        person=pa.string(),
        birth=pa.date32(),
        died=pa.date32(),
    )

    count = write_letters(work, people, tmp_path / "letters.csv", today=date(2024, 6, 3))

    assert count == 1
    what = "your name; your date of birth; your NHS number; results of tests"
    assert read(tmp_path / "letters.csv")[1:] == [["K0", route, what, "hiv", why]]
