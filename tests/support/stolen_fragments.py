"""Made fragments with known truth: what linking is measured on, in the engine's own form.

People come from the exercise's maker, with twins, fathers and sons of one name, previous surnames
and superseded numbers put among them; some are left out of the index. Fragments are what a perfect
reader would give, distorted at the rates named here.

Invariants:
- The same seed gives the same people, fragments and truth.
- `Told.clear` says that one of these stands in it unharmed: an NHS number with a corroborator, a
  local number in its organisation's context, or a full name with the birth date.
- `Told.identifiable` says that a careful person could name who is meant; a number or a name alone
  could not.
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

from tourniquet.breach import canonical
from tourniquet.breach.fragments import Field, FieldKind, Fragment, Mark
from tourniquet.breach.index import COLUMNS
from tourniquet.exercise.people import find_nhs_number, test_range_numbers
from tourniquet.exercise.world import make_world

OUTSIDERS = 0.08
RATES = {
    "typo": 0.02, "nickname": 0.02, "initial": 0.05, "previous": 0.15, "swapped_names": 0.01,
    "swapped_date": 0.015, "date_digit": 0.015, "default_date": 0.005, "two_readings": 0.1,
    "near_number": 0.02, "moved": 0.05, "lone_number": 0.02, "lone_name": 0.02,
}  # fmt: skip
NICKNAMES = {"William": "Bill", "Elizabeth": "Liz", "Robert": "Bob", "Margaret": "Peggy"}
NICKNAMES |= {"Thomas": "Tom", "James": "Jim", "Susan": "Sue", "Michael": "Mike", "John": "Jack"}
SHAPES = ("row", "row", "row", "message", "message", "letter", "letter", "listed", "listed",
          "mail", "local", "local_name", "number_birth")  # fmt: skip


@dataclass(frozen=True)
class Somebody:
    """A person as the index would have them."""

    key: str
    local: str
    nhs: str
    family: str
    given: str
    previous: str
    birth: date
    sex: str
    address: str
    postcode: str
    phone: str
    email: str
    practice: str
    superseded: str = ""
    known: bool = True


@dataclass(frozen=True)
class Told:
    """The truth of a fragment: the keys of whose data it holds, the subject first."""

    people: tuple[str, ...]
    clear: bool
    identifiable: bool
    hazard: str = ""


@dataclass
class Made:
    """Everybody, and the truth by (content, number)."""

    people: list[Somebody]
    truth: dict[tuple[str, int], Told] = field(default_factory=dict)


def make_people(count: int, *, seed: int) -> Made:
    """People in the order of the index; those with `known` false are not in it."""
    chance = random.Random(f"people/{seed}")
    free = iter(range(count + 1, test_range_numbers().size))
    people: list[Somebody] = []
    for one in make_world("june-2024", people=count, seed=7).all_people():
        now = Somebody(
            f"K{one.number}", one.local_number, one.nhs_number, one.family_name, one.given_names,
            "", one.birth_date, one.sex, one.address, one.postcode, one.phone, one.email,
            one.practice, known=chance.random() >= OUTSIDERS,
        )  # fmt: skip
        luck = chance.random()
        if people and luck < 0.02:
            now = _related(people[-1], now, twin=luck < 0.01)
        if one.sex == "female" and not one.child and chance.random() < 0.2:
            now = replace(now, previous=chance.choice(people[-50:] or [now]).family)
        if chance.random() < 0.01:
            number = next(free, None)
            now = replace(now, superseded=find_nhs_number(number) if number else "")
        people.append(now)
    return Made(people)


def _related(first: Somebody, now: Somebody, *, twin: bool) -> Somebody:
    """Twins share birth, family name and home; father and son share name and home."""
    home = replace(
        now, family=first.family, address=first.address, postcode=first.postcode,
        phone=first.phone, practice=first.practice, known=first.known,
    )  # fmt: skip
    if twin:
        return replace(home, birth=first.birth)
    born = first.birth - timedelta(days=365 * 28 + 100)
    return replace(home, given=first.given.split()[0], sex=first.sex, birth=born)


def write_people(made: Made, file: Path) -> None:
    """`--people` as INTERFACES has it; only those that the index knows."""
    with file.open("w", encoding="utf-8", newline="") as opened:
        write = csv.writer(opened)
        write.writerow(COLUMNS)
        for one in made.people:
            if one.known:
                write.writerow(
                    (one.key, one.nhs, f"{one.local[:5]}:{one.local[5:]}", one.family, one.given,
                     one.previous, one.birth.isoformat(), one.sex, one.address, one.postcode,
                     one.phone, one.email, one.practice, one.superseded, "")
                )  # fmt: skip


def make_fragments(made: Made, count: int, *, seed: int) -> Iterator[Fragment]:
    """Fragments, with their truth put into `made` as they come."""
    chance = random.Random(f"fragments/{seed}")
    for number in range(count):
        luck = chance.random()
        one = chance.choice(made.people)
        if luck < 0.01:
            fields, told, marks = _newborn(chance, one)
        elif luck < 0.02:
            fields, told, marks = _random_number(chance)
        elif luck < 0.025:
            fields, told, _ = _about(chance, one)
            told, marks = (
                Told((), clear=False, identifiable=False, hazard="test patient"),
                (Mark.TEST_PATIENT,),
            )
        elif luck < 0.035:
            fields = _names(chance, one, whole=True)[0]
            told, marks = Told((), clear=False, identifiable=False, hazard="staff"), (Mark.STAFF,)
        else:
            fields, told, marks = _about(chance, one)
        content = hashlib.sha256(f"{seed}/{number // 500}".encode()).hexdigest()
        table = f"{content[:8]}/1" if number % 3 == 0 else ""
        made.truth[content, number % 500] = told
        yield Fragment(
            content, number % 500, f"row {number % 500 + 1}", "row", tuple(fields), marks, table
        )


def _about(chance: random.Random, one: Somebody) -> tuple[list[Field], Told, tuple[Mark, ...]]:
    """A fragment about one person."""
    who = (one.key,) if one.known else ()
    luck = chance.random()
    if luck < RATES["lone_name"]:
        fields, _ = _names(chance, one, whole=True)
        return fields, Told(who, clear=False, identifiable=False, hazard="name alone"), ()
    if luck < RATES["lone_name"] + RATES["lone_number"] and one.nhs:
        fields = [_field(FieldKind.NHS_NUMBER, one.nhs)]
        return fields, Told(who, clear=False, identifiable=False, hazard="number alone"), ()
    shape = chance.choice(SHAPES)
    fields, intact = _written(chance, one, shape)
    number, name, birth, local, home = (
        part in intact for part in ("nhs", "name", "birth", "local", "home")
    )
    clear = (number and (name or birth or home)) or local or (name and birth)
    strong = sum(part in intact for part in ("nhs", "name", "birth", "home", "contact", "local"))
    identifiable = clear or (strong >= 2 and shape != "local_name")
    return fields, Told(who, clear=clear, identifiable=identifiable, hazard=shape), ()


def _written(
    chance: random.Random, one: Somebody, shape: str
) -> tuple[list[Field], frozenset[str]]:
    """The fields of one shape, and what in them is unharmed."""
    fields: list[Field] = []
    intact: set[str] = set()

    def add(part: str, found: tuple[list[Field], bool]) -> None:
        fields.extend(found[0])
        if found[1]:
            intact.add(part)

    if shape in {"row", "message", "number_birth"} and one.nhs:
        add("nhs", _number(chance, one))
    if shape in {"message", "local"}:
        value = f"{one.local[:5]}:{one.local[5:]}"
        add("local", ([_field(FieldKind.LOCAL_NUMBER, value)], True))
    if shape == "local_name":
        fields.append(_field(FieldKind.LOCAL_NUMBER, f":{one.local[5:]}"))
    if shape not in {"local", "number_birth"}:
        whole = shape in {"letter", "listed", "mail", "local_name"}
        add("name", _names(chance, one, whole=whole))
    if shape in {"row", "message", "letter", "listed", "number_birth"}:
        add("birth", _birth(chance, one))
    if shape in {"row", "message"}:
        fields.append(_field(FieldKind.SEX, one.sex))
    if shape in {"message", "letter"} or (shape == "row" and chance.random() < 0.5):
        add("home", _home(chance, one, whole=shape != "row"))
    if shape in {"message", "mail"} and one.phone:
        fields.append(_field(FieldKind.PHONE, canonical.phone(one.phone)))
    if shape == "mail" and one.email:
        add("contact", ([_field(FieldKind.EMAIL, one.email)], True))
    return fields + _around(chance, one, shape), frozenset(intact)


def _around(chance: random.Random, one: Somebody, shape: str) -> list[Field]:
    """What stands in a message beside who it is about."""
    if shape != "message":
        return []
    result = _field(FieldKind.RESULT, f"{chance.random():.4f}")
    return [_field(FieldKind.PRACTICE, one.practice), result]


def _field(kind: FieldKind, value: str) -> Field:
    return Field(kind, value, value)


def _number(chance: random.Random, one: Somebody) -> tuple[list[Field], bool]:
    if one.superseded and chance.random() < 0.5:
        return [_field(FieldKind.NHS_NUMBER, one.superseded)], True
    if chance.random() >= RATES["near_number"]:
        return [_field(FieldKind.NHS_NUMBER, one.nhs)], True
    digits = list(one.nhs)
    how = chance.randrange(4)
    place = chance.randrange(9)
    if how == 3:
        lost = f"{one.nhs[:6]}????" if place % 2 else f"{one.nhs[:place]}O{one.nhs[place + 1 :]}"
        return [_field(FieldKind.NHS_NUMBER_NEAR, lost)], False
    if how == 0:
        digits[place] = str((int(digits[place]) + chance.randrange(1, 10)) % 10)
    elif how == 1:
        digits[place], digits[place + 1] = digits[place + 1], digits[place]
    else:
        digits = digits[1:] if place % 2 else digits[:-1]
    text = "".join(digits)
    kind = FieldKind.NHS_NUMBER if canonical.nhs_number(text) else FieldKind.NHS_NUMBER_NEAR
    return [_field(kind, text)], text == one.nhs


def _typo(chance: random.Random, word: str) -> str:
    place = chance.randrange(len(word))
    letter = chance.choice("abcdefghijklmnoprstuw")
    how = chance.randrange(3)
    if how == 0:
        return word[:place] + letter + word[place + 1 :]
    if how == 1:
        return word[:place] + letter + word[place:]
    return word[:place] + word[place + 1 :] if len(word) > 2 else word + letter


def _names(chance: random.Random, one: Somebody, *, whole: bool) -> tuple[list[Field], bool]:
    family, given, intact = one.family, one.given, True
    if one.previous and chance.random() < RATES["previous"]:
        family, intact = one.previous, False
    if chance.random() < RATES["typo"]:
        family, intact = _typo(chance, family), False
    luck = chance.random()
    if luck < RATES["typo"]:
        given, intact = _typo(chance, given), False
    elif luck < RATES["typo"] + RATES["initial"]:
        given, intact = given[0], False
    elif luck < 0.3 and given.split()[0] in NICKNAMES and chance.random() < 0.3:
        given, intact = NICKNAMES[given.split()[0]], False
    elif luck < 0.6:
        given = given.split()[0]
    if whole:
        text = f"{given} {family}" if chance.random() < 0.6 else f"{family}, {given}"
        return [_field(FieldKind.NAME, canonical.letters(text))], intact
    if chance.random() < RATES["swapped_names"]:
        family, given, intact = given, family, False
    return [
        _field(FieldKind.FAMILY_NAME, canonical.letters(family)),
        _field(FieldKind.GIVEN_NAMES, canonical.letters(given)),
    ], intact


def _birth(chance: random.Random, one: Somebody) -> tuple[list[Field], bool]:
    text, luck = one.birth.isoformat(), chance.random()
    year, month, day = text.split("-")
    swapped = f"{year}-{day}-{month}" if int(day) <= 12 else text
    values, intact = [text], True
    if luck < RATES["swapped_date"]:
        values, intact = [swapped], swapped == text
    elif luck < RATES["swapped_date"] + RATES["date_digit"]:
        values, intact = [f"{year[:3]}{(int(year[3]) + chance.randrange(1, 9)) % 10}-{month}-01"
                          if day == "01" else f"{year[:2]}{(int(year[2]) + 1) % 10}{year[3]}"
                          f"-{month}-{day}"], False  # fmt: skip
        if not canonical.dates(values[0]):
            values, intact = [text], True
    elif luck < 0.035:
        values, intact = ["1900-01-01"], False
    elif luck < 0.05:
        values, intact = [text[:7]], False
    elif luck < 0.05 + RATES["two_readings"]:
        values = list(dict.fromkeys((text, swapped)))
    return [_field(FieldKind.BIRTH_DATE, value) for value in values], intact


def _home(chance: random.Random, one: Somebody, *, whole: bool) -> tuple[list[Field], bool]:
    moved = chance.random() < RATES["moved"]
    postcode = "SE1 1AA" if moved else one.postcode
    address = f"{chance.randrange(1, 90)} Elsewhere Street" if moved else one.address
    fields = [_field(FieldKind.POSTCODE, postcode)]
    if whole:
        fields.append(_field(FieldKind.ADDRESS, address))
    return fields, not moved


def _newborn(chance: random.Random, mother: Somebody) -> tuple[list[Field], Told, tuple[Mark, ...]]:
    """A baby that the index does not know, under its mother's number."""
    fields = [
        _field(FieldKind.FAMILY_NAME, canonical.letters(mother.family)),
        _field(FieldKind.GIVEN_NAMES, "BABY"),
        _field(FieldKind.BIRTH_DATE, f"2024-0{chance.randrange(1, 6)}-{chance.randrange(10, 28)}"),
        _field(FieldKind.POSTCODE, mother.postcode),
    ]
    if mother.nhs:
        fields.append(_field(FieldKind.NHS_NUMBER, mother.nhs))
    who = (mother.key,) if mother.known and mother.nhs else ()
    return fields, Told(who, clear=False, identifiable=False, hazard="newborn"), ()


def _random_number(chance: random.Random) -> tuple[list[Field], Told, tuple[Mark, ...]]:
    """A lot number that passes the check, in the range of the index."""
    valid = test_range_numbers()
    number = str(int(valid[chance.randrange(valid.size)]))
    fields = [_field(FieldKind.NHS_NUMBER, number)]
    return fields, Told((), clear=False, identifiable=False, hazard="random number"), ()
