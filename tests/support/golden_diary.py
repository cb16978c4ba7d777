"""Stories of the diary, triage, the incident and notices that make every kind of their entries."""

from __future__ import annotations

from typing import Any

from tests.support.small_region import SmallRegion, set_up


def tell_diary() -> None:
    """From a region in normal times through an incident to its end."""
    from tourniquet.diary.models import Appointment, Need
    from tourniquet.directory.roles import SYSTEM_VIEWER
    from tourniquet.flows.daily_work import evening, morning
    from tourniquet.flows.declare_incident import update_incident
    from tourniquet.flows.log_decision import JointDecision, log_decision
    from tourniquet.flows.open_need import withdraw_need
    from tourniquet.flows.stand_down import stand_down
    from tourniquet.record.journal import writing

    region = set_up()
    patients = [region.person() for _ in range(6)]
    for patient in patients:
        region.need(patient, "CKD", in_days=10)
    for indication in ("AKI", "AKI", "AKI", "2WW", "VITD"):
        region.need(region.person(), indication)
    morning(region.now)
    _collect_and_fail(region)
    evening(region.go_to(0, 18))
    region.go_to(1)
    region.declare()
    day = Appointment.objects.filter(status="booked").latest("day").day
    region.capacity(0, days=1, first=(day - region.today).days)
    plan_and_adopt(region)
    morning(region.now)
    region.go_to(1, 9)
    region.capacity(0, days=40)
    region.need(region.person(), "AKI")
    stale = _propose(region)
    morning(region.now)
    _reject(region, stale)
    plan_and_adopt(region, between_proposal_and_adoption=_withdraw_first)
    morning(region.now)
    update_incident(public_text="Better.", viewer=SYSTEM_VIEWER, now=region.now)
    log_decision(
        JointDecision("i", "r", "p", "o", "carry on"),
        viewer=SYSTEM_VIEWER,
        now=region.now,
        ids=region.ids,
    )
    evening(region.go_to(1, 18))
    _report_notices(region)
    region.go_to(2)
    region.need(patients[0], "CKD")
    region.made -= 1
    region.need(patients[0], "AKI")
    for need in Need.objects.filter(status="waiting").order_by("review_on", "id")[:1]:
        with writing(region.act()) as journal:
            withdraw_need(
                journal,
                patient_id=need.patient_id,
                requisition=need.requisition,
                reason="cancelled by the practice",
                cause=None,
            )
    region.capacity(20, days=40)
    morning(region.now)
    _append_rare(region)
    evening(region.go_to(2, 18))
    stand_down(reason="over", viewer=SYSTEM_VIEWER, now=region.now)


def _propose(region: SmallRegion) -> str:
    from tourniquet.directory.roles import SYSTEM_VIEWER
    from tourniquet.flows.propose_plan import propose_plan

    return propose_plan(viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)


def plan_and_adopt(region: SmallRegion, *, between_proposal_and_adoption: Any = None) -> None:
    """Propose a plan, acknowledge what is urgent, adopt it."""
    from tourniquet.directory.roles import SYSTEM_VIEWER
    from tourniquet.flows.adopt_plan import acknowledge_urgent, adopt_plan
    from tourniquet.triage.models import PlanLine

    plan = _propose(region)
    urgent = PlanLine.objects.filter(plan_id=plan, urgent_unserved=True)
    acknowledge_urgent(
        plan, urgent.values_list("need_id", flat=True), viewer=SYSTEM_VIEWER, now=region.now
    )
    if between_proposal_and_adoption is not None:
        between_proposal_and_adoption(region, plan)
    adopt_plan(plan, viewer=SYSTEM_VIEWER, now=region.now, ids=region.ids)


def _withdraw_first(region: SmallRegion, plan: str) -> None:
    """The world moves: the first patient of the plan needs nothing any more."""
    from tourniquet.diary.models import Need
    from tourniquet.flows.open_need import withdraw_need
    from tourniquet.record.journal import writing
    from tourniquet.triage.models import PlanLine

    line = PlanLine.objects.filter(plan_id=plan, decision="defer").order_by("need_id").first()
    assert line is not None
    need = Need.objects.get(pk=line.need_id)
    with writing(region.act()) as journal:
        withdraw_need(
            journal,
            patient_id=need.patient_id,
            requisition=need.requisition,
            reason="no longer needed",
            cause=None,
        )


def _collect_and_fail(region: SmallRegion) -> None:
    from tourniquet.diary.models import Appointment, Need
    from tourniquet.flows.record_collection import record_collection
    from tourniquet.record.journal import writing

    region.go_to(0, 12)
    today = Appointment.objects.filter(status="booked", day=region.today).order_by("id")
    for need_id in today.values_list("need_id", flat=True)[:2]:
        need = Need.objects.get(pk=need_id)
        with writing(region.act()) as journal:
            record_collection(
                journal,
                patient_id=need.patient_id,
                requisition=need.requisition,
                collected_at=region.now,
                clinic="CLIN1",
                cause=None,
                ids=region.ids,
            )
    region.go_to(0, 15)
    region.capacity(0, days=1, flag="confirmed")


def _reject(region: SmallRegion, plan: str) -> None:
    from tourniquet.record.journal import writing
    from tourniquet.triage.entries import PlanRejected

    with writing(region.act()) as journal:
        journal.append(PlanRejected(plan=plan, reason="a later one says more"))


def _report_notices(region: SmallRegion) -> None:
    from tourniquet.flows.record_delivery import Receipt, record_delivery
    from tourniquet.notices.models import Notice

    ids = Notice.objects.filter(status="sending").order_by("id").values_list("id", flat=True)[:3]
    words = ("delivered", "failed_for_good", "failed_for_now")
    record_delivery(
        [Receipt(one, word, region.now) for one, word in zip(ids, words, strict=False)],
        now=region.now,
        ids=region.ids,
    )


def _append_rare(region: SmallRegion) -> None:
    """Kinds that no story of a few days brings about by itself."""
    from tourniquet.diary.entries import AppointmentRerouted, NeedDeferred, SessionClosed
    from tourniquet.diary.models import Appointment, Need, Session
    from tourniquet.notices.entries import NoticeSent, NoticeSuperseded
    from tourniquet.notices.models import Notice
    from tourniquet.record.journal import writing

    booked = Appointment.objects.filter(status="booked").order_by("id")[0]
    need = Need.objects.order_by("id")[0]
    notices = Notice.objects.order_by("id")[:2]
    with writing(region.act()) as journal:
        journal.append(SessionClosed(session=Session.objects.latest("id").id, reason="leave"))
        journal.append(
            AppointmentRerouted(
                appointment=booked.id, laboratory="LAB2", need=booked.need_id, plan=None
            ),
            subject=booked.patient_id,
        )
        journal.append(
            NeedDeferred(need=need.id, review_on=region.today, reason="asked for"),
            subject=need.patient_id,
        )
        journal.append(NoticeSent(notice=notices[0].id), subject=notices[0].patient_id)
        journal.append(
            NoticeSuperseded(notice=notices[1].id, by=notices[0].id),
            subject=notices[1].patient_id,
        )
