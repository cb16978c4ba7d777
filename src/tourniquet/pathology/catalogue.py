"""The catalogue: indications, tests, specimen types, retest intervals and critical limits, as data.

Read from the files beside this module (catalogue/*.toml). Each row there has its source and says
whether a clinician has signed it off.

Invariants:
- A catalogue that loads is complete: every test named exists, every specimen type and discipline
  is known, and the tubes of an indication cover the disciplines of its tests.
- Nothing here decides for a patient: it says what the signed (or proposed) table says.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from tourniquet.kernel.errors import OperatorError

DISCIPLINES = (
    "chemistry",
    "haematology",
    "coagulation",
    "microbiology",
    "transfusion",
    "cytology",
)
PRIORITIES = ("P1", "P2", "P3", "P4", "P5")
CHILD_UNDER_YEARS = 16


@dataclass(frozen=True)
class HarmClass:
    """Proposed weights of a day's delay beyond the safe day, for one priority."""

    priority: str
    harm_per_day: float
    escalates_after_days: int
    escalated_harm_per_day: float
    note: str
    source: str
    sign_off: str


@dataclass(frozen=True)
class SpecimenType:
    """A kind of tube, swab, vial or device."""

    code: str
    name: str
    container: str
    source: str
    sign_off: str


@dataclass(frozen=True)
class Analyte:
    """Something measured. `typical` and `spread` shape synthetic results only."""

    code: str
    name: str
    unit: str
    low: float
    high: float
    typical: float
    spread: float
    logarithmic: bool
    decimals: int
    source: str
    sign_off: str


@dataclass(frozen=True)
class WordAnalyte:
    """Something reported in words, with the share of each word in synthetic results."""

    code: str
    name: str
    words: tuple[str, ...]
    shares: tuple[float, ...]
    abnormal: tuple[str, ...]
    source: str
    sign_off: str


@dataclass(frozen=True)
class Test:
    """One test that can be asked for. `minimum_retest_days` 0: none is stated."""

    code: str
    name: str
    discipline: str
    specimen_type: str
    analytes: tuple[str, ...]
    minimum_retest_days: int
    source: str
    sign_off: str


@dataclass(frozen=True)
class Indication:
    """Why a person needs tests, how long that can wait, and what it takes."""

    code: str
    name: str
    priority: str
    safe_deferral_days: int
    hours_to_laboratory: float
    travel_km: float
    tubes: tuple[tuple[str, int], ...]
    tests: tuple[str, ...]
    harm: HarmClass
    note: str
    source: str
    sign_off: str

    def tubes_in(self, discipline: str) -> int:
        """Tubes that one visit takes in a discipline."""
        return dict(self.tubes).get(discipline, 0)


@dataclass(frozen=True)
class CriticalLimit:
    """When a result must be phoned. `who`: any, adult or child (under 16)."""

    analyte: str
    who: str
    below: float | None
    above: float | None
    at_least: float | None
    above_times_upper_limit: float | None
    source: str
    sign_off: str

    def rule(self) -> str:
        """The limit in words, as shown beside a critical call."""
        parts = (
            ("below", self.below),
            ("above", self.above),
            ("at least", self.at_least),
            ("above upper limit times", self.above_times_upper_limit),
        )
        return " or ".join(f"{word} {value:g}" for word, value in parts if value is not None)

    def is_met(self, value: float, *, upper_limit: float | None) -> bool:
        """Whether a value is critical; `upper_limit` is the laboratory's own, where it gave one."""
        multiple = self.above_times_upper_limit
        return (
            (self.below is not None and value < self.below)
            or (self.above is not None and value > self.above)
            or (self.at_least is not None and value >= self.at_least)
            or (multiple is not None and upper_limit is not None and value > multiple * upper_limit)
        )


@dataclass(frozen=True)
class Catalogue:
    """Everything that the files say, by code."""

    indications: Mapping[str, Indication]
    tests: Mapping[str, Test]
    specimen_types: Mapping[str, SpecimenType]
    analytes: Mapping[str, Analyte]
    word_analytes: Mapping[str, WordAnalyte]
    critical_limits: tuple[CriticalLimit, ...]

    def find_critical(
        self, analyte: str, value: float, *, age_years: int | None, upper_limit: float | None = None
    ) -> CriticalLimit | None:
        """The limit that a result meets. An unknown age is held against both child and adult."""
        for limit in self.critical_limits:
            if limit.analyte != analyte or not _applies(limit.who, age_years):
                continue
            if limit.is_met(value, upper_limit=upper_limit):
                return limit
        return None


