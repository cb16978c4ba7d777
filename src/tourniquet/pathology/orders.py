"""Read orders (OML, ORM) into frozen drafts. Pure.

Invariants:
- One draft for each ORC with its OBR; specimens and questions belong to the order before them.
- What an order asks (new, cancel, hold, status) is decided here from ORC-1 and ORC-5, in words.
- Order questions (OBX) and notes become the request's note; nothing sent is dropped silently.

Source: HL7 v2.5.1 chapter 4 (ORC, TQ1, OBR; tables 0119 and 0038), chapter 7 (SPM).
"""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from tourniquet.kernel.errors import SenderError
from tourniquet.pathology.reading import (
    Code,
    SpecimenDraft,
    find_ods,
    read_code,
    read_instant,
    read_notes,
    read_precision,
    read_requesting,
    read_specimen,
    split_by_person,
)
from tourniquet.patients.reading import PersonDraft, fit, read_person
from tourniquet.wire.hl7v2 import Message, Segment
from tourniquet.wire.hl7v2_time import parse_date

ORDERS_MAX = 500  # in one message
NEW, CANCEL, HOLD, RELEASE, STATUS = "new", "cancel", "hold", "release", "status"
_ACTION = {
    "": NEW, "NW": NEW, "SN": NEW, "NA": NEW, "OK": NEW, "RO": NEW, "RU": NEW, "PA": NEW, "CH": NEW,
    "CA": CANCEL, "OC": CANCEL, "CR": CANCEL, "DC": CANCEL, "OD": CANCEL, "DR": CANCEL,
    "UA": CANCEL, "RP": CANCEL, "RQ": CANCEL,
    "HD": HOLD, "HR": HOLD, "OH": HOLD,
    "RL": RELEASE, "OE": RELEASE, "OR": RELEASE,
    "SC": STATUS, "SR": STATUS, "SS": STATUS, "XO": STATUS, "XX": STATUS, "XR": STATUS,
    "RE": STATUS, "IN": STATUS,
}  # fmt: skip
_STATUS = {
    "A": "active",
    "CA": "revoked",
    "CM": "completed",
    "DC": "revoked",
    "ER": "entered-in-error",
    "HD": "on-hold",
    "IP": "active",
    "RP": "revoked",
    "SC": "active",
}
_PRIORITY = {"S": "stat", "A": "asap", "R": "routine", "P": "urgent", "T": "urgent", "C": "urgent"}


class OrderDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One ORC with its OBR."""

    action: str
    status: str
    code: Code | None
    placer_number: str
    placer_authority: str
    filler_number: str
    filler_authority: str
    requisition: str
    urgency: str
    priority: str
    indication: str
    authored_at: datetime | None
    wanted_on: date | None
    requester: str
    requesting: str
    reason: str
    note: str
    collected_at: datetime | None
    collected_precision: str
    specimens: tuple[SpecimenDraft, ...]


class PatientOrders(msgspec.Struct, frozen=True):
    """What an order message says, about one person; `clinic` is where PV1 says it happens."""

    person: PersonDraft
    orders: tuple[OrderDraft, ...]
    clinic: str
    sending_facility: str
    happened_at: datetime | None

    def placer_numbers(self) -> list[str]:
        """Every placer's number that is mentioned."""
        return [order.placer_number for order in self.orders]

    def filler_numbers(self) -> list[str]:
        """Every laboratory's number that is mentioned."""
        return [order.filler_number for order in self.orders]

    def accessions(self) -> list[str]:
        """Every specimen's number that is mentioned."""
        return [sent.accession for order in self.orders for sent in order.specimens]


def read_orders(message: Message) -> PatientOrders:
    """Read an order message.

    Raises: SenderError where nobody or several people are named, nothing is ordered, or a value
    is too long.
    """
    runs = split_by_person(message)
    if len(runs) > 1:
        raise SenderError(
            "The message orders for several patients.",
            where="PID",
            remedy="Send one message for each patient.",
        )
    run = runs[0]
    facility = message.sending_facility.strip() or message.sending_application.strip()
    orders = _share_specimens([_order(group) for group in _cut(run.segments)])
    if not orders:
        raise SenderError(
            "The message orders nothing: it has neither ORC nor OBR.", remedy="Send ORC and OBR."
        )
    if len(orders) > ORDERS_MAX:
        raise SenderError(f"A message has more than {ORDERS_MAX} orders.", remedy="Send parts.")
    visit = next((s for s in run.segments if s.name == "PV1"), None)
    clinic = find_ods(visit.value(3)) if visit is not None else ""
    return PatientOrders(
        person=read_person(run.pid, run.pd1, facility=facility),
        orders=tuple(orders),
        clinic=clinic or find_ods(message.sending_facility),
        sending_facility=find_ods(message.sending_facility),
        happened_at=read_instant(message.timestamp),
    )


def _share_specimens(orders: list[OrderDraft]) -> list[OrderDraft]:
    """Specimens after several tests serve all of those that have none of their own."""
    out: list[OrderDraft] = []
    shared: tuple[SpecimenDraft, ...] = ()
    for order in reversed(orders):
        shared = order.specimens or shared
        if shared and not order.specimens:
            order = msgspec.structs.replace(order, specimens=shared)  # noqa: PLW2901 (completed)
        out.append(order)
    return out[::-1]


