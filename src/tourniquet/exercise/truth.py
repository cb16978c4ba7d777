"""What really happens: capacity, attendance, messages that fail, results. Seeded by key.

Invariants:
- The same need on the same day has the same luck under every policy, and in whatever order it is
  asked for.
- Declared forecasts err; a laboratory's morning confirmation never exceeds what it can do that
  morning; only a midday failure takes away from what was confirmed.
- Rounded figures carry their remainder to the next day, so that a small region's laboratories do
  not all stand at nought.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tourniquet.exercise.demand import Needs, normal_tubes
from tourniquet.exercise.keyed import normal, uniform
from tourniquet.exercise.region import Region
from tourniquet.exercise.scenario import Scenario
from tourniquet.pathology.catalogue import (
    DISCIPLINES,
    Catalogue,
    Indication,
)

Ints = NDArray[np.int32]
CHANNELS = ("text", "letter", "call", "email")
FORECAST_FACTOR_MOST = 1.6


@dataclass(frozen=True)
class Capacity:
    """Tubes by laboratory, discipline and day (axes in that order); column 0 is `first_day`.

    `confirmed` is what the laboratory says in the morning, `actual` what it processes in the end.
    """

    scenario: Scenario
    seed: int
    first_day: int
    exact: NDArray[np.float64]
    normal: NDArray[np.float64]
    confirmed: Ints
    actual: Ints
    failed: NDArray[np.bool_]
    _forecasts: dict[int, Ints] = field(default_factory=dict, compare=False, repr=False)

    def confirmed_on(self, day: int) -> Ints:
        """Laboratories by disciplines, as confirmed that morning."""
        return self.confirmed[:, :, day - self.first_day]

    def actual_on(self, day: int) -> Ints:
        """Laboratories by disciplines, as it turned out."""
        return self.actual[:, :, day - self.first_day]

    def forecast(self, *, known_on: int, day: int) -> Ints:
        """What had been declared on or before `known_on` (new each Monday) for a day."""
        week = known_on // 7
        if week not in self._forecasts:
            self._forecasts[week] = self._make_forecast(week)
        return self._forecasts[week][:, :, day - self.first_day]

    def _make_forecast(self, week: int) -> Ints:
        noise, columns = self.scenario.noise, self.exact.shape[2]
        if week < 0:
            return carried(self.normal)
        target = (np.arange(columns) + self.first_day) // 7
        ahead = np.maximum(target - week, 0)
        spread = noise.weekly_forecast_error + noise.forecast_error_growth_per_week * ahead
        luck = normal(
            self.seed, "forecast", np.arange(self.exact.shape[0])[:, None], target[None, :], week
        )
        factor = np.exp(luck * spread[None, :] - spread[None, :] ** 2 / 2)
        factor = np.clip(factor * (1 + noise.forecast_bias), 0, FORECAST_FACTOR_MOST)
        return carried(self.exact * factor[:, None, :])


@dataclass(frozen=True)
class ResultValue:
    """One result line. `flag` as in HL7 table 0078: empty, H, L, HH, LL, A."""

    test: str
    code: str
    name: str
    value: str
    number: float | None
    unit: str
    reference_range: str
    flag: str
    critical: bool


@dataclass(frozen=True)
class Truth:
    """Everything that nobody knows beforehand."""

    scenario: Scenario
    catalogue: Catalogue
    seed: int
    capacity: Capacity

    def attends(self, needs: Needs, numbers: NDArray[np.int64], day: int) -> NDArray[np.bool_]:
        """Whether the patients of these needs would come on a day."""
        terms = self.scenario.attendance
        rate = np.where(
            needs.urgent[numbers], terms.missed_share_urgent, terms.missed_share_routine
        )
        return np.asarray(uniform(self.seed, "attendance", numbers, day) >= rate)

    def messages_fail(self, channel: str, messages: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of these messages, each known by a number of its own, fail on a channel."""
        terms = self.scenario.channels
        rate = {
            "text": terms.text_failure,
            "letter": terms.letter_failure,
            "call": terms.call_failure,
            "email": terms.email_failure,
        }[channel]
        place = CHANNELS.index(channel)
        return np.asarray(uniform(self.seed, "messages", messages, 0, place) < rate)

    def results(self, number: int, reason: Indication, age_years: int) -> tuple[ResultValue, ...]:
        """Result lines of a need's tests, in the tests' order."""
        lines = [
            (test, code) for test in reason.tests for code in self.catalogue.tests[test].analytes
        ]
        seen = {code: place for place, (_, code) in reversed(list(enumerate(lines)))}
        places = np.arange(len(lines))
        luck = uniform(self.seed, "results", number, places)
        spread = normal(self.seed, "values", number, places)
        return tuple(
            self._result(test, code, float(luck[place]), float(spread[place]), age_years)
            for place, (test, code) in enumerate(lines)
            if seen[code] == place
        )

    def _result(
        self, test: str, code: str, luck: float, spread: float, age_years: int
    ) -> ResultValue:
        words = self.catalogue.word_analytes.get(code)
        if words is not None:
            edges = np.cumsum(words.shares)
            value = words.words[min(int(np.searchsorted(edges, luck)), len(words.words) - 1)]
            flag = "A" if value in words.abnormal else ""
            return ResultValue(test, code, words.name, value, None, "", "", flag, critical=False)
        analyte = self.catalogue.analytes[code]
        wild = 2.2 if luck < 0.02 else 1.0  # a few far from typical, so that some are critical
        shift = analyte.spread * spread * wild
        raw = analyte.typical * np.exp(shift) if analyte.logarithmic else analyte.typical + shift
        number = round(max(float(raw), 10.0**-analyte.decimals), analyte.decimals)
        limit = self.catalogue.find_critical(
            code, number, age_years=age_years, upper_limit=analyte.high
        )
        side = "L" if number < analyte.low else "H" if number > analyte.high else ""
        return ResultValue(
            test=test,
            code=code,
            name=analyte.name,
            value=f"{number:.{analyte.decimals}f}",
            number=number,
            unit=analyte.unit,
            reference_range=f"{analyte.low:g}-{analyte.high:g}",
            flag=(side or "A") * 2 if limit and side else side,
            critical=limit is not None,
        )


