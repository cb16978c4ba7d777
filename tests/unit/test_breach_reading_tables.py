"""Tables, databases and structured text come as rows with the places at which they stand."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.support.breach_reading import read
from tourniquet.breach.pieces import CELLS_MOST, ROWS_MOST, State, Syntax

HEAD = ["NHS No", "Surname", "Note"]
ROWS = [
    ["9990000018", "SMITH", "a"],
    ["9990000026", "O'NEILL", "b"],
    ["9990000034", "JÓNSSON", "c"],
]


def text(rows: list[list[str]], sign: str = ",", end: str = "\n") -> str:
    return "".join(sign.join(row) + end for row in rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("sign", [",", "\t", ";", "|"])
def test_csv(tmp_path: Path, encoding: str, end: str, sign: str) -> None:
    given = read(tmp_path, text([HEAD, *ROWS], sign, end).encode(encoding), kind="table")
    cells = [row for one in given.rows for row in one.rows]
    assert [row for row in cells if row != [""]] == [HEAD, *ROWS]
    assert given.rows[0].place(3) == "row 4"


def test_csv_with_a_byte_of_another_encoding(tmp_path: Path) -> None:
    content = text([HEAD, *ROWS] * 30).encode() + "9990000042,CAF\u00c9,x\n".encode("cp1252")
    assert read(tmp_path, content).rows[-1].rows[-1] == ["9990000042", "CAF\u00c9", "x"]


def test_csv_with_lines_in_cells(tmp_path: Path) -> None:
    content = b'id,remark,x\n1,"one\ntwo, ""three""",y\n\n2,z,w\n'
    given = read(tmp_path, content)
    assert given.cells() == {
        "row 1": ["id", "remark", "x"],
        "row 2": ["1", 'one\ntwo, "three"', "y"],
        "row 3": [""],
        "row 4": ["2", "z", "w"],
    }


def test_an_open_quotation_mark_swallows_nothing(tmp_path: Path) -> None:
    content = 'id,name,x\n1,"SMITH,y\n' + "".join(f"{n},JONES,z\n" for n in range(2, 700))
    given = read(tmp_path, content.encode(), "a.csv")
    cells = given.cells()
    assert cells["row 2"] == ["1", '"SMITH', "y"]
    assert cells["row 700"] == ["699", "JONES", "z"]


def test_rows_come_in_pieces_within_the_limits(tmp_path: Path) -> None:
    narrow = read(tmp_path, b"1,2,3\n" * (ROWS_MOST + 1), "a.csv")
    assert [(one.first, len(one.rows)) for one in narrow.rows] == [
        (1, ROWS_MOST),
        (ROWS_MOST + 1, 1),
    ]
    wide = read(tmp_path, (b"x," * 60_000 + b"x\n") * 3, "a.csv")
    assert [len(one.rows[0]) for one in wide.rows] == [CELLS_MOST] * 3


def test_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "base"
    with sqlite3.connect(file) as base:
        base.execute('CREATE TABLE "sam""ples" (nhs, name, score, picture)')
        base.executemany(
            'INSERT INTO "sam""ples" VALUES (?, ?, ?, ?)',
            [(9990000018, "SMITH", 1.5, None), ("x", "J\u00d3N", 2.0, b"\x00\xff")],
        )
        base.execute('INSERT INTO "sam""ples" (rowid, nhs) VALUES (10, 7)')
        base.execute("CREATE TABLE keyed (a PRIMARY KEY, b) WITHOUT ROWID")
        base.execute("INSERT INTO keyed VALUES ('k', 'v')")
        base.execute("CREATE TABLE empty (a)")
    base.close()
    given = read(tmp_path, file.read_bytes())
    assert given.cells() == {
        'sam"ples!R1': ["9990000018", "SMITH", "1.5", ""],
        'sam"ples!R2': ["x", "J\u00d3N", "2", "00ff"],
        'sam"ples!R10': ["7", "", "", ""],
        "keyed!R1": ["k", "v"],
    }
    assert given.rows[0].columns == ["nhs", "name", "score", "picture"]


def test_sqlite_that_is_cut(tmp_path: Path) -> None:
    file = tmp_path / "base"
    with sqlite3.connect(file) as base:
        base.execute("CREATE TABLE a (b)")
        base.executemany(
            "INSERT INTO a VALUES (?)", [(f"SMITH {n} 9990000018",) for n in range(2000)]
        )
    base.close()
    content = file.read_bytes()[:20_000]
    assert read(tmp_path, content).ended.why
    padded = read(tmp_path, content, attempt=1)
    assert padded.cells()["a!R100"] == ["SMITH 99 9990000018"]
    assert "cut short" in padded.ended.why