class _Group:
    """The segments of one order while a message is cut."""

    __slots__ = ("diagnoses", "notes", "obr", "orc", "questions", "specimens", "timing")

    def __init__(self, orc: Segment | None) -> None:
        self.orc = orc
        self.obr: Segment | None = None
        self.timing: Segment | None = None
        self.notes: list[Segment] = []
        self.questions: list[Segment] = []
        self.diagnoses: list[Segment] = []
        self.specimens: list[Segment] = []


def _cut(segments: list[Segment]) -> list[_Group]:
    groups: list[_Group] = []
    for segment in segments:
        name = segment.name
        if name == "ORC":
            groups.append(_Group(segment))
        elif name == "OBR":
            if not groups or groups[-1].obr is not None:
                # A further OBR under the same ORC: the order's control holds for it, too.
                groups.append(_Group(groups[-1].orc if groups else None))
            groups[-1].obr = segment
        elif groups:
            _attach(groups[-1], segment)
    return groups


def _attach(group: _Group, segment: Segment) -> None:
    name = segment.name
    if name == "TQ1":
        group.timing = segment
    elif name == "NTE":
        group.notes.append(segment)
    elif name == "OBX":
        group.questions.append(segment)
    elif name == "DG1":
        group.diagnoses.append(segment)
    elif name == "SPM":
        group.specimens.append(segment)


def _value(segment: Segment | None, field: int, component: int = 1) -> str:
    return segment.value(field, component).strip() if segment is not None else ""


def _order(group: _Group) -> OrderDraft:
    orc, obr, timing = group.orc, group.obr, group.timing
    control = _value(orc, 1).upper()
    action = _ACTION.get(control)
    if action is None:
        raise SenderError(
            "The order control code is not one that is taken here.",
            where="ORC-1",
            remedy="Send NW, CA, HD, RL or SC.",
        )
    code = read_code(obr, 4) if obr is not None else None
    if code is None and action == NEW:
        raise SenderError("The order names no test.", where="OBR-4", remedy="Send OBR.")
    placed_by_orc = not _value(obr, 2)
    filled_by_orc = not _value(obr, 3)
    placer = orc if placed_by_orc else obr
    filler = orc if filled_by_orc else obr
    urgency = (
        _value(timing, 9) or _value(orc, 7, 6) or _value(obr, 27, 6) or _value(obr, 5)
    ).upper()[:1]
    collected = _value(obr, 7)
    return OrderDraft(
        action=action,
        status=_STATUS.get(_value(orc, 5).upper(), ""),
        code=code,
        placer_number=fit(_value(placer, 2), 200, "ORC-2"),
        placer_authority=fit(_value(placer, 2, 2), 200, "ORC-2"),
        filler_number=fit(_value(filler, 3), 200, "ORC-3"),
        filler_authority=fit(_value(filler, 3, 2), 200, "ORC-3"),
        requisition=fit(_value(orc, 4), 200, "ORC-4"),
        urgency=urgency if urgency in ("S", "A", "R") else "",
        priority=_PRIORITY.get(urgency, "routine"),
        indication=_value(obr, 31) or _value(obr, 13),
        authored_at=read_instant(_value(orc, 9)) or read_instant(_value(obr, 6)),
        wanted_on=_wanted(orc, obr, timing),
        requester=fit(_requester(orc, obr), 200, "ORC-12"),
        requesting=read_requesting(orc),
        reason=_reason(obr, group.diagnoses),
        note=_note(group),
        collected_at=read_instant(collected),
        collected_precision=read_precision(collected),
        specimens=tuple([read_specimen(spm) for spm in group.specimens]),
    )


def _wanted(orc: Segment | None, obr: Segment | None, timing: Segment | None) -> date | None:
    """The day on which the specimens are wanted: TQ1-7, ORC-7.4, OBR-27.4 or OBR-36."""
    for text in (_value(timing, 7), _value(orc, 7, 4), _value(obr, 27, 4), _value(obr, 36)):
        if text:
            try:
                return parse_date(text).day
            except SenderError:
                continue
    return None


def _requester(orc: Segment | None, obr: Segment | None) -> str:
    """Who asks: number, name of ORC-12, else OBR-16."""
    for segment, field in ((orc, 12), (obr, 16)):
        if segment is None or not segment.raw(field):
            continue
        parts = [segment.value(field, n).strip() for n in (6, 3, 2)]
        name = " ".join(part for part in parts if part)
        number = segment.value(field, 1).strip()
        return f"{name} ({number})" if name and number else name or number
    return ""


def _reason(obr: Segment | None, diagnoses: list[Segment]) -> str:
    parts = []
    if obr is not None:
        parts += [r.value(2) or r.value(1) for r in obr.repetitions(31)]
        parts.append(obr.text(13))
    parts += [d.value(3, 2) or d.value(4) or d.value(3) for d in diagnoses]
    return "\n".join(part for part in parts if part)


def _note(group: _Group) -> str:
    lines = [read_notes(group.notes)] if group.notes else []
    for question in group.questions:
        words = question.value(3, 2) or question.value(3)
        answer = question.value(5, 2) or question.text(5)
        if words or answer:
            lines.append(f"{words}: {answer}")
    return "\n".join(lines)