def _applies(who: str, age_years: int | None) -> bool:
    if who == "any" or age_years is None:
        return True
    return (who == "child") == (age_years < CHILD_UNDER_YEARS)


Row = Mapping[str, object]


@dataclass(frozen=True)
class _Reader:
    """One row of a file, read with errors that name file, row and key."""

    file: str
    row: Row
    label: str

    def _fail(self, key: str, what: str) -> OperatorError:
        return OperatorError(
            what, where=f"{self.file}, {self.label}, {key}", remedy="Correct the catalogue."
        )

    def text(self, key: str) -> str:
        value = self.row.get(key)
        if not isinstance(value, str):
            raise self._fail(key, "A text is missing.")
        return value

    def number(self, key: str) -> float:
        value = self.row.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._fail(key, "A number is missing.")
        return float(value)

    def count(self, key: str) -> int:
        value = self.row.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._fail(key, "A whole number, nought or more, is missing.")
        return value

    def find_number(self, key: str) -> float | None:
        return self.number(key) if key in self.row else None

    def flag(self, key: str) -> bool:
        return self.row.get(key) is True

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.row.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._fail(key, "A list of texts is missing.")
        return tuple(str(item) for item in value)

    def numbers(self, key: str) -> tuple[float, ...]:
        value = self.row.get(key)
        if not isinstance(value, list):
            raise self._fail(key, "A list of numbers is missing.")
        return tuple(float(item) for item in value)

    def among(self, key: str, allowed: Mapping[str, object] | tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in allowed:
            raise self._fail(key, f"'{value}' is not known.")
        return value

    def all_among(self, key: str, allowed: Mapping[str, object]) -> tuple[str, ...]:
        values = self.texts(key)
        for value in values:
            if value not in allowed:
                raise self._fail(key, f"'{value}' is not known.")
        return values


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """Read the catalogue that ships with the package.

    Raises: OperatorError naming file, row and key where the files do not hold together.
    """
    folder = resources.files("tourniquet.pathology").joinpath("catalogue")
    texts = {
        name: folder.joinpath(name).read_text(encoding="utf-8")
        for name in ("indications.toml", "tests.toml", "critical.toml")
    }
    return parse_catalogue(
        indications=texts["indications.toml"],
        tests=texts["tests.toml"],
        critical=texts["critical.toml"],
    )


def parse_catalogue(*, indications: str, tests: str, critical: str) -> Catalogue:
    """Build a catalogue from the three files' texts. Raises: OperatorError, see load_catalogue."""
    test_rows = _parse("tests.toml", tests)
    specimen_types = {
        r.text("code"): SpecimenType(
            r.text("code"),
            r.text("name"),
            r.text("container"),
            r.text("source"),
            r.text("sign_off"),
        )
        for r in _rows("tests.toml", test_rows, "specimen_type", "code")
    }
    analytes = {
        r.text("code"): _analyte(r) for r in _rows("tests.toml", test_rows, "analyte", "code")
    }
    word_analytes = {
        r.text("code"): _word_analyte(r)
        for r in _rows("tests.toml", test_rows, "word_analyte", "code")
    }
    known = {**analytes, **word_analytes}
    test_table = {
        r.text("code"): _test(r, specimen_types, known)
        for r in _rows("tests.toml", test_rows, "test", "code")
    }
    indication_rows = _parse("indications.toml", indications)
    harm = {
        r.text("priority"): _harm(r)
        for r in _rows("indications.toml", indication_rows, "harm_class", "priority")
    }
    indication_table = {
        r.text("code"): _indication(r, test_table, harm)
        for r in _rows("indications.toml", indication_rows, "indication", "code")
    }
    limits = tuple(
        _critical(r, analytes)
        for r in _rows("critical.toml", _parse("critical.toml", critical), "critical", "analyte")
    )
    return Catalogue(indication_table, test_table, specimen_types, analytes, word_analytes, limits)


def _parse(file: str, text: str) -> Row:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise OperatorError(f"This is not TOML: {error}.", where=file) from error


def _rows(file: str, data: Row, kind: str, key: str) -> list[_Reader]:
    found = data.get(kind)
    if not isinstance(found, list) or not found:
        raise OperatorError(f"No [[{kind}]] rows.", where=file, remedy="Correct the catalogue.")
    readers = [
        _Reader(file, row, f"{kind} {row.get(key, number)}") for number, row in enumerate(found, 1)
    ]
    if kind != "critical":
        seen: set[str] = set()
        for reader in readers:
            code = reader.text(key)
            if code in seen:
                raise OperatorError(f"'{code}' appears twice.", where=f"{file}, {kind}")
            seen.add(code)
    return readers


def _analyte(r: _Reader) -> Analyte:
    return Analyte(
        code=r.text("code"),
        name=r.text("name"),
        unit=r.text("unit"),
        low=r.number("low"),
        high=r.number("high"),
        typical=r.number("typical"),
        spread=r.number("spread"),
        logarithmic=r.flag("logarithmic"),
        decimals=r.count("decimals"),
        source=r.text("source"),
        sign_off=r.text("sign_off"),
    )


def _word_analyte(r: _Reader) -> WordAnalyte:
    words, shares = r.texts("words"), r.numbers("shares")
    if len(words) != len(shares) or abs(sum(shares) - 1) > 1e-9:
        raise OperatorError(
            "Shares must match words and add up to 1.", where=f"{r.file}, {r.label}"
        )
    return WordAnalyte(
        r.text("code"), r.text("name"), words, shares, r.texts("abnormal"),
        r.text("source"), r.text("sign_off"),
    )  # fmt: skip


def _test(r: _Reader, specimens: Mapping[str, object], analytes: Mapping[str, object]) -> Test:
    return Test(
        code=r.text("code"),
        name=r.text("name"),
        discipline=r.among("discipline", DISCIPLINES),
        specimen_type=r.among("specimen_type", specimens),
        analytes=r.all_among("analytes", analytes),
        minimum_retest_days=r.count("minimum_retest_days"),
        source=r.text("source"),
        sign_off=r.text("sign_off"),
    )


def _harm(r: _Reader) -> HarmClass:
    return HarmClass(
        priority=r.among("priority", PRIORITIES),
        harm_per_day=r.number("harm_per_day"),
        escalates_after_days=r.count("escalates_after_days"),
        escalated_harm_per_day=r.number("escalated_harm_per_day"),
        note=r.text("note"),
        source=r.text("source"),
        sign_off=r.text("sign_off"),
    )


def _indication(r: _Reader, tests: Mapping[str, Test], harm: Mapping[str, HarmClass]) -> Indication:
    asked = r.all_among("tests", tests)
    tubes = r.row.get("tubes")
    if not isinstance(tubes, dict) or not tubes:
        raise OperatorError("Tubes by discipline are missing.", where=f"{r.file}, {r.label}, tubes")
    if set(tubes) != {tests[code].discipline for code in asked}:
        raise OperatorError(
            "Tubes and tests name different disciplines.", where=f"{r.file}, {r.label}, tubes"
        )
    if not all(isinstance(count, int) and count > 0 for count in tubes.values()):
        raise OperatorError("Tubes are whole numbers.", where=f"{r.file}, {r.label}, tubes")
    return Indication(
        code=r.text("code"),
        name=r.text("name"),
        priority=r.among("priority", harm),
        safe_deferral_days=r.count("safe_deferral_days"),
        hours_to_laboratory=r.number("hours_to_laboratory"),
        travel_km=r.number("travel_km"),
        tubes=tuple((name, tubes[name]) for name in DISCIPLINES if name in tubes),
        tests=asked,
        harm=harm[r.text("priority")],
        note=r.text("note"),
        source=r.text("source"),
        sign_off=r.text("sign_off"),
    )


def _critical(r: _Reader, analytes: Mapping[str, Analyte]) -> CriticalLimit:
    return CriticalLimit(
        analyte=r.among("analyte", analytes),
        who=r.among("who", ("any", "adult", "child")),
        below=r.find_number("below"),
        above=r.find_number("above"),
        at_least=r.find_number("at_least"),
        above_times_upper_limit=r.find_number("above_times_upper_limit"),
        source=r.text("source"),
        sign_off=r.text("sign_off"),
    )
