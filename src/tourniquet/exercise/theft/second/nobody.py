"""Second family: what holds nobody's data. Engine authors must not read this."""

from __future__ import annotations

from tourniquet.exercise.theft.content import Content, Paper
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.nothing import decoy, ten_digits


def spare_parts(desk: Desk) -> Content:
    """Orders whose numbers pass modulus 11."""
    paper = Paper()
    paper.line("order\tpart\tqty\tordered by")
    for _ in range(desk.rows):
        number = ten_digits(desk)
        text = f"{number}\tvalve {desk.chance.digits(4)}\t{desk.chance.number(1, 9)}\tstores"
        paper.line(text, decoy("ten_digits", number), rows=True)
    return paper.content("orders.tab")


def rota(desk: Desk) -> Content:
    """Who works when."""
    paper = Paper()
    for number in range(20):
        name = desk.deal.clinician()
        paper.line(f"wk {number:02d}  early: {name}  bleep {desk.chance.digits(4)}",
                   decoy("staff", name))  # fmt: skip
    return paper.content("rota.txt")


def empty_form(desk: Desk) -> Content:
    """A web form without anybody in it."""
    paper = Paper()
    lines = (
        "<form><label>Surname<input name=sn></label><label>Born<input name=dob></label>",
        "<label>HIV consent<input type=checkbox></label></form>",
        f"<!-- build {desk.chance.digits(10)} -->",
    )
    paper.block(lines, decoy("blank_form", lines[0]))
    return paper.content("form.html")


def training(desk: Desk) -> Content:
    """A course with made-up people."""
    paper = Paper()
    for number in range(8):
        name = desk.chance.pick(("Mickey Mouse", "Test Test", "Ann Example", "ZZ Training"))
        number_text = ten_digits(desk)
        paper.line(f"Exercise {number}: admit {name}, NHS {number_text}, born 01/01/1901, CTGC",
                   decoy("test_patient", name))  # fmt: skip
    return paper.content("training day.txt")


def minutes_of_nothing(desk: Desk) -> Content:
    """Minutes that name tests and nobody."""
    paper = Paper()
    for text in ("Item 1: HIV turnaround better.", "Item 2: BRCA sent away.", "Item 3: parking."):
        paper.line(f"{text} ({desk.chance.digits(6)})")
    return paper.content("ops meeting.txt")


SHAPES: dict[str, Maker] = {
    "spare-parts": spare_parts,
    "rota": rota,
    "empty-form": empty_form,
    "training": training,
    "minutes-of-nothing": minutes_of_nothing,
}
