"""Who may occur in the stolen files, and what the patient index says of them.

Invariants:
- A subject is what is true of somebody; an index row is what the index says, with the dirt that
  indexes have: missing people, old surnames, empty fields, superseded numbers, default dates.
- Households stay together, so that twins, fathers and sons, mothers and newborns meet in the files.
- NHS numbers come from the test range: index people, superseded numbers and outsiders each from a
  part of their own.
- The index streams to its file: what stays in memory is who is mentioned.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from tourniquet.exercise import names
from tourniquet.exercise.people import REFERENCE_DAY, Person, find_nhs_number
from tourniquet.exercise.theft.chance import Chance
from tourniquet.exercise.theft.institutions import Institution, Institutions, local_number

INDEX_COLUMNS = (
    "person", "nhs_number", "local_numbers", "family_name", "given_names", "previous_family_name",
    "birth_date", "sex", "address", "postcode", "phone", "email", "gp_practice",
    "superseded_nhs_numbers", "died_on",
)  # fmt: skip
INDEX_NUMBERS, SUPERSEDED_NUMBERS, OUTSIDER_NUMBERS = 800_000, 50_000, 59_000
DEFAULT_BIRTH_DATE = date(1900, 1, 1)
# Shares above real life where the hard cases would be too few to measure in a small corpus.
TWIN_SHARE, NAMESAKE_SHARE, NEWBORN_SHARE = 0.10, 0.06, 0.05
PREVIOUS_NAME_SHARE, PREVIOUS_NAME_KNOWN_SHARE = 0.15, 0.6
SUPERSEDED_SHARE, DEFAULT_BIRTH_SHARE, STAFF_SHARE = 0.02, 0.004, 0.01
MISSING_FROM_INDEX_SHARE, OUTSIDER_TWIN_OF_NAME_SHARE = 0.03, 0.02
NO_NHS_NUMBER_SHARE, NO_BIRTH_DATE_SHARE, NO_ADDRESS_SHARE = 0.015, 0.003, 0.02
LOCAL_NUMBER_SHARE, SECOND_TRUST_SHARE = 0.75, 0.10


@dataclass(frozen=True)
class IndexRow:
    """One row of people.csv that somebody's fragments are judged against."""

    nhs_numbers: tuple[str, ...]
    local_numbers: tuple[tuple[str, str], ...]
    families: tuple[str, ...]
    given: str
    birth_date: str
    postcode: str
    address: str
    phone: str
    email: str


@dataclass(frozen=True)
class Subject:
    """Somebody. `key` is the index's, or begins with `outsider` where `index` is None."""

    key: str
    nhs_number: str
    superseded: str
    local_numbers: tuple[tuple[str, str], ...]
    title: str
    family_name: str
    previous_family_name: str
    given_names: str
    birth_date: date
    sex: str
    address: str
    postcode: str
    phone: str
    email: str
    practice: str
    household: int
    kin: str
    staff: bool
    died_on: date | None
    index: IndexRow | None

    def local_at(self, trust: str) -> str:
        """The number at a trust, or empty."""
        return dict(self.local_numbers).get(trust, "")


@dataclass(frozen=True)
class Cast:
    """Everybody who may be mentioned; `shared_names` are name-and-birth-date keys of several."""

    mentioned: tuple[Subject, ...]
    staff: tuple[Subject, ...]
    people: int
    shared_names: frozenset[int]
    institutions: Institutions


def name_key(family: str, given: str, birth_date: str) -> int:
    """A number that stands for a full name with birth date."""
    text = f"{family.upper()}|{given.split(' ', maxsplit=1)[0].upper()}|{birth_date}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def subjects(people: Iterable[Person], institutions: Institutions, seed: int) -> Iterator[Subject]:
    """The people as subjects, household by household."""
    for household, members in itertools.groupby(people, key=lambda person: person.household):
        chance = Chance(seed, f"theft/home/{household}")
        home = [_subject(person, institutions, chance) for person in members]
        yield from _related(home, chance)


