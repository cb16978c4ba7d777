"""An order comes in (OML^O21, ORM^O01): new, cancelled, held, or collected.

1. New tests become ServiceRequests, with the specimens that came with them.
2. Known ones are cancelled, held, released, or get another status.
3. Specimens move: collected, received, rejected, as SPM and OBR-7 say.
4. A new order without a specimen opens a need: somebody must be seen.
5. A collection ends the need of its form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

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
from tourniquet.record.registry import Body


@dataclass
class _Work:
    """One message's orders while they are worked through, and what becomes of them."""

    desk: Desk
    content: PatientOrders
    origin: Origin
    patient: Known
    requisition: str
    organisations: Organisations
    requests: list[RequestFact] = field(default_factory=list)
    specimens: dict[str, SpecimenFact] = field(default_factory=dict)
    placed: dict[int, KnownSpecimen] = field(default_factory=dict)
    changes: list[RequestChange] = field(default_factory=list)
    steps: list[SpecimenStep] = field(default_factory=list)
    wanted: list[tuple[OrderDraft, str]] = field(default_factory=list)
    collected_at: datetime | None = None


Step = Callable[[Writer], None]


def receive_order(
    desk: Desk, content: PatientOrders, origin: Origin, patient: Known
) -> tuple[Step, ...]:
    """What the orders of one message lead to, as steps that append; the message is kept already.

    The steps are taken in order, and before the next message about the same patient is received.
    Messages about different patients may take each step together, so that entries of one kind
    stand side by side and are written together.
    """
    requesting = next((o.requesting for o in content.orders if o.requesting), "")
    work = _Work(
        desk,
        content,
        origin,
        patient,
        _requisition(content, desk, patient),
        Organisations(
            requesting=requesting or content.sending_facility or patient.registered_organisation,
            performing=desk.laboratory,
            registered=patient.registered_organisation,
        ),
    )
    for draft in content.orders:  # 1. and 2.
        request_id = _request(work, draft)
        for sent in draft.specimens:  # 3.
            if _serves(sent, draft):
                _specimen(work, draft, sent, request_id)
        _note_collection(work, draft)
    for draft in content.orders:
        for sent in draft.specimens:
            if id(sent) not in work.placed:
                _specimen(work, draft, sent, None)
    return (
        lambda journal: _append_requests(journal, work),
        lambda journal: _append_changes(journal, work),
        lambda journal: _append_moves(journal, work),
        lambda journal: _open_need(journal, work),  # 4.
        lambda journal: _end_need(journal, work),  # 5.
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


def _request(work: _Work, draft: OrderDraft) -> str | None:
    """The id of the ServiceRequest that the order is about, new or known."""
    desk, patient = work.desk, work.patient
    known = desk.shelf.find_order(draft, patient.id)
    status = _status(draft)
    if known is not None:
        _change(work, draft, known, status if draft.action != NEW and status else known.status)
        return known.id
    if draft.code is None:
        return None
    catalogue = load_catalogue()
    fact = RequestFact(
        id=desk.ids.new(work.origin.act.moment),
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
    work.requests.append(fact)
    if fact.status == "active" and draft.action == NEW:
        work.wanted.append((draft, fact.id))
    desk.shelf.put_request(
        KnownRequest(
            fact.id,
            patient.id,
            fact.placer_number,
            fact.placer_authority,
            fact.filler_number,
            fact.filler_authority,
            work.requisition,
            fact.code,
            fact.status,
            work.organisations.requesting,
            work.origin.sender,
        )
    )
    return fact.id


def _change(work: _Work, draft: OrderDraft, known: KnownRequest, status: str) -> None:
    """A known request gets another status, or the laboratory's number."""
    numbered = bool(draft.filler_number) and not known.filler_number
    if status == known.status and not numbered:
        return
    work.changes.append(
        RequestChange(
            id=known.id,
            status=status,
            filler_number=draft.filler_number if numbered else "",
            filler_authority=draft.filler_authority if numbered else "",
        )
    )
    work.desk.shelf.set_request_status(known, status)


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


def _specimen(work: _Work, draft: OrderDraft, sent: SpecimenDraft, request_id: str | None) -> None:
    """A specimen that is new or known, and what has happened to it."""
    desk, patient = work.desk, work.patient
    known = work.placed.get(id(sent)) or desk.shelf.find_specimen(sent.accession, patient.id)
    if known is None:
        known = KnownSpecimen(
            desk.ids.new(work.origin.act.moment), patient.id, sent.accession, frozenset()
        )
        work.specimens[known.id] = new_specimen(known.id, sent, request_id)
    elif known.id in work.specimens and request_id is not None:
        _also_serves(work, known.id, request_id)
    told = {step.kind for step in work.steps if step.specimen_id == known.id}
    steps = [
        step
        for step in specimen_steps(known.id, sent, draft, work.content)
        if (step.kind, step.at) not in known.steps and step.kind not in told
    ]
    work.steps += steps
    seen = known.steps | {(step.kind, step.at) for step in steps}
    known = KnownSpecimen(known.id, patient.id, known.accession, seen)
    work.placed[id(sent)] = known
    desk.shelf.put_specimen(known)


def _note_collection(work: _Work, draft: OrderDraft) -> None:
    """The earliest time at which the message says that specimens were taken."""
    times = [s.collected_at for s in draft.specimens if s.collected_at is not None]
    taken = min(times) if times else draft.collected_at
    if taken is not None and draft.action != CANCEL:
        earlier = work.collected_at
        work.collected_at = taken if earlier is None else min(earlier, taken)


def _serves(sent: SpecimenDraft, draft: OrderDraft) -> bool:
    """Whether a specimen can be for a test: where the catalogue knows both, it says."""
    catalogue = load_catalogue()
    if draft.code is None or sent.type_code not in catalogue.specimen_types:
        return True
    test = catalogue.tests.get(draft.code.code)
    return test is None or test.specimen_type == sent.type_code


def _also_serves(work: _Work, specimen_id: str, request_id: str) -> None:
    fact = work.specimens[specimen_id]
    if request_id not in fact.service_request_ids:
        served = (*fact.service_request_ids, request_id)
        work.specimens[specimen_id] = msgspec.structs.replace(fact, service_request_ids=served)


def new_specimen(specimen_id: str, sent: SpecimenDraft, request_id: str | None) -> SpecimenFact:
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


def _append_requests(journal: Writer, work: _Work) -> None:
    if work.requests:
        body = OrderReceived(
            sender=work.origin.sender,
            requisition=work.requisition,
            organisations=work.organisations,
            requests=tuple(work.requests),
            specimens=tuple(work.specimens.values()),
        )
        _append(journal, work, body)


def _append_changes(journal: Writer, work: _Work) -> None:
    if work.changes:
        _append(journal, work, OrderChanged(changes=tuple(work.changes)))


def _append_moves(journal: Writer, work: _Work) -> None:
    added = () if work.requests else tuple(work.specimens.values())
    if work.steps or added:
        moved = SpecimenMoved(
            steps=tuple(work.steps),
            added=added,
            sender=work.origin.sender,
            requisition=work.requisition,
            organisations=work.organisations,
        )
        _append(journal, work, moved)


def _append(journal: Writer, work: _Work, body: Body) -> None:
    journal.append(body, subject=work.patient.id, cause=work.origin.position, act=work.origin.act)


def _open_need(journal: Writer, work: _Work) -> None:
    if not work.wanted or work.collected_at is not None:
        return
    drafts = [draft for draft, _ in work.wanted]
    known_codes = load_catalogue().indications
    days = [draft.wanted_on for draft in drafts if draft.wanted_on is not None]
    urgency = {draft.urgency for draft in drafts}
    moment = work.origin.act.moment
    open_need(
        journal,
        Order(
            patient_id=work.patient.id,
            requisition=work.requisition,
            indication=next((d.indication for d in drafts if d.indication in known_codes), ""),
            priority=next((letter for letter in ("S", "A", "R") if letter in urgency), ""),
            test_codes=tuple(d.code.code for d in drafts if d.code is not None),
            service_request_ids=tuple(request_id for _, request_id in work.wanted),
            wanted_on=min(days) if days else None,
            authored_at=next((d.authored_at for d in drafts if d.authored_at), moment),
            zone=work.content.person.zone,
            requesting_organisation=work.organisations.requesting,
            registered_organisation=work.organisations.registered,
        ),
        cause=work.origin.position,
        ids=work.desk.ids,
    )


def _end_need(journal: Writer, work: _Work) -> None:
    if work.collected_at is not None and work.requisition:
        record_collection(
            journal,
            patient_id=work.patient.id,
            requisition=work.requisition,
            collected_at=work.collected_at,
            clinic=work.content.clinic,
            cause=work.origin.position,
        )
