"""The region of an exercise is set up as an installer would set up a real one, before it serves.

1. Organisations, places, couriers, laboratories, normal capacity, sessions.
2. People: an extract of the patient index.
3. The diary as it stands: needs from before the attack, with their appointments.
4. Accounts for those who act at the console, with passwords and tokens of their own.

Invariants:
- Everything goes through flows, so the journal holds it and a replay makes it anew.
- Passwords and tokens are random and lie in accounts.json, readable by its owner only.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from pathlib import Path

from tourniquet.diary.entries import (
    CapacityRow,
    ClinicRow,
    CourierRow,
    LaboratoryRow,
    SessionRow,
    ZoneRow,
)
from tourniquet.directory.entries import OrganisationListed
from tourniquet.exercise.demand import NO_BOOKING
from tourniquet.exercise.driver import People
from tourniquet.exercise.partners import Console
from tourniquet.exercise.people import people
from tourniquet.exercise.server import Address
from tourniquet.exercise.truth import carried
from tourniquet.exercise.world import World
from tourniquet.flows.import_diary import DiaryLine, import_diary
from tourniquet.flows.import_people import PersonRow, import_people
from tourniquet.flows.manage_accounts import add_account, issue_token
from tourniquet.flows.set_up_region import Region, set_up_region
from tourniquet.kernel.clock import london_time
from tourniquet.kernel.identifiers import CountedIds
from tourniquet.pathology.catalogue import DISCIPLINES
from tourniquet.record.home import open_home
from tourniquet.record.journal import Act

ACTOR = "exercise set-up"
OPENS = time(8, 30)
OPEN_MINUTES = 510
ACCOUNTS = {
    "lead": "incident_lead",
    "clinician": "incident_lead",
    "clinic-feed": "clinic",
    "gateway": "communications",
    "control": "administrator",
    "practice": "practice",
    "laboratory": "laboratory",
    "replica": "replica",
}
TOKENS = ("clinic-feed", "gateway", "control", "replica")


def set_up(world: World, moment: datetime) -> dict[str, dict[str, str]]:
    """Set up the region; the accounts by name, each with password and perhaps token."""
    # 1. The region.
    set_up_region(
        Region(
            organisations=_organisations(world),
            zones=[ZoneRow(z.code, z.borough, z.x_km, z.y_km) for z in world.region.zones],
            clinics=[ClinicRow(c.code, c.zone, c.x_km, c.y_km) for c in world.region.clinics],
            couriers=[CourierRow(c.clinic, c.laboratory, c.hours) for c in world.region.couriers],
            laboratories=[LaboratoryRow(lab.code, lab.own) for lab in world.region.laboratories],
            capacity=_normal_capacity(world),
            sessions=_sessions(world),
        ),
        now=moment,
        actor=ACTOR,
    )
    # 2. People.
    act = Act(ACTOR, moment)
    import_people(_people(world), act=act, ids=CountedIds())
    # 3. The diary.
    import_diary(_diary(world), act=act)
    # 4. Accounts.
    return {name: _account(world, name, role) for name, role in ACCOUNTS.items()}


def issue_anew(world: World) -> dict[str, dict[str, str]]:
    """The accounts after a restore: passwords and tokens are not in the record."""
    open_home()  # its clock is where the record ends
    return {name: _account(world, name, role) for name, role in ACCOUNTS.items()}


def _account(world: World, name: str, role: str) -> dict[str, str]:
    password = secrets.token_urlsafe(12)
    organisation = world.region.practices[0].code if role == "practice" else None
    add_account(name=name, role=role, organisation=organisation, password=password, actor=ACTOR)
    made = {"role": role, "password": password}
    if name in TOKENS:
        made["token"] = issue_token(name=name, actor=ACTOR)
    return made


def save_accounts(home: Path, accounts: dict[str, dict[str, str]]) -> None:
    """Keep the accounts of an exercise where its owner finds them."""
    path = home / "accounts.json"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(accounts, file, indent=2)


def sign_in_people(address: Address, accounts: dict[str, dict[str, str]]) -> People:
    """Sign in everybody who acts."""

    def person(name: str) -> Console:
        console = Console(address.host, address.port)
        console.sign_in(name, accounts[name]["password"])
        return console

    def system(name: str) -> Console:
        return Console(address.host, address.port, token=accounts[name]["token"])

    return People(
        lead=person("lead"),
        clinician=person("clinician"),
        feed=system("clinic-feed"),
        gateway=system("gateway"),
        control=system("control"),
    )


def _organisations(world: World) -> list[OrganisationListed]:
    region = world.region
    borough = {zone.code: zone.borough for zone in region.zones}
    rows = [
        OrganisationListed(
            code=practice.code,
            name=practice.name,
            organisation_kind="practice",
            postcode=practice.postcode,
            phone=f"020 7946 0{number % 1000:03d}",
            borough=borough[practice.zone],
            zone=practice.zone,
            source="exercise",
        )
        for number, practice in enumerate(region.practices)
    ]
    rows += [
        OrganisationListed(
            code=clinic.code,
            name=clinic.name,
            organisation_kind="clinic",
            address=f"{clinic.name}, {clinic.borough}",
            borough=clinic.borough,
            zone=clinic.zone,
            parent=clinic.hospital,
            source="exercise",
        )
        for clinic in region.clinics
    ]
    rows += [
        OrganisationListed(
            code=hospital.code,
            name=hospital.name,
            organisation_kind="hospital",
            borough=borough[hospital.zone],
            zone=hospital.zone,
            source="exercise",
        )
        for hospital in region.hospitals
    ]
    rows += [
        OrganisationListed(
            code=laboratory.code,
            name=laboratory.name,
            organisation_kind="laboratory",
            source="exercise",
        )
        for laboratory in region.laboratories
    ]
    return rows


def _normal_capacity(world: World) -> list[CapacityRow]:
    """Every laboratory's normal day, for the whole exercise and as far as plans look beyond it."""
    capacity = world.truth.capacity
    tubes = carried(capacity.normal)
    rows: list[CapacityRow] = []
    scenario = world.scenario
    for day in scenario.open_days(capacity.first_day, scenario.days - 1):
        on = scenario.date_of(day)
        column = day - capacity.first_day
        for number, laboratory in enumerate(world.region.laboratories):
            for name, _ in laboratory.weights:
                usual = int(tubes[number, DISCIPLINES.index(name), column])
                source = "normal capacity" if laboratory.own else "mutual aid, not yet declared"
                rows.append(CapacityRow(laboratory.code, name, on, usual, usual, "normal", source))
    return rows


