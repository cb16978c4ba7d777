"""The story of who reads, and why: every kind of entry of it."""

from __future__ import annotations

from datetime import timedelta

from tests.support.messages import NOW


def tell_access() -> None:
    """A reason, readings of both forms, a canary, a stop that is lifted, and looking it all up."""
    from tourniquet.directory.roles import Role, Viewer
    from tourniquet.flows.break_glass import break_glass
    from tourniquet.flows.guard_access import allow_export, clear_alarm, set_canary
    from tourniquet.flows.manage_accounts import add_account
    from tourniquet.flows.read_by_machine import read_by_machine
    from tourniquet.flows.read_record import read_record
    from tourniquet.flows.see_access import see_access
    from tourniquet.kernel.clock import service_day
    from tourniquet.patients.entries import ExportStopped, FirstRecordRead, ReadingUnnamed
    from tourniquet.patients.grounds import GLASS, WORKLIST, Why
    from tourniquet.patients.models import Patient
    from tourniquet.record.journal import Act, writing
    from tourniquet.record.models import Alarm

    first, second = Patient.objects.filter(merged_into=None).order_by("pk")[:2]
    lead = Viewer("lead", Role.INCIDENT_LEAD)
    guard = Viewer("dora", Role.DATA_PROTECTION)
    admin = Viewer("ada", Role.ADMINISTRATOR)
    feed = Viewer("feed", Role.HOSPITAL, "RJ1")
    add_account(name="feed", role="hospital", organisation="RJ1", password=None, actor="test")
    why = Why(GLASS, "emergency", "On the ward now")
    break_glass(first.pk, viewer=lead, why=why, now=NOW)
    read_record(first.pk, viewer=lead, why=why, now=NOW)
    read_record(second.pk, viewer=lead, why=Why(WORKLIST), now=NOW, what="unknown person")
    set_canary(second.pk, on=True, comment="Made up.", viewer=guard, now=NOW)
    read_by_machine([first.pk, second.pk], viewer=feed, now=NOW)
    alarm = Alarm.objects.get(kind="canary-read")
    clear_alarm(alarm.pk, note="A test of the feed.", viewer=guard, now=NOW)
    set_canary(second.pk, on=False, comment="Known by now.", viewer=guard, now=NOW)
    with writing(Act("feed", NOW, "RJ1")) as journal:
        journal.append(FirstRecordRead(what="fhir", late_by="ann"), subject=first.pk)
        journal.append(FirstRecordRead(), subject=first.pk)
        stopped = ExportStopped(account="feed", day=service_day(NOW), read=2, asked=9, limit=10)
        journal.append(stopped)
        journal.append(ReadingUnnamed(role="hospital", late_by="ann"))
    allow_export(
        "feed", hours=2, reason="A new system.", viewer=admin, now=NOW + timedelta(hours=1)
    )
    see_access(viewer=guard, now=NOW, patient_ids=(first.pk,))
    see_access(viewer=guard, now=NOW, account="lead")
