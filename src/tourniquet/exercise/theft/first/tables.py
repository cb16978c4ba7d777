"""First family: exports as text tables, with and without headers, in all the forms of spreadsheets.

Invariants:
- Each row's draft knows its row, its line and its bytes; row 1 is the file's first record.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence

from tourniquet.exercise.theft.columns import Column, headers
from tourniquet.exercise.theft.content import Content, Paper
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.institutions import Institution

LIMS = (
    Column("Lab No", "specimen"),
    Column("Hosp No", "local"),
    Column("NHS No", "nhs"),
    Column("Surname", "family", "upper"),
    Column("Forename", "given", "upper"),
    Column("DoB", "birth", "dmy"),
    Column("Sex", "sex"),
    Column("Src", "client"),
    Column("Test", "code"),
    Column("Result", "result"),
    Column("Coll Dt", "asked", "dmy"),
)
BILLING = (
    Column("SAP Cust", "sap"),
    Column("Client", "client"),
    Column("Sample", "specimen"),
    Column("Patient", "full", "comma"),
    Column("D.O.B.", "birth", "mon"),
    Column("Investigation", "test"),
    Column("Date Req", "asked", "mon"),
)
CONTACTS = (
    Column("NHS Number", "nhs", "spaced"),
    Column("Patient Name", "full", "natural"),
    Column("Address", "address"),
    Column("Postcode", "postcode"),
    Column("Tel", "phone"),
    Column("GP Code", "practice"),
    Column("Email", "email"),
)
OUTSTANDING = (
    Column("UNIT NO", "local"),
    Column("PT SNAME", "family", "upper"),
    Column("PT FNAME", "given", "initial"),
    Column("BDAY", "birth", "compact"),
    Column("LOC", "ward"),
    Column("CONS", "clinician"),
    Column("TCODE", "code"),
    Column("REQDT", "asked", "compact"),
    Column("COMMENT", "comment"),
)
AMERICAN = (
    Column("PATIENT_ID", "nhs"),
    Column("LAST_NAME", "family"),
    Column("FIRST_NAME", "given"),
    Column("BIRTH_DT", "birth", "us"),
    Column("ZIP", "postcode", "tight"),
    Column("ORDERING_SITE", "requester"),
    Column("TEST_DESC", "test"),
    Column("RSLT", "result"),
)
SPOILED = (
    Column("nhs_no", "nhs", "scientific"),
    Column("sname", "family"),
    Column("init", "given", "initial"),
    Column("dob", "birth", "serial"),
    Column("pcode", "postcode"),
    Column("assay", "code"),
)
FLOATED = (
    Column("NHSNO", "nhs", "float"),
    Column("DOB", "birth", "dmy2"),
    Column("Initials", "given", "initial"),
    Column("Surname", "family"),
    Column("Result", "result"),
)
REMARKED = (
    Column("Sample ID", "specimen"),
    Column("Comments", "comment", "lines"),
    Column("Name", "full", "titled"),
    Column("Date of Birth", "birth", "dmy"),
    Column("NHS", "nhs", "dashed"),
    Column("Requestor", "requester"),
    Column("Profile", "test"),
)
SHORTENED = (
    Column("NHS", "nhs", "short"),
    Column("SURNAME", "family", "upper"),
    Column("GIVEN", "given", "initial"),
    Column("BORN", "birth", "dots"),
    Column("CLINIC", "ward"),
)
LAYOUTS = (LIMS, BILLING, CONTACTS, OUTSTANDING, AMERICAN, SPOILED, FLOATED, SHORTENED)


def _joined(cells: Sequence[str], delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


def table(
    desk: Desk,
    columns: Sequence[Column],
    *,
    name: str,
    delimiter: str = ",",
    encoding: str = "utf-8",
    newline: str = "\r\n",
    titles: Sequence[str] = (),
    header: bool = True,
    trust: Institution | None = None,
    bom: bytes = b"",
) -> Content:
    """A table of the desk's rows at one trust."""
    where = trust or desk.trust()
    folder, controller = desk.hinted(where)
    paper = Paper(encoding, newline)
    for title in titles:
        paper.line(title)
    if header:
        paper.line(_joined(headers(columns), delimiter))
    for _ in range(desk.rows):
        row = desk.filled(columns, desk.deal.case(trust=where), controller=controller)
        paper.line(_joined(row.cells, delimiter), row.draft, rows=True)
    return paper.content(name, folder=folder, bom=bom)


