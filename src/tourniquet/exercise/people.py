"""Synthetic people: households, names, addresses, flags. Made in blocks, so that millions stream.

Invariants:
- Person number n is the same whatever the number of people asked for.
- NHS numbers come from the range kept for tests (999), telephones from the ranges that Ofcom keeps
  for drama, mail from example.org. Postcodes are made up within real postcode areas.
- People beyond the test range's 909,000 numbers carry a local number only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tourniquet.exercise import names
from tourniquet.exercise.keyed import generator
from tourniquet.exercise.region import Region
from tourniquet.kernel.identifiers import NhsNumber

BLOCK = 8192
REFERENCE_DAY = date(2024, 6, 3)
HOUSEHOLD_SHARES = (0.30, 0.31, 0.16, 0.14, 0.06, 0.03)
AGE_BAND_SHARES = (  # first age, last age, share
    (0, 0, 0.012), (1, 4, 0.048), (5, 15, 0.125), (16, 24, 0.105), (25, 34, 0.185),
    (35, 44, 0.165), (45, 54, 0.130), (55, 64, 0.110), (65, 74, 0.068), (75, 84, 0.038),
    (85, 99, 0.014),
)  # fmt: skip
UNSAFE_CONTACT_SHARE = 0.002
RECORDED_DEAD_SHARE = 0.001
CHILD_UNDER_YEARS = 16
VALID_STEMS = 1_000_000
PERMUTER = 611_953  # prime, so that it is coprime with the count of valid numbers


@dataclass(frozen=True)
class Person:
    """One synthetic person. `nhs_number` is empty beyond the test range, `phone` where none."""

    number: int
    local_number: str
    nhs_number: str
    title: str
    family_name: str
    given_names: str
    sex: str
    birth_date: date
    address: str
    postcode: str
    phone: str
    email: str
    practice: str
    zone: str
    hospital: str
    language: str
    household: int
    no_phone: bool
    unsafe_contact: bool
    child: bool
    died_on: date | None


@dataclass(frozen=True)
class Columns:
    """The same people as columns: what demand and truth need, without texts."""

    household: NDArray[np.int32]
    birth_day: NDArray[np.int32]
    female: NDArray[np.bool_]
    zone: NDArray[np.int16]
    practice: NDArray[np.int16]
    family: NDArray[np.int16]
    given: NDArray[np.int16]
    second: NDArray[np.int16]
    language: NDArray[np.int8]
    no_phone: NDArray[np.bool_]
    unsafe: NDArray[np.bool_]
    dead_days_ago: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.household)

    def age_years(self) -> NDArray[np.float64]:
        """Age in years on the exercise's first day."""
        days = REFERENCE_DAY.toordinal() - self.birth_day
        return np.asarray(days / 365.25, dtype=np.float64)


