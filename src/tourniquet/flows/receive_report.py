"""A report comes in (ORU).

1. Find out who it is about; an unknown person becomes provisional.
2. Decide for each OBR: new, repeat, amendment, late, withdrawn, or another person's number.
3. Link it with the request that it answers.
4. File the versions, complete the requests, open a call for each critical value.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from tourniquet.flows.intake import Desk, FollowUp, Origin
from tourniquet.flows.raise_alarm import raise_alarm
from tourniquet.flows.receive_order import new_specimen
from tourniquet.kernel.clock import service_day
from tourniquet.pathology.catalogue import CriticalLimit, load_catalogue
from tourniquet.pathology.entries import (
    CallOpened,
    OrderChanged,
    Organisations,
    ReportFact,
    ReportFiled,
    ReportMoved,
    RequestChange,
    SpecimenFact,
    SpecimenMoved,
    SpecimenStep,
)
from tourniquet.pathology.reading import PatientReports, ReportDraft
from tourniquet.pathology.rules import (
    CALL_WITHIN,
    REPEAT,
    Decision,
    KnownReport,
    age_on,
    carry_over,
    critical_tables,
    decide,
    find_critical_values,
)
from tourniquet.pathology.shelf import (
    KnownRequest,
    KnownSpecimen,
    known_of,
    list_called_values,
    read_lines,
)
from tourniquet.patients.rules import Known
from tourniquet.record.journal import Writer

_SETTLED = frozenset({"final", "amended", "corrected"})
_OPEN_REQUEST = frozenset({"active", "on-hold"})


@lru_cache(maxsize=1)
def _limits() -> tuple[dict[str, list[CriticalLimit]], dict[str, str]]:
    return critical_tables(load_catalogue())


class _Filed(msgspec.Struct, frozen=True):
    fact: ReportFact
    known: KnownReport | None
    request: KnownRequest | None
    draft: ReportDraft
    specimens: tuple[KnownSpecimen, ...]
    added: tuple[SpecimenFact, ...]


def receive_report(
    journal: Writer, desk: Desk, run: PatientReports, origin: Origin, patient: Known
) -> list[FollowUp]:
    """File the reports about one person; the message is kept already.

    The entries that follow are returned, so that those of a group can be written together.
    """
    filed: list[_Filed] = []
    for draft in run.reports:
        one = _decide(journal, desk, draft, origin, patient)
        if one is not None:
            filed.append(one)
            shown = known_of(one.fact, patient.id)
            if not one.fact.current and one.known is not None:
                shown = msgspec.structs.replace(one.known, versions=one.fact.version)
            desk.shelf.put_report(origin.sender, shown)
    if not filed:
        return []
    performing = run.reports[0].performing or desk.laboratory
    position = journal.append(
        ReportFiled(
            sender=origin.sender,
            performing=performing,
            registered=patient.registered_organisation,
            reports=tuple([one.fact for one in filed]),
        ),
        subject=patient.id,
        cause=origin.position,
        act=origin.act,
    )
    later = _move_specimens(filed, patient, position, origin, performing)
    later += _complete_requests(desk, filed, patient, position, origin)
    for one in filed:
        later += _calls(
            journal, desk, one, patient, position=position, origin=origin, performing=performing
        )
    return later


def _decide(
    journal: Writer, desk: Desk, draft: ReportDraft, origin: Origin, patient: Known
) -> _Filed | None:
    """What becomes of one OBR; None where it changes nothing."""
    candidates = desk.shelf.find_reports(origin.sender, draft)
    mine = [known for known in candidates if known.patient_id == patient.id]
    known = mine[-1] if mine else None
    decision = decide(known, status=draft.status, content=draft.content, issued_at=draft.issued_at)
    if decision.change == REPEAT:
        return None
    others = [
        other for other in candidates if other not in mine and other.status != "entered-in-error"
    ]
    for other in others:
        _other_person(journal, desk, other, draft, origin)
    request = desk.shelf.find_request(draft, patient.id)
    specimens, added = _find_specimens(desk, draft, request, patient, origin)
    fact = _fact(journal, desk, draft, decision, known=known, request=request, origin=origin)
    if len(specimens) == 1 and fact.specimen_id is None:
        fact = msgspec.structs.replace(fact, specimen_id=specimens[0].id)
    return _Filed(fact, known, request, draft, specimens, added)


def _other_person(
    journal: Writer, desk: Desk, other: KnownReport, draft: ReportDraft, origin: Origin
) -> None:
    """The same report number was known for somebody else."""
    if draft.status == "corrected":
        journal.append(
            ReportMoved(
                report=other.id,
                version=other.versions + 1,
                reason="The laboratory corrected the patient.",
            ),
            subject=other.patient_id,
            cause=origin.position,
            act=origin.act,
        )
        moved = msgspec.structs.replace(
            other, status="entered-in-error", version=other.versions + 1,
            versions=other.versions + 1, content="",
        )  # fmt: skip
        desk.shelf.put_report(origin.sender, moved)
        return
    raise_alarm(
        journal,
        "report-number-of-two",
        "One report number of a laboratory was sent for two people. Both reports are "
        "shown. Ask the laboratory whose result it is.",
        about=origin.position,
        act=origin.act,
        ids=desk.ids,
    )


def _fact(
    journal: Writer,
    desk: Desk,
    draft: ReportDraft,
    decision: Decision,
    *,
    known: KnownReport | None,
    request: KnownRequest | None,
    origin: Origin,
) -> ReportFact:
    lines = draft.observations
    if known is not None and decision.current and decision.change in ("amended", "corrected"):
        journal.flush()
        lines = carry_over(lines, read_lines(known.id, known.version))
    return ReportFact(
        id=known.id if known else desk.ids.new(origin.act.moment),
        version=decision.version,
        code=draft.code.code,
        code_system=draft.code.system,
        code_display=draft.code.display,
        status=decision.status,
        change=decision.change,
        content=draft.content,
        current=decision.current,
        ordinal=draft.ordinal,
        service_request_id=request.id if request else known.service_request_id if known else None,
        specimen_id=known.specimen_id if known else None,
        requisition=draft.requisition or (request.requisition if request else ""),
        placer_number=draft.placer_number,
        filler_number=draft.filler_number,
        effective_at=draft.effective_at,
        issued_at=draft.issued_at,
        conclusion=draft.conclusion,
        requesting=(request.requesting if request else "") or draft.requesting,
        observations=lines,
    )


def _complete_requests(
    desk: Desk,
    filed: list[_Filed],
    patient: Known,
    position: int,
    origin: Origin,
) -> list[FollowUp]:
    done = {
        one.request.id: one.request
        for one in filed
        if one.request is not None
        and one.fact.current
        and one.fact.status in _SETTLED
        and one.request.status in _OPEN_REQUEST
    }
    if not done:
        return []
    for request in done.values():
        desk.shelf.set_request_status(request, "completed")
    changes = tuple(RequestChange(id=key, status="completed") for key in done)
    body = OrderChanged(changes=changes, reason="reported")
    return [FollowUp(body, patient.id, position, origin.act)]


# Specimens ----------------------------------------------------------------------------------------


def _find_specimens(
    desk: Desk,
    draft: ReportDraft,
    request: KnownRequest | None,
    patient: Known,
    origin: Origin,
) -> tuple[tuple[KnownSpecimen, ...], tuple[SpecimenFact, ...]]:
    """The specimens that a report is about: those it names, else those of its request."""
    if not draft.specimens:
        if request is None:
            return (), ()
        return tuple(desk.shelf.specimens_of_request.get(request.id, ())), ()
    found, added = [], []
    for sent in draft.specimens:
        known = desk.shelf.find_specimen(sent.accession, patient.id)
        if known is None:
            known = KnownSpecimen(
                desk.ids.new(origin.act.moment), patient.id, sent.accession, frozenset()
            )
            desk.shelf.put_specimen(known)
            added.append(new_specimen(known.id, sent, request.id if request else None))
        found.append(known)
    return tuple(found), tuple(added)


def _move_specimens(
    filed: list[_Filed],
    patient: Known,
    position: int,
    origin: Origin,
    performing: str,
) -> list[FollowUp]:
    """What the reports tell of specimens: collected, received, processed or rejected, once each."""
    steps: list[SpecimenStep] = []
    done: set[tuple[str, str]] = set()
    for one in filed:
        for known in one.specimens:
            before = {kind for kind, _ in known.steps}
            for step in _steps(one, known, performing, origin):
                if step.kind not in before and (known.id, step.kind) not in done:
                    done.add((known.id, step.kind))
                    steps.append(step)
    added = tuple(fact for one in filed for fact in one.added)
    if not steps and not added:
        return []
    body = SpecimenMoved(
        steps=tuple(steps),
        added=added,
        sender=origin.sender,
        requisition=filed[0].fact.requisition,
        organisations=Organisations(
            requesting=filed[0].fact.requesting,
            performing=performing,
            registered=patient.registered_organisation,
        ),
    )
    return [FollowUp(body, patient.id, position, origin.act)]


def _steps(
    one: _Filed, known: KnownSpecimen, performing: str, origin: Origin
) -> list[SpecimenStep]:
    fact = one.fact
    steps = []
    for sent in one.draft.specimens:
        if sent.accession == known.accession:
            for kind, at in (("collected", sent.collected_at), ("received", sent.received_at)):
                if at is not None:
                    precision = sent.collected_precision if kind == "collected" else ""
                    steps.append(
                        SpecimenStep(
                            specimen_id=known.id, kind=kind, at=at, collected_precision=precision
                        )
                    )
    at = fact.issued_at or origin.act.moment
    if fact.current and fact.status in _SETTLED:
        steps.append(
            SpecimenStep(specimen_id=known.id, kind="processed", at=at, organisation=performing)
        )
    elif fact.current and fact.status == "cancelled":
        why = next((line.value_text for line in fact.observations if line.value_text), "")
        steps.append(
            SpecimenStep(
                specimen_id=known.id, kind="rejected", at=at, organisation=performing, note=why
            )
        )
    return steps


# Critical values ----------------------------------------------------------------------------------


def _calls(
    journal: Writer,
    desk: Desk,
    one: _Filed,
    patient: Known,
    *,
    position: int,
    origin: Origin,
    performing: str,
) -> list[FollowUp]:
    """Open a call for each critical value, once for each figure.

    A call for a figure that was since corrected stays open: whoever acted on it must be told.
    """
    fact = one.fact
    if not fact.current:
        return []
    day = service_day(fact.effective_at or fact.issued_at or origin.act.moment)
    limits, units = _limits()
    found = find_critical_values(
        fact.observations, limits, units, age=age_on(patient.birth_date, day)
    )
    if not found:
        return []
    called: set[tuple[str, str]] = set()
    if one.known is not None:
        journal.flush()
        called = list_called_values(fact.id)
    organisations = Organisations(
        requesting=fact.requesting,
        performing=performing,
        registered=patient.registered_organisation,
    )
    return [
        FollowUp(
            CallOpened(
                call=desk.ids.new(origin.act.moment),
                report=fact.id,
                version=fact.version,
                sequence=value.line.sequence,
                code=value.line.code,
                display=value.line.code_display,
                value_text=value.line.value_text,
                unit=value.line.unit,
                rule=value.rule,
                call_by=origin.act.moment + CALL_WITHIN,
                organisations=organisations,
            ),
            patient.id,
            position,
            origin.act,
        )
        for value in found
        if (value.line.code, value.line.value_text) not in called
    ]
