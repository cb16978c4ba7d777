"""What a report means beside what is known of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tourniquet.pathology.rules import (
    KnownReport,
    age_on,
    decide,
    plain_unit,
    upper_limit,
)

THEN = datetime(2024, 6, 3, 9, tzinfo=UTC)
LATER, EARLIER = THEN + timedelta(hours=1), THEN - timedelta(hours=1)


def known(status: str, content: str = "a") -> KnownReport:
    return KnownReport("r", "p", 1, 1, status, content, THEN, "", "L1", "FBC", 1)


@pytest.mark.parametrize(
    ("have", "comes", "at", "change", "status", "current"),
    [
        ("preliminary", "final", THEN, "amended", "final", True),
        ("preliminary", "preliminary", LATER, "amended", "preliminary", True),
        ("final", "preliminary", THEN, "late", "preliminary", False),
        ("final", "preliminary", LATER, "late", "preliminary", False),
        ("final", "final", LATER, "amended", "amended", True),
        ("final", "final", EARLIER, "late", "final", False),
        ("final", "corrected", LATER, "corrected", "corrected", True),
        ("corrected", "corrected", LATER, "corrected", "corrected", True),
        ("corrected", "final", THEN, "late", "final", False),
        ("final", "cancelled", LATER, "cancelled", "cancelled", True),
        ("final", "entered-in-error", None, "withdrawn", "entered-in-error", True),
        ("entered-in-error", "final", LATER, "amended", "final", True),
        ("entered-in-error", "final", THEN, "late", "final", False),
        ("cancelled", "preliminary", LATER, "amended", "preliminary", True),
    ],
)
def test_decide(
    have: str, comes: str, at: datetime | None, change: str, status: str, *, current: bool
) -> None:
    found = decide(known(have), status=comes, content="b", issued_at=at)
    assert (found.change, found.status, found.current, found.version) == (
        change,
        status,
        current,
        2,
    )


def test_the_same_content_is_a_repeat_whatever_its_time() -> None:
    for at in (EARLIER, THEN, LATER, None):
        assert decide(known("final"), status="final", content="a", issued_at=at).change == "repeat"


def test_nothing_known_is_new() -> None:
    assert decide(None, status="final", content="a", issued_at=None).change == "new"
    assert (
        decide(None, status="entered-in-error", content="a", issued_at=None).change == "withdrawn"
    )


def test_units_limits_and_ages() -> None:
    assert plain_unit("x10^9/L") == plain_unit("10*9/L") == "10*9/l"
    assert plain_unit("µmol/L") == plain_unit("umol/L")
    assert [upper_limit(t) for t in ("0-40", "<5", "0.5 - 1.2", "", "negative")] == [
        40.0,
        5.0,
        1.2,
        None,
        None,
    ]
    born = datetime(2008, 6, 4, tzinfo=UTC).date()
    assert (age_on(born, THEN.date()), age_on(None, THEN.date())) == (15, None)