def _sessions(world: World) -> list[SessionRow]:
    scenario = world.scenario
    rows: list[SessionRow] = []
    for day in scenario.open_days(world.seats.first_day, scenario.days - 1):
        on = scenario.date_of(day)
        for number, clinic in enumerate(world.region.clinics):
            seats = int(world.seats.on(day)[number])
            if seats > 0:
                minutes = max(1, OPEN_MINUTES // seats)
                rows.append(
                    SessionRow(f"{clinic.code}-{on:%Y%m%d}", clinic.code, on, OPENS, minutes, seats)
                )
    return rows


def _people(world: World) -> Iterator[PersonRow]:
    for person in people(world.region, world.people, world.seed):
        yield PersonRow(
            nhs_number=person.nhs_number,
            local_numbers=((person.hospital, person.local_number),),
            family_name=person.family_name,
            given_names=person.given_names,
            title=person.title,
            birth_date=person.birth_date,
            sex=person.sex,
            address=person.address,
            postcode=person.postcode,
            phone=person.phone,
            email=person.email,
            language=person.language,
            gp_practice=person.practice,
            died_on=person.died_on,
            unsafe_contact=person.unsafe_contact,
        )


def _diary(world: World) -> Iterator[DiaryLine]:
    """Needs known before the attack. A booking's laboratory is the nearest own one that can."""
    scenario, needs, region = world.scenario, world.needs, world.region
    able = {lab.code: {name for name, _ in lab.weights} for lab in region.laboratories if lab.own}
    near: dict[str, list[str]] = {}
    for courier in sorted(region.couriers, key=lambda row: (row.hours, row.laboratory)):
        near.setdefault(courier.clinic, []).append(courier.laboratory)
    for number in range(len(needs)):
        if needs.released[number] >= 0:
            break  # needs are in order of their release
        need = needs.row(number)
        person = world.person_of(number)
        wanted = {name for name, _ in need.tubes}
        booked = need.booked_day is not None and need.booked_day != NO_BOOKING
        clinic = region.clinics[need.booked_clinic or 0].code if booked else ""
        on = scenario.date_of(need.booked_day or 0)
        laboratory = next((c for c in near.get(clinic, ()) if wanted <= able.get(c, set())), "")
        yield DiaryLine(
            identifier_system="NHS" if person.nhs_number else person.hospital,
            identifier=person.nhs_number or person.local_number,
            requisition=need.key,
            indication=need.indication.code,
            tests=need.tests,
            authored_at=london_time(scenario.date_of(need.released), 9),
            wanted_on=scenario.date_of(need.due),
            zone=region.zones[int(needs.zone[number])].code,
            organisation=person.practice,
            clinic=clinic,
            day=on,
            at=(datetime.combine(on, OPENS) + timedelta(minutes=number % 60 * 8)).time(),
            laboratory=laboratory,
        )
