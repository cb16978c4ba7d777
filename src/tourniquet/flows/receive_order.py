"""An order comes in (OML^O21, ORM^O01): new, cancelled, held, or collected.

1. New tests become ServiceRequests, with the specimens that came with them.
2. Known ones are cancelled, held, released, or get another status.
3. Specimens move: collected, received, rejected, as SPM and OBR-7 say.
4. A new order without a specimen opens a need: somebody must be seen.
5. A collection ends the need of its form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tourniquet.flows.intake import Desk, Origin
from tourniquet.flows.open_need import Order, open_need
from tourniquet.flows.record_collection import record_collection
from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.pathology.entries import (
    OrderChanged,
    OrderReceived,
    Organisations,
    RequestChange,
    RequestFact,
    SpecimenFact,
    SpecimenMoved,
    SpecimenStep,
)
from tourniquet.pathology.orders import (
    CANCEL,
    HOLD,
    NEW,
    RELEASE,
    OrderDraft,
    PatientOrders,
)
from tourniquet.pathology.reading import SpecimenDraft
from tourniquet.pathology.shelf import KnownRequest, KnownSpecimen
from tourniquet.patients.rules import Known
from tourniquet.record.journal import Writer


@dataclass
class _Sheet:
    """What becomes of one message's orders."""

    requests: list[RequestFact] = field(default_factory=list)
    specimens: dict[str, SpecimenFact] = field(default_factory=dict)
    changes: list[RequestChange] = field(default_factory=list)
    steps: list[SpecimenStep] = field(default_factory=list)
    wanted: list[tuple[OrderDraft, str]] = field(default_factory=list)
    collected_at: datetime | None = None


def receive_order(
    journal: Writer, desk: Desk, content: PatientOrders, origin: Origin, patient: Known
) -> None:
    """Append what the orders of one message lead to; the message is kept already."""
    requisition = _requisition(content, desk, patient)
    requesting = next((o.requesting for o in content.orders if o.requesting), "")
    organisations = Organisations(
        requesting=requesting or content.sending_facility or patient.registered_organisation,
        performing=desk.laboratory,
        registered=patient.registered_organisation,
    )
    sheet = _Sheet()
    for draft in content.orders:
        request_id = _request(desk, sheet, draft, requisition, origin, patient, organisations)
        _specimens(desk, sheet, draft, content, requisition, origin, patient, request_id)
    _append(journal, sheet, requisition, organisations, origin, patient)
    if sheet.wanted and sheet.collected_at is None:
        _open_need(journal, desk, sheet, content, requisition, organisations, origin, patient)
    if sheet.collected_at is not None and requisition:
        record_collection(
            journal,
            patient_id=patient.id,
            requisition=requisition,
            collected_at=sheet.collected_at,
            clinic=content.clinic,
            cause=origin.position,
        )


def _requisition(content: PatientOrders, desk: Desk, patient: Known) -> str:
    """ORC-4; else that of the request which the message is about; else the placer's number."""
    for draft in content.orders:
        if draft.requisition:
            return draft.requisition
    for draft in content.orders:
        known = desk.shelf.find_order(draft, patient.id)
        if known is not None and known.requisition:
            return known.requisition
    return next((o.placer_number or o.filler_number for o in content.orders), "")


def _request(
    desk: Desk,
    sheet: _Sheet,
    draft: OrderDraft,
    requisition: str,
    origin: Origin,
    patient: Known,
    organisations: Organisations,
) -> str | None:
    """The id of the ServiceRequest that the order is about, new or known."""
    known = desk.shelf.find_order(draft, patient.id)
    status = _status(draft)
    if known is not None:
        keeps = draft.filler_number and not known.filler_number
        if (draft.action != NEW and status and status != known.status) or keeps:
            changed = status if draft.action != NEW and status else known.status
            sheet.changes.append(
                RequestChange(
                    id=known.id,
                    status=changed,
                    filler_number=draft.filler_number if keeps else "",
                    filler_authority=draft.filler_authority if keeps else "",
                )
            )
            desk.shelf.set_request_status(known, changed)
        return known.id
    if draft.code is None:
        return None
    catalogue = load_catalogue()
    fact = RequestFact(
        id=desk.ids.new(origin.act.moment),
        code=draft.code.code,
        code_system=draft.code.system,
        code_display=draft.code.display,
        placer_number=draft.placer_number,
        placer_authority=draft.placer_authority,
        filler_number=draft.filler_number,
        filler_authority=draft.filler_authority,
        status=status or "active",
        priority=draft.priority,
        indication=draft.indication if draft.indication in catalogue.indications else "",
        authored_at=draft.authored_at,
        wanted_on=draft.wanted_on,
        requester=draft.requester,
        reason=draft.reason,
        note=draft.note,
    )
    sheet.requests.append(fact)
    if fact.status == "active" and draft.action == NEW:
        sheet.wanted.append((draft, fact.id))
    desk.shelf.put_request(
        KnownRequest(
            fact.id,
            patient.id,
            fact.placer_number,
            fact.placer_authority,
            fact.filler_number,
            fact.filler_authority,
            requisition,
            fact.code,
            fact.status,
            organisations.requesting,
            origin.sender,
        )
    )
    return fact.id


def _status(draft: OrderDraft) -> str:
    """The status that an order asks for; "" where it says nothing of it."""
    if draft.action == CANCEL:
        return "revoked"
    if draft.action == HOLD:
        return "on-hold"
    if draft.action == RELEASE:
        return "active"
    taken = draft.collected_at is not None or any(s.collected_at for s in draft.specimens)
    if draft.status == "completed" and taken:
        return "active"  # it is the collection that is complete, not the test
    return draft.status


