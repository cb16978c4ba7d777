"""Small charts as SVG: line, bar and step. Pure functions from numbers to markup.

Invariants:
- Every chart has a title and a description, and a table with the same figures for those who
  cannot see it. Series differ by dash and by label, not by colour alone.
- No style attribute and no script, so that the strictest content policy holds; every text from
  outside is escaped.
- Figures beyond MAX_POINTS are refused: a chart with more says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

MAX_POINTS = 400
WIDTH, HEIGHT = 720, 280
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 44
DASHES = ("", "8 4", "2 4", "10 3 2 3")
# Tops whose quarters are round figures; multiplied by a power of ten.
NICE_FACTORS = (1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0)
LABELS_AT_MOST = 9
LABELS_IN_FULL = 16


@dataclass(frozen=True)
class Series:
    """One named row of figures; None is a gap in the line, never nought."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Chart:
    """What is drawn: labels along the bottom and one or more series over them."""

    chart_id: str
    title: str
    description: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str = ""
    labels_heading: str = "Item"

    def __post_init__(self) -> None:
        if len(self.labels) > MAX_POINTS:
            raise ValueError(f"a chart has at most {MAX_POINTS} points")
        if any(len(row.values) != len(self.labels) for row in self.series):
            raise ValueError("every series has one value for each label")


def line(chart: Chart) -> Markup:
    """Points joined by straight lines."""
    return _figure(chart, _line_path)


def step(chart: Chart) -> Markup:
    """Values that hold until the next one: capacity, levels, states."""
    return _figure(chart, _step_path)


def bar(chart: Chart) -> Markup:
    """One group of bars for each label."""
    return _figure(chart, None)


def spark_bar(share: float | None, *, label: str) -> Markup:
    """A bar for a share of normal in a table's row; the figure itself stands beside it."""
    filled = 0.0 if share is None else min(max(share, 0.0), 1.0) * 100
    level = "low" if filled < 34 else "part" if filled < 80 else "full"
    return Markup(
        '<svg class="tq-spark" viewBox="0 0 100 10" width="100" height="10" role="img"'
        ' aria-label="{}" preserveAspectRatio="none"><rect class="tq-spark__track" width="100"'
        ' height="10"/><rect class="tq-spark__fill tq-spark__fill--{}" width="{}" height="10"/>'
        "</svg>"
    ).format(label, level, f"{filled:.1f}")


