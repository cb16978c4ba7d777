"""unit: how ceilings and limits are configured, and the reasons that may be given."""

from __future__ import annotations

import pytest

from tourniquet.directory.roles import Role
from tourniquet.kernel.errors import OperatorError, UserError
from tourniquet.patients.ceilings import (
    CEILINGS,
    DEFAULT_CEILINGS,
    DEFAULT_LIMITS,
    DEFAULT_REASONS,
    is_passed,
    read_ceilings,
    read_limits,
    read_reasons,
)
from tourniquet.patients.grounds import (
    GLASS,
    WORDS_LONGEST,
    Why,
    list_reasons,
    read_reason,
    reason_words,
)


def test_every_role_has_a_ceiling_and_a_higher_limit() -> None:
    for role in Role:
        assert 0 < DEFAULT_CEILINGS.by_role[role] < DEFAULT_LIMITS.by_role[role]
        assert 0 < DEFAULT_REASONS.by_role[role] <= DEFAULT_CEILINGS.by_role[role]
    assert read_reasons("hospital=7").of("anyone", "hospital") == 7


def test_what_is_named_overrides_and_the_rest_stays() -> None:
    found = read_ceilings(" hospital=300, account/feed=20000 ,")
    assert found.of("anyone", "hospital") == 300
    assert found.of("feed", "hospital") == 20000
    assert found.of("anyone", "practice") == DEFAULT_CEILINGS.by_role[Role.PRACTICE]
    assert read_limits("") == DEFAULT_LIMITS


def test_an_account_of_unknown_role_has_the_smallest_number() -> None:
    assert read_ceilings("auditor=7").of("late", "") == 7


@pytest.mark.parametrize(
    "text",
    ["hospital", "hospital=", "hospital=0", "hospital=-1", "nurse=3", "hospital=3;practice=4",
     "account/=3", "hospital=99999999", "hospital=1.5"],
)  # fmt: skip
def test_what_cannot_be_read_names_the_setting(text: str) -> None:
    with pytest.raises(OperatorError) as raised:
        read_ceilings(text)
    assert raised.value.where == CEILINGS


@pytest.mark.parametrize(
    ("before", "after", "passed"),
    [(9, 10, False), (10, 11, True), (0, 500, True), (11, 12, False), (10, 10, False)],
)
def test_a_ceiling_is_passed_once_and_not_at_the_number(
    before: int, after: int, *, passed: bool
) -> None:
    assert is_passed(before, after, 10) is passed


def test_each_role_has_its_own_reasons_and_other() -> None:
    care = {one.code for one in list_reasons(Role.HOSPITAL)}
    oversight = {one.code for one in list_reasons(Role.AUDITOR)}
    assert care & oversight == {"other"}
    assert "emergency" in care
    assert "complaint" in oversight


@pytest.mark.parametrize(
    ("role", "code", "words", "field"),
    [
        (Role.HOSPITAL, "", "", "reason"),
        (Role.HOSPITAL, "complaint", "", "reason"),
        (Role.AUDITOR, "emergency", "", "reason"),
        (Role.HOSPITAL, "other", "   ", "words"),
        (Role.HOSPITAL, "emergency", "x" * (WORDS_LONGEST + 1), "words"),
    ],
)
def test_a_reason_by_halves_names_the_field(role: Role, code: str, words: str, field: str) -> None:
    with pytest.raises(UserError) as raised:
        read_reason(role, code, words)
    assert raised.value.where == field


def test_a_reason_is_kept_as_given() -> None:
    words = "x" * WORDS_LONGEST
    assert read_reason(Role.HOSPITAL, "emergency", "") == Why(GLASS, "emergency", "")
    assert read_reason(Role.HOSPITAL, "other", f" {words} ") == Why(GLASS, "other", words)
    assert reason_words("emergency").startswith("Emergency")
    assert reason_words("of-a-later-release") == "of-a-later-release"


@pytest.mark.parametrize("hours", ["0", "169", "x", "-1"])
def test_the_hours_of_a_reason_are_a_number_of_hours(
    monkeypatch: pytest.MonkeyPatch, hours: str
) -> None:
    from tourniquet.flows.break_glass import hours_held

    assert hours_held() == 8
    monkeypatch.setenv("TOURNIQUET_BROKEN_GLASS_HOURS", hours)
    with pytest.raises(OperatorError) as raised:
        hours_held()
    assert raised.value.where == "TOURNIQUET_BROKEN_GLASS_HOURS"