def _specimens(
    desk: Desk,
    sheet: _Sheet,
    draft: OrderDraft,
    content: PatientOrders,
    requisition: str,
    origin: Origin,
    patient: Known,
    request_id: str | None,
) -> None:
    for sent in draft.specimens:
        known = desk.shelf.find_specimen(sent.accession, patient.id)
        if known is None:
            known = KnownSpecimen(
                desk.ids.new(origin.act.moment), patient.id, sent.accession, frozenset()
            )
            sheet.specimens[known.id] = new_specimen(known.id, sent, draft, request_id)
        elif known.id in sheet.specimens and request_id is not None:
            _also_serves(sheet, known.id, request_id)
        steps = [
            step
            for step in specimen_steps(known.id, sent, draft, content)
            if (step.kind, step.at) not in known.steps
        ]
        sheet.steps += steps
        seen = known.steps | {(step.kind, step.at) for step in steps}
        desk.shelf.put_specimen(
            KnownSpecimen(known.id, patient.id, known.accession or sent.accession, seen)
        )
    times = [s.collected_at for s in draft.specimens if s.collected_at is not None]
    taken = min(times) if times else draft.collected_at
    if taken is not None and draft.action != CANCEL:
        earlier = sheet.collected_at
        sheet.collected_at = taken if earlier is None else min(earlier, taken)


def _also_serves(sheet: _Sheet, specimen_id: str, request_id: str) -> None:
    fact = sheet.specimens[specimen_id]
    if request_id not in fact.service_request_ids:
        served = (*fact.service_request_ids, request_id)
        values = {name: getattr(fact, name) for name in fact.__struct_fields__}
        sheet.specimens[specimen_id] = SpecimenFact(**{**values, "service_request_ids": served})


def new_specimen(
    specimen_id: str, sent: SpecimenDraft, draft: OrderDraft | None, request_id: str | None
) -> SpecimenFact:
    """A specimen that was not known before."""
    return SpecimenFact(
        id=specimen_id,
        accession=sent.accession,
        placer_number=sent.placer_number,
        type_code=sent.type_code,
        type_display=sent.type_display,
        container=sent.container,
        condition=sent.condition,
        service_request_ids=(request_id,) if request_id is not None else (),
    )


def specimen_steps(
    specimen_id: str, sent: SpecimenDraft, draft: OrderDraft, content: PatientOrders
) -> list[SpecimenStep]:
    """What SPM and OBR-7 say has happened to a specimen."""
    steps = []
    collected = sent.collected_at or draft.collected_at
    if collected is not None:
        steps.append(
            SpecimenStep(
                specimen_id=specimen_id,
                kind="collected",
                at=collected,
                organisation=content.clinic,
                collected_precision=sent.collected_precision or draft.collected_precision,
                accession=sent.accession,
            )
        )
    if sent.received_at is not None:
        steps.append(
            SpecimenStep(
                specimen_id=specimen_id,
                kind="received",
                at=sent.received_at,
                organisation=content.sending_facility,
            )
        )
    if sent.rejected:
        at = sent.received_at or content.happened_at or collected
        if at is not None:
            steps.append(
                SpecimenStep(
                    specimen_id=specimen_id,
                    kind="rejected",
                    at=at,
                    organisation=content.sending_facility,
                    note=sent.rejected,
                )
            )
    return steps


def _append(
    journal: Writer,
    sheet: _Sheet,
    requisition: str,
    organisations: Organisations,
    origin: Origin,
    patient: Known,
) -> None:
    cause, act = origin.position, origin.act
    added = tuple(sheet.specimens.values())
    if sheet.requests:
        journal.append(
            OrderReceived(
                sender=origin.sender,
                requisition=requisition,
                organisations=organisations,
                requests=tuple(sheet.requests),
                specimens=added,
            ),
            subject=patient.id,
            cause=cause,
            act=act,
        )
        added = ()
    if sheet.changes:
        journal.append(
            OrderChanged(changes=tuple(sheet.changes)), subject=patient.id, cause=cause, act=act
        )
    if sheet.steps or added:
        journal.append(
            SpecimenMoved(
                steps=tuple(sheet.steps),
                added=added,
                sender=origin.sender,
                requisition=requisition,
                organisations=organisations,
            ),
            subject=patient.id,
            cause=cause,
            act=act,
        )


def _open_need(
    journal: Writer,
    desk: Desk,
    sheet: _Sheet,
    content: PatientOrders,
    requisition: str,
    organisations: Organisations,
    origin: Origin,
    patient: Known,
) -> None:
    drafts = [draft for draft, _ in sheet.wanted]
    known_codes = load_catalogue().indications
    days = [draft.wanted_on for draft in drafts if draft.wanted_on is not None]
    urgency = {draft.urgency for draft in drafts}
    open_need(
        journal,
        Order(
            patient_id=patient.id,
            requisition=requisition,
            indication=next((d.indication for d in drafts if d.indication in known_codes), ""),
            priority=next((letter for letter in ("S", "A", "R") if letter in urgency), ""),
            test_codes=tuple(d.code.code for d in drafts if d.code is not None),
            service_request_ids=tuple(request_id for _, request_id in sheet.wanted),
            wanted_on=min(days) if days else None,
            authored_at=next((d.authored_at for d in drafts if d.authored_at), origin.act.moment),
            zone=content.person.zone,
            requesting_organisation=organisations.requesting,
            registered_organisation=organisations.registered,
        ),
        cause=origin.position,
        ids=desk.ids,
    )
