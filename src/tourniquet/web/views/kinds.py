"""Kinds of entries in words."""

from __future__ import annotations

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.watch_readings import ACCESS_ALARMS

KIND_WORDS = {
    "patient.registered": "Registered",
    "patient.updated": "Details changed",
    "patient.identified": "Identified by a person",
    "patient.merged": "Merged into another record",
    "patient.absorbed": "Another record was merged into this one",
    "record.read": "Record opened",
    "reading.unnamed": "Record of somebody erased since was opened",
    "glass.broken": "Reason given for opening the record",
    "canary.set": "Record that nobody should read",
    "access.seen": "Looked up who opened the record",
    "access.listed": "Looked up who opened records",
    "export.stopped": "Bulk export stopped",
    "export.allowed": "Limit on export lifted",
    "erasure.concerns": "An erasure was asked for",
    "erasure.asked": "An erasure was asked for",
    "erasure.approved": "An erasure was approved",
    "erasure.withdrawn": "An erasure was withdrawn",
    "erasure.refused": "An erasure was refused",
    "erasure.witnessed": "The replica has seen an approval",
    "erasure.carried_out": "An erasure was carried out",
    "erasure.finished": "An erasure is finished",
    "order.received": "Tests asked for",
    "order.changed": "Request changed",
    "specimen.moved": "Sample moved",
    "report.filed": "Results reported",
    "report.withdrawn": "Report withdrawn",
    "report.moved": "Report was for another person",
    "history.moved": "History joined to another record",
    "call.opened": "Critical result to phone",
    "call.attempted": "Critical result: call tried",
    "call.closed": "Critical result given",
    "incident.declared": "Incident declared",
    "incident.updated": "New word for the public",
    "incident.stood_down": "Incident stood down",
    "timeline.noted": "Noted on the timeline",
    "decision.logged": "Decision logged",
    "numbers.reserved": "Form numbers reserved",
    "desk.reconciled": "Downtime desk's book taken in",
    "message.received": "Message received",
    "message.applied": "Message received",
    "message.reviewed": "Refused message dealt with",
    "alarm.raised": "Alarm raised",
    "alarm.cleared": "Alarm dealt with",
    "organisation.listed": "Organisation listed",
    "account.set": "Account set",
    "zones.listed": "Zones listed",
    "clinics.listed": "Clinics listed",
    "couriers.listed": "Couriers listed",
    "laboratories.listed": "Laboratories listed",
    "capacity.declared": "Capacity declared",
    "sessions.opened": "Sessions opened",
    "session.closed": "Session closed",
    "need.opened": "Visit for samples needed",
    "need.extended": "Visit for samples extended",
    "need.deferred": "Waits, with a day on which we tell",
    "need.redirected": "Sent by the emergency route",
    "need.withdrawn": "No longer needed",
    "need.collected": "Samples taken",
    "appointment.booked": "Appointment booked",
    "appointment.moved": "Appointment moved",
    "appointment.rerouted": "Samples go to another laboratory",
    "appointment.cancelled": "Appointment cancelled",
    "appointment.missed": "Did not come",
    "appointment.turned_away": "Told not to come",
    "gate.reserved": "Laboratory and courier reserved",
    "gate.overtaken": "Laboratory failed after the samples were taken",
    "work.done": "Daily work done",
    "notice.written": "Notice written",
    "notice.sent": "Notice sent",
    "notice.superseded": "Notice replaced before it was sent",
    "notice.reported": "What became of a notice",
    "status.published": "Patients' page published",
    "plan.proposed": "Plan made",
    "plan.line": "Decided in a plan",
    "plan.completed": "Plan complete",
    "plan.rejected": "Plan rejected",
    "plan.adopted": "Plan adopted",
    "plan.settled": "Plan in effect",
    "line.acknowledged": "Urgent test taken on by a clinician",
    "line.skipped": "Left out of the plan",
}


_OF_GUARDS = ("canary.set",)


def hidden_kinds(viewer: Viewer) -> tuple[str, ...]:
    """Kinds of entries that a viewer is not to find beside a patient's others.

    A record that nobody should read is a trap: who falls into it must not see it.
    """
    return () if viewer.may(Task.GUARD_ACCESS) else _OF_GUARDS


def hidden_alarms(viewer: Viewer) -> tuple[str, ...]:
    """Kinds of alarms that a viewer is not to see: those about somebody's reading."""
    return () if viewer.may(Task.SEE_ACCESS) else ACCESS_ALARMS


def kind_words(kind: str) -> str:
    """A kind in words; one that is not listed in its own."""
    return KIND_WORDS.get(kind, kind.replace(".", " ").replace("_", " ").capitalize())
