"""A small region for stories of the diary: two zones, three clinics, two laboratories, patients."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tourniquet.kernel.clock import is_weekday, london_time
from tourniquet.kernel.identifiers import CountedIds

FIRST_DAY = date(2024, 6, 3)  # a Monday
NOW = london_time(FIRST_DAY, 6, 30)
DISCIPLINES = ("chemistry", "haematology", "coagulation", "transfusion")


@dataclass
class SmallRegion:
    """What a story needs to go on: a clock that is moved by hand, and ids that repeat."""

    now: datetime
    ids: CountedIds
    made: int = 0

    def act(self) -> Any:
        """Who acts in set-ups."""
        from tourniquet.record.journal import Act

        return Act("test", self.now)

    @property
    def today(self) -> date:
        """The service day."""
        return self.now.astimezone(UTC).date()

    def go_to(self, days: int, hour: int = 6, minute: int = 30) -> datetime:
        """Move the clock to a time so many days after the first."""
        self.now = london_time(FIRST_DAY + timedelta(days=days), hour, minute)
        return self.now

    def person(self, **changes: Any) -> str:
        """A new adult with a phone, unless said otherwise; their id."""
        from tourniquet.patients.entries import Demographics, PatientRegistered
        from tourniquet.record.journal import writing

        self.made += 1
        patient = self.ids.new(self.now)
        values = {
            "family_name": f"Test{self.made}",
            "given_names": "Ada Mary",
            "birth_date": date(1980, 1, 1),
            "address": "1 Test Street, London",
            "postcode": "SE1 1AA",
            "phone": f"07700 9{self.made:05d}",
            "registered_organisation": "G10001",
        }
        with writing(self.act()) as journal:
            journal.append(
                PatientRegistered(person=Demographics(**{**values, **changes})), subject=patient
            )
        return patient

    def need(
        self,
        patient: str,
        indication: str,
        *,
        in_days: int = 0,
        tests: tuple[str, ...] = (),
        zone: str = "Z1",
    ) -> str:
        """A new need by order."""
        from tourniquet.flows.open_need import Order, open_need
        from tourniquet.record.journal import writing

        self.made += 1
        with writing(self.act()) as journal:
            return open_need(
                journal,
                Order(
                    patient_id=patient,
                    requisition=f"R{self.made}",
                    indication=indication,
                    priority="",
                    test_codes=tests,
                    service_request_ids=(),
                    wanted_on=self.today + timedelta(days=in_days),
                    authored_at=self.now,
                    zone=zone,
                    requesting_organisation="G10001",
                    registered_organisation="G10001",
                ),
                cause=None,
                ids=self.ids,
            )

    def capacity(
        self,
        tubes: int,
        *,
        days: int = 35,
        flag: str = "declared",
        laboratories: tuple[str, ...] = ("LAB1", "LAB2"),
        first: int = 0,
    ) -> int:
        """Declare the same tubes for every discipline and working day."""
        from tourniquet.directory.roles import SYSTEM_VIEWER
        from tourniquet.flows.declare_capacity import Declared, declare_capacity

        return declare_capacity(
            [
                Declared(laboratory, name, day, tubes, flag, "test")
                for laboratory in laboratories
                for name in DISCIPLINES
                for day in working_days(self.today + timedelta(days=first), days)
            ],
            viewer=SYSTEM_VIEWER,
            now=self.now,
            ids=self.ids,
        )

    def declare(self) -> str:
        """Declare an incident."""
        from tourniquet.directory.roles import SYSTEM_VIEWER
        from tourniquet.flows.declare_incident import Methane, declare_incident

        return declare_incident(
            title="Laboratory attacked",
            level="3",
            methane=Methane(incident_type="ransomware"),
            public_text="Our labs cannot do all tests.",
            viewer=SYSTEM_VIEWER,
            now=self.now,
            ids=self.ids,
        )


def working_days(first: date, days: int) -> list[date]:
    """Mondays to Fridays among so many days."""
    found = (first + timedelta(days=number) for number in range(days))
    return [day for day in found if is_weekday(day)]


def set_up(*, tubes: int = 40, seats: int = 12, days: int = 63) -> SmallRegion:
    """The region on a Monday morning, everything as normal."""
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

    clinics = ("CLIN1", "CLIN2", "CLIN3")
    open_days = working_days(FIRST_DAY, days)
    set_up_region(
        Region(
            organisations=[
                OrganisationListed(
                    code="G10001",
                    name="Hill Surgery",
                    organisation_kind="practice",
                    phone="020 7946 0001",
                    zone="Z1",
                ),
                *(
                    OrganisationListed(code=code, name=f"Clinic {code}", organisation_kind="clinic")
                    for code in clinics
                ),
            ],
            zones=[ZoneRow("Z1", "North", 0.0, 0.0), ZoneRow("Z2", "South", 4.0, 0.0)],
            clinics=[
                ClinicRow("CLIN1", "Z1", 0.0, 0.5),
                ClinicRow("CLIN2", "Z2", 4.0, 0.5),
                ClinicRow("CLIN3", "Z2", 3.0, 0.0),
            ],
            laboratories=[LaboratoryRow("LAB1", True), LaboratoryRow("LAB2", False)],  # noqa: FBT003
            couriers=[
                CourierRow(clinic, laboratory, hours)
                for clinic in clinics
                for laboratory, hours in (("LAB1", 1.0), ("LAB2", 1.5))
            ],
            capacity=[
                CapacityRow(laboratory, name, day, tubes, tubes, "normal", "test")
                for laboratory in ("LAB1", "LAB2")
                for name in DISCIPLINES
                for day in open_days
            ],
            sessions=[
                SessionRow(f"{clinic}-{day:%Y%m%d}", clinic, day, time(8, 0), 15, seats)
                for clinic in clinics
                for day in open_days
            ],
        ),
        now=NOW,
    )
    return SmallRegion(NOW, CountedIds())
