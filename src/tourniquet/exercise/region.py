"""The synthetic region: boroughs, zones, practices, clinics, hospitals, laboratories, couriers.

Invariants:
- Boroughs are real names; every other name and every code is synthetic (codes begin with X9),
  unless practices were imported.
- A region depends on its seed and the imported practices alone; places stand where they stand
  whatever the number of people.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tourniquet.exercise.keyed import generator
from tourniquet.kernel.errors import UserError

PRACTICES, CLINICS = 200, 60
ZONES_PER_BOROUGH = 6
COURIER_KM_PER_HOUR = 22.0
OWN_COURIER_WAIT_HOURS = 0.9
AID_COURIER_WAIT_HOURS = 1.8
EARLIEST_MUTUAL_AID_DISCIPLINES = ("chemistry", "haematology", "coagulation", "microbiology")
HOSPITAL_SEAT_WEIGHT = 4.0


@dataclass(frozen=True)
class Borough:
    """A borough: its middle on a flat map, its share of people, its synthetic postcode areas."""

    name: str
    x_km: float
    y_km: float
    share: float
    outcodes: tuple[str, ...]


BOROUGHS = (
    Borough("Bexley", 17.0, 1.5, 0.13, ("DA5", "DA6", "DA7", "DA14")),
    Borough("Bromley", 11.5, -7.0, 0.17, ("BR1", "BR2", "BR5", "BR6")),
    Borough("Greenwich", 9.5, 2.5, 0.15, ("SE3", "SE7", "SE10", "SE18")),
    Borough("Lambeth", 0.0, 0.0, 0.18, ("SE11", "SE24", "SE27", "SW9")),
    Borough("Lewisham", 6.0, -1.5, 0.17, ("SE4", "SE6", "SE13", "SE23")),
    Borough("Southwark", 2.8, 1.8, 0.20, ("SE1", "SE5", "SE15", "SE22")),
)


@dataclass(frozen=True)
class Zone:
    """A part of a borough."""

    code: str
    borough: str
    x_km: float
    y_km: float
    share: float


@dataclass(frozen=True)
class Practice:
    """A general practice. `synthetic` is false where it was imported."""

    code: str
    name: str
    zone: str
    postcode: str
    synthetic: bool


@dataclass(frozen=True)
class Hospital:
    """A hospital; it has a clinic of the same place."""

    code: str
    name: str
    zone: str
    x_km: float
    y_km: float


@dataclass(frozen=True)
class Clinic:
    """A place where specimens are taken. `seat_weight` is its share of the region's seats."""

    code: str
    name: str
    zone: str
    borough: str
    x_km: float
    y_km: float
    seat_weight: float
    hospital: str


@dataclass(frozen=True)
class Laboratory:
    """A laboratory: one of the four that the attack hits, or one of four that help.

    `weights` are its share of the capacity of its kind, by discipline.
    """

    code: str
    name: str
    own: bool
    x_km: float
    y_km: float
    weights: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Courier:
    """Hours that a specimen travels from a clinic to a laboratory, and from which exercise day.

    `borough` is the clinic's: a scenario says from when mutual aid takes it.
    """

    clinic: str
    laboratory: str
    hours: float
    borough: str
    mutual_aid: bool


@dataclass(frozen=True)
class ImportedPractice:
    """One real practice from a list: its place is made up within the region."""

    code: str
    name: str
    postcode: str


@dataclass(frozen=True)
class Region:
    """Everything that does not move."""

    seed: int
    boroughs: tuple[Borough, ...]
    zones: tuple[Zone, ...]
    practices: tuple[Practice, ...]
    hospitals: tuple[Hospital, ...]
    clinics: tuple[Clinic, ...]
    laboratories: tuple[Laboratory, ...]
    couriers: tuple[Courier, ...]


def make_region(seed: int, *, practices: Sequence[ImportedPractice] = ()) -> Region:
    """Build the region. Raises: UserError where imported practices repeat a code."""
    zones = _zones(seed)
    hospitals = _hospitals(zones)
    clinics = _clinics(seed, zones, hospitals)
    laboratories = _laboratories(hospitals)
    return Region(
        seed=seed,
        boroughs=BOROUGHS,
        zones=zones,
        practices=_imported(zones, practices) if practices else _practices(seed, zones),
        hospitals=hospitals,
        clinics=clinics,
        laboratories=laboratories,
        couriers=_couriers(clinics, laboratories),
    )


