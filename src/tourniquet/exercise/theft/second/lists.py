"""Second family: lists and reports. Engine authors must not read this."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import replace

from openpyxl import Workbook

from tourniquet.exercise.theft.columns import Column, headers
from tourniquet.exercise.theft.content import Content, Draft, Paper, Where, nest, zipped
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.sheets import saved
from tourniquet.exercise.theft.pen import date_text
from tourniquet.exercise.theft.second.words import about, request, result, shown

WELSH = (
    Column("Rhif GIG", "nhs", "spaced"),
    Column("Cyfenw", "family", "upper"),
    Column("Enw cyntaf", "given"),
    Column("Dyddiad geni", "birth", "dots"),
    Column("Cod post", "postcode"),
    Column("Meddygfa", "requester"),
    Column("Prawf", "test"),
)
SPANISH = (
    Column("apellidos", "family"),
    Column("nombre", "given", "all"),
    Column("f_nac", "birth", "iso"),
    Column("sexo", "sex"),
    Column("domicilio", "address"),
    Column("cp", "postcode", "tight"),
    Column("tfno", "phone"),
    Column("peticion", "code"),
)
SHOUTED = (
    Column("PATNO", "local"),
    Column("PATNM", "full", "capitals"),
    Column("PATDB", "birth", "dmy2"),
    Column("REQCD", "code"),
    Column("REQLC", "client"),
    Column("SPCNO", "specimen"),
)
COPIED = (
    Column("pat_key", "specimen"),
    Column("ident_1", "nhs"),
    Column("ident_2", "local"),
    Column("nm_last", "family"),
    Column("nm_first", "given"),
    Column("dt_brth", "birth", "iso"),
    Column("src_org", "requester"),
    Column("obs_cd", "code"),
    Column("obs_val", "result"),
)
PAGE_LINES = 50
WIDE_TESTS = ("HIVAB", "SYPHT", "FBC", "UE", "AMH", "BRCA", "HISTM")


def _lines(
    desk: Desk, columns: Sequence[Column], paper: Paper, *, gap: str, blank: str = ""
) -> tuple[Paper, str]:
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    for _ in range(desk.rows):
        row = desk.filled(columns, desk.deal.case(trust=trust), controller=controller)
        cells = [text.replace(gap, " ") or blank for text in row.cells]
        paper.line(gap.join(cells), row.draft, rows=True)
    return paper, folder


def welsh_list(desk: Desk) -> Content:
    """Welsh headers, semicolons."""
    paper = Paper("utf-8", "\r\n")
    paper.line(";".join(headers(WELSH)))
    paper, folder = _lines(desk, WELSH, paper, gap=";")
    return paper.content("rhestr cleifion.csv", folder=folder)


def spanish_list(desk: Desk) -> Content:
    """Spanish headers, bars, Latin-1."""
    paper = Paper("latin-1")
    paper.line("|".join(headers(SPANISH)))
    paper, folder = _lines(desk, SPANISH, paper, gap="|")
    return paper.content("volcado.txt", folder=folder)


def caret_list(desk: Desk) -> Content:
    """No header, carets."""
    paper, folder = _lines(desk, SHOUTED, Paper(), gap="^")
    return paper.content(f"REQ{desk.chance.digits(5)}.PRN", folder=folder)


def table_copy(desk: Desk) -> Content:
    """A database's COPY with \\N for nothing, gzipped."""
    paper = Paper()
    paper.line("-- PostgreSQL database dump")
    paper.line(f"COPY public.obs ({', '.join(headers(COPIED))}) FROM stdin;")
    paper, folder = _lines(desk, COPIED, paper, gap="\t", blank="\\N")
    paper.line("\\.")
    inside = paper.content("obs.dump")
    packed = gzip.compress(inside.data, compresslevel=6, mtime=0)
    return nest("obs.dump.gz", packed, (inside,), folder=folder)


def mainframe_report(desk: Desk) -> Content:
    """Fixed columns, page headers, form feeds."""
    paper, trust = Paper("cp437", "\r\n"), desk.trust()
    page = 0
    for number in range(desk.rows):
        if number % PAGE_LINES == 0:
            page += 1
            feed = "\f" if page > 1 else ""
            paper.line(f"{feed}PRG LB440R   {trust.name.upper():<40} {trust.ods_code}  PAGE {page}")
            paper.line(f"{'UNIT':<10}{'NAME':<28}{'BORN':<11}{'WARD':<12}{'TEST':<10}RECD")
            paper.line("-" * 80)
        case, pen = desk.deal.case(trust=trust), desk.pen
        local = pen.local(case.subject, trust.ods_code)
        name = pen.full(case.subject, desk.chance.pick(("comma", "capitals")))
        birth = pen.birth(case.subject, "dmy2")
        cut = name.text[:27]
        fields = (
            local, birth, request(case),
            replace(name, text=cut, distortions=(*name.distortions, "cut"))
            if cut != name.text else name,
        )  # fmt: skip
        text = (
            f"{shown(local):<10}{cut:<28}{birth.text:<11}{case.ward:<12}{case.test.code:<10}"
            f"{date_text(case.asked_on, 'dmy2')}"
        )
        paper.line(
            text,
            about(
                case, *fields, sensitive=case.sensitive, controller=trust.ods_code,
                context=trust.ods_code,
            ),
        )  # fmt: skip
    return paper.content(f"LB440R.{desk.chance.number(100, 999)}")


