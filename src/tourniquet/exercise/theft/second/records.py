"""Second family: one person's records, in structured forms. Engine authors must not read this."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from xml.sax.saxutils import escape, quoteattr

from tourniquet.exercise.theft.content import Content, Draft, Paper, Where
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.pen import date_text
from tourniquet.exercise.theft.second.words import (
    about,
    remark,
    request,
    request_name,
    result,
    saying,
    shown,
)


def key_values(desk: Desk) -> Content:
    """Forms as lines of key and value."""
    paper = Paper()
    for _ in range(desk.rows // 4):
        case, pen = desk.deal.case(), desk.pen
        who = case.subject
        name, birth = pen.full(who, "natural"), pen.birth(who, "long")
        nhs, address, postcode = pen.nhs(who, "spaced"), pen.address(who), pen.postcode(who)
        text, told = saying(desk)
        lines = (
            "=" * 40,
            f"Pt ............ {name.text}",
            f"Born .......... {birth.text}",
            f"Nat. no. ...... {shown(nhs, '?')}",
            f"Lives at ...... {address.text} {shown(postcode)}",
            f"Ref by ........ {case.requester.name} [{case.requester.ods_code}]",
            f"Wants ......... {case.test.name}",
            f"Remark ........ {text}",
        )
        draft = about(
            case, name, birth, nhs, address, postcode, request_name(case), remark(text),
            sensitive=(*told, *case.sensitive), controller=case.requester.ods_code,
        )  # fmt: skip
        paper.block(lines, draft)
    return paper.content("intake forms.txt")


def label_printer(desk: Desk) -> Content:
    """Labels for tubes, in the printer's language."""
    paper = Paper(newline="\r\n")
    for _ in range(desk.rows // 2):
        case, pen = desk.deal.case(), desk.pen
        name = pen.full(case.subject, desk.chance.pick(("capitals", "initialled")))
        birth = pen.birth(case.subject, "dmy")
        local = pen.local(case.subject, case.trust.ods_code)
        lines = (
            "^XA^CI28",
            f"^FO20,20^A0N,28^FD{name.text}^FS",
            f"^FO20,55^A0N,24^FD{birth.text}  {shown(local)}^FS",
            f"^FO20,90^BCN,60^FD{case.specimen}^FS^FO300,20^FD{case.test.code}^FS^XZ",
        )
        draft = about(case, name, birth, local, request(case), sensitive=case.sensitive)
        paper.block(lines, draft)
    return paper.content("labels.zpl")


def nested_json(desk: Desk) -> Content:
    """Objects in objects, indented."""
    paper = Paper()
    paper.line('{"v": 2, "batch": [')
    count = max(2, desk.rows // 5)
    for number in range(count):
        case, pen = desk.deal.case(), desk.pen
        who = case.subject
        nhs, family, given = pen.nhs(who), pen.family(who), pen.given(who)
        birth, mail = pen.birth(who, "iso"), pen.email(who)
        body = {
            "subj": {
                "ids": [{"t": "NI", "v": shown(nhs)}],
                "nm": {"l": family.text, "f": [given.text]},
                "b": {"on": birth.text},
                "reach": {"mail": shown(mail)},
            },
            "ord": {"what": {"c": case.test.code}, "org": {"ods": case.requester.ods_code}},
            "out": [{"val": case.result}],
        }
        text = json.dumps(body, indent=2) + ("," if number < count - 1 else "")
        draft = about(
            case, nhs, family, given, birth, mail, request(case), result(case),
            sensitive=case.sensitive, controller=case.requester.ods_code,
        )  # fmt: skip
        paper.block(text.split("\n"), draft)
    paper.line("]}")
    return paper.content("spool_0001.json")


def xml_export(desk: Desk) -> Content:
    """Elements with attributes, an element a person."""
    paper = Paper("iso-8859-1")
    paper.line('<?xml version="1.0" encoding="ISO-8859-1"?>')
    paper.line("<dataset generated='2024-05-29'>")
    for _ in range(desk.rows // 3):
        case, pen = desk.deal.case(), desk.pen
        who = case.subject
        nhs, local = pen.nhs(who), pen.local(who, case.trust.ods_code)
        family, given, birth = pen.family(who), pen.given(who, "all"), pen.birth(who, "iso")
        postcode = pen.postcode(who, "tight")
        site = case.trust.ods_code
        lines = (
            f"<episode site={quoteattr(site)} requester={quoteattr(case.requester.ods_code)}>",
            f"  <who nn={quoteattr(shown(nhs))} cn={quoteattr(shown(local))}",
            f"   born={quoteattr(birth.text)} pc={quoteattr(shown(postcode))}>",
            f"   {escape(given.text)} <s>{escape(family.text)}</s></who>",
            f"  <item code={quoteattr(case.test.code)}>{escape(case.result)}</item>",
            "</episode>",
        )
        draft = about(
            case, nhs, local, family, given, birth, postcode, request(case),
            sensitive=case.sensitive, controller=case.requester.ods_code, context=site,
        )  # fmt: skip
        paper.block(lines, draft)
    paper.line("</dataset>")
    return paper.content("export.xml")


def ini_dump(desk: Desk) -> Content:
    """Sections and keys."""
    paper = Paper(newline="\r\n")
    for number in range(desk.rows // 4):
        case, pen = desk.deal.case(), desk.pen
        nhs, phone = pen.nhs(case.subject), pen.phone(case.subject)
        family, given = pen.family(case.subject), pen.given(case.subject)
        birth = pen.birth(case.subject, "compact")
        lines = (
            f"[REC{number:05d}]", f"SN={family.text}", f"FN={given.text}", f"DB={birth.text}",
            f"NN={shown(nhs)}", f"TL={shown(phone)}", f"OC={case.requester.sap_code}",
            f"TC={case.test.code}", "",
        )  # fmt: skip
        draft = about(
            case, nhs, phone, family, given, birth, request(case), sensitive=case.sensitive,
            controller=case.requester.ods_code,
        )  # fmt: skip
        paper.block(lines, draft)
    return paper.content("cache.ini")


def calendar(desk: Desk) -> Content:
    """Appointments."""
    paper = Paper(newline="\r\n")
    paper.line("BEGIN:VCALENDAR")
    for number in range(desk.rows // 5):
        case, pen = desk.deal.case(), desk.pen
        name = pen.full(case.subject, desk.chance.pick(("natural", "initialled")))
        nhs = pen.nhs(case.subject, "spaced") if desk.chance.happens(0.4) else None
        text, told = saying(desk)
        day = date_text(case.asked_on, "compact")
        lines = (
            "BEGIN:VEVENT", f"UID:{number}@rota.example", f"DTSTART:{day}T0{number % 9}3000",
            f"SUMMARY:Bloods - {name.text}",
            f"DESCRIPTION:{shown(nhs)}{' / ' if nhs else ''}{text}", "END:VEVENT",
        )  # fmt: skip
        paper.block(lines, about(case, name, nhs, remark(text), sensitive=told))
    paper.line("END:VCALENDAR")
    return paper.content("phlebotomy.ics")


def cards(desk: Desk) -> Content:
    """Address cards of people who were asked back."""
    paper = Paper(newline="\r\n")
    for _ in range(desk.rows // 5):
        case, pen = desk.deal.case(), desk.pen
        who = case.subject
        family, given, birth = pen.family(who), pen.given(who), pen.birth(who, "iso")
        address, postcode, phone = pen.address(who), pen.postcode(who), pen.phone(who)
        mail = pen.email(who)
        lines = (
            "BEGIN:VCARD", "VERSION:3.0", f"N:{family.text};{given.text};;;",
            f"BDAY:{birth.text}", f"ADR:;;{address.text};;;{shown(postcode)};UK",
            f"TEL;TYPE=CELL:{shown(phone)}", f"EMAIL:{shown(mail)}", "END:VCARD",
        )  # fmt: skip
        paper.block(lines, about(case, family, given, birth, address, postcode, phone, mail))
    return paper.content("recall contacts.vcf")


def notes_database(desk: Desk) -> Content:
    """A database whose notes are words."""
    drafts: list[Draft] = []
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("CREATE TABLE jotting (k INTEGER PRIMARY KEY, at TEXT, body TEXT, by TEXT)")
        for number in range(1, desk.rows // 2 + 1):
            case, pen = desk.deal.case(), desk.pen
            name, nhs = pen.full(case.subject, "natural"), pen.nhs(case.subject)
            birth = pen.birth(case.subject, "dots")
            text, told = saying(desk)
            body = f"{name.text} ({birth.text}, {shown(nhs, 'no nhs')}) {text}"
            base.execute(
                "INSERT INTO jotting VALUES (?, ?, ?, ?)",
                (number, case.asked_on.isoformat(), body, case.clinician),
            )
            place = Where(sheet="jotting", row=number)
            drafts.append(about(case, name, nhs, birth, remark(text), sensitive=told, where=place))
        base.commit()
        data = base.serialize()
    return Content("jotter.sqlite", data, tuple(drafts))


SHAPES: dict[str, Maker] = {
    "key-values": key_values,
    "label-printer": label_printer,
    "nested-json": nested_json,
    "xml-export": xml_export,
    "ini-dump": ini_dump,
    "calendar": calendar,
    "cards": cards,
    "notes-database": notes_database,
}
