"""The only writer of this package's tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from tourniquet.pathology.entries import (
    CallAttempted,
    CallClosed,
    CallOpened,
    DeskReconciled,
    HistoryMoved,
    NumbersReserved,
    OrderChanged,
    OrderReceived,
    Organisations,
    ReportFact,
    ReportFiled,
    ReportMoved,
    ReportWithdrawn,
    RequestChange,
    SpecimenFact,
    SpecimenMoved,
    SpecimenStep,
)
from tourniquet.pathology.models import (
    CallAttempt,
    CriticalCall,
    DeskBook,
    DiagnosticReport,
    NumberRange,
    Observation,
    ReportVersion,
    ServiceRequest,
    Specimen,
    SpecimenEvent,
    SpecimenRequest,
)
from tourniquet.record.divergence import row_named
from tourniquet.record.registry import Entry, applies
from tourniquet.record.tables import Row, insert_rows, put_rows, update_rows

_SCOPE = (
    "patient_id",
    "requesting_organisation",
    "performing_organisation",
    "registered_organisation",
    "updated_at",
    "position",
)


def _scope(entry: Entry[Any], organisations: Organisations) -> Row:
    return (
        entry.subject,
        organisations.requesting,
        organisations.performing,
        organisations.registered,
        entry.recorded_at,
        entry.position,
    )


# Orders and specimens -----------------------------------------------------------------------------

_REQUEST = (
    "id",
    "requisition",
    "sender",
    "placer_number",
    "placer_authority",
    "filler_number",
    "filler_authority",
    "code",
    "code_system",
    "code_display",
    "status",
    "priority",
    "indication",
    "authored_at",
    "wanted_on",
    "requester",
    "reason",
    "note",
    *_SCOPE,
)


@applies(OrderReceived)
def order_received(entries: Sequence[Entry[OrderReceived]]) -> None:
    """One ServiceRequest for each test, and the specimens that came with them."""
    insert_rows(
        ServiceRequest,
        _REQUEST,
        [
            (
                r.id,
                e.body.requisition,
                e.body.sender,
                r.placer_number,
                r.placer_authority,
                r.filler_number,
                r.filler_authority,
                r.code,
                r.code_system,
                r.code_display,
                r.status,
                r.priority,
                r.indication,
                r.authored_at,
                r.wanted_on,
                r.requester,
                r.reason,
                r.note,
                *_scope(e, e.body.organisations),
            )
            for e in entries
            for r in e.body.requests
        ],
    )
    _add_specimens(
        (e, s, e.body.requisition, e.body.organisations) for e in entries for s in e.body.specimens
    )


_SPECIMEN = (
    "id",
    "accession",
    "placer_number",
    "requisition",
    "type_code",
    "type_display",
    "container",
    "status",
    "collected_at",
    "collected_precision",
    "received_at",
    "condition",
    *_SCOPE,
)


def _add_specimens(
    added: Iterable[tuple[Entry[Any], SpecimenFact, str, Organisations]],
) -> None:
    """Each with its entry, its form and its organisations."""
    known = list(added)
    insert_rows(
        Specimen,
        _SPECIMEN,
        [
            (
                s.id,
                s.accession,
                s.placer_number,
                requisition,
                s.type_code,
                s.type_display,
                s.container,
                s.status,
                s.collected_at,
                s.collected_precision,
                s.received_at,
                s.condition,
                *_scope(entry, organisations),
            )
            for entry, s, requisition, organisations in known
        ],
    )
    insert_rows(
        SpecimenRequest,
        ("specimen_id", "service_request_id"),
        [(s.id, request) for _, s, _, _ in known for request in s.service_request_ids],
    )


@applies(OrderChanged)
def order_changed(entries: Sequence[Entry[OrderChanged]]) -> None:
    """The status of requests, and the laboratory's number where it became known."""
    changes: list[tuple[Entry[OrderChanged], RequestChange]] = [
        (e, change) for e in entries for change in e.body.changes
    ]
    update_rows(
        ServiceRequest,
        ("status", "updated_at", "position"),
        [(change.status, e.recorded_at, e.position, change.id) for e, change in changes],
        key=("id",),
    )
    update_rows(
        ServiceRequest,
        ("filler_number", "filler_authority"),
        [(c.filler_number, c.filler_authority, c.id) for _, c in changes if c.filler_number],
        key=("id",),
    )


