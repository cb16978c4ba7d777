"""A small region for tests of the console, made by the product's own flows, and people in it.

Two practices, two clinics, two laboratories, some people with needs and bookings. Nobody exists.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import synthetic_nhs_numbers

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

NOW = datetime(2024, 6, 3, 7, 30, tzinfo=UTC)
TODAY = service_day(NOW)
PASSWORD = "correct horse battery staple"  # of accounts that live for one test
PRACTICE, OTHER_PRACTICE = "G85001", "G85002"
CLINIC, OTHER_CLINIC = "C85001", "C85002"
LABORATORY, AID = "L85001", "L85002"
ACCOUNTS: dict[str, tuple[str, str]] = {
    "lead": ("incident_lead", ""),
    "practice": ("practice", PRACTICE),
    "other": ("practice", OTHER_PRACTICE),
    "clinic": ("clinic", CLINIC),
    "laboratory": ("laboratory", LABORATORY),
    "hospital": ("hospital", ""),
    "press": ("communications", ""),
    "protection": ("data_protection", ""),
    "auditor": ("auditor", ""),
    "admin": ("administrator", ""),
}
FAMILIES = ("Okafor", "Smith", "Begum", "Nguyen", "Patel", "Jones", "Kowalska", "Mensah")
GIVENS = ("Mary", "Ibrahim", "Grace", "Tuan", "Asha", "David", "Zofia", "Kwame")
INDICATIONS = ("2WW", "AKI", "CKD", "A1C-M", "INR-U", "VITD", "LFT", "SYMP")
DAYS = 35


def set_clock(moment: datetime = NOW) -> None:
    """Mark the empty home an exercise and set its clock, so that a test's time stands still."""
    from tourniquet.record.home import mark_exercise

    mark_exercise("a test", moment)


def seed_region(*, people: int = 24, tubes: int = 200) -> list[str]:
    """The region with its accounts and people; the people's ids, in order."""
    set_clock()
    _organisations(tubes)
    for name, (role, organisation) in ACCOUNTS.items():
        _account(name, role, organisation)
    return _people(people)


def _organisations(tubes: int) -> None:
    from tourniquet.diary.entries import (
        CapacityRow,
        ClinicRow,
        CourierRow,
        LaboratoryRow,
        SessionRow,
        ZoneRow,
    )
    from tourniquet.directory.entries import OrganisationListed
    from tourniquet.flows.set_up_region import Region, set_up_region
    from tourniquet.pathology.catalogue import DISCIPLINES

    kinds = {
        PRACTICE: ("Elm Court Surgery", "practice"),
        OTHER_PRACTICE: ("Old Kent Road Practice", "practice"),
        CLINIC: ("Bermondsey Clinic", "clinic"),
        OTHER_CLINIC: ("Camberwell Clinic", "clinic"),
        LABORATORY: ("Hub Laboratory", "laboratory"),
        AID: ("Aid Laboratory", "laboratory"),
    }
    days = [TODAY + timedelta(days=number) for number in range(DAYS)]
    weekdays = [day for day in days if day.weekday() < 5]
    set_up_region(
        Region(
            organisations=[
                OrganisationListed(
                    code=code,
                    name=name,
                    organisation_kind=kind,
                    address="1 High Street",
                    phone="020 7946 0000",
                    zone="Z1",
                )
                for code, (name, kind) in kinds.items()
            ],
            zones=[ZoneRow("Z1", "Southwark", 0.0, 0.0)],
            clinics=[ClinicRow(CLINIC, "Z1", 0.0, 0.0), ClinicRow(OTHER_CLINIC, "Z1", 1.0, 0.0)],
            couriers=[
                CourierRow(clinic, laboratory, 0.5)
                for clinic in (CLINIC, OTHER_CLINIC)
                for laboratory in (LABORATORY, AID)
            ],
            laboratories=[LaboratoryRow(LABORATORY, True), LaboratoryRow(AID, False)],  # noqa: FBT003
            capacity=[
                CapacityRow(laboratory, name, day, tubes, tubes, "normal", "")
                for laboratory in (LABORATORY, AID)
                for name in DISCIPLINES
                for day in weekdays
            ],
            sessions=[
                SessionRow(f"{clinic}-{day}", clinic, day, time(8, 30), 10, 20)
                for clinic in (CLINIC, OTHER_CLINIC)
                for day in weekdays
            ],
        ),
        now=NOW,
    )


def _account(name: str, role: str, organisation: str) -> None:
    from tourniquet.flows.manage_accounts import add_account

    add_account(
        name=name, role=role, organisation=organisation or None, password=None, actor="test"
    )


