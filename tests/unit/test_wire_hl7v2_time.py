"""Timestamps and dates of HL7 v2."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2_time import (
    Precision,
    format_date,
    format_timestamp,
    parse_date,
    parse_timestamp,
)

READ = [
    ("2024", "2024-01-01T00:00:00+00:00", Precision.YEAR),
    ("202406", "2024-05-31T23:00:00+00:00", Precision.MONTH),
    ("20240603", "2024-06-02T23:00:00+00:00", Precision.DAY),
    ("2024060310", "2024-06-03T09:00:00+00:00", Precision.HOUR),
    ("202406031015", "2024-06-03T09:15:00+00:00", Precision.MINUTE),
    ("20240603101530", "2024-06-03T09:15:30+00:00", Precision.SECOND),
    ("20240603101530.25", "2024-06-03T09:15:30.250000+00:00", Precision.FRACTION),
    ("20240603101530.1234", "2024-06-03T09:15:30.123400+00:00", Precision.FRACTION),
    ("20110613122406637", "2011-06-13T11:24:06.637000+00:00", Precision.FRACTION),
    ("20240603101530+0200", "2024-06-03T08:15:30+00:00", Precision.SECOND),
    ("20240603101530.5-0530", "2024-06-03T15:45:30.500000+00:00", Precision.FRACTION),
    ("202401151015", "2024-01-15T10:15:00+00:00", Precision.MINUTE),
    ("2024+0000", "2024-01-01T00:00:00+00:00", Precision.YEAR),
    (" 20240229 ", "2024-02-29T00:00:00+00:00", Precision.DAY),
    ("18000101", "1800-01-01T00:01:15+00:00", Precision.DAY),
    ("21991231235959+1400", "2199-12-31T09:59:59+00:00", Precision.SECOND),
]


@pytest.mark.parametrize(("text", "instant", "precision"), READ)
def test_read(text: str, instant: str, precision: Precision) -> None:
    found = parse_timestamp(text)
    assert found.instant.isoformat() == instant
    assert found.instant.tzinfo is UTC
    assert found.precision is precision
    assert found.text == text
    assert found.had_offset is ("+" in text or "-" in text)
    assert not found.ambiguous
    assert not found.nonexistent


def test_the_hour_that_comes_twice_is_flagged() -> None:
    found = parse_timestamp("20241027013000")
    assert found.ambiguous
    assert found.instant == datetime(2024, 10, 27, 0, 30, tzinfo=UTC)
    assert not parse_timestamp("20241027013000+0100").ambiguous


def test_the_hour_that_is_skipped_is_flagged() -> None:
    assert parse_timestamp("20240331013000").nonexistent
    assert not parse_timestamp("20240331003000").nonexistent


REFUSED = [
    "",
    "24",
    "20241",
    "20241301",
    "20240230",
    "2024060324",
    "202406031060",
    "20240603101560",
    "17991231",
    "22000101",
    "0000",
    "9991234567",
    "00010101000000",
    "20240603101530+1500",
    "20240603101530-1300",
    "20240603101530+0160",
    "20240603101530.",
    "20240603101530.1234567",
    "20240603T101530",
    "2024-06-03",
    "Aug 15, 1942",
    "\uff12\uff10\uff12\uff14",
    "20240603\n1",
    "20240603 10",
]


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    for read in (parse_timestamp, parse_date):
        with pytest.raises(SenderError) as caught:
            read(text, where="OBR-7")
        assert caught.value.where == "OBR-7"


@pytest.mark.parametrize(
    ("text", "day", "precision"),
    [
        ("1945", date(1945, 1, 1), Precision.YEAR),
        ("194507", date(1945, 7, 1), Precision.MONTH),
        ("19450714", date(1945, 7, 14), Precision.DAY),
        ("19450714233000-0500", date(1945, 7, 14), Precision.DAY),
        ("194507140030", date(1945, 7, 14), Precision.DAY),
    ],
)
def test_dates_are_taken_as_written(text: str, day: date, precision: Precision) -> None:
    found = parse_date(text)
    assert (found.day, found.precision, found.text) == (day, precision, text)


def test_written_and_read_back() -> None:
    moment = datetime(2024, 6, 3, 9, 15, 30, tzinfo=UTC)
    assert parse_timestamp(format_timestamp(moment)).instant == moment
    assert format_date(date(945, 7, 4)) == "09450704"
