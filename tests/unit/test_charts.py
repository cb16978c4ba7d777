"""unit: charts say in words and in a table what they draw, and hold to the content policy."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tourniquet.web.charts import Chart, Series, bar, line, nice_ceiling, show, spark_bar, step

CHART = Chart(
    "capacity",
    "Laboratory capacity",
    "Capacity falls to 4% in week 1 and is back in week 12.",
    tuple(str(week) for week in range(1, 17)),
    (
        Series("Declared", (4, 10, 25, 40, 54, 54, 60, 70, 75, 80, 85, 100, 105, 110, 110, 110)),
        Series("Used", (4, 9, None, 38, 50, 50, 55, 66, 70, 77, 80, 92, 95, 99, 90, 88)),
    ),
    unit="%",
)


@pytest.mark.parametrize("draw", [line, bar, step])
def test_chart_is_well_formed_and_described(draw: object) -> None:
    assert callable(draw)
    text = str(draw(CHART))
    root = ET.fromstring(text)
    assert root.find(".//title") is not None
    assert root.find(".//desc") is not None
    assert len(root.findall(".//tbody/tr")) == 16
    assert "Not known" in text
    assert "style=" not in text
    assert "NaN" not in text


@pytest.mark.parametrize("draw", [line, bar, step])
def test_text_from_outside_is_escaped(draw: object) -> None:
    assert callable(draw)
    evil = "<script>alert(1)</script>"
    chart = Chart(evil, evil, evil, (evil,), (Series(evil, (1,)), Series(evil, (2,))), evil)
    assert "<script" not in str(draw(chart))
    assert "<script" not in str(spark_bar(0.5, label=evil))


def test_a_gap_is_never_drawn_as_nought() -> None:
    drawn = str(line(Chart("g", "t", "d", ("a", "b", "c"), (Series("s", (1, None, 3)),))))
    path = drawn.split(' d="')[1].partition('"')[0]
    assert path.count("M") == 2
    assert "L" not in path


def test_an_empty_chart_draws_nothing_and_does_not_fail() -> None:
    assert "<svg" in str(line(Chart("e", "t", "d", (), (Series("s", ()),))))
    assert "<svg" in str(bar(Chart("e", "t", "d", ("a",), (Series("s", (None,)),))))


def test_limits() -> None:
    labels = tuple(str(n) for n in range(401))
    with pytest.raises(ValueError, match="400"):
        Chart("c", "t", "d", labels, ())
    with pytest.raises(ValueError, match="each label"):
        Chart("c", "t", "d", ("a",), (Series("s", ()),))


@pytest.mark.parametrize(
    ("value", "ceiling"),
    [(0, 1), (0.3, 0.3), (1, 1), (1.1, 1.2), (23, 24), (26, 30), (110, 120), (9, 10)],
)
def test_nice_ceiling(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == pytest.approx(ceiling)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "Not known"), (1234.6, "1,235"), (3, "3"), (2.55, "2.5"), (0.1234, "0.12")],
)
def test_show(value: float | None, shown: str) -> None:
    assert show(value) == shown