def _people(count: int) -> list[str]:
    from tourniquet.flows.import_diary import DiaryLine, import_diary
    from tourniquet.flows.import_people import PersonRow, import_people
    from tourniquet.patients.models import Identifier
    from tourniquet.record.journal import Act

    act = Act("test", NOW)
    numbers = [number.digits for number in islice(synthetic_nhs_numbers(), count)]
    practices = (PRACTICE, OTHER_PRACTICE)
    import_people(
        (
            PersonRow(
                nhs_number=number,
                local_numbers=(("RJ1", f"H{at:05d}"),),
                family_name=FAMILIES[at % len(FAMILIES)],
                given_names=GIVENS[(at // 2) % len(GIVENS)],
                birth_date=date(1940 + at, 1 + at % 12, 1 + at % 28),
                sex="F" if at % 2 else "M",
                address=f"{at} High Street, London",
                postcode="SE1 1AA",
                phone="07700 900000",
                gp_practice=practices[at % 2],
            )
            for at, number in enumerate(numbers)
        ),
        act=act,
    )
    import_diary(
        (
            DiaryLine(
                identifier_system="NHS",
                identifier=number,
                requisition=f"EX{at:06d}",
                indication=INDICATIONS[at % len(INDICATIONS)],
                tests=(),
                authored_at=NOW - timedelta(days=1),
                wanted_on=TODAY + timedelta(days=at % 5),
                zone="Z1",
                organisation=practices[at % 2],
                clinic=(CLINIC, OTHER_CLINIC)[at % 2] if at % 4 else "",
                day=TODAY + timedelta(days=at % 5),
                at=time(8, 30 + 10 * (at % 3)),
                laboratory=LABORATORY,
            )
            for at, number in enumerate(numbers)
        ),
        act=act,
    )
    found = dict(Identifier.objects.filter(system="NHS").values_list("value", "patient_id"))
    return [found[number] for number in numbers]


def client_of(account: str) -> Client:
    """A browser in which this account has signed in; forms need their token, as in production."""
    from django.test import Client

    from tourniquet.directory.models import SignIn

    client = Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    client.force_login(SignIn.objects.get(pk=account))
    return client


def stranger() -> Client:
    """A browser in which nobody has signed in."""
    from django.test import Client

    return Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")


def reader(account: str, *patients: str) -> Client:
    """A browser of this account, which has said why it opens these patients' records."""
    client = client_of(account)
    for patient in patients:
        path = f"/patients/{patient}/break-glass/"
        answer = post(client, path, {"reason": "other", "words": "A test"})
        assert answer.status_code == 303, answer.content
    return client


_TOKEN = re.compile(r'name="csrfmiddlewaretoken"[^>]*value="([^"]+)"')


def post(
    client: Client, path: str, values: dict[str, object] | None = None, *, page: str = ""
) -> HttpResponse:
    """Open the page with the form, take its token, and post."""
    shown = client.get(page or path).content.decode()
    token = _TOKEN.search(shown)
    assert token is not None, f"{page or path} has no form"
    return client.post(path, {**(values or {}), "csrfmiddlewaretoken": token[1]})


def text_of(response: HttpResponse) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def sent_pid(at: int) -> str:
    """The PID of the region's person at that place, as a hospital sends it."""
    from tests.support.messages import pid

    number = next(islice(synthetic_nhs_numbers(), at, None)).digits
    return pid(
        number,
        family=FAMILIES[at % len(FAMILIES)].upper(),
        given=GIVENS[(at // 2) % len(GIVENS)],
        born=date(1940 + at, 1 + at % 12, 1 + at % 28).strftime("%Y%m%d"),
        local=f"H{at:05d}^^^RJ1^MR",
        sex="F" if at % 2 else "M",
    )


def seed_results(at: int = 0) -> None:
    """Results, samples and requests of one person: normal, critical, corrected, a file."""
    from tests.support.messages import codes, message, oml, oru

    person = sent_pid(at)
    told = codes(
        oml("Q1", person, placer=f"P{at}^{PRACTICE}", requisition=f"F{at}"),
        oml(
            "Q2",
            person,
            order="SC",
            status="IP",
            placer=f"P{at}^{PRACTICE}",
            requisition=f"F{at}",
            collected="20240603080000+0000",
            specimen=f"S{at}",
        ),
        oru(
            "R1",
            person,
            number=f"L{at}-1",
            lines=(
                "NM|HB^Haemoglobin^L||131|g/L|120-150|N|||F",
                "NM|PLT^Platelets^L||90|10*9/L|150-400|L|||F",
            ),
        ),
        oru(
            "R2",
            person,
            number=f"L{at}-1",
            status="C",
            issued="20240603110000+0000",
            lines=(
                "NM|HB^Haemoglobin^L||129|g/L|120-150|N|||C",
                "NM|PLT^Platelets^L||90|10*9/L|150-400|L|||F",
            ),
        ),
        oru(
            "R3",
            person,
            number=f"L{at}-2",
            test="UE^Urea and electrolytes^L",
            lines=("NM|K^Potassium^L||7.1|mmol/L|3.5-5.3|HH|||F",),
        ),
        message(
            "ORU^R01",
            "R4",
            [
                person,
                f"OBR|1||L{at}-3|SCAN^Scanned form^L|||20240603080000+0000|"
                + "|" * 14
                + "20240603093000+0000|||F",
                "OBX|1|ED|SCAN^Scanned form^L||^application^pdf^Base64^SGVsbG8=||||||F",
            ],
            sender="LAB|RJ1",
        ),
    )
    assert told == ["AA"] * 6, told
