"""Pure parts of the edge: search parameters, units, cursors, daily work, other formats."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from tourniquet.kernel.errors import UserError


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("g/L", "g/L"),
        ("10^9/L", "10*9/L"),
        ("x10*9/l", "10*9/L"),
        ("10e12/L", "10*12/L"),
        ("µmol/L", "umol/L"),
        ("IU/L", "[IU]/L"),
        ("mL/min/1.73m2", "mL/min/{1.73_m2}"),
        ("furlongs", ""),
        ("", ""),
    ],
)
def test_units(sent: str, code: str) -> None:
    from tourniquet.edge.fhir.systems import ucum_code

    assert ucum_code(sent) == code


@pytest.mark.parametrize(
    "name", ["RJ1", "St Thomas' & Guy's|x", "2.16.840.1.113883", "urn:oid:1.2"]
)
def test_authorities_come_back(name: str) -> None:
    from tourniquet.edge.fhir.systems import authority_of, authority_system

    assert authority_of(authority_system(name)) == name.removeprefix("urn:oid:")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-06-01", datetime(2026, 5, 31, 23, tzinfo=UTC), datetime(2026, 6, 1, 23, tzinfo=UTC)),
        (
            "2026-06-01T10:00",
            datetime(2026, 6, 1, 9, tzinfo=UTC),
            datetime(2026, 6, 1, 9, 1, tzinfo=UTC),
        ),
        (
            "2026-06-01T10:00:05.123Z",
            datetime(2026, 6, 1, 10, 0, 5, tzinfo=UTC),
            datetime(2026, 6, 1, 10, 0, 6, tzinfo=UTC),
        ),
        (
            "2026-06-01T10:00:05+02:00",
            datetime(2026, 6, 1, 8, 0, 5, tzinfo=UTC),
            datetime(2026, 6, 1, 8, 0, 6, tzinfo=UTC),
        ),
    ],
)
def test_dates(text: str, start: datetime, end: datetime) -> None:
    from tourniquet.edge.fhir.parameters import dates
    from tourniquet.patients.fhir_queries import Span

    assert dates("date", text) == (Span(start, end),)
    assert dates("date", f"gt{text}") == (Span(end, None),)
    assert dates("date", f"ge{text},lt{text}") == (Span(start, None), Span(None, start))
    assert dates("date", f"ne{text}") == (Span(start, end, outside=True),)


def test_escapes_in_values() -> None:
    from tourniquet.edge.fhir.parameters import tokens
    from tourniquet.patients.fhir_queries import Token

    assert tokens("x", r"a\,b,c\|d,s|v,|v,s|") == (
        Token("a,b"),
        Token("c|d"),
        Token("v", "s"),
        Token("v", ""),
        Token("", "s"),
    )
    for bad in ("", ",", "|", "a|b|c"):
        with pytest.raises(UserError):
            tokens("x", bad)


def test_cursors() -> None:
    from tourniquet.edge.fhir.bundle import read_cursor, write_cursor

    assert read_cursor(write_cursor(["01x", 7]), str, int) == ("01x", 7)
    for bad in ("", "=", "WzFd", write_cursor([7, 7]), write_cursor(["a"]), "é"):
        with pytest.raises(UserError):
            read_cursor(bad, str, int)


def test_what_is_due() -> None:
    from tourniquet.edge.worker import is_due

    early = datetime(2026, 6, 1, 4, 59, tzinfo=UTC)
    morning = datetime(2026, 6, 1, 5, 0, tzinfo=UTC)  # six in London's summer
    evening = datetime(2026, 6, 1, 19, 0, tzinfo=UTC)
    today, before = date(2026, 6, 1), date(2026, 5, 31)
    assert not is_due("morning", early, before)
    assert is_due("morning", morning, before)
    assert is_due("morning", morning, None)
    assert not is_due("morning", morning, today)
    assert is_due("urgent", morning, today)
    assert not is_due("urgent", evening, today)
    assert not is_due("evening", morning, before)
    assert is_due("evening", evening, before)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b'\xef\xbb\xbf {"resourceType":"Bundle"}', "FHIR"),
        (b"<Bundle/>", "FHIR"),
        (b"UNA:+.? 'UNB+UNOA", "EDIFACT"),
        (b"UNB+UNOA:2+A+B'", "EDIFACT"),
    ],
)
def test_files_of_other_formats_are_named(raw: bytes, word: str) -> None:
    from tourniquet.cli.intake import other_format, take_file

    assert word in other_format(raw)
    (outcome,) = take_file("f", raw)
    assert outcome.code == ""
    assert "later release" in outcome.reason
    assert other_format(b"MSH|^~\\&|") == ""