def _subject(person: Person, institutions: Institutions, chance: Chance) -> Subject:
    """One person with the numbers that hospitals gave them."""
    homes = [institutions.by_code[person.hospital]] if chance.happens(LOCAL_NUMBER_SHARE) else []
    if chance.happens(SECOND_TRUST_SHARE):
        homes.append(chance.pick(institutions.trusts))
    known = sorted({trust.ods_code: trust for trust in homes}.items())
    numbered = person.number < INDEX_NUMBERS
    superseded = ""
    if chance.happens(SUPERSEDED_SHARE):
        superseded = find_nhs_number(INDEX_NUMBERS + person.number % SUPERSEDED_NUMBERS)
    adult = (REFERENCE_DAY - person.birth_date).days > 9_000
    previous = ""
    if adult and person.sex == "female" and chance.happens(PREVIOUS_NAME_SHARE):
        previous = chance.pick(names.FAMILY_NAMES)
    birth = DEFAULT_BIRTH_DATE if chance.happens(DEFAULT_BIRTH_SHARE) else person.birth_date
    return Subject(
        key=f"P{person.number:07d}",
        nhs_number=person.nhs_number if numbered else "",
        superseded=superseded,
        local_numbers=tuple((code, local_number(row, person.number)) for code, row in known),
        title=person.title,
        family_name=person.family_name,
        previous_family_name="" if previous == person.family_name else previous,
        given_names=person.given_names,
        birth_date=birth,
        sex=person.sex,
        address=person.address,
        postcode=person.postcode,
        phone=person.phone,
        email=person.email,
        practice=person.practice,
        household=person.household,
        kin="",
        staff=adult and chance.happens(STAFF_SHARE),
        died_on=person.died_on,
        index=None,
    )


def _related(home: list[Subject], chance: Chance) -> list[Subject]:
    """Some homes have twins, a father and son of one name, or a newborn."""
    young = [n for n, one in enumerate(home) if _age(one) < 25]
    if len(young) > 1 and chance.happens(TWIN_SHARE):
        first, second = young[0], young[1]
        given = home[second].given_names
        if given.split(" ")[0] == home[first].given_names.split(" ")[0]:
            given = names.GIRLS_AND_WOMEN[3] if home[second].sex == "female" else "Alfie"
        home[first] = replace(home[first], kin="twin")
        home[second] = replace(
            home[second], kin="twin", given_names=given, family_name=home[first].family_name,
            birth_date=home[first].birth_date, previous_family_name="",
        )  # fmt: skip
    men = sorted(
        (n for n, one in enumerate(home) if one.sex == "male"), key=lambda n: _age(home[n])
    )
    if len(men) > 1 and _age(home[men[-1]]) - _age(home[men[0]]) > 16:
        son, father = men[0], men[-1]
        if not home[son].kin and chance.happens(NAMESAKE_SHARE * 4):
            home[father] = replace(home[father], kin="namesake")
            home[son] = replace(
                home[son], kin="namesake", family_name=home[father].family_name,
                given_names=home[father].given_names,
            )  # fmt: skip
    mothers = [n for n, one in enumerate(home) if one.sex == "female" and 18 < _age(one) < 45]
    others = [n for n, one in enumerate(home) if not one.kin and n not in mothers[:1]]
    if mothers and others and chance.happens(NEWBORN_SHARE):
        baby = others[-1]
        home[baby] = replace(
            home[baby], kin="newborn", family_name=home[mothers[0]].family_name,
            given_names="Baby", title="", previous_family_name="", phone="", email="",
            birth_date=REFERENCE_DAY - timedelta(days=chance.number(1, 20)), staff=False,
        )  # fmt: skip
    return home


def _age(one: Subject) -> float:
    return (REFERENCE_DAY - one.birth_date).days / 365.25


def _outsider(subject: Subject, number: int, chance: Chance) -> Subject:
    """Somebody from elsewhere who has the name of somebody in the index."""
    birth = subject.birth_date - timedelta(days=chance.number(40, 9_000))
    return replace(
        subject,
        key=f"outsider-{number:06d}",
        nhs_number=find_nhs_number(INDEX_NUMBERS + SUPERSEDED_NUMBERS + number % OUTSIDER_NUMBERS),
        superseded="",
        local_numbers=(),
        previous_family_name="",
        birth_date=max(birth, date(1925, 3, 2)),
        address=f"{chance.number(1, 200)} {chance.pick(names.STREETS)} Road, Northampton",
        postcode=f"NN{chance.number(1, 9)} {chance.number(1, 9)}QZ",
        phone=f"07700 900{chance.number(0, 999):03d}",
        email=f"outsider{number}@example.net",
        household=-1 - number,
        kin="",
        staff=False,
        index=None,
    )