def carried(exact: NDArray[np.float64]) -> Ints:
    """Round down along the last axis, the remainder carried on to the next day.

    Rows begin with different remainders, by laboratory alone, so that a laboratory's disciplines
    come to a whole tube on the same days as far as may be.
    """
    start = (np.arange(exact.shape[0]) * 0.618034 + 0.5) % 1
    total = np.floor(np.cumsum(exact, axis=2) + start[:, None, None] + 1e-9)
    before = np.floor(np.broadcast_to(start[:, None, None] + 1e-9, (*total.shape[:2], 1)))
    return np.diff(np.concatenate([before, total], axis=2), axis=2).astype(np.int32)


def make_truth(
    scenario: Scenario, catalogue: Catalogue, region: Region, *, people: int, seed: int
) -> Truth:
    """The truth of an exercise."""
    return Truth(scenario, catalogue, seed, _capacity(scenario, catalogue, region, people, seed))


def _capacity(
    scenario: Scenario, catalogue: Catalogue, region: Region, people: int, seed: int
) -> Capacity:
    first = -scenario.warm_up_days
    days = np.arange(first, scenario.days + scenario.tail_days)
    labs = np.arange(len(region.laboratories))
    usual = normal_tubes(scenario, catalogue, people)
    exact = np.zeros((len(labs), len(DISCIPLINES), len(days)))
    full = np.zeros_like(exact)
    for column, day in enumerate(days):
        if scenario.is_open(int(day)):
            exact[:, :, column] = _exact_on(scenario, region, usual, int(day))
            full[:, :, column] = _exact_on(scenario, region, usual, -1)
    noise = scenario.noise
    jitter = np.exp(
        normal(seed, "capacity", labs[:, None], days[None, :]) * noise.daily_variation
        - noise.daily_variation**2 / 2
    )
    jitter[:, days < 0] = 1.0
    true = exact * jitter[:, None, :]
    short = uniform(seed, "confirmation", labs[:, None], days[None, :])
    short = 1 - noise.confirmation_shortfall * short
    whole = carried(true)
    confirmed = np.minimum(carried(true * short[:, None, :]), whole)
    luck = uniform(seed, "midday", labs[:, None], days[None, :])
    failed = (luck < noise.midday_failure_rate) & (days[None, :] >= 0)
    size = uniform(seed, "midday loss", labs[:, None], days[None, :])
    least, most = noise.midday_failure_loss_least, noise.midday_failure_loss_most
    left = np.where(failed, 1 - (least + (most - least) * size), 1.0)
    actual = np.floor(whole * left[:, None, :]).astype(np.int32)
    return Capacity(scenario, seed, first, exact, full, confirmed, actual, failed)


def _exact_on(
    scenario: Scenario, region: Region, usual: dict[str, float], day: int
) -> NDArray[np.float64]:
    """What the scenario says of a day, before rounding and noise."""
    row = scenario.capacity_week(day)
    percent, aid = (100.0, 0.0) if day < 0 else (row.percent, row.mutual_aid_percent)
    if day < min(scenario.day_of(part.starts_on) for part in scenario.mutual_aid):
        aid = 0.0
    helped = {name for lab in region.laboratories if not lab.own for name, _ in lab.weights}
    floors = {part.discipline: part.percent for part in scenario.discipline_floors}
    table = np.zeros((len(region.laboratories), len(DISCIPLINES)))
    for number, lab in enumerate(region.laboratories):
        for name, weight in lab.weights:
            level = max(percent, floors.get(name, 0.0))
            part = aid if not lab.own else level - aid if name in helped else level
            table[number, DISCIPLINES.index(name)] = usual[name] * weight * part / 100
    return table
