"""First family: what holds nobody's data, or only looks as if it did.

Invariants:
- Nobody may be notified because of anything made here; what invites it is marked as a decoy.
- Ten-digit numbers begin with 999, or with digits under which no NHS number was given out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tourniquet.exercise.theft.content import Content, Draft, Paper, Written, nest, zipped
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.letters import docx_bytes
from tourniquet.exercise.theft.first.pages import pdf_pages
from tourniquet.kernel.identifiers import check_digit

LOT_STARTS = ("5", "8", "999")
OLE_SIGNATURE = bytes.fromhex("d0cf11e0a1b11ae1")
ENCRYPTED_FLAG, ZIP_FLAG_OFFSETS = 0x01, ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8))


def ten_digits(desk: Desk) -> str:
    """A ten-digit number that passes modulus 11; of 999, it may by chance be an index person's."""
    while True:
        start = desk.chance.pick(LOT_STARTS)
        nine = start + "".join(str(desk.chance.number(0, 9)) for _ in range(9 - len(start)))
        digit = check_digit(nine)
        if digit.isdigit():
            return nine + digit


def decoy(kind: str, text: str) -> Draft:
    """A fragment about nobody."""
    return Draft(None, (Written("decoy", "", text, ""),), decoy=kind)


def manual(desk: Desk) -> Content:
    """A procedure, as PDF."""
    lines = [
        "SOP 114: daily maintenance of the analyser", "", "1. Empty the waste container.",
        "2. Run controls at two levels; record lots.", "3. HIV and hepatitis assays: see SOP 120.",
        f"Version {desk.chance.number(2, 9)}", "Helpdesk 0800 000 000",
    ]  # fmt: skip
    return Content("SOP 114.pdf", pdf_pages([lines, lines[1:], lines[2:]]), ())


def prices(desk: Desk) -> Content:
    """A price list of tests, with the sensitive ones."""
    paper = Paper(newline="\r\n")
    paper.line("Code,Test,Price GBP,Catalogue no")
    rows = (("HIVAB", "HIV Ag/Ab"), ("FBC", "Full blood count"), ("BRCA", "BRCA1/2"))
    for code, name in rows:
        paper.line(f"{code},{name},{desk.chance.number(3, 400)}.00,{desk.chance.digits(8)}")
    return paper.content("price list 2024.csv")


def quality_control(desk: Desk) -> Content:
    """Analyser controls with ten-digit lots that pass modulus 11."""
    paper = Paper()
    paper.line("Run,Lot,Level,Analyte,Value,Operator")
    for number in range(desk.rows):
        lot = ten_digits(desk)
        value = f"{desk.chance.real(2, 9):.2f}"
        paper.line(
            f"{number},{lot},L{number % 2 + 1},K,{value},LAB{desk.chance.number(1, 40)}",
            decoy("ten_digits", lot), rows=True,
        )  # fmt: skip
    return paper.content("qc_export.csv")


def phone_list(desk: Desk) -> Content:
    """Staff with extensions; some are patients, but not here."""
    paper = Paper(newline="\r\n")
    paper.line("Name,Role,Ext,Email")
    names = [desk.deal.clinician() for _ in range(8)]
    staff = desk.deal.cast.staff[: min(30, desk.rows)]
    names += [f"{one.given_names.split(' ')[0]} {one.family_name}" for one in staff]
    for name in names:
        role = desk.chance.pick(("BMS", "Consultant", "Reception", "Courier"))
        mail = f"{name.split(' ')[-1].lower()}@pathpartners.example"
        text = f"{name},{role},{desk.chance.number(1000, 9999)},{mail}"
        paper.line(text, decoy("staff", name), rows=True)
    return paper.content("phone list.csv")


def blank_form(desk: Desk) -> Content:
    """A request form that nobody filled in."""
    texts = [
        "Genitourinary medicine request form", "Surname: ____________  Forename: ____________",
        "DOB: __/__/____   NHS No: ___ ___ ____", "[ ] HIV  [ ] Syphilis  [ ] Chlamydia",
        f"Form version {desk.chance.number(1, 9)}",
    ]  # fmt: skip
    draft = decoy("blank_form", texts[0])
    where = replace(draft.where, whole=True)
    return Content("GUM form blank.docx", docx_bytes(texts), (replace(draft, where=where),))


def mail_merge(desk: Desk) -> Content:
    """A template with its field names."""
    paper = Paper(newline="\r\n")
    lines = (
        "Dear <<Title>> <<Surname>>,", "NHS number: <<NHSNo>>   Born: <<DOB>>",
        "Your HIV test result is <<Result>>.",
        f"Ref {desk.chance.digits(6)}",
    )  # fmt: skip
    paper.block(lines, decoy("template", lines[0]))
    return paper.content("letter template.txt")


def test_patients(desk: Desk) -> Content:
    """The laboratory's test patients, with numbers that pass."""
    paper = Paper()
    paper.line("NHS No,Surname,Forename,DoB,Test")
    for number in range(max(6, desk.rows // 10)):
        name = desk.chance.pick(("ZZTEST", "TESTPATIENT", "DONOTUSE", "XXTEST", "DUMMY"))
        text = f"{ten_digits(desk)},{name},Test{number},01/01/1901,HIVAB"
        paper.line(text, decoy("test_patient", name), rows=True)
    return paper.content("uat patients.csv")


def noise(desk: Desk) -> Content:
    """Bytes without sense, as an encrypted container is."""
    return Content("backup.vhdx.enc", desk.chance.noise(20_000 + 400 * desk.rows), ())


def encrypted(members: Sequence[tuple[str, bytes]]) -> bytes:
    """A zip whose headers say that its members are encrypted; their bytes are noise."""
    data = bytearray(zipped(members, stored=True))
    for mark, offset in ZIP_FLAG_OFFSETS:
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= ENCRYPTED_FLAG
            at = data.find(mark, at + 4)
    return bytes(data)


def protected_zip(desk: Desk) -> Content:
    """A password-protected zip: it can be listed and not read."""
    inside = [Content(f"payroll {n}.xlsx", desk.chance.noise(4_000)) for n in range(2)]
    safe = [replace(one, data=one.data.replace(b"PK", b"QK")) for one in inside]
    made = nest("HR confidential.zip", encrypted([(one.name, one.data) for one in safe]), safe)
    return replace(made, members=tuple(replace(m, readable=False) for m in made.members))


def protected_office(desk: Desk) -> Content:
    """An office file with a password: a compound file of noise."""
    data = OLE_SIGNATURE + desk.chance.noise(6_000 + desk.rows)
    return Content("salaries (password).xlsx", data)


def empty_file(desk: Desk) -> Content:
    """Nothing at all."""
    return Content(f"~lock{desk.chance.number(1, 99)}.tmp", b"")


SHAPES: dict[str, Maker] = {
    "manual": manual,
    "prices": prices,
    "quality-control": quality_control,
    "phone-list": phone_list,
    "blank-form": blank_form,
    "template": mail_merge,
    "test-patients": test_patients,
    "noise": noise,
    "protected-zip": protected_zip,
    "protected-office": protected_office,
    "empty": empty_file,
}
