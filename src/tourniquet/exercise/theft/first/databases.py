"""First family: SQLite databases, SQL dumps, JSON lines, audit and application logs.

Invariants:
- A database's fragment has its table as sheet and its rowid as row; a dump's and a log's has its
  line and bytes.
"""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

from tourniquet.exercise.theft.columns import Column, headers
from tourniquet.exercise.theft.content import Content, Draft, Paper, Where, Written
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.tables import BILLING, CONTACTS, LIMS


def _names(columns: tuple[Column, ...]) -> list[str]:
    return [re.sub(r"\W+", "_", text).strip("_").lower() for text in headers(columns)]


def sqlite_database(desk: Desk) -> Content:
    """A small application's database with two tables of people."""
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    drafts: list[Draft] = []
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("PRAGMA user_version = 3")
        base.execute("CREATE TABLE settings (name TEXT, value TEXT)")
        base.execute("INSERT INTO settings VALUES ('site', 'hub'), ('build', '4.1.7')")
        for table, columns in (("samples", LIMS), ("recall", CONTACTS)):
            names = _names(columns)
            base.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {' TEXT, '.join(names)})")
            marks = ", ".join("?" * (len(names) + 1))
            for number in range(1, max(3, desk.rows // 2) + 1):
                row = desk.filled(columns, desk.deal.case(trust=trust), controller=controller)
                statement = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608 # our own names
                base.execute(statement, (number, *row.cells))
                drafts.append(replace(row.draft, where=Where(sheet=table, row=number)))
        base.commit()
        data = base.serialize()
    return Content(f"tracker{desk.chance.number(1, 9)}.db", data, tuple(drafts), (), folder)


def sql_dump(desk: Desk) -> Content:
    """A dump with statements of many rows, each row on a line of its own, then single ones."""
    paper = Paper()
    names = _names(BILLING)
    paper.line("-- MySQL dump 10.13  Distrib 5.7.33")
    paper.line("CREATE TABLE `billing` (" + ", ".join(f"`{n}` varchar(80)" for n in names) + ");")
    left = desk.rows
    while left > 0:
        several = min(left, desk.chance.pick((1, 5, 20)))
        paper.line("INSERT INTO `billing` VALUES")
        for number in range(several):
            row = desk.filled(BILLING, desk.deal.case())
            cells = ",".join("'" + text.replace("'", "\\'") + "'" for text in row.cells)
            paper.line(f"({cells}){';' if number == several - 1 else ','}", row.draft)
        left -= several
    return paper.content("billing_backup.sql")


def json_lines(desk: Desk) -> Content:
    """Events, an object on each line."""
    paper = Paper()
    keys = ("labNo", "mrn", "nhsNumber", "surname", "forename", "dob", "sex", "src", "test",
            "result", "collected")  # fmt: skip
    for _ in range(desk.rows):
        row = desk.filled(LIMS, desk.deal.case())
        paper.line(json.dumps(dict(zip(keys, row.cells, strict=True))), row.draft)
    return paper.content("events.jsonl")


def audit_log(desk: Desk) -> Content:
    """Who opened which record: NHS number with surname, or a local number, or a number alone."""
    paper = Paper()
    for number in range(desk.rows):
        case, pen = desk.deal.case(), desk.pen
        stamp = f"2024-04-{number % 28 + 1:02d}T{number % 24:02d}:17:{number % 60:02d}Z"
        user = f"user=lab{desk.chance.number(1, 99):02d}"
        nhs = pen.nhs(case.subject)
        local = pen.local(case.subject, case.trust.ods_code)
        kind = desk.chance.pick(("named", "local", "alone", "nobody"))
        if kind == "nobody" or (kind == "alone" and nhs is None):
            paper.line(f"{stamp} INFO auth {user} session={desk.chance.digits(10)} opened")
            continue
        written: tuple[Written | None, ...]
        if kind == "named":
            family, given = pen.family(case.subject, "upper"), pen.given(case.subject, "initial")
            shown = f'pat="{family.text} {given.text}" nhs={nhs.text if nhs else "-"}'
            written = (nhs, family, given)
        elif kind == "local":
            family = pen.family(case.subject, "upper")
            shown = f"site={case.trust.ods_code} mrn={local.text if local else '-'} {family.text}"
            written = (local, family)
        else:
            shown = f"nhs={nhs.text if nhs else ''}"
            written = (nhs,)
        about = Draft(
            case.subject,
            tuple(one for one in written if one is not None),
            controller=case.trust.ods_code if kind == "local" else "",
            context=case.trust.ods_code if kind == "local" else "",
        )
        paper.line(f"{stamp} AUDIT view {user} {shown}", about)
    return paper.content("audit.log")


SHAPES: dict[str, Maker] = {
    "sqlite": sqlite_database,
    "sql-dump": sql_dump,
    "json-lines": json_lines,
    "audit-log": audit_log,
}