@lru_cache(maxsize=1)
def test_range_numbers() -> NDArray[np.int64]:
    """Every valid NHS number of the test range, in order, as kernel.identifiers gives them."""
    stems = np.arange(999_000_000, 1_000_000_000, dtype=np.int64)
    total = np.zeros(VALID_STEMS, dtype=np.int64)
    for place in range(9):
        total += (stems // 10 ** (8 - place)) % 10 * (10 - place)
    digit = 11 - total % 11
    keep = digit != 10
    return np.asarray(stems[keep] * 10 + np.where(digit[keep] == 11, 0, digit[keep]))


def find_nhs_number(number: int) -> str:
    """The NHS number of person `number`, or empty beyond the range."""
    valid = test_range_numbers()
    if number >= len(valid):
        return ""
    return str(valid[number * PERMUTER % len(valid)])


def _household_sizes(chance: np.random.Generator) -> NDArray[np.int64]:
    sizes = chance.choice(np.arange(1, 7), size=BLOCK, p=HOUSEHOLD_SHARES)
    last = int(np.searchsorted(np.cumsum(sizes), BLOCK)) + 1
    return np.asarray(sizes[:last], dtype=np.int64)


def _block(region: Region, seed: int, number: int) -> Columns:
    """Block `number` of BLOCK people."""
    chance = generator(seed, f"people/{number}")
    sizes = _household_sizes(chance)
    home = np.repeat(np.arange(len(sizes)), sizes)[:BLOCK]
    first_in_home = np.r_[True, home[1:] != home[:-1]]
    shares = np.array([zone.share for zone in region.zones])
    zone_of_home = chance.choice(len(shares), size=len(sizes), p=shares / shares.sum())
    bands = np.array(AGE_BAND_SHARES)
    band = chance.choice(len(bands), size=BLOCK, p=bands[:, 2] / bands[:, 2].sum())
    low, high = bands[band, 0], bands[band, 1] + 1
    age = low + (high - low) * chance.random(BLOCK)
    alone_child = first_in_home & (age < 18)
    age = np.where(alone_child, age + 24, age)
    birth = REFERENCE_DAY.toordinal() - 1 - (age * 365.25).astype(np.int64)
    family_of_home = chance.integers(0, len(names.FAMILY_NAMES), len(sizes))
    own_family = chance.random(BLOCK) < 0.18
    family = np.where(
        own_family, chance.integers(0, len(names.FAMILY_NAMES), BLOCK), family_of_home[home]
    )
    languages = np.array([share for _, share in names.LANGUAGES])
    language_of_home = chance.choice(len(languages), size=len(sizes), p=languages / languages.sum())
    dead = chance.random(BLOCK) < RECORDED_DEAD_SHARE
    zone = zone_of_home[home]
    return Columns(
        household=(number * BLOCK + home).astype(np.int32),
        birth_day=birth.astype(np.int32),
        female=chance.random(BLOCK) < 0.508,
        zone=zone.astype(np.int16),
        practice=_practice_of(region, zone_of_home, chance)[home].astype(np.int16),
        family=family.astype(np.int16),
        given=chance.integers(0, 1 << 14, BLOCK).astype(np.int16),
        second=chance.integers(0, 1 << 14, BLOCK).astype(np.int16),
        language=language_of_home[home].astype(np.int8),
        no_phone=chance.random(BLOCK) < np.where(age > 74, 0.16, 0.05),
        unsafe=chance.random(BLOCK) < UNSAFE_CONTACT_SHARE,
        dead_days_ago=np.where(dead, chance.integers(1, 900, BLOCK), 0).astype(np.int16),
    )


def _practice_of(
    region: Region, zone_of_home: NDArray[np.int64], chance: np.random.Generator
) -> NDArray[np.int64]:
    """A practice of the home's zone, else of its borough, else any."""
    pick = chance.random(len(zone_of_home))
    chosen = np.zeros(len(zone_of_home), dtype=np.int64)
    place = {zone.code: zone for zone in region.zones}
    for index, zone in enumerate(region.zones):
        near = [n for n, row in enumerate(region.practices) if row.zone == zone.code] or [
            n for n, row in enumerate(region.practices) if place[row.zone].borough == zone.borough
        ]
        options = np.array(near or range(len(region.practices)))
        mine = zone_of_home == index
        chosen[mine] = options[(pick[mine] * len(options)).astype(np.int64)]
    return chosen


def columns(region: Region, count: int, seed: int) -> Columns:
    """The first `count` people as columns."""
    blocks = [_block(region, seed, number) for number in range((count + BLOCK - 1) // BLOCK)]
    fields = Columns.__dataclass_fields__
    return Columns(
        **{name: np.concatenate([getattr(b, name) for b in blocks])[:count] for name in fields}
    )


def people(region: Region, count: int, seed: int) -> Iterator[Person]:
    """The first `count` people, one after another; holds one block at a time."""
    for number in range((count + BLOCK - 1) // BLOCK):
        block = _block(region, seed, number)
        for row in range(min(BLOCK, count - number * BLOCK)):
            yield _person(region, block, row, number * BLOCK + row)


def person_at(region: Region, table: Columns, number: int) -> Person:
    """One person of a table of columns that begins with person 0."""
    return _person(region, table, number, number)


def _title(*, female: bool, age: float, number: int) -> str:
    if age < 16:
        return "Miss" if female else "Master"
    if number % 41 == 0:
        return "Dr"
    if number % 53 == 0:
        return "Mx"
    return ("Mrs", "Ms", "Miss")[number % 3] if female else "Mr"


def _phone(number: int, household: int, *, landline: bool) -> str:
    """Ofcom's drama ranges have a thousand numbers each, so people share them."""
    if landline:
        return f"020 7946 0{household % 1000:03d}"
    return f"07700 900{number * 7 % 1000:03d}"


def _person(region: Region, table: Columns, row: int, number: int) -> Person:
    female = bool(table.female[row])
    birth = date.fromordinal(int(table.birth_day[row]))
    age = (REFERENCE_DAY - birth).days / 365.25
    given_names = names.GIRLS_AND_WOMEN if female else names.BOYS_AND_MEN
    given = given_names[int(table.given[row]) % len(given_names)]
    second = given_names[int(table.second[row]) % len(given_names)]
    family = names.FAMILY_NAMES[int(table.family[row])]
    household = int(table.household[row])
    zone = region.zones[int(table.zone[row])]
    borough_number = int(table.zone[row]) // (len(region.zones) // len(region.boroughs))
    borough = region.boroughs[borough_number]
    street = names.STREETS[household * 31 % len(names.STREETS)]
    kind = names.STREET_KINDS[household // 7 % len(names.STREET_KINDS)]
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    inward = f"{household % 9 + 1}{letters[household // 9 % 20]}{letters[household // 180 % 20]}"
    ago = int(table.dead_days_ago[row])
    no_phone = bool(table.no_phone[row])
    return Person(
        number=number,
        local_number=f"{region.hospitals[borough_number].code}{number:08d}",
        nhs_number=find_nhs_number(number),
        title=_title(female=female, age=age, number=number),
        family_name=family.replace("-", " "),
        given_names=f"{given} {second}" if number % 3 and second != given else given,
        sex="female" if female else "male",
        birth_date=birth,
        address=f"{household % 180 + 1} {street} {kind}, {borough.name}",
        postcode=f"{borough.outcodes[household % len(borough.outcodes)]} {inward}",
        phone="" if no_phone else _phone(number, household, landline=number % 6 == 0),
        email=f"person{number}@example.org" if number % 10 < 7 else "",
        practice=region.practices[int(table.practice[row])].code,
        zone=zone.code,
        hospital=region.hospitals[borough_number].code,
        language=names.LANGUAGES[int(table.language[row])][0],
        household=household,
        no_phone=no_phone,
        unsafe_contact=bool(table.unsafe[row]),
        child=age < CHILD_UNDER_YEARS,
        died_on=REFERENCE_DAY - timedelta(days=ago) if ago else None,
    )


def known_nhs_number(person: Person) -> NhsNumber | None:
    """The person's NHS number as the kernel's type."""
    return NhsNumber.find(person.nhs_number)
