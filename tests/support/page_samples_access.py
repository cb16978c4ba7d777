"""Invented pages of who opened what, of reasons, and of alarms. Nobody here exists."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.support.page_samples import HOSTILE, NOW, USER, person, shell_for
from tourniquet.web import addresses
from tourniquet.web.presenters import access, alarms, erasures, shell, worklists


def guard_shell(title: str) -> shell.Shell:
    """The layout for somebody who watches over records."""
    guard = replace(USER, name="Dora Quist", role="data_protection", sees_access=True)
    return shell_for(title, "access", signed_in=guard)


def break_glass_page() -> access.BreakGlassPage:
    fault = shell.FieldError("reason", "Choose why you open this record.")
    return access.BreakGlassPage(
        "p1",
        (
            shell.Choice("emergency", "Emergency: this patient needs care now"),
            shell.Choice("urgent", "To find or phone an urgent result or sample"),
            shell.Choice("incident", "Work of the incident: a plan, a notice, a list"),
            shell.Choice("asked", "The patient, or who cares for them, asked"),
            shell.Choice("other", "Something else: say what below"),
        ),
        8,
        form=shell.Form({"words": "On the ward"}, (fault,)),
    )


def access_rows() -> tuple[access.AccessRow, ...]:
    words = ("", "On the ward, results not with us " + HOSTILE, "", "")
    return tuple(
        access.AccessRow(
            at=NOW - timedelta(hours=7 * n),
            account=("kim", "amara.osei@example", "ward-7", "feed")[n % 4],
            role=("Practice", "Incident lead", "Hospital", "")[n % 4],
            organisation=("Elm Court Surgery", "", "King's", "RJ1")[n % 4],
            what=("The record", "The record", "Entry 88140", "Data")[n % 4],
            channel=("Console", "Console", "Console", "FHIR")[n % 4],
            why=("In the course of care", "Emergency: this patient needs care now",
                 "Without a tie, for a reason", "Not written down")[n % 4],
            words=words[n % 4],
            position=88000 - 13 * n,
            patient=person(n) if n % 3 else None,
            patient_id=f"p{n}",
            late_by="kim" if n % 5 == 4 else "",
        )
        for n in range(12)
    )  # fmt: skip


def access_page() -> access.AccessPage:
    return access.AccessPage(
        "Who opened this record",
        "Newest first.",
        tuple(replace(row, patient=None) for row in access_rows()),
        about_patient=True,
        older=addresses.access_to("p1") + "?before=88000",
        newest=addresses.access_to("p1"),
        patient=person(1),
    )


def access_front_page() -> access.AccessFrontPage:
    return access.AccessFrontPage(
        rows=access_rows(), alarms=3, may_guard=True, may_erase=True, erasures=2
    )


def erasures_page() -> erasures.ErasuresPage:
    states = ("asked", "approved", "approved", "withdrawn", "refused", "carried_out", "finished")
    rows = tuple(
        erasures.ErasureRow(
            f"01hzeg2j602ew80bbm5fmv1{n:03}",
            state,
            "Consent was withdrawn, and there is no other legal ground",
            "dora",
            NOW - timedelta(days=n),
            "" if state == "asked" else "eli.fawcett@example",
            NOW + timedelta(days=14) if n == 1 else None,
            n == 2,
        )
        for n, state in enumerate(states)
    )
    return erasures.ErasuresPage(rows)


def ask_erasure_page() -> erasures.AskErasurePage:
    fault = shell.FieldError("exempt-care", "Say of each exemption whether it applies.")
    seen = shell.FieldError("seen-waiting_test", "Look at this first, then tick it.")
    return erasures.AskErasurePage(
        person(1),
        2,
        (shell.Choice("b", "Consent was withdrawn"), shell.Choice("d", "Processed unlawfully")),
        (shell.Choice("person", "The person"),),
        (shell.Choice("in_person", "Seen in person, with a document"),),
        (
            erasures.Exemption("care", "Needed for care", error=fault.text),
            erasures.Exemption("legal_claims", "Needed for legal claims", "no"),
        ),
        (
            shell.Choice("waiting_test", "A test has been asked for and is still to be done"),
            shell.Choice("appointment", "An appointment is ahead", selected=True),
        ),
        shell.Form({"words": "By letter " + HOSTILE}, (fault, seen)),
    )


def erasure_page() -> erasures.ErasurePage:
    return erasures.ErasurePage(
        erasures_page().rows[1],
        (
            ("Ground", "Consent was withdrawn, and there is no other legal ground"),
            ("Exemptions that apply", "None of them"),
            ("Asked by", "dora"),
            ("Approved by", "eli.fawcett@example"),
            ("Waiting time", "14 days"),
        ),
        (person(1), person(2)),
        "By letter " + HOSTILE,
        (shell.Choice("appointment", "An appointment is ahead"),),
        may_approve=True,
        may_refuse=True,
        may_withdraw=True,
        why_not="",
        withdrawals=(shell.Choice("asker", "Whoever asked does not want it any more"),),
        exemptions=(shell.Choice("care", "Needed for care"),),
    )


def canaries_page() -> access.CanariesPage:
    rows = tuple(
        access.CanaryRow(
            f"01hzeg2j602ew80bbm5fmv1{n:03}",
            person(n) if n % 2 else None,
            "Made up; bears the name of somebody in the news",
            NOW - timedelta(days=n),
            "dora",
        )
        for n in range(3)
    )
    return access.CanariesPage(rows)


def alarm_rows() -> tuple[alarms.AlarmRow, ...]:
    texts = (
        ("canary-read", "A record that nobody should read was opened by account kim."),
        ("reading-ceiling", "Account ward-7 has opened the records of more than 360 people today."),
        ("export-stopped", "Account feed asked for the records of more than 5000 people."),
        ("specimens overtaken", "12 visits' specimens were taken before the laboratory failed."),
    )
    return tuple(
        alarms.AlarmRow(
            f"a{n}", kind, text, NOW - timedelta(hours=n), 88000 - n,
            addresses.entry(88000 - n) if n else "",
        )
        for n, (kind, text) in enumerate(texts)
    )  # fmt: skip


def alarms_page() -> alarms.AlarmsPage:
    pages = shell.Paging(1, 3, 104, 50, addresses.WORKLIST_ALARMS)
    return alarms.AlarmsPage(worklists.Tabs("alarms", {"alarms": 104}), alarm_rows(), pages)


def alarm_page() -> alarms.AlarmPage:
    return alarms.AlarmPage(
        worklists.Tabs("alarms", {"alarms": 104}), alarm_rows()[2], may_clear=True,
        stopped="feed", may_lift=True, access_href=addresses.access_by("feed"),
    )  # fmt: skip


def access_pages() -> dict[str, tuple[str, shell.Shell, object]]:
    """Each page: its template, the layout's values and the presenter."""
    return {
        "break-glass-find": (
            "patients/break_glass_find.html",
            shell_for("Somebody not known", "patients"),
            access.FindPage(),
        ),
        "break-glass": (
            "patients/break_glass.html",
            shell_for("Why?", "patients", form_errors=break_glass_page().form.errors),
            break_glass_page(),
        ),
        "access": ("access/front.html", guard_shell("Access"), access_front_page()),
        "access-patient": ("access/readings.html", guard_shell("Access"), access_page()),
        "access-account": (
            "access/readings.html",
            guard_shell("Access"),
            replace(access_page(), about_patient=False, patient=None, rows=access_rows()),
        ),
        "access-none": (
            "access/readings.html",
            guard_shell("Access"),
            replace(access_page(), rows=(), patient=None),
        ),
        "erasures": ("erasures/list.html", guard_shell("Erasures"), erasures_page()),
        "erasures-none": ("erasures/list.html", guard_shell("Erasures"), erasures.ErasuresPage()),
        "erasure-ask": ("erasures/ask.html", guard_shell("Ask"), ask_erasure_page()),
        "erasure": ("erasures/one.html", guard_shell("Erasure"), erasure_page()),
        "erasure-finished": (
            "erasures/one.html",
            guard_shell("Erasure"),
            replace(
                erasure_page(),
                row=replace(erasure_page().row, state="finished", due=None),
                patients=(),
                words="",
                warnings=(),
                mentions=(70123, 70140),
                handed_out=(69001,),
                may_approve=False,
                may_refuse=False,
                may_withdraw=False,
            ),
        ),
        "canaries": ("access/canaries.html", guard_shell("Canaries"), canaries_page()),
        "canaries-none": (
            "access/canaries.html",
            guard_shell("Canaries"),
            access.CanariesPage(()),
        ),
        "alarms": ("worklists/alarms.html", shell_for("Alarms", "worklists"), alarms_page()),
        "alarms-none": (
            "worklists/alarms.html",
            shell_for("Alarms", "worklists"),
            replace(alarms_page(), rows=()),
        ),
        "alarm": ("worklists/alarm.html", shell_for("Alarm", "worklists"), alarm_page()),
        "alarm-cleared": (
            "worklists/alarm.html",
            shell_for("Alarm", "worklists"),
            replace(alarm_page(), cleared_by="dora", cleared_at=NOW),
        ),
    }