_STATUS_AFTER = {
    "collected": "available",
    "dispatched": "available",
    "received": "available",
    "processed": "available",
    "rejected": "unsatisfactory",
    "discarded": "unavailable",
    "lost": "unavailable",
}


@applies(SpecimenMoved)
def specimen_moved(entries: Sequence[Entry[SpecimenMoved]]) -> None:
    """One event for each step; the specimen shows the newest status."""
    _add_specimens(
        (e, s, e.body.requisition, e.body.organisations) for e in entries for s in e.body.added
    )
    insert_rows(
        SpecimenEvent,
        ("specimen_id", "position", "kind", "at", "organisation", "actor", "note"),
        [
            (s.specimen_id, e.position, s.kind, s.at, s.organisation, e.actor, s.note)
            for e in entries
            for s in e.body.steps
        ],
    )
    # Of a specimen the first steps of all, then the second, and so on: together, and in order.
    groups: list[dict[tuple[str, ...], list[list[Any]]]] = []
    seen: dict[str, int] = {}
    added_at = {s.id: e.position for e in entries for s in e.body.added}
    for entry in entries:
        for step in entry.body.steps:
            if added_at.get(step.specimen_id, 0) > entry.position:
                continue  # there was no such specimen yet: alone, the entry would change none
            turn = seen[step.specimen_id] = seen.get(step.specimen_id, -1) + 1
            if turn == len(groups):
                groups.append({})
            names, values = _shown(entry, step)
            groups[turn].setdefault(names, []).append(values)
    for group in groups:
        for names, rows in group.items():
            update_rows(Specimen, names, rows, key=("id",))


def _shown(entry: Entry[SpecimenMoved], step: SpecimenStep) -> tuple[tuple[str, ...], list[Any]]:
    """The columns that a step sets, and their values with the specimen's id after them."""
    names = ["status", "updated_at", "position"]
    values: list[Any] = [_STATUS_AFTER.get(step.kind, "available"), entry.recorded_at]
    values.append(entry.position)
    if step.kind == "collected":
        names += ["collected_at", "collected_precision"]
        values += [step.at, step.collected_precision]
    if step.kind == "received":
        names.append("received_at")
        values.append(step.at)
    if step.accession:
        names.append("accession")
        values.append(step.accession)
    if step.condition:
        names.append("condition")
        values.append(step.condition)
    return tuple(names), [*values, step.specimen_id]


# Reports ------------------------------------------------------------------------------------------

_REPORT = (
    "id",
    "version",
    "versions",
    "ordinal",
    "content",
    "service_request_id",
    "specimen_id",
    "requisition",
    "placer_number",
    "filler_number",
    "sender",
    "code",
    "code_system",
    "code_display",
    "status",
    "effective_at",
    "issued_at",
    "conclusion",
    *_SCOPE,
)
_VERSION = (
    "report_id",
    "version",
    "status",
    "change",
    "issued_at",
    "recorded_at",
    "conclusion",
    "content",
    "position",
)
_OBSERVATION = (
    "report_id",
    "patient_id",
    "version",
    "sequence",
    "code",
    "code_system",
    "code_display",
    "sub_id",
    "value_type",
    "value_text",
    "value_number",
    "comparator",
    "unit",
    "reference_range",
    "flags",
    "status",
    "effective_at",
    "note",
)