def distance_km(ax: float, ay: float, bx: float, by: float) -> float:
    """Straight line."""
    return math.hypot(ax - bx, ay - by)


def _zones(seed: int) -> tuple[Zone, ...]:
    zones: list[Zone] = []
    for borough in BOROUGHS:
        chance = generator(seed, f"zones/{borough.name}")
        weights = chance.uniform(0.7, 1.3, ZONES_PER_BOROUGH)
        radius = 1.9 if borough.name in {"Lambeth", "Southwark", "Lewisham"} else 3.4
        for number in range(ZONES_PER_BOROUGH):
            angle = 2 * math.pi * number / (ZONES_PER_BOROUGH - 1)
            away = 0.0 if number == ZONES_PER_BOROUGH - 1 else radius
            zones.append(
                Zone(
                    code=f"{borough.name[:3].upper()}{number + 1}",
                    borough=borough.name,
                    x_km=round(borough.x_km + away * math.cos(angle), 2),
                    y_km=round(borough.y_km + away * math.sin(angle), 2),
                    share=float(borough.share * weights[number] / weights.sum()),
                )
            )
    return tuple(zones)


def _shares_to_counts(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers that add up to `total`, by largest remainder."""
    exact = [share * total for share in shares]
    counts = [int(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
    for index in order[: total - sum(counts)]:
        counts[index] += 1
    return counts


def _near(seed: int, stream: str, zone: Zone) -> tuple[float, float]:
    chance = generator(seed, stream)
    return (
        round(zone.x_km + float(chance.uniform(-0.9, 0.9)), 2),
        round(zone.y_km + float(chance.uniform(-0.9, 0.9)), 2),
    )


PRACTICE_WORDS = (
    "Alder", "Beacon", "Cedar", "Dovecote", "Elmfield", "Foxglove", "Greenway", "Heron",
    "Ivybridge", "Juniper", "Kingfisher", "Larkfield", "Millpond", "Northgate", "Oakbank",
    "Parkside", "Quayside", "Rosehill", "Stonecrop", "Thistle", "Umber", "Vale",
    "Willowbank", "Yarrow", "Ashlar",
)  # fmt: skip
PRACTICE_KINDS = (
    "Surgery", "Medical Centre", "Health Centre", "Practice", "Family Practice",
    "Group Practice", "Medical Practice", "Partnership",
)  # fmt: skip


def _inward(number: int) -> str:
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    return f"{number % 9 + 1}{letters[number // 9 % 20]}{letters[number // 180 % 20]}"


def _outcode(zone: Zone, number: int) -> str:
    borough = next(row for row in BOROUGHS if row.name == zone.borough)
    return borough.outcodes[number % len(borough.outcodes)]


def _practices(seed: int, zones: Sequence[Zone]) -> tuple[Practice, ...]:
    counts = _shares_to_counts([zone.share for zone in zones], PRACTICES)
    order = generator(seed, "practices/names").permutation(PRACTICES)
    rows: list[Practice] = []
    for zone, count in zip(zones, counts, strict=True):
        for _ in range(count):
            number = len(rows)
            name = int(order[number])
            word = PRACTICE_WORDS[name % len(PRACTICE_WORDS)]
            kind = PRACTICE_KINDS[name // len(PRACTICE_WORDS)]
            rows.append(
                Practice(
                    code=f"X99{number + 1:03d}",
                    name=f"{word} {kind}",
                    zone=zone.code,
                    postcode=f"{_outcode(zone, number)} {_inward(number * 37 + 5)}",
                    synthetic=True,
                )
            )
    return tuple(rows)


def _imported(zones: Sequence[Zone], given: Sequence[ImportedPractice]) -> tuple[Practice, ...]:
    if len({row.code for row in given}) != len(given):
        raise UserError("A practice appears twice in the imported list.", where="practices")
    outcodes = {code: borough.name for borough in BOROUGHS for code in borough.outcodes}
    rows: list[Practice] = []
    for number, row in enumerate(sorted(given, key=lambda item: item.code)):
        borough = outcodes.get(row.postcode.split(" ")[0])
        inside = [zone for zone in zones if zone.borough == borough] or list(zones)
        zone = inside[number % len(inside)]
        rows.append(Practice(row.code, row.name, zone.code, row.postcode, synthetic=False))
    return tuple(rows)


def _hospitals(zones: Sequence[Zone]) -> tuple[Hospital, ...]:
    rows: list[Hospital] = []
    for number, borough in enumerate(BOROUGHS, 1):
        zone = next(zone for zone in reversed(zones) if zone.borough == borough.name)
        rows.append(
            Hospital(
                f"X98{number:02d}", f"{borough.name} Example Hospital", zone.code,
                borough.x_km, borough.y_km,
            )
        )  # fmt: skip
    return tuple(rows)


def _clinics(seed: int, zones: Sequence[Zone], hospitals: Sequence[Hospital]) -> tuple[Clinic, ...]:
    counts = _shares_to_counts([zone.share for zone in zones], CLINICS - len(hospitals))
    by_code = {zone.code: zone for zone in zones}
    rows = [
        Clinic(
            f"X97{number:02d}", f"{row.name} blood tests", row.zone, by_code[row.zone].borough,
            row.x_km, row.y_km, HOSPITAL_SEAT_WEIGHT, row.code,
        )
        for number, row in enumerate(hospitals, 1)
    ]  # fmt: skip
    for zone, count in zip(zones, counts, strict=True):
        for _ in range(count):
            number = len(rows) + 1
            x_km, y_km = _near(seed, f"clinics/{number}", zone)
            name = f"{PRACTICE_WORDS[number % 25]} {zone.borough} clinic"
            rows.append(
                Clinic(f"X97{number:02d}", name, zone.code, zone.borough, x_km, y_km, 1.0, "")
            )
    return tuple(rows)


def _laboratories(hospitals: Sequence[Hospital]) -> tuple[Laboratory, ...]:
    at = {row.name.split(" ")[0]: (row.x_km, row.y_km) for row in hospitals}
    routine = ("chemistry", "haematology", "coagulation", "transfusion")
    own = (
        ("X9601", "Southwark hub laboratory", at["Southwark"], 0.55, ()),
        ("X9602", "Lambeth hospital laboratory", at["Lambeth"], 0.18, routine),
        ("X9603", "Lewisham hospital laboratory", at["Lewisham"], 0.14, routine),
        ("X9604", "Bromley hospital laboratory", at["Bromley"], 0.13, routine),
    )
    everything = (*routine, "microbiology", "cytology")
    rows = [
        Laboratory(
            code, name, own=True, x_km=place[0], y_km=place[1],
            weights=tuple(
                (d, share if d in routine else 1.0) for d in (some or everything)
            ),
        )
        for code, name, place, share, some in own
    ]  # fmt: skip
    aid = (
        ("X9611", "Mutual aid laboratory, north", (2.0, 11.0), 0.35),
        ("X9612", "Mutual aid laboratory, west", (-11.0, 2.0), 0.25),
        ("X9613", "Mutual aid laboratory, south", (3.0, -14.0), 0.20),
        ("X9614", "Mutual aid laboratory, east", (26.0, -1.0), 0.20),
    )
    for code, name, place, share in aid:
        disciplines = EARLIEST_MUTUAL_AID_DISCIPLINES
        rows.append(
            Laboratory(
                code, name, own=False, x_km=place[0], y_km=place[1],
                weights=tuple((discipline, share) for discipline in disciplines),
            )
        )  # fmt: skip
    return tuple(rows)


def _couriers(clinics: Sequence[Clinic], laboratories: Sequence[Laboratory]) -> tuple[Courier, ...]:
    rows: list[Courier] = []
    for clinic in clinics:
        for laboratory in laboratories:
            away = distance_km(clinic.x_km, clinic.y_km, laboratory.x_km, laboratory.y_km)
            wait = OWN_COURIER_WAIT_HOURS if laboratory.own else AID_COURIER_WAIT_HOURS
            rows.append(
                Courier(
                    clinic.code, laboratory.code, round(wait + away / COURIER_KM_PER_HOUR, 2),
                    clinic.borough, not laboratory.own,
                )
            )  # fmt: skip
    return tuple(rows)
