"""The scenario as data: an incident's dates, capacity, noise, texts, each with its source.

Invariants:
- A scenario that loads is whole: weeks run from 1 without a gap, shares lie between 0 and 1, the
  mix of indications adds up to 1.
- Exercise days are whole numbers from 0 = `starts_on`; the warm-up has negative ones.
- A capacity figure is an anchor (published) or interpolated, and says so wherever it is shown.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib import resources

from tourniquet.kernel.clock import is_weekday
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.catalogue import DISCIPLINES

FLAGS = ("anchor", "interpolated")
WHO = ("any", "adult", "older", "baby", "woman_18_45", "woman_35_45", "woman_25_64", "man_45")
REPLICA_SOURCES = ("folder", "http")
FORMS_MOST = 500
AUDIENCES = ("public", "patients", "practices", "staff")


@dataclass(frozen=True)
class Declaration:
    """What is declared on the first day: level and METHANE."""

    level: str
    declared_on: date
    title: str
    major_incident: str
    exact_location: str
    incident_type: str
    hazards: str
    access: str
    number_and_severity: str
    emergency_services: str
    public_text: str
    source: str


@dataclass(frozen=True)
class Noise:
    """How truth differs from what was said of it."""

    weekly_forecast_error: float
    forecast_error_growth_per_week: float
    forecast_bias: float
    daily_variation: float
    confirmation_shortfall: float
    midday_failure_rate: float
    midday_failure_loss_least: float
    midday_failure_loss_most: float
    source: str
    note: str


@dataclass(frozen=True)
class Attendance:
    """Shares of appointments that people miss."""

    missed_share_urgent: float
    missed_share_routine: float
    source: str


@dataclass(frozen=True)
class Channels:
    """How often a message fails to reach its patient, by channel."""

    no_phone_share: float
    text_failure: float
    letter_failure: float
    letter_days: int
    call_failure: float
    email_failure: float
    source: str


@dataclass(frozen=True)
class DemandLevel:
    """How much is asked for."""

    tubes_per_1000_people_per_weekday: float
    daily_variation: float
    urgent_surge_from_week: int
    urgent_surge_to_week: int
    urgent_surge_factor: float
    headroom: float
    source: str


@dataclass(frozen=True)
class CompetitorTerms:
    """The stylised policy of 2024."""

    routine_restarts_in_week: int
    drawn_though_full_share: tuple[float, ...]
    repeated_and_remarked_share: float
    source: str


@dataclass(frozen=True)
class CapacityWeek:
    """A week's capacity, per cent of normal, and the part of it that mutual aid carries."""

    week: int
    percent: float
    flag: str
    source: str
    mutual_aid_percent: float
    mutual_aid_source: str


@dataclass(frozen=True)
class Loss:
    """The night in which the whole home is destroyed, and what the downtime desk does meanwhile.

    `replica_behind_days` is for how many whole days before it the replica had not been running;
    `replica_over` whether it reads the vault's folder or asks the server.
    """

    lost_on: date
    replica_behind_days: int
    replica_over: str
    forms: int
    forms_keyed: int
    forms_void: int
    source: str


@dataclass(frozen=True)
class DisciplineFloor:
    """A discipline that never falls below so many per cent of normal."""

    discipline: str
    percent: float
    source: str


@dataclass(frozen=True)
class MutualAid:
    """From when the mutual aid laboratories take specimens of which boroughs."""

    starts_on: date
    boroughs: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class MixRow:
    """An indication's share of needs, its usual days from request to due day, and who has it."""

    indication: str
    share: float
    lead_days_least: int
    lead_days_most: int
    who: str
    source: str


@dataclass(frozen=True)
class DatedText:
    """A line of the decision log, or a milestone of communication to an audience."""

    on: date
    text: str
    source: str
    audience: str = ""


@dataclass(frozen=True)
class PublishedWeek:
    """What the two trusts published as postponed in a week."""

    week: int
    outpatient: int
    outpatient_source: str
    elective: int
    elective_source: str