def _report_row(e: Entry[ReportFiled], r: ReportFact) -> Row:
    return (
        r.id,
        r.version,
        r.version,
        r.ordinal,
        r.content,
        r.service_request_id,
        r.specimen_id,
        r.requisition,
        r.placer_number,
        r.filler_number,
        e.body.sender,
        r.code,
        r.code_system,
        r.code_display,
        r.status,
        r.effective_at,
        r.issued_at,
        r.conclusion,
        e.subject,
        r.requesting,
        e.body.performing,
        e.body.registered,
        e.recorded_at,
        e.position,
    )


@applies(ReportFiled)
def report_filed(entries: Sequence[Entry[ReportFiled]]) -> None:
    """One report, one version of it, and its result lines; a late version is not current."""
    filed = [(e, r) for e in entries for r in e.body.reports]
    new = [_report_row(e, r) for e, r in filed if r.version == 1]
    if new:
        insert_rows(DiagnosticReport, _REPORT, new)
    later = [_report_row(e, r) for e, r in filed if r.version > 1 and r.current]
    if later:
        put_rows(DiagnosticReport, _REPORT, later, key=("id",))
    highest = {r.id: r.version for _, r in filed}  # of the run: a current one may follow a late one
    late = [(highest[r.id], r.id) for _, r in filed if not r.current]
    if late:
        update_rows(DiagnosticReport, ("versions",), late, key=("id",))
    insert_rows(
        ReportVersion,
        _VERSION,
        [
            (
                r.id,
                r.version,
                r.status,
                r.change,
                r.issued_at,
                e.recorded_at,
                r.conclusion,
                r.content,
                e.position,
            )
            for e, r in filed
        ],
    )
    insert_rows(
        Observation,
        _OBSERVATION,
        [
            (
                r.id,
                e.subject,
                r.version,
                o.sequence,
                o.code,
                o.code_system,
                o.code_display,
                o.sub_id,
                o.value_type,
                o.value_text,
                o.value_number,
                o.comparator,
                o.unit,
                o.reference_range,
                o.flags,
                o.status,
                o.effective_at,
                o.note,
            )
            for e, r in filed
            for o in r.observations
        ],
    )


def _withdraw(
    entries: Iterable[Entry[ReportWithdrawn]] | Iterable[Entry[ReportMoved]], change: str
) -> None:
    rows: list[tuple[str, int, datetime, str, int]] = [
        (e.body.report, e.body.version, e.recorded_at, e.body.reason, e.position) for e in entries
    ]
    insert_rows(
        ReportVersion,
        _VERSION,
        [
            (report, version, "entered-in-error", change, None, moment, reason, "", position)
            for report, version, moment, reason, position in rows
        ],
    )
    update_rows(
        DiagnosticReport,
        ("version", "versions", "status", "content", "updated_at", "position"),
        [
            (version, version, "entered-in-error", "", moment, position, report)
            for report, version, moment, _, position in rows
        ],
        key=("id",),
    )


@applies(ReportWithdrawn)
def report_withdrawn(entries: Sequence[Entry[ReportWithdrawn]]) -> None:
    """A version without lines becomes current; those before it stay readable."""
    _withdraw(entries, "withdrawn")


@applies(ReportMoved)
def report_moved(entries: Sequence[Entry[ReportMoved]]) -> None:
    """As withdrawn; the report of the right person is filed as one of its own."""
    _withdraw(entries, "moved")


_OF_A_PATIENT = (ServiceRequest, Specimen, DiagnosticReport, CriticalCall)