def stacked_list(desk: Desk) -> Content:
    """Each person over two lines."""
    paper = Paper()
    paper.line("Clinic list  (* = DNA)")
    for number in range(desk.rows // 2):
        case, pen = desk.deal.case(), desk.pen
        name, birth = pen.full(case.subject, "titled"), pen.birth(case.subject, "long")
        nhs, phone = pen.nhs(case.subject, "dashed"), pen.phone(case.subject)
        postcode = pen.postcode(case.subject)
        lines = (
            f"{number + 1:>3}. {name.text:<34} b. {birth.text}",
            f"     {shown(nhs, 'no number'):<16} {shown(postcode):<10} tel {shown(phone, '-')}",
        )
        paper.block(lines, about(case, name, birth, nhs, phone, postcode))
    return paper.content("clinic.lst")


def board(desk: Desk) -> Content:
    """What a ward's board shows: an initial, a surname, a birth date, a bay."""
    paper = Paper()
    for number in range(desk.rows):
        case, pen = desk.deal.case(), desk.pen
        name, birth = pen.full(case.subject, "initialled"), pen.birth(case.subject, "dmy2")
        line = f"bay {number % 6 + 1}{'abcd'[number % 4]}  {name.text:<28}{birth.text}  {case.ward}"
        paper.line(line, about(case, name, birth))
    return paper.content("board.txt")


def wide_sheet(desk: Desk) -> Content:
    """One row for each person, one column for each test."""
    trust = desk.trust()
    folder, controller = desk.hinted(trust)
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Pivot"
    sheet.append(("", "", "", "Tests", *WIDE_TESTS[1:]))
    sheet.append(("Who", "Born", "ID", *WIDE_TESTS))
    kinds = {"HIVAB": "hiv", "SYPHT": "sexual_health", "AMH": "fertility", "BRCA": "genetics",
             "HISTM": "cancer"}  # fmt: skip
    drafts: list[Draft] = []
    for number in range(max(3, desk.rows // 2)):
        case, pen = desk.deal.case(trust=trust), desk.pen
        name, birth = pen.full(case.subject, "comma"), pen.birth(case.subject, "mon")
        nhs = pen.nhs(case.subject, "spaced")
        done = [code for code in WIDE_TESTS if desk.chance.happens(0.15)]
        cells = ["done" if code in done else "" for code in WIDE_TESTS]
        sheet.append((name.text, birth.text, shown(nhs), *cells))
        drafts.append(
            about(
                case, name, birth, nhs,
                sensitive=tuple(kinds[code] for code in done if code in kinds),
                controller=controller, where=Where(sheet="Pivot", row=number + 3),
            )
        )  # fmt: skip
    return Content("pivot by patient.xlsx", saved(book), tuple(drafts), (), folder)


def packed_lists(desk: Desk) -> Content:
    """Several lists in a zip, with folders of other languages."""
    small = replace(desk, rows=max(4, desk.rows // 3))
    inside = [
        replace(one, name=f"{folder}/{one.name}")
        for folder, one in (
            ("Ble mae", welsh_list(small)), ("salida", spanish_list(small)),
            ("spool", mainframe_report(small)),
        )
    ]  # fmt: skip
    return nest("nightly.zip", zipped([(one.name, one.data) for one in inside]), inside)


def analyser_file(desk: Desk) -> Content:
    """ASTM E1394 records between analyser and middleware."""
    paper, trust = Paper(newline="\r"), desk.trust()
    paper.line(f"H|\\^&|||MIDDLEWARE^{trust.ods_code}|||||||P|1|20240529231406")
    for number in range(1, desk.rows // 2 + 1):
        case, pen = desk.deal.case(trust=trust), desk.pen
        local = pen.local(case.subject, trust.ods_code)
        family, given = pen.family(case.subject, "upper"), pen.given(case.subject, "upper")
        birth = pen.birth(case.subject, "compact")
        sex = case.subject.sex[0].upper()
        lines = (
            f"P|{number}|{shown(local)}|||{family.text}^{given.text}||{birth.text}|{sex}",
            f"O|1|{case.specimen}||^^^{case.test.code}|R||||||A",
            f"R|1|^^^{case.test.code}|{case.result}|{case.test.unit}||N||F",
        )
        draft = about(
            case, local, family, given, birth, request(case), result(case),
            sensitive=case.sensitive, controller=trust.ods_code, context=trust.ods_code,
        )  # fmt: skip
        paper.block(lines, draft)
    paper.line("L|1|N")
    return paper.content("astm_out.txt")


SHAPES: dict[str, Maker] = {
    "welsh-list": welsh_list,
    "spanish-list": spanish_list,
    "caret-list": caret_list,
    "table-copy": table_copy,
    "mainframe-report": mainframe_report,
    "stacked-list": stacked_list,
    "board": board,
    "wide-sheet": wide_sheet,
    "packed-lists": packed_lists,
    "analyser-file": analyser_file,
}
