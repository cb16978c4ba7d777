"""The root key on paper: any two of three, and what is said when they do not fit."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic.shamir import combine_mnemonics
from shamir_mnemonic.wordlist import WORDLIST

from tourniquet.kernel.errors import UserError
from tourniquet.record.recovery import WORDS, check_number, combine, number_of, split
from tourniquet.record.share_sheet import sheet

HOLDERS = ("Ada Osei", "Bea Lind", "Cy Mora")
ROOTS = st.binary(min_size=32, max_size=32)
ROOT = bytes(range(32))
FEW = settings(max_examples=15, deadline=None)  # each derives keys slowly, on purpose


@FEW
@given(ROOTS)
def test_any_two_of_three_give_the_root(root: bytes) -> None:
    words = [share.words for share in split(root, HOLDERS)]
    for pair in combinations(words, 2):
        assert combine(pair) == combine(pair[::-1]) == root
        assert combine_mnemonics(pair) == root  # as any other program that knows SLIP-39
    assert combine(words) == root


@FEW
@given(ROOTS, st.integers(0, 2))
def test_one_alone_is_refused(root: bytes, number: int) -> None:
    words = split(root, HOLDERS)[number].words
    with pytest.raises(UserError, match="The words of 2 holders are needed, not of 1"):
        combine([words])
    with pytest.raises(UserError, match="same share was given twice"):
        combine([words, words])


@FEW
@given(st.data())
def test_a_mistyped_word_is_told_and_never_shown(data: st.DataObject) -> None:
    typed = [share.words.split() for share in split(ROOT, HOLDERS)[:2]]
    which = data.draw(st.integers(0, 1))
    at = data.draw(st.integers(0, WORDS - 1))
    wrong = data.draw(st.sampled_from(WORDLIST).filter(lambda word: word != typed[which][at]))
    typed[which][at] = wrong
    with pytest.raises(UserError) as caught:
        combine([" ".join(words) for words in typed])
    said = str(caught.value)
    assert said.startswith(f"the {('first', 'second')[which]} share: The checksum of the words")
    assert not {*typed[0], *typed[1]} & {word.strip(".,:") for word in said.split()} - _COMMON


_COMMON = {word for word in WORDLIST if word in {"dont", "places", "another", "again", "list"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: ["xylophone", *w[1:]], "Word 1 is not a word of the list"),
        (lambda w: [*w[:6], w[6][:3], *w[7:]], "Word 7 is not a word of the list"),
        (lambda w: w[:-1], "There are 32 words, not 33"),
        (lambda w: [*w, w[0]], "There are 34 words, not 33"),
        (lambda w: [w[1], w[0], *w[2:]], "checksum of the words does not hold"),
        (lambda _w: [], "There are 0 words, not 33"),
    ],
)
def test_what_is_wrong_with_the_words(change: object, said: str) -> None:
    first, second, _ = (share.words for share in split(ROOT, HOLDERS))
    with pytest.raises(UserError, match=said) as caught:
        combine([first, " ".join(change(second.split()))])  # type: ignore[operator] # a case's
    assert str(caught.value).startswith("the second share: ")


def test_words_may_be_shortened_numbered_and_capital() -> None:
    first, second, _ = (share.words for share in split(ROOT, HOLDERS))
    short = " ".join(f"{at}. {word[:4].upper()}" for at, word in enumerate(first.split(), 1))
    assert combine([short, second]) == ROOT
    assert number_of(short) == 1


def test_sheets_of_two_sets_do_not_go_together() -> None:
    with pytest.raises(UserError, match="not of one set"):
        combine([split(ROOT, HOLDERS)[0].words, split(ROOT, HOLDERS)[1].words])


def test_shares_of_another_form_are_refused() -> None:
    from shamir_mnemonic.shamir import generate_mnemonics

    ((one, *_),) = generate_mnemonics(1, [(3, 5)], ROOT)
    with pytest.raises(UserError, match="not a share of a Tourniquet root key"):
        combine([one, one])


@pytest.mark.parametrize(
    "holders", [("A", "B"), ("A", "B", "a "), ("A", "B", "C", "D"), ("A", "B", ""), ("A",) * 3]
)
def test_three_different_people_hold_the_shares(holders: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match=r"holder|different people"):
        split(ROOT, holders)


def test_the_sheet_says_whose_it_is_and_holds_no_other_share() -> None:
    shares = split(ROOT, HOLDERS)
    pages = [
        sheet(one, site="main", check=check_number(ROOT), made_at=datetime(2026, 1, 2, tzinfo=UTC))
        for one in shares
    ]
    for share, page in zip(shares, pages, strict=True):
        assert max(map(len, page.splitlines())) <= 72
        assert len(page.splitlines()) < 60  # one page
        assert share.holder in page
        assert check_number(ROOT) in page
        numbered = {
            int(number.rstrip(".")): word
            for line in page.splitlines()
            for number, word in _pairs(line)
        }
        assert " ".join(numbered[at] for at in range(1, WORDS + 1)) == share.words
    assert repr(shares[0]) == "PaperShare(number=1, holder='Ada Osei')"


def _pairs(line: str) -> list[tuple[str, str]]:
    pieces = line.split()
    if len(pieces) % 2 or not all(piece.rstrip(".").isdigit() for piece in pieces[::2]):
        return []
    return list(zip(pieces[::2], pieces[1::2], strict=True))


def test_the_check_number_tells_keys_apart() -> None:
    assert check_number(ROOT) == check_number(ROOT) != check_number(bytes(32))
