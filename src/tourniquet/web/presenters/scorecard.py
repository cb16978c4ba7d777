"""An exercise's scorecard: what was reached, beside the competitors, and what must hold."""

from __future__ import annotations

from dataclasses import dataclass

from tourniquet.web.charts import Chart, show


@dataclass(frozen=True)
class Comparison:
    """One measure for the three policies. `low_is_good`: harm; else a share of the good."""

    label: str
    explanation: str
    tourniquet: float | None
    strict_priority: float | None
    what_happened: float | None
    lower_bound: float | None = None
    unit: str = ""
    low_is_good: bool = True

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The figures as shown: ours, strict priority's, what happened, the bound."""
        figures = (self.tourniquet, self.strict_priority, self.what_happened)
        shown = [show(value) + (self.unit if value is not None else "") for value in figures]
        bound = "Not proven" if self.lower_bound is None else show(self.lower_bound) + self.unit
        return shown[0], shown[1], shown[2], bound

    @property
    def verdict(self) -> str:
        """Ours against the better of the two others."""
        others = [v for v in (self.strict_priority, self.what_happened) if v is not None]
        if self.tourniquet is None or not others:
            return "Not known"
        best = min(others) if self.low_is_good else max(others)
        if self.tourniquet == best:
            return "Level"
        return "Better" if (self.tourniquet < best) == self.low_is_good else "Worse"

    @property
    def verdict_tag(self) -> str:
        """The colour of the verdict's tag."""
        return {"Better": "green", "Worse": "red"}.get(self.verdict, "grey")


@dataclass(frozen=True)
class Promise:
    """Something that must hold: a figure, what it must be, and whether it is."""

    label: str
    value: str
    must: str
    holds: bool


@dataclass(frozen=True)
class Figure:
    """One figure with its words."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True)
class CapacityLine:
    """The scenario's capacity of one week, with where the figure is from."""

    week: int
    share: float
    flag: str
    source: str


@dataclass(frozen=True)
class ScorecardPage:
    """The whole page. `modelled` says in sentences what was modelled and not measured."""

    scenario: str
    seed: int
    people: int
    days: int
    needs: int
    seconds: float
    comparisons: tuple[Comparison, ...]
    promises: tuple[Promise, ...]
    figures: tuple[Figure, ...]
    charts: tuple[tuple[str, Chart], ...] = ()
    capacity: tuple[CapacityLine, ...] = ()
    modelled: tuple[str, ...] = ()
