"""Bodies of pathology's entries: facts already decided, ids and versions included."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from tourniquet.record.registry import Body, kind


class Organisations(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asked, who performs, and where the patient is registered; "" where not known."""

    requesting: str = ""
    performing: str = ""
    registered: str = ""


class RequestFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One test asked for."""

    id: str
    code: str
    code_system: str = ""
    code_display: str = ""
    placer_number: str = ""
    placer_authority: str = ""
    filler_number: str = ""
    filler_authority: str = ""
    status: str = "active"
    priority: str = "routine"
    indication: str = ""
    authored_at: datetime | None = None
    wanted_on: date | None = None
    requester: str = ""
    reason: str = ""
    note: str = ""


class SpecimenFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tube, swab, vial or device, and the requests that it serves."""

    id: str
    accession: str = ""
    placer_number: str = ""
    type_code: str = ""
    type_display: str = ""
    container: str = ""
    status: str = "available"
    collected_at: datetime | None = None
    collected_precision: str = ""
    received_at: datetime | None = None
    condition: str = ""
    service_request_ids: tuple[str, ...] = ()


class SpecimenStep(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a specimen."""

    specimen_id: str
    kind: str
    at: datetime
    organisation: str = ""
    note: str = ""
    collected_precision: str = ""
    accession: str = ""
    condition: str = ""


class ObservationFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One result line."""

    sequence: int
    code: str
    code_system: str = ""
    code_display: str = ""
    sub_id: str = ""
    value_type: str = ""
    value_text: str = ""
    value_number: float | None = None
    comparator: str = ""
    unit: str = ""
    reference_range: str = ""
    flags: str = ""
    status: str = "final"
    effective_at: datetime | None = None
    note: str = ""


class ReportFact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of one report. Not `current` where a newer one was known already."""

    id: str
    version: int
    code: str
    status: str
    change: str
    content: str
    current: bool = True
    ordinal: int = 1
    service_request_id: str | None = None
    specimen_id: str | None = None
    requisition: str = ""
    placer_number: str = ""
    filler_number: str = ""
    code_system: str = ""
    code_display: str = ""
    effective_at: datetime | None = None
    issued_at: datetime | None = None
    conclusion: str = ""
    requesting: str = ""
    observations: tuple[ObservationFact, ...] = ()


@kind("order.received", patient=True)
class OrderReceived(Body, frozen=True):
    """Tests asked for on one form, with the specimens that came with it."""

    sender: str
    requisition: str
    organisations: Organisations
    requests: tuple[RequestFact, ...]
    specimens: tuple[SpecimenFact, ...] = ()


class RequestChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a request's status became. An empty filler number leaves the one that is known."""

    id: str
    status: str
    filler_number: str = ""
    filler_authority: str = ""


@kind("order.changed", patient=True)
class OrderChanged(Body, frozen=True):
    """Requests cancelled, held, replaced, started or completed."""

    changes: tuple[RequestChange, ...]
    reason: str = ""


@kind("specimen.moved", patient=True)
class SpecimenMoved(Body, frozen=True):
    """Where specimens are now. Specimens not known before are in `added`."""

    steps: tuple[SpecimenStep, ...]
    added: tuple[SpecimenFact, ...] = ()
    sender: str = ""
    requisition: str = ""
    organisations: Organisations = Organisations()


@kind("report.filed", patient=True)
class ReportFiled(Body, frozen=True):
    """Reports of one message, each a version with its result lines."""

    sender: str
    reports: tuple[ReportFact, ...]
    performing: str = ""
    registered: str = ""


@kind("report.withdrawn", patient=True)
class ReportWithdrawn(Body, frozen=True):
    """A report no longer counts; its earlier versions stay readable."""

    report: str
    version: int
    reason: str = ""


@kind("report.moved", patient=True)
class ReportMoved(Body, frozen=True):
    """A report was sent for the wrong person, who is the subject here; it no longer counts."""

    report: str
    version: int
    reason: str = ""


@kind("history.moved", patient=True)
class HistoryMoved(Body, frozen=True):
    """Everything about the subject, who was merged, now belongs to the patient that stays."""

    into: str


@kind("call.opened", patient=True)
class CallOpened(Body, frozen=True):
    """A critical value that somebody must phone by then."""

    call: str
    report: str
    version: int
    sequence: int
    code: str
    display: str
    value_text: str
    unit: str
    rule: str
    call_by: datetime
    organisations: Organisations = Organisations()


@kind("call.attempted", patient=True)
class CallAttempted(Body, frozen=True):
    """Somebody phoned, with what outcome."""

    call: str
    at: datetime
    outcome: str
    note: str = ""


@kind("call.closed", patient=True)
class CallClosed(Body, frozen=True):
    """The value was given to a named person, who read it back."""

    call: str
    at: datetime
    told: str
    read_back: bool
    comment: str


@kind("numbers.reserved", patient=False)
class NumbersReserved(Body, frozen=True):
    """Numbers of paper forms, both ends included, that only this desk gives out.

    `desk` is its id. Earlier releases wrote the name of its folder: such a range is given out by
    nobody any more, since two folders may have one name.
    """

    code: str
    first: int
    last: int
    desk: str
    purpose: str = ""


@kind("desk.reconciled", patient=False)
class DeskReconciled(Body, frozen=True):
    """The book of a downtime desk was taken in up to a line; `digest` is over its lines so far.

    `not_accounted` are blocks of numbers of which nobody has said what became, here or at another
    desk; `erased` are numbers of results that were not taken in, because the person was erased
    meanwhile. `issued_blocks` are code, first and last of what it gave out.
    """

    desk: str
    lines: int
    digest: str
    issued: int
    keyed: int
    void: int
    unused: int
    not_accounted: tuple[str, ...] = ()
    erased: tuple[str, ...] = ()
    issued_blocks: tuple[tuple[str, int, int], ...] = ()
