"""Tables of cases: which columns, under which headers, in which forms.

Invariants:
- A row's draft holds exactly the fields that the row shows; a column left empty shows nothing.
- Local numbers stand in their trust's context only where the row or the place names the trust.
- Who is responsible is true to the data where a column names the requester, else to the place
  where the file lies, else nobody's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tourniquet.exercise.theft.cases import Case
from tourniquet.exercise.theft.content import Draft, Written
from tourniquet.exercise.theft.pen import Pen, date_text

Cell = tuple[str, Written | None]


@dataclass(frozen=True)
class Column:
    """A column: its header, what is in it (a key of COLUMN_MAKERS) and the form."""

    header: str
    key: str
    form: str = ""


@dataclass(frozen=True)
class Row:
    """Texts of a row and the fragment that it is."""

    cells: tuple[str, ...]
    draft: Draft


@dataclass(frozen=True)
class _Ask:
    """What a column is made from."""

    pen: Pen
    case: Case
    form: str


def _field(found: Written | None) -> Cell:
    return (found.text, found) if found else ("", None)


def _plain(kind: str, text: str) -> Cell:
    return text, Written(kind, "", text, text)


def _comment(pen: Pen, form: str) -> Cell:
    if form == "lines" and pen.chance.happens(0.5):
        return _plain("narrative", f"received late\nref {pen.chance.digits(10)}, add on")
    if pen.chance.happens(0.6):
        return "", None
    return _plain("narrative", pen.chance.pick(("haemolysed, repeat", "phoned to ward", "add on")))


COLUMN_MAKERS: dict[str, Callable[[_Ask], Cell]] = {
    "nhs": lambda ask: _field(ask.pen.nhs(ask.case.subject, ask.form or "plain")),
    "local": lambda ask: _field(ask.pen.local(ask.case.subject, ask.case.trust.ods_code)),
    "family": lambda ask: _field(ask.pen.family(ask.case.subject, ask.form)),
    "given": lambda ask: _field(ask.pen.given(ask.case.subject, ask.form or "first")),
    "full": lambda ask: _field(ask.pen.full(ask.case.subject, ask.form or "comma")),
    "birth": lambda ask: _field(ask.pen.birth(ask.case.subject, ask.form or "dmy")),
    "sex": lambda ask: (ask.case.subject.sex[0].upper(), None),
    "address": lambda ask: _field(ask.pen.address(ask.case.subject)),
    "postcode": lambda ask: _field(ask.pen.postcode(ask.case.subject, ask.form)),
    "phone": lambda ask: _field(ask.pen.phone(ask.case.subject)),
    "email": lambda ask: _field(ask.pen.email(ask.case.subject)),
    "practice": lambda ask: (ask.case.subject.practice, None),
    "requester": lambda ask: (ask.case.requester.ods_code, None),
    "client": lambda ask: (ask.case.requester.client_code, None),
    "sap": lambda ask: (ask.case.requester.sap_code, None),
    "code": lambda ask: _plain("request", ask.case.test.code),
    "test": lambda ask: _plain("request", ask.case.test.name),
    "result": lambda ask: _plain("result", f"{ask.case.result} {ask.case.test.unit}".strip()),
    "asked": lambda ask: (date_text(ask.case.asked_on, ask.form or "dmy"), None),
    "specimen": lambda ask: (ask.case.specimen, None),
    "clinician": lambda ask: (ask.case.clinician, None),
    "ward": lambda ask: (ask.case.ward, None),
    "comment": lambda ask: _comment(ask.pen, ask.form),
}
TELLING = {"requester", "client", "sap"}
SHOWING = {"code", "test"}


def fill(columns: Sequence[Column], pen: Pen, case: Case, *, controller: str = "") -> Row:
    """A case as a row. `controller` is the one that the file's place tells of, or empty."""
    cells = [COLUMN_MAKERS[one.key](_Ask(pen, case, one.form)) for one in columns]
    keys = {one.key for one in columns}
    trust = case.trust.ods_code
    told = case.requester.ods_code if keys & TELLING else controller
    draft = Draft(
        subject=case.subject,
        written=tuple(found for _, found in cells if found is not None),
        sensitive=case.sensitive if keys & SHOWING else (),
        controller=told,
        context=trust if trust in (told, controller) else "",
        conflict=bool(keys & TELLING and controller and controller != told),
    )
    return Row(tuple(text for text, _ in cells), draft)


def headers(columns: Sequence[Column]) -> tuple[str, ...]:
    """The header row."""
    return tuple(one.header for one in columns)