SQL = """-- dump
CREATE TABLE IF NOT EXISTS `lab`.`people` (`nhs` varchar(10), `name` varchar(80), `n` decimal(8,2),
  PRIMARY KEY (`nhs`));
INSERT INTO `people` VALUES ('9990000018','O''NEIL, \\'x\\' (Mrs)',1.50),
('9990000026',NULL,-3);
INSERT INTO people (name, nhs) VALUES ('A;B', 'x');
COPY public.orders (id, "who", note) FROM stdin;
1\tSMITH\ta\\tb
2\t\\N\tc
\\.
"""


def test_sql_dump(tmp_path: Path) -> None:
    given = read(tmp_path, SQL.encode())
    found = [
        (one.table, one.columns, row, one.place(at))
        for one in given.rows
        for at, row in enumerate(one.rows)
    ]
    assert [one[:3] for one in found] == [
        ("people", ["nhs", "name", "n"], ["9990000018", "O'NEIL, 'x' (Mrs)", "1.50"]),
        ("people", ["nhs", "name", "n"], ["9990000026", "", "-3"]),
        ("people", ["name", "nhs"], ["A;B", "x"]),
        ("orders", ["id", "who", "note"], ["1", "SMITH", "a\tb"]),
        ("orders", ["id", "who", "note"], ["2", "", "c"]),
    ]
    for _, _, row, place in found:
        start, end = map(int, place.removeprefix("bytes ").split("-"))
        assert row[0] in SQL[start:end]


def test_json_of_objects_is_a_table(tmp_path: Path) -> None:
    content = json.dumps({"made": "today", "people": [
        {"name": {"family": "SMITH"}, "n": 1.5, "x": None}, {"name": {"family": "JÓN"}, "n": True},
    ]})  # fmt: skip
    given = read(tmp_path, content.encode())
    assert given.rows[0].table == "people"
    assert given.rows[0].columns == ["name.family", "n", "x"]
    assert given.rows[0].rows == [["SMITH", "1.5", ""], ["JÓN", "true", ""]]
    assert given.texts() == {"text": "made: today"}
    start, end = map(int, given.rows[0].place(1).removeprefix("bytes ").split("-"))
    assert json.loads(content.encode()[start:end])["name"]["family"] == "JÓN"


def test_json_lines(tmp_path: Path) -> None:
    given = read(tmp_path, b'{"a": 1, "b": "x"}\n\n{"a": 2, "b": "y"}\n{"a": 3, "b":')
    assert given.cells() == {
        "line 1": ["1", "x"],
        "line 3": ["2", "y"],
        "line 4": ['{"a": 3, "b":'],
    }
    assert "cut short" in given.ended.why


def test_json_that_is_cut(tmp_path: Path) -> None:
    given = read(tmp_path, b'[{"a": "SMITH"}, {"a": "JONES"}, {"a": "BROW')
    assert [row[0] for row in given.cells().values()] == ["SMITH", "JONES", '{"a": "BROW']


def test_fhir(tmp_path: Path) -> None:
    patients = [{"resourceType": "Patient", "id": name} for name in ("JÓN", "b")]
    bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in patients]}
    content = json.dumps(bundle, ensure_ascii=False).encode()
    given = read(tmp_path, content)
    assert [json.loads(one.raw) for one in given.wires] == patients
    assert {one.syntax for one in given.wires} == {Syntax.FHIR}
    start, end = map(int, given.wires[1].place.removeprefix("bytes ").split("-"))
    assert json.loads(content[start:end]) == {"resource": patients[1]}

    alone = read(tmp_path, json.dumps(patients[0]).encode())
    assert json.loads(alone.wires[0].raw) == patients[0]
    lines = read(tmp_path, "\n".join(map(json.dumps, patients)).encode())
    assert [one.place for one in lines.wires] == ["line 1", "line 2"]
    cut = read(tmp_path, content[:-30])
    assert len(cut.wires) == 2


def test_blank_and_empty(tmp_path: Path) -> None:
    assert read(tmp_path, b"").ended.state is State.PARSED
    assert read(tmp_path, b" \n\n ").ended.state is State.PARSED
    nothing = read(tmp_path, b"<?xml version='1.0'?><a/>")
    assert nothing.ended.state is State.SWEPT
    assert nothing.ended.why == "no values were found in its markup"