def csv_lims(desk: Desk) -> Content:
    """The laboratory system's export."""
    return table(desk, LIMS, name=f"lims_extract_{desk.chance.number(1, 999)}.csv")


def csv_billing(desk: Desk) -> Content:
    """Who is billed for what, by client and SAP code."""
    name = f"billing {desk.chance.pick(('Q1', 'Q2', 'Q3'))}.csv"
    return table(desk, BILLING, name=name, bom=codecs.BOM_UTF8)


def csv_contacts(desk: Desk) -> Content:
    """A recall list with addresses."""
    return table(desk, CONTACTS, name="recall list FINAL v2.csv")


def csv_headless(desk: Desk) -> Content:
    """An export without its header."""
    columns = desk.chance.pick((LIMS, OUTSTANDING, AMERICAN))
    return table(desk, columns, name=f"out{desk.chance.number(100, 999)}.dat", header=False)


def csv_titled(desk: Desk) -> Content:
    """Title rows before the header, cp1252, semicolons."""
    titles = ("OUTSTANDING WORK LIST", "Printed: 29/05/2024;by: caf\xe9 printer", "")
    return table(
        desk, OUTSTANDING, name="o-s list.csv", delimiter=";", encoding="cp1252", titles=titles
    )


def csv_spoiled(desk: Desk) -> Content:
    """What a spreadsheet did to a table: serial dates, scientific numbers."""
    return table(desk, SPOILED, name="Copy of extract (saved from excel).csv", newline="\n")


def csv_floats(desk: Desk) -> Content:
    """Numbers as floats, years of two digits."""
    return table(desk, FLOATED, name="query_result.csv", newline="\n")


def csv_short(desk: Desk) -> Content:
    """NHS numbers cut to nine digits by a narrow column."""
    return table(desk, SHORTENED, name="clinic_dump.csv")


def csv_american(desk: Desk) -> Content:
    """Months before days."""
    return table(desk, AMERICAN, name="analyzer_host_download.csv")


def tsv(desk: Desk) -> Content:
    """Tabs."""
    columns = desk.chance.pick((LIMS, CONTACTS))
    return table(desk, columns, name="lims.tsv", delimiter="\t", newline="\n")


def utf16_text(desk: Desk) -> Content:
    """What a spreadsheet calls Unicode text: UTF-16 with tabs."""
    return table(
        desk,
        LIMS,
        name="worklist unicode.txt",
        delimiter="\t",
        encoding="utf-16-le",
        bom=codecs.BOM_UTF16_LE,
    )


def csv_lines_in_cells(desk: Desk) -> Content:
    """Remarks with line ends inside quotes: rows are not lines."""
    return table(desk, REMARKED, name="remarks.csv", newline="\n")


def practice_list(desk: Desk) -> Content:
    """A practice's own list: only the folder says whose it is."""
    practice = desk.places.by_code[desk.deal.subject().practice]
    paper = Paper("utf-8", "\r\n")
    paper.line(_joined(headers(CONTACTS), ","))
    for one in desk.deal.patients_of(practice.ods_code)[: desk.rows]:
        case = desk.deal.case(subject=one)
        row = desk.filled(CONTACTS, case, controller=practice.ods_code)
        paper.line(_joined(row.cells, ","), row.draft, rows=True)
    folder = f"Practices/{practice.name} {practice.ods_code}"
    return paper.content("text message recall.csv", folder=folder)


def latin_name(desk: Desk) -> Content:
    """A file whose name is in Latin-1, which the disk does not mind."""
    name = f"r\udce9sultats {desk.chance.number(1, 99)}.csv"
    return table(desk, LIMS, name=name, encoding="latin-1")


def one_column(desk: Desk) -> Content:
    """NHS numbers alone: nobody may be told because of these."""
    return table(desk, (Column("nhs", "nhs"),), name="ids.txt", header=False, newline="\n")


SHAPES: dict[str, Maker] = {
    "csv-lims": csv_lims,
    "csv-billing": csv_billing,
    "csv-contacts": csv_contacts,
    "csv-headless": csv_headless,
    "csv-titled": csv_titled,
    "csv-spoiled": csv_spoiled,
    "csv-floats": csv_floats,
    "csv-short": csv_short,
    "csv-american": csv_american,
    "tsv": tsv,
    "utf16-text": utf16_text,
    "csv-lines-in-cells": csv_lines_in_cells,
    "practice-list": practice_list,
    "latin-name": latin_name,
    "ids-alone": one_column,
}