def _row(subject: Subject, chance: Chance) -> tuple[Subject, tuple[str, ...]]:
    """What the index says of somebody: the subject with it, and the row for the file."""
    number = "" if chance.happens(NO_NHS_NUMBER_SHARE) else subject.nhs_number
    older = subject.superseded if number else ""
    family, previous = subject.family_name, ""
    if subject.previous_family_name:
        if chance.happens(PREVIOUS_NAME_KNOWN_SHARE):
            previous = subject.previous_family_name
        elif chance.happens(0.3):  # the index still has the old surname only
            family = subject.previous_family_name
    birth = "" if chance.happens(NO_BIRTH_DATE_SHARE) else subject.birth_date.isoformat()
    address, postcode = subject.address, subject.postcode
    if chance.happens(NO_ADDRESS_SHARE):
        address = postcode = ""
    row = IndexRow(
        nhs_numbers=tuple(text for text in (number, older) if text),
        local_numbers=subject.local_numbers,
        families=tuple(text for text in (family, previous) if text),
        given=subject.given_names,
        birth_date=birth,
        postcode=postcode,
        address=address,
        phone=subject.phone,
        email=subject.email,
    )
    cells = (
        subject.key, number, ";".join(f"{code}:{text}" for code, text in subject.local_numbers),
        family, subject.given_names, previous, birth, subject.sex, address, postcode,
        subject.phone, subject.email, subject.practice, older,
        subject.died_on.isoformat() if subject.died_on else "",
    )  # fmt: skip
    return replace(subject, index=row), cells


def make_cast(
    people: Iterable[Person],
    institutions: Institutions,
    index: Path,
    *,
    seed: int,
    mentioned_share: float,
) -> Cast:
    """Write the index to `index` and choose who is mentioned."""
    keys, mentioned, staff, count, outside = array("Q"), [], [], 0, 0
    with index.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(INDEX_COLUMNS)
        for household, home in itertools.groupby(
            subjects(people, institutions, seed), key=lambda one: one.household
        ):
            chance = Chance(seed, f"theft/index/{household}")
            chosen = chance.happens(mentioned_share)
            for one in home:
                if chance.happens(MISSING_FROM_INDEX_SHARE):
                    subject = replace(one, key=f"outsider-{one.key}")
                else:
                    subject, cells = _row(one, chance)
                    out.writerow(cells)
                    count += 1
                    keys.extend(_name_keys(subject))
                if subject.staff and subject.index:
                    staff.append(subject)
                if chosen:
                    mentioned.append(subject)
                    if chance.happens(OUTSIDER_TWIN_OF_NAME_SHARE):
                        mentioned.append(_outsider(one, outside, chance))
                        outside += 1
    values, counts = np.unique(np.frombuffer(keys, dtype=np.uint64), return_counts=True)
    shared = frozenset(int(value) for value in values[counts > 1])
    return Cast(tuple(mentioned), tuple(staff), count, shared, institutions)


def _name_keys(subject: Subject) -> list[int]:
    """Each name of the index row with its birth date."""
    row = subject.index
    if row is None or not row.birth_date:
        return []
    return [name_key(family, row.given, row.birth_date) for family in dict.fromkeys(row.families)]


def relatives(cast: Cast) -> Sequence[Subject]:
    """Those mentioned who have a twin, a namesake or a mother beside them."""
    return [one for one in cast.mentioned if one.kin]


def trust_of(subject: Subject, institutions: Institutions, chance: Chance) -> Institution:
    """A trust that knows somebody, or any."""
    if subject.local_numbers:
        return institutions.by_code[chance.pick(subject.local_numbers)[0]]
    return chance.pick(institutions.trusts)