def nice_ceiling(value: float) -> float:
    """The next round number at or above a value: one whose quarters are round too."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    for factor in NICE_FACTORS:
        if value <= factor * power * (1 + 1e-9):
            return factor * power
    return 10.0 * power


def show(value: float | None) -> str:
    """A figure with thousands and no more decimals than it needs."""
    if value is None:
        return "Not known"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 1 else f"{value:.2g}"


def _ceiling(chart: Chart) -> float:
    values = [value for row in chart.series for value in row.values if value is not None]
    return nice_ceiling(max(values, default=0.0))


def _x(index: int, total: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / max(total, 1)


def _y(value: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - max(value, 0.0) / top)


def _line_path(values: Sequence[float | None], top: float) -> str:
    parts: list[str] = []
    pen_down = False
    for index, value in enumerate(values):
        if value is not None:
            letter = "L" if pen_down else "M"
            parts.append(f"{letter}{_x(index, len(values)):.1f} {_y(value, top):.1f}")
        pen_down = value is not None
    return "".join(parts)


def _step_path(values: Sequence[float | None], top: float) -> str:
    parts: list[str] = []
    half = (WIDTH - LEFT - RIGHT) / max(len(values), 1) / 2
    pen_down = False
    for index, value in enumerate(values):
        if value is not None:
            centre, height = _x(index, len(values)), _y(value, top)
            letter = "L" if pen_down else "M"
            parts.append(f"{letter}{centre - half:.1f} {height:.1f}H{centre + half:.1f}")
        pen_down = value is not None
    return "".join(parts)


def _axes(chart: Chart, top: float) -> Markup:
    rows: list[Markup] = []
    for quarter in range(5):
        value = top * quarter / 4
        height = _y(value, top)
        rows.append(
            Markup(
                '<line class="tq-chart__grid" x1="{}" x2="{}" y1="{}" y2="{}"/>'
                '<text class="tq-chart__label" x="{}" y="{}" text-anchor="end">{}</text>'
            ).format(
                LEFT, WIDTH - RIGHT, f"{height:.1f}", f"{height:.1f}", LEFT - 8,
                f"{height + 5:.1f}", show(value) + chart.unit,
            )
        )  # fmt: skip
    total = len(chart.labels)
    every = 1 if total <= LABELS_IN_FULL else math.ceil(total / LABELS_AT_MOST)
    for index, label in enumerate(chart.labels):
        if index % every == 0:
            rows.append(
                Markup(
                    '<text class="tq-chart__label" x="{}" y="{}" text-anchor="middle">{}</text>'
                ).format(f"{_x(index, total):.1f}", HEIGHT - BOTTOM + 24, label)
            )
    return Markup("").join(rows)


def _bars(chart: Chart, top: float) -> Markup:
    slot = (WIDTH - LEFT - RIGHT) / max(len(chart.labels), 1)
    width = slot * 0.8 / max(len(chart.series), 1)
    rows: list[Markup] = []
    for number, row in enumerate(chart.series):
        for index, value in enumerate(row.values):
            if value is None:
                continue
            left = LEFT + slot * (index + 0.1) + width * number
            height = _y(value, top)
            rows.append(
                Markup(
                    '<rect class="tq-chart__bar tq-chart__bar--{}" x="{}" y="{}" width="{}"'
                    ' height="{}"/>'
                ).format(
                    number % 4, f"{left:.1f}", f"{height:.1f}", f"{max(width - 1, 0.5):.1f}",
                    f"{HEIGHT - BOTTOM - height:.1f}",
                )
            )  # fmt: skip
    return Markup("").join(rows)


def _lines(
    chart: Chart, top: float, path_of: Callable[[Sequence[float | None], float], str]
) -> Markup:
    return Markup("").join(
        Markup('<path class="tq-chart__line tq-chart__line--{}" d="{}" {}/>').format(
            number % 4,
            path_of(row.values, top),
            _dash(number),
        )
        for number, row in enumerate(chart.series)
    )


def _dash(number: int) -> Markup:
    if not number % 4:
        return Markup("")
    return Markup('stroke-dasharray="{}"').format(DASHES[number % 4])


def _swatch(number: int, *, bars: bool) -> Markup:
    if bars:
        return Markup(
            '<rect class="tq-chart__bar tq-chart__bar--{}" width="28" height="10" y="1"/>'
        ).format(number % 4)
    return Markup('<path class="tq-chart__line tq-chart__line--{}" d="M0 6H28" {}/>').format(
        number % 4, _dash(number)
    )


def _legend(chart: Chart, *, bars: bool) -> Markup:
    if len(chart.series) < 2:
        return Markup("")
    items = Markup("").join(
        Markup(
            '<li><svg class="tq-chart__swatch" width="28" height="12" aria-hidden="true"'
            ' focusable="false">{}</svg> {}</li>'
        ).format(_swatch(number, bars=bars), row.name)
        for number, row in enumerate(chart.series)
    )
    return Markup('<ul class="tq-chart__legend">{}</ul>').format(items)


def _table(chart: Chart) -> Markup:
    head = Markup("").join(
        Markup('<th scope="col" class="tq-number">{}</th>').format(row.name) for row in chart.series
    )
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label,
            Markup("").join(
                Markup('<td class="tq-number">{}</td>').format(
                    show(row.values[index]) + (chart.unit if row.values[index] is not None else "")
                )
                for row in chart.series
            ),
        )
        for index, label in enumerate(chart.labels)
    )
    return Markup(
        '<details class="nhsuk-details tq-chart__table"><summary class="nhsuk-details__summary">'
        '<span class="nhsuk-details__summary-text">Figures as a table</span></summary>'
        '<div class="nhsuk-details__text"><table class="nhsuk-table tq-table"><caption'
        ' class="nhsuk-u-visually-hidden">{}</caption><thead><tr><th scope="col">{}</th>{}</tr>'
        "</thead><tbody>{}</tbody></table></div></details>"
    ).format(chart.title, chart.labels_heading, head, body)


def _figure(chart: Chart, path_of: Callable[[Sequence[float | None], float], str] | None) -> Markup:
    top = _ceiling(chart)
    drawn = _bars(chart, top) if path_of is None else _lines(chart, top, path_of)
    return Markup(
        '<figure class="tq-chart"><figcaption class="nhsuk-heading-s">{title}</figcaption>{legend}'
        '<svg class="tq-chart__svg" viewBox="0 0 {width} {height}" role="img"'
        ' aria-labelledby="{id}-title {id}-desc"><title id="{id}-title">{title}</title>'
        '<desc id="{id}-desc">{description}</desc>{axes}{drawn}</svg>{table}</figure>'
    ).format(
        title=chart.title,
        description=chart.description,
        id=escape(chart.chart_id),
        width=WIDTH,
        height=HEIGHT,
        legend=_legend(chart, bars=path_of is None),
        axes=_axes(chart, top),
        drawn=drawn,
        table=_table(chart),
    )