@dataclass(frozen=True)
class Scenario:
    """One incident."""

    name: str
    title: str
    starts_on: date
    warm_up_starts_on: date
    weeks: int
    tail_days: int
    closed_days: tuple[date, ...]
    closed_days_source: str
    source: str
    declaration: Declaration
    noise: Noise
    attendance: Attendance
    channels: Channels
    demand: DemandLevel
    competitors: CompetitorTerms
    capacity: tuple[CapacityWeek, ...]
    discipline_floors: tuple[DisciplineFloor, ...]
    mutual_aid: tuple[MutualAid, ...]
    mix: tuple[MixRow, ...]
    decisions: tuple[DatedText, ...]
    communications: tuple[DatedText, ...]
    published: tuple[PublishedWeek, ...]
    loss: Loss

    @property
    def loss_day(self) -> int:
        """The day in whose night the whole home is destroyed."""
        return self.day_of(self.loss.lost_on)

    @property
    def days(self) -> int:
        """Days of the exercise proper, from day 0."""
        return self.weeks * 7

    @property
    def warm_up_days(self) -> int:
        """Days before day 0."""
        return (self.starts_on - self.warm_up_starts_on).days

    def date_of(self, day: int) -> date:
        """The date of an exercise day."""
        return self.starts_on + timedelta(days=day)

    def day_of(self, on: date) -> int:
        """The exercise day of a date."""
        return (on - self.starts_on).days

    def is_open(self, day: int) -> bool:
        """Whether clinics have sessions: weekdays but bank holidays."""
        on = self.date_of(day)
        return is_weekday(on) and on not in self.closed_days

    def open_days(self, first: int, last: int) -> tuple[int, ...]:
        """The days with sessions from `first` to `last`, both included."""
        return tuple(day for day in range(first, last + 1) if self.is_open(day))

    def next_open_day(self, day: int) -> int:
        """The day itself where it has sessions, else the next one that has."""
        while not self.is_open(day):
            day += 1
        return day

    def capacity_week(self, day: int) -> CapacityWeek:
        """The row of the week of an exercise day from 0 on; the last row beyond the end."""
        return self.capacity[min(max(day, 0) // 7, self.weeks - 1)]

    def mutual_aid_from(self, borough: str) -> int | None:
        """The exercise day from which mutual aid takes a borough's specimens."""
        days = [self.day_of(row.starts_on) for row in self.mutual_aid if borough in row.boroughs]
        return min(days, default=None)


Row = Mapping[str, object]


@dataclass(frozen=True)
class _Reader:
    """One table of the file; every error names file, table and key."""

    file: str
    table: str
    row: Row

    def fail(self, key: str, what: str) -> UserError:
        return UserError(
            what, where=f"{self.file}, {self.table}, {key}", remedy="Correct the scenario."
        )

    def text(self, key: str, allowed: tuple[str, ...] = ()) -> str:
        value = self.row.get(key)
        if not isinstance(value, str) or not value:
            raise self.fail(key, "A text is missing.")
        if allowed and value not in allowed:
            raise self.fail(key, f"'{value}' is not one of {', '.join(allowed)}.")
        return value

    def number(self, key: str, *, least: float = 0.0, most: float = 1e9) -> float:
        value = self.row.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(key, "A number is missing.")
        if not least <= value <= most:
            raise self.fail(key, f"The number must lie between {least:g} and {most:g}.")
        return float(value)

    def share(self, key: str) -> float:
        return self.number(key, most=1.0)

    def count(self, key: str, *, least: int = 0, most: int = 1_000_000) -> int:
        value = self.number(key, least=least, most=most)
        if value != int(value):
            raise self.fail(key, "A whole number is missing.")
        return int(value)

    def day(self, key: str) -> date:
        value = self.row.get(key)
        if type(value) is not date:
            raise self.fail(key, "A date like 2024-06-03 is missing.")
        return value

    def items(self, key: str) -> list[object]:
        value = self.row.get(key)
        if not isinstance(value, list):
            raise self.fail(key, "A list is missing.")
        return value

    def days(self, key: str) -> tuple[date, ...]:
        values = self.items(key)
        if not all(type(value) is date for value in values):
            raise self.fail(key, "Every item must be a date.")
        return tuple(value for value in values if isinstance(value, date))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise self.fail(key, "Every item must be a text.")
        return tuple(str(value) for value in values)

    def shares(self, key: str) -> tuple[float, ...]:
        values = self.items(key)
        numbers = tuple(float(value) for value in values if isinstance(value, int | float))
        if len(numbers) != len(values) or not all(0 <= number <= 1 for number in numbers):
            raise self.fail(key, "Every item must be a share from 0 to 1.")
        return numbers


def load_scenario(name: str) -> Scenario:
    """Read a scenario that ships with the package. Raises: UserError where there is none."""
    folder = resources.files("tourniquet.exercise").joinpath("scenarios")
    names = sorted(
        entry.name.removesuffix(".toml")
        for entry in folder.iterdir()
        if entry.name.endswith(".toml")
    )
    if name not in names:
        raise UserError(
            "There is no such scenario.", where=name, remedy=f"Take {', '.join(names)}."
        )
    text = folder.joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return parse_scenario(text, file=f"{name}.toml")


def parse_scenario(text: str, *, file: str) -> Scenario:
    """Build a scenario from a file's text. Raises: UserError naming file, table and key."""
    try:
        data: Row = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"This is not TOML: {error}.", where=file) from error
    head = _table(file, data, "scenario")
    scenario = Scenario(
        name=head.text("name"),
        title=head.text("title"),
        starts_on=head.day("starts_on"),
        warm_up_starts_on=head.day("warm_up_starts_on"),
        weeks=head.count("weeks", least=1, most=60),
        tail_days=head.count("tail_days", most=365),
        closed_days=head.days("closed_days"),
        closed_days_source=head.text("closed_days_source"),
        source=head.text("source"),
        declaration=_declaration(_table(file, data, "declaration")),
        noise=_noise(_table(file, data, "noise")),
        attendance=_attendance(_table(file, data, "attendance")),
        channels=_channels(_table(file, data, "channels")),
        demand=_demand(_table(file, data, "demand")),
        competitors=_competitors(_table(file, data, "competitors")),
        capacity=tuple(_capacity(r) for r in _list(file, data, "capacity")),
        discipline_floors=tuple(
            DisciplineFloor(
                r.text("discipline", DISCIPLINES), r.number("percent", most=200), r.text("source")
            )
            for r in _list(file, data, "discipline_floor")
        ),
        mutual_aid=tuple(
            MutualAid(r.day("from"), r.texts("boroughs"), r.text("source"))
            for r in _list(file, data, "mutual_aid")
        ),
        mix=tuple(_mix(r) for r in _list(file, data, "mix")),
        decisions=tuple(
            DatedText(r.day("on"), r.text("text"), r.text("source"))
            for r in _list(file, data, "decision")
        ),
        communications=tuple(
            DatedText(r.day("on"), r.text("text"), r.text("source"), r.text("audience", AUDIENCES))
            for r in _list(file, data, "communication")
        ),
        published=tuple(_published(r) for r in _list(file, data, "published_postponed")),
        loss=_loss(_table(file, data, "loss")),
    )
    _check(scenario, file)
    return scenario


def _check(scenario: Scenario, file: str) -> None:
    if [row.week for row in scenario.capacity] != list(range(1, scenario.weeks + 1)):
        raise UserError("Weeks must run from 1 without a gap.", where=f"{file}, capacity, week")
    if abs(sum(row.share for row in scenario.mix) - 1) > 1e-6:
        raise UserError("The shares must add up to 1.", where=f"{file}, mix, share")
    if len({row.indication for row in scenario.mix}) != len(scenario.mix):
        raise UserError("An indication appears twice.", where=f"{file}, mix, indication")
    if scenario.starts_on.weekday() != 0 or scenario.warm_up_days < 0:
        raise UserError("The start must be a Monday.", where=f"{file}, scenario, starts_on")
    if not 0 <= scenario.loss_day < scenario.days:
        raise UserError("The loss must lie in the exercise.", where=f"{file}, loss, lost_on")
    if scenario.loss.forms_keyed + scenario.loss.forms_void > scenario.loss.forms:
        raise UserError("More forms are used than given out.", where=f"{file}, loss, forms")
    for row in scenario.capacity:
        if row.mutual_aid_percent > row.percent:
            raise UserError(
                "Mutual aid is a part of the percentage.",
                where=f"{file}, capacity {row.week}, mutual_aid_percent",
            )


def _table(file: str, data: Row, name: str) -> _Reader:
    found = data.get(name)
    if not isinstance(found, dict):
        raise UserError(f"The table [{name}] is missing.", where=file)
    return _Reader(file, name, found)


def _list(file: str, data: Row, name: str) -> list[_Reader]:
    found = data.get(name)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UserError(f"The rows [[{name}]] are missing.", where=file)
    return [_Reader(file, f"{name} {number}", row) for number, row in enumerate(found, 1)]


def _declaration(r: _Reader) -> Declaration:
    return Declaration(
        level=r.text("level"),
        declared_on=r.day("declared_on"),
        title=r.text("title"),
        major_incident=r.text("major_incident"),
        exact_location=r.text("exact_location"),
        incident_type=r.text("incident_type"),
        hazards=r.text("hazards"),
        access=r.text("access"),
        number_and_severity=r.text("number_and_severity"),
        emergency_services=r.text("emergency_services"),
        public_text=r.text("public_text"),
        source=r.text("source"),
    )


def _noise(r: _Reader) -> Noise:
    return Noise(
        weekly_forecast_error=r.share("weekly_forecast_error"),
        forecast_error_growth_per_week=r.share("forecast_error_growth_per_week"),
        forecast_bias=r.number("forecast_bias", least=-1, most=1),
        daily_variation=r.share("daily_variation"),
        confirmation_shortfall=r.share("confirmation_shortfall"),
        midday_failure_rate=r.share("midday_failure_rate"),
        midday_failure_loss_least=r.share("midday_failure_loss_least"),
        midday_failure_loss_most=r.share("midday_failure_loss_most"),
        source=r.text("source"),
        note=r.text("note"),
    )


def _loss(r: _Reader) -> Loss:
    return Loss(
        lost_on=r.day("lost_on"),
        replica_behind_days=r.count("replica_behind_days", most=30),
        replica_over=r.text("replica_over", REPLICA_SOURCES),
        forms=r.count("forms", least=4, most=FORMS_MOST),
        forms_keyed=r.count("forms_keyed", least=1, most=FORMS_MOST),
        forms_void=r.count("forms_void", most=FORMS_MOST),
        source=r.text("source"),
    )


def _attendance(r: _Reader) -> Attendance:
    return Attendance(
        r.share("missed_share_urgent"), r.share("missed_share_routine"), r.text("source")
    )


def _channels(r: _Reader) -> Channels:
    return Channels(
        no_phone_share=r.share("no_phone_share"),
        text_failure=r.share("text_failure"),
        letter_failure=r.share("letter_failure"),
        letter_days=r.count("letter_days", most=30),
        call_failure=r.share("call_failure"),
        email_failure=r.share("email_failure"),
        source=r.text("source"),
    )


def _demand(r: _Reader) -> DemandLevel:
    return DemandLevel(
        tubes_per_1000_people_per_weekday=r.number("tubes_per_1000_people_per_weekday", least=0.1),
        daily_variation=r.share("daily_variation"),
        urgent_surge_from_week=r.count("urgent_surge_from_week"),
        urgent_surge_to_week=r.count("urgent_surge_to_week"),
        urgent_surge_factor=r.number("urgent_surge_factor", most=10),
        headroom=r.share("headroom"),
        source=r.text("source"),
    )


def _competitors(r: _Reader) -> CompetitorTerms:
    return CompetitorTerms(
        routine_restarts_in_week=r.count("routine_restarts_in_week", least=1),
        drawn_though_full_share=r.shares("drawn_though_full_share"),
        repeated_and_remarked_share=r.share("repeated_and_remarked_share"),
        source=r.text("source"),
    )


def _capacity(r: _Reader) -> CapacityWeek:
    return CapacityWeek(
        week=r.count("week", least=1),
        percent=r.number("percent", most=1000),
        flag=r.text("flag", FLAGS),
        source=r.text("source"),
        mutual_aid_percent=r.number("mutual_aid_percent", most=1000),
        mutual_aid_source=r.text("mutual_aid_source"),
    )


def _mix(r: _Reader) -> MixRow:
    least, most = r.count("lead_days_least", most=60), r.count("lead_days_most", most=60)
    if least > most:
        raise r.fail("lead_days_least", "The least is more than the most.")
    return MixRow(
        r.text("indication"), r.share("share"), least, most, r.text("who", WHO), r.text("source")
    )


def _published(r: _Reader) -> PublishedWeek:
    return PublishedWeek(
        week=r.count("week", least=1),
        outpatient=r.count("outpatient"),
        outpatient_source=r.text("outpatient_source"),
        elective=r.count("elective"),
        elective_source=r.text("elective_source"),
    )
