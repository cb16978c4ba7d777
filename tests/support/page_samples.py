"""Invented pages: every presenter filled, full, empty and hostile. Nobody here exists."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from tourniquet.kernel.identifiers import synthetic_nhs_numbers
from tourniquet.notices import rendering, status_page
from tourniquet.web import addresses, charts
from tourniquet.web.presenters import (
    diary,
    entry,
    home,
    incident,
    patients,
    plan,
    shell,
    worklists,
)
from tourniquet.web.presenters.people import PatientLink, PersonName

NOW = datetime(2024, 6, 12, 9, 5, tzinfo=UTC)
TODAY = NOW.date()
HOSTILE = '<script>alert("x")</script>'
NUMBERS = [number.digits for _, number in zip(range(200), synthetic_nhs_numbers(), strict=False)]
FAMILIES = (
    "Okafor", "Smith", "Begum", "O'Neill", "Nguyen", "Patel", "Jones", "Kowalska", "Mensah",
    "de la Cruz", "Featherstonehaugh-Cholmondeley", "Li", "Hussain", "Brown", "Adeyemi",
)  # fmt: skip
GIVENS = ("Mary", "Ibrahim", "Grace", "Siân", "Tuan", "Asha", "David", "Zofia", "Kwame", "Ana")
PRACTICES = ("Elm Court Surgery", "Old Kent Road Medical Centre", "Sydenham Green Practice")
CLINICS = ("Bermondsey Health Centre", "Lewisham Hospital phlebotomy", "Camberwell Clinic")
TESTS = (
    ("2WW", "Suspected cancer", "P2"), ("DMARD-S", "Stable methotrexate", "P3"),
    ("CKD", "Kidney monitoring", "P4"), ("A1C-M", "HbA1c monitoring", "P4"),
    ("INR-U", "Warfarin, unstable", "P2"), ("VITD", "Vitamin D", "P5"),
)  # fmt: skip
CHART = charts.Chart(
    "capacity",
    "Laboratory capacity, share of normal",
    "Capacity falls to 4% in week 1 and is back to normal in week 12.",
    tuple(str(week) for week in range(1, 17)),
    (
        charts.Series(
            "Declared", (4, 10, 25, 40, 54, 54, 60, 70, 75, 80, 85, 100, 105, 110, 110, 110)
        ),
        charts.Series("Used", (4, 9, None, 38, 50, 50, 55, 66, 70, 77, 80, 92, 95, 99, 90, 88)),
    ),
    unit="%",
    labels_heading="Week",
)
CHART2 = replace(CHART, chart_id="used", title="Used")
CHART3 = replace(CHART, chart_id="bars", title="As bars")
EXERCISE = shell.ExerciseMark(NOW, "June 2024, day 10")
INCIDENT = shell.IncidentMark(
    "3", "Pathology provider attacked", datetime(2024, 6, 3, 7, 10, tzinfo=UTC)
)
UNPROTECTED = shell.ProtectionMark(
    12_408, datetime(2024, 6, 3, 7, 12, tzinfo=UTC), None, fits=False, late=True
)
USER = shell.SignedIn("Dr Amara Osei", "incident_lead", "South East London")


def person(index: int) -> PatientLink:
    """One of many invented people."""
    name = PersonName(FAMILIES[index % 15], GIVENS[index % 10], ("Mrs", "Mr", "", "Ms")[index % 4])
    number = NUMBERS[index] if index % 11 else None
    return PatientLink(f"p{index}", name, number, addresses.patient(f"p{index}"))


def shell_for(title: str, section: str, **changes: object) -> shell.Shell:
    """The layout's values as on a busy day of an exercise."""
    made = shell.Shell(
        title=title, section=section, signed_in=USER, exercise=EXERCISE, incident=INCIDENT,
        protection=UNPROTECTED,
        shown_at=NOW, crumbs=(shell.Crumb("Now", addresses.HOME),) if section != "now" else (),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name, in tests only


def home_page() -> home.HomePage:
    counts = home.HomeCounts(
        urgent_waiting=37, urgent_oldest_minutes=1630, critical_open=4, critical_oldest_minutes=52,
        unknown_people=12, refused_messages=3, appointments_today=1184, clinics_today=41,
        waiting_for_date=8412, waiting_past_review=0, notices_undelivered=206,
    )  # fmt: skip
    labs = ("Hub laboratory", "King's essential services", "Mutual aid: St George's")
    disciplines = ("Chemistry", "Haematology", "Coagulation", "Microbiology")
    rows = tuple(
        home.CapacityRow(
            lab, discipline, None if (i, j) == (2, 3) else (240 * (i + 1) * (4 - j)) // 3 + i * 900,
            (9000, 3200, 2900)[i], ("Declared", "Estimated")[j % 2], NOW - timedelta(hours=3),
        )
        for i, lab in enumerate(labs) for j, discipline in enumerate(disciplines)
    )  # fmt: skip
    lately = tuple(
        home.Happening(NOW - timedelta(minutes=19 * n), text, "Dr Amara Osei", addresses.entry(n))
        for n, text in enumerate(
            ("Plan for 12 to 25 June adopted", "Hub laboratory: chemistry at 25% from Monday",
             "Situation report sent", "Mutual aid agreed with St George's",
             "Critical potassium phoned to Elm Court Surgery"), start=1)
    )  # fmt: skip
    now = home.IncidentNow(
        "Pathology provider attacked", "3", INCIDENT.since, 10, NOW + timedelta(hours=2),
        update_overdue=False, plan_words="12 to 25 June, adopted 08:40",
        plan_href=addresses.plan("k7"),
    )  # fmt: skip
    return home.HomePage(NOW, now, counts.tiles(("1 d 3 h", "52 min")), rows, lately)


def quiet_home_page() -> home.HomePage:
    counts = home.HomeCounts(0, None, 0, None, 0, 0, 0, 0, 0, 0, 0)
    return home.HomePage(NOW, None, counts.tiles(("", "")), (), ())


def incident_page() -> incident.IncidentPage:
    texts = (
        "Declared by the region at 08:10", "All sites of the provider; two hospital trusts",
        "Ransomware on the pathology provider's systems",
        "Results cannot be sent; transfusion on paper", "", "About 2 million people; 200 practices",
        "NCSC, NHS England, police",
    )  # fmt: skip
    lines = tuple(
        incident.MethaneLine(letter, label, text)
        for (letter, label, _), text in zip(incident.METHANE, texts, strict=True)
    )
    weeks = tuple(
        incident.WeekHeading(n + 1, date(2024, 6, 3) + timedelta(weeks=n)) for n in range(8)
    )
    shares = (0.04, 0.10, 0.25, 0.40, 0.54, 0.54, 0.60, None)
    flags = ("anchor", "anchor", "interpolated", "interpolated", "declared", *["interpolated"] * 3)
    cells = tuple(incident.CapacityCell(s, f) for s, f in zip(shares, flags, strict=True))
    capacity = tuple(
        incident.CapacityWeeks(lab, discipline, cells)
        for lab in ("Hub laboratory", "King's essential services")
        for discipline in ("Chemistry", "Haematology", "Coagulation")
    )
    timeline = tuple(
        incident.TimelineEntry(
            4210 - n * 7, NOW - timedelta(hours=5 * n), ("Decision", "Capacity", "Plan")[n % 3],
            ("Stop vitamin D and health checks in all practices", "Chemistry at 25% from 17 June",
             "Plan for 10 to 23 June adopted")[n % 3], "Dr Amara Osei", "Incident lead",
            addresses.entry(4210 - n * 7),
            "Known: 400 of 10,000 samples a day.\nRejected: first come first served." if n % 3 == 0
            else "",
        ) for n in range(14)
    )  # fmt: skip
    return incident.IncidentPage(
        state="declared", rights=incident.Rights(declare=True, update_capacity=True, log=True,
        stand_down=True, update_public=True), incident_id="i1", level="3",
        title="Pathology provider attacked",
        declared_at=INCIDENT.since, declared_by="Dr Amara Osei", methane=lines, weeks=weeks,
        next_update_due=NOW + timedelta(hours=2), capacity=capacity, timeline=timeline,
        timeline_total=61, laboratories=(shell.Choice("hub", "Hub laboratory"),),
        disciplines=(shell.Choice("chemistry", "Chemistry"),),
    )  # fmt: skip


DECLARE_ERRORS = (
    shell.FieldError("title", "Enter what the incident is called."),
    shell.FieldError("level", "Choose a level."),
)


def declare_page() -> incident.IncidentPage:
    form = shell.Form({"hazards": HOSTILE}, DECLARE_ERRORS)
    return incident.IncidentPage("none", incident.Rights(declare=True), form=form)


def change_row(n: int) -> plan.ChangeRow:
    code, words, priority = TESTS[n % 6]
    decision = ("move", "defer", "keep", "book")[n % 4]
    before = (
        plan.Place(TODAY + timedelta(days=n % 9), CLINICS[n % 3]) if decision != "book" else None
    )
    after = plan.Place(TODAY + timedelta(days=3 + n % 20), CLINICS[(n + 1) % 3])
    reasons = (
        "Chemistry is at 25% until 24 June; waiting is safe until 9 July. First day with room.",
        "Waiting is safe until 20 August. No room before; you hear by 24 June.",
        "Keeps its place: the test is urgent and the laboratory has room.",
        "First date: the nearest clinic had a seat left.",
    )
    return plan.ChangeRow(
        f"n{n}", person(n), PRACTICES[n % 3], f"{words} ({code})", priority, decision,
        before, None if decision == "defer" else before if decision == "keep" else after,
        TODAY + timedelta(days=12) if decision == "defer" else None, reasons[n % 4],
    )  # fmt: skip


def urgent_row(n: int, *, acknowledged: bool) -> plan.UrgentRow:
    return plan.UrgentRow(
        f"u{n}", person(40 + n), PRACTICES[n % 3], "020 7946 0123", "Potassium recheck (AKI)",
        ("P1", "P2")[n % 2], TODAY + timedelta(days=1), None if n % 2 == 0 else TODAY,
        TODAY if n % 2 == 0 else None,
        "emergency route: no laboratory in reach within 5 hours has room. Send to the emergency "
        "department today." if n % 2 == 0 else "Served a day late: coagulation is full on 13 June.",
        "Dr Lena Fischer" if acknowledged else "", NOW if acknowledged else None,
    )  # fmt: skip


def plan_page() -> plan.PlanPage:
    filters = plan.PlanFilters(
        tuple(shell.Choice(f"P{n}", f"P{n}") for n in range(1, 6)),
        tuple(shell.Choice(key, words[0], key == "move") for key, words in plan.DECISIONS.items()),
        tuple(shell.Choice(name, name) for name in PRACTICES),
    )
    return plan.PlanPage(
        state="proposed", plan_id="k7", first_day=TODAY, last_day=TODAY + timedelta(days=13),
        figures=plan.Figures(9314, 2710, 3120, 1402, 2082, 3, 48213.4, 47790.2, 0.00885),
        made_at=NOW, made_by="Dr Amara Osei", policy="June 2024, version 3",
        urgent=(urgent_row(0, acknowledged=False), urgent_row(1, acknowledged=True),
                urgent_row(2, acknowledged=False)),
        changes=tuple(change_row(n) for n in range(60)), filters=filters, may_adopt=True,
        may_acknowledge=True,
        paging=shell.Paging(2, 110, 6604, 60, addresses.plan("k7"), (("decision", "move"),)),
    )  # fmt: skip


def adoptable_plan_page() -> plan.PlanPage:
    return replace(plan_page(), urgent=(), changes=plan_page().changes[:6])


def adopting_plan_page() -> plan.PlanPage:
    return replace(adoptable_plan_page(), state="adopting", moved_so_far=3170, notices_queued=2912)


def adopted_plan_page() -> plan.PlanPage:
    return replace(
        adoptable_plan_page(), state="adopted", adopted_by="Dr Amara Osei", adopted_at=NOW,
        notices_queued=12, adopt_position=88123, changes=(),
    )  # fmt: skip


def search_page() -> patients.SearchPage:
    rows = tuple(
        patients.SearchRow(
            person(n).href, person(n).name, date(1945 + n, 7, 14) if n % 5 else None, f"{78 - n}y",
            "FM"[n % 2], person(n).nhs_number, f"RJ1 {1234567 + n}", PRACTICES[n % 3], n % 7 == 3,
        ) for n in range(12)
    )  # fmt: skip
    return patients.SearchPage(
        shell.Form({"family": "jones", "born": "1945"}), searched=True, rows=rows, more=True
    )


def banner() -> patients.Banner:
    return patients.Banner(
        "p6", PersonName("Jones", "Mary", "Mrs"), date(1945, 7, 14), "78y", None, "F", NUMBERS[6],
        ("RJ1 1234567", "RJZ K445566"), "14 Elm Court, London SE1 4XX", "020 7946 0999",
        "Elm Court Surgery", "020 7946 0123", sensitive_contact=True,
    )  # fmt: skip


def reports() -> tuple[patients.ReportCard, ...]:
    chemistry = (
        patients.ResultRow("Sodium", "138", "mmol/L", "133 to 146"),
        patients.ResultRow("Potassium", "6.8", "mmol/L", "3.5 to 5.3", "HH",
                           comment="Phoned 10:05, read back by Dr Cole"),
        patients.ResultRow("Urea", "11.2", "mmol/L", "2.5 to 7.8", "H"),
        patients.ResultRow("Creatinine", "148", "µmol/L", "45 to 84", "H", "corrected", earlier=(
            patients.EarlierVersion(NOW - timedelta(hours=5), "184", "µmol/L", "final"),)),
        patients.ResultRow("eGFR", "", "mL/min/1.73 m²", ""),
        patients.ResultRow("Bilirubin", "9", "µmol/L", "0 to 21", "", "withdrawn"),
    )  # fmt: skip
    blood = tuple(
        patients.ResultRow(name, value, unit, limits, flag)
        for name, value, unit, limits, flag in (
            ("Haemoglobin", "96", "g/L", "115 to 165", "L"), ("White cells", "7.2", "10⁹/L",
            "4.0 to 11.0", ""), ("Platelets", "212", "10⁹/L", "150 to 400", ""),
            ("MCV", "79", "fL", "80 to 100", "L"), ("Neutrophils", "4.4", "10⁹/L", "2 to 7.5", ""))
    )  # fmt: skip
    return (
        patients.ReportCard("r1", "Urea and electrolytes", "Hub laboratory", "Dr Cole, Elm Court",
                            NOW - timedelta(hours=9), NOW - timedelta(hours=2), "corrected",
                            chemistry, href=addresses.entry(4711)),
        patients.ReportCard("r2", "Full blood count", "King's essential services", "",
                            None, NOW - timedelta(days=40), "final", blood),
        patients.ReportCard("r3", "Wound swab", "Hub laboratory", "Dr Cole", None,
                            NOW - timedelta(days=90), "final", (),
                            narrative="No growth after 48 hours.\nNo MRSA isolated."),
    )  # fmt: skip


def patient_page() -> patients.PatientPage:
    steps = (
        patients.SpecimenStep("Taken", NOW - timedelta(hours=9), CLINICS[0], done=True),
        patients.SpecimenStep(
            "Collected by courier", NOW - timedelta(hours=7), "Van 12", done=True
        ),
        patients.SpecimenStep("Arrived", NOW - timedelta(hours=6), "Hub laboratory", done=True),
        patients.SpecimenStep("Analysed", None, "", done=False),
        patients.SpecimenStep("Result sent", None, "", done=False),
    )
    late = (*steps[:2], replace(steps[2], trouble=True, done=False, label="Arrived too late"))
    return patients.PatientPage(
        banner=banner(),
        next_dates=(
            patients.NextDate("Kidney monitoring", "P4", NOW + timedelta(days=6), CLINICS[0],
                              "108 Grange Road, London SE1 3BW", reason="Moved from 14-Jun-2024"),
            patients.NextDate("Vitamin D", "P5", tell_by=TODAY + timedelta(days=12),
                              reason="Waiting is safe until 10-Sep-2024"),
        ),
        reports=reports(),
        specimens=(
            patients.SpecimenCard("24C0612345", "Blood, SST", "Urea and electrolytes",
                                  "Hub laboratory, waiting to be analysed", steps),
            patients.SpecimenCard("24C0611111", "Blood, EDTA", "Full blood count", "Discarded",
                                  late, "Too old when it arrived. A new sample was asked for."),
        ),
        requests=tuple(
            patients.RequestRow(f"REQ{n:05d}", TESTS[n][1], TESTS[n][2], NOW, "Dr Cole", "Active")
            for n in range(4)
        ),
        appointments=tuple(
            patients.AppointmentRow(
                NOW + timedelta(days=6 - 4 * n), CLINICS[n], "108 Grange Road", "Kidney monitoring",
                ("Booked", "Moved", "Sample taken")[n],
                ("", "Chemistry is at 25%; waiting is safe until 9 July", "")[n],
                ("Text delivered 12-Jun-2024", "Text delivered 05-Jun-2024", "")[n],
                addresses.entry(77) if n == 1 else "")
            for n in range(3)
        ),
        notices=(
            patients.NoticeRow(NOW, "Appointment moved", "Text message", "Delivered",
                               "NHS blood tests: your test has moved to Tuesday 18 June 2024.",
                               addresses.entry(4800)),
        ),
        journal=tuple(
            patients.JournalRow(4800 - n, NOW - timedelta(hours=n), (
                "Record read", "Appointment moved", "Report received")[n % 3],
                ("Dr Amara Osei", "Plan k7", "Hub laboratory")[n % 3], "Elm Court Surgery",
                addresses.entry(4800 - n)) for n in range(8)
        ),
    )  # fmt: skip


def blank_patient_page() -> patients.PatientPage:
    return patients.PatientPage(
        patients.Banner("p0", None, None, "", None, "", None, (), "", "", "", "", provisional=True)
    )


TAB_COUNTS = {
    "critical": 4, "urgent": 37, "waiting": 8412, "undelivered": 206, "provisional": 12,
    "refused": 3,
}  # fmt: skip


def tabs(current: str) -> worklists.Tabs:
    return worklists.Tabs(current, TAB_COUNTS)


def paging(total: int) -> shell.Paging:
    return shell.Paging(1, -(-total // 60) or 1, total, 60, "/worklists/")


def critical_row(n: int) -> worklists.CriticalRow:
    test, value, unit, limit = (
        ("Potassium", "6.8", "mmol/L", "above 6.5"), ("Haemoglobin", "71", "g/L", "below 80"),
        ("INR", "6.1", "", "above 5"), ("Sodium", "117", "mmol/L", "below 120"))[n % 4]  # fmt: skip
    return worklists.CriticalRow(
        f"c{n}", person(n), test, value, unit, limit, NOW - timedelta(minutes=15 * n + 7),
        15 * n + 7, n > 2, "Dr Cole, Elm Court Surgery", "020 7946 0123",
        ("First call", "Second call", "On-call doctor")[n % 3],
        (worklists.CallAttempt(NOW - timedelta(minutes=5), "J. Reid", "No answer"),),
    )  # fmt: skip


def critical_page() -> worklists.CriticalPage:
    rows = tuple(critical_row(n) for n in range(4))
    return worklists.CriticalPage(tabs("critical"), rows, paging(4), rows[3], may_close=True)


def provisional_page() -> worklists.ProvisionalPage:
    rows = tuple(
        worklists.ProvisionalRow(
            addresses.provisional(f"x{n}"), person(n).name if n % 4 else None,
            date(1960, 1, 1 + n) if n % 3 else None, f"RJ1 {99000 + n}", "Hub laboratory",
            NOW - timedelta(hours=n), 1 + n % 3, n == 0, n % 4,
            "Compare with the candidates; phone the requester" if n % 4 else "Phone the requester",
        ) for n in range(12)
    )  # fmt: skip
    return worklists.ProvisionalPage(tabs("provisional"), rows, paging(12))


def identify_page() -> worklists.IdentifyPage:
    return worklists.IdentifyPage(
        tabs("provisional"), person(3), TODAY - timedelta(days=20_000), "Female", "",
        "RJ1 Z12345", "no patient has this number",
        2,
        tuple(
            worklists.CandidateRow(person(n), TODAY, "1 High Street", PRACTICES[0])
            for n in range(2)
        ),
        may_identify=True,
        form=shell.Form({"decision": "new"}, (shell.FieldError("comment", "Say how you know."),)),
    )  # fmt: skip


def message_page() -> worklists.MessagePage:
    return worklists.MessagePage(
        tabs("refused"), refused_page().rows[0], "mllp", 1, "MSH|^~\\&|LAB|RJ1\nPID|1",
        may_read=True, may_review=True,
        form=shell.Form({}, (shell.FieldError("note", "Say what was done."),)),
    )  # fmt: skip


def refused_page() -> worklists.RefusedPage:
    rows = tuple(
        worklists.RefusedRow(
            addresses.entry(900 + n), 900 + n, NOW - timedelta(hours=n), "WINPATH, KINGS",
            ("ORU^R01", "ADT^A99", "OML^O21")[n], f"MSG{n:08d}", "AR",
            ("The patient's birth date is not a date.", "This kind of message is not known here.",
             "The same control id came before with other bytes.")[n],
            ("Ask the laboratory to correct it and send it under a new control id.",
             "Nothing, if the sender did not mean it for us.",
             "Look at both; phone the sender today.")[n],
        ) for n in range(3)
    )  # fmt: skip
    return worklists.RefusedPage(tabs("refused"), rows, paging(3))


def waiting_page() -> worklists.WaitingPage:
    rows = tuple(
        worklists.WaitingRow(
            person(n), TESTS[n % 6][1], TESTS[n % 6][2], NOW - timedelta(days=n % 9),
            TODAY + timedelta(days=12 - n % 14), PRACTICES[n % 3], "020 7946 0123",
            "No room before 24 June; waiting is safe until 20 August",
            "Nothing: the next plan gives a date or a new day", n % 14 == 13,
        ) for n in range(60)
    )  # fmt: skip
    return worklists.WaitingPage(
        tabs("waiting"), "People waiting for a date",
        "Each was told the day by which they hear from us. Soonest first.", "We tell by", rows,
        paging(8412), "Everybody has a date.",
    )  # fmt: skip


def diary_page() -> diary.DiaryPage:
    rows = tuple(
        diary.DiaryRow(
            NOW.replace(hour=7, minute=0) + timedelta(minutes=5 * n), person(n),
            date(1950 + n % 50, 1 + n % 12, 9) if n % 9 else None, TESTS[n % 6][1], TESTS[n % 6][2],
            "1 SST, 1 EDTA", "Hub laboratory",
            ("taken", "taken", "arrived", "booked", "missed")[min(n // 9, 4)],
            "The laboratory can take it" if n != 20 else "No courier in time",
            n != 20,
        ) for n in range(46)
    )  # fmt: skip
    return diary.DiaryPage(
        TODAY, CLINICS[0], "108 Grange Road, London SE1 3BW",
        tuple(shell.Choice(name, name, name == CLINICS[0]) for name in CLINICS),
        "08:00 to 12:00", 50, 46, addresses.diary(day=TODAY - timedelta(days=1)),
        addresses.diary(day=TODAY + timedelta(days=1)), addresses.diary(), rows,
    )  # fmt: skip


def entry_page() -> entry.EntryPage:
    link = entry.EntryLink(88123, "Plan adopted", NOW, "Dr Amara Osei", addresses.entry(88123))
    return entry.EntryPage(
        88140, "diary.appointment_moved", "Appointment moved", 1, NOW, NOW, "Dr Amara Osei",
        "South East London", "this site", None, person(6),
        '{\n  "appointment": "01j0…",\n  "from": "2024-06-14T08:20:00Z",\n'
        '  "reason": "' + HOSTILE + '",\n  "to": "2024-06-18T08:10:00Z"\n}',
        "9f2c" * 16, "a41b" * 16, "77de" * 16, (link,),
        (replace(link, position=88951, kind="Notice queued"),), 1,
        addresses.entry(88139), addresses.entry(88141),
    )  # fmt: skip


def public_files() -> dict[str, bytes]:
    """The patients' pages and letters, rendered."""
    page = status_page.StatusPage(
        "incident", "Some blood tests have to wait",
        ("On Monday 3 June a computer attack hit the labs that do our blood tests.",
         "The labs can do fewer tests than before. We give the room to those who need it most."),
        status_page.usual_tests("incident"), NOW, NOW + timedelta(hours=8), "South East London",
        exercise=True,
    )  # fmt: skip
    made = status_page.render_status(page)
    facts = rendering.NoticeFacts(
        kind=rendering.MOVED, given_name="Mary", old_day=date(2024, 6, 14),
        new_start=NOW + timedelta(days=6), clinic=CLINICS[0], practice=PRACTICES[0],
        clinic_address="108 Grange Road, London SE1 3BW", practice_phone="020 7946 0123",
        exercise=True,
    )  # fmt: skip
    to = rendering.LetterTo("Mrs Mary Jones", ("14 Elm Court", "London", "SE1 4XX"), TODAY, "N-77")
    return {
        "status": made["index.html"],
        "status-large": made["large-print.html"],
        "letter": rendering.render_letter(facts, to).encode(),
    }


def pages() -> dict[str, tuple[str, shell.Shell, object]]:
    """Every page of the console: name, template, layout and presenter."""
    bare = {"incident": None, "exercise": None}
    refused_form = shell.Form(
        {"username": "amara"}, (shell.FieldError("username", "User name or password is wrong."),)
    )
    made: dict[str, tuple[str, shell.Shell, object]] = {
        "home": ("home.html", shell_for("Now", "now"), home_page()),
        "home-quiet": ("home.html", shell_for("Now", "now", **bare), quiet_home_page()),
        "incident": ("incident.html", shell_for("Incident", "incident"), incident_page()),
        "incident-declare": (
            "incident.html",
            shell_for("Incident", "incident", **bare, form_errors=DECLARE_ERRORS),
            declare_page(),
        ),
        "plan": ("plan.html", shell_for("Plan", "plan"), plan_page()),
        "plan-adoptable": ("plan.html", shell_for("Plan", "plan"), adoptable_plan_page()),
        "plan-adopting": ("plan.html", shell_for("Plan", "plan"), adopting_plan_page()),
        "plan-adopted": (
            "plan.html",
            shell_for("Plan", "plan", done="The plan is in effect."),
            adopted_plan_page(),
        ),
        "plan-none": ("plan.html", shell_for("Plan", "plan"), plan.PlanPage("none")),
        "patients": ("patients/search.html", shell_for("Patients", "patients"), search_page()),
        "patients-none": (
            "patients/search.html",
            shell_for("Patients", "patients"),
            patients.SearchPage(searched=True),
        ),
        "patient": ("patients/record.html", shell_for("Patient", "patients"), patient_page()),
        "patient-blank": (
            "patients/record.html",
            shell_for("Patient", "patients", **bare),
            blank_patient_page(),
        ),
        "critical": ("worklists/critical.html", shell_for("Calls", "worklists"), critical_page()),
        "provisional": (
            "worklists/provisional.html",
            shell_for("Worklist", "worklists"),
            provisional_page(),
        ),
        "identify": (
            "worklists/identify.html",
            shell_for("Who is this?", "worklists", form_errors=identify_page().form.errors),
            identify_page(),
        ),
        "message": (
            "worklists/message.html",
            shell_for("Refused message", "worklists", form_errors=message_page().form.errors),
            message_page(),
        ),
        "refused": ("worklists/refused.html", shell_for("Worklist", "worklists"), refused_page()),
        "waiting": ("worklists/waiting.html", shell_for("Worklist", "worklists"), waiting_page()),
        "diary": ("diary.html", shell_for("Diary", "diary"), diary_page()),
        "entry": ("entry.html", shell_for("Entry 88140", ""), entry_page()),
        "entry-erased": (
            "entry.html",
            shell_for("Entry 88140", ""),
            replace(entry_page(), body=None, subject=None, causes=(), effects=()),
        ),
        "sign-in": (
            "sign_in.html",
            shell_for("Sign in", "", signed_in=None, incident=None, crumbs=(),
                      form_errors=refused_form.errors),
            shell.SignInPage(refused_form),
        ),
    }  # fmt: skip
    from tests.support.page_samples_access import access_pages  # it uses this module's parts

    made |= access_pages()
    for status in sorted(shell.ERROR_HEADINGS):
        made[f"error-{status}"] = (
            "error.html",
            shell.Shell(title=shell.ERROR_HEADINGS[status]),
            shell.error_page(status, reference="01j0abc" if status == 500 else ""),
        )
    return made