@applies(HistoryMoved)
def history_moved(entries: Sequence[Entry[HistoryMoved]]) -> None:
    """Every row about the patient names the one that stays."""
    with connection.cursor() as cursor:
        for entry in entries:
            into, old = entry.body.into, entry.subject
            # Result lines have no index by patient: they are found through their reports.
            cursor.execute(
                "UPDATE pathology_observation SET patient_id = %s WHERE patient_id = %s AND"
                " report_id IN (SELECT id FROM pathology_diagnosticreport WHERE patient_id = %s)",
                [into, old, old],
            )
            for model in _OF_A_PATIENT:
                table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 (Django's documented API)
                cursor.execute(
                    f"UPDATE {table} SET patient_id = %s WHERE patient_id = %s",  # noqa: S608 (names come from models)
                    [into, old],
                )


# Critical calls -----------------------------------------------------------------------------------


@applies(CallOpened)
def call_opened(entries: Sequence[Entry[CallOpened]]) -> None:
    """One open call each."""
    insert_rows(
        CriticalCall,
        (
            "id",
            "report_id",
            "version",
            "sequence",
            "code",
            "display",
            "value_text",
            "unit",
            "rule",
            "state",
            "opened_at",
            "call_by",
            "attempts",
            "closed_at",
            "closed_by",
            "told",
            "read_back",
            "comment",
            *_SCOPE,
        ),
        [
            (
                e.body.call,
                e.body.report,
                e.body.version,
                e.body.sequence,
                e.body.code,
                e.body.display,
                e.body.value_text,
                e.body.unit,
                e.body.rule,
                "open",
                e.recorded_at,
                e.body.call_by,
                0,
                None,
                "",
                "",
                False,
                "",
                *_scope(e, e.body.organisations),
            )
            for e in entries
        ],
    )


@applies(CallAttempted)
def call_attempted(entries: Sequence[Entry[CallAttempted]]) -> None:
    """One attempt each, counted at the call."""
    insert_rows(
        CallAttempt,
        ("call_id", "position", "at", "actor", "outcome", "note"),
        [
            (e.body.call, e.position, e.body.at, e.actor, e.body.outcome, e.body.note)
            for e in entries
        ],
    )
    table = connection.ops.quote_name(CriticalCall._meta.db_table)  # noqa: SLF001 (Django's documented API)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {table} SET attempts = attempts + 1, position = %s WHERE id = %s",  # noqa: S608 (names come from models)
            [(e.position, e.body.call) for e in entries],
        )


@applies(CallClosed)
def call_closed(entries: Sequence[Entry[CallClosed]]) -> None:
    """The call waits for nobody any more."""
    update_rows(
        CriticalCall,
        (
            "state",
            "closed_at",
            "closed_by",
            "told",
            "read_back",
            "comment",
            "updated_at",
            "position",
        ),
        [
            (
                "closed",
                e.body.at,
                e.actor,
                e.body.told,
                e.body.read_back,
                e.body.comment,
                e.recorded_at,
                e.position,
                e.body.call,
            )
            for e in entries
        ],
        key=("id",),
    )


# Downtime desks -----------------------------------------------------------------------------------


@applies(NumbersReserved)
def numbers_reserved(entries: Sequence[Entry[NumbersReserved]]) -> None:
    """One range each."""
    insert_rows(
        NumberRange,
        ("code", "first", "last", "desk", "purpose", "reserved_at", "position"),
        [
            (
                *(e.body.code, e.body.first, e.body.last, e.body.desk, e.body.purpose),
                *(e.recorded_at, e.position),
            )
            for e in entries
        ],
    )


@applies(DeskReconciled)
def desk_reconciled(entries: Sequence[Entry[DeskReconciled]]) -> None:
    """The newest word on each desk's book."""
    put_rows(
        DeskBook,
        (
            *("desk", "lines", "digest", "issued", "keyed", "void", "unused"),
            *("not_accounted", "reconciled_at", "position"),
        ),
        [
            (
                *(e.body.desk, e.body.lines, e.body.digest, e.body.issued, e.body.keyed),
                *(e.body.void, e.body.unused, "; ".join(e.body.not_accounted)),
                *(e.recorded_at, e.position),
            )
            for e in entries
        ],
        key=("desk",),
    )


row_named(ServiceRequest, OrderReceived, lambda entry: [one.id for one in entry.body.requests])
row_named(DiagnosticReport, ReportFiled, lambda entry: [one.id for one in entry.body.reports])
