"""The root key on paper: split among three people, any two of whom bring it back.

Invariants:
- One share alone says nothing of the key; any two of one set give it, and no other pair does.
- What a person typed never stands in an error: it names the share and the word's place.
- A share carries a checksum of its own; what two shares give carries another. So a mistyped word,
  a share of another set and the same share twice are each told apart, before a key is believed.
- Nothing here writes, prints or logs.

The words are SLIP-39's, so that another implementation can bring the key back when we are gone.
Source: SLIP-0039, Shamir's Secret-Sharing for Mnemonic Codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from shamir_mnemonic.shamir import combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share
from shamir_mnemonic.utils import MnemonicError
from shamir_mnemonic.wordlist import WORDLIST

from tourniquet.kernel.errors import UserError
from tourniquet.record.bodies import KEY_BYTES, derive

SHARES = 3
NEEDED = 2
WORDS = 33  # of a share of 32 bytes
PREFIX_LETTERS = 4  # no two words of the list begin with the same four
HOLDER_CHARACTERS_MOST = 100
TYPED_CHARACTERS_MOST = 2000
_CHECK = b"tourniquet root key check v1\x00"
_CHECK_BYTES = 4
_BY_PREFIX = {word[:PREFIX_LETTERS]: word for word in WORDLIST}
_ORDINALS = ("first", "second", "third")


@dataclass(frozen=True)
class PaperShare:
    """One share: its number from 1, who holds it, and the words. Its `repr` shows no words."""

    number: int
    holder: str
    words: str = field(repr=False)


def split(root: bytes, holders: Sequence[str]) -> tuple[PaperShare, ...]:
    """Split a root key among three named people; each split makes a new set.

    Raises: UserError when these are not three different names.
    """
    names = [" ".join(holder.split()) for holder in holders]
    if len(names) != SHARES or len({name.casefold() for name in names}) != SHARES:
        raise UserError(
            f"A key is split among {SHARES} different people.",
            where="--holder",
            remedy="Name each once: two shares in one hand are the whole key.",
        )
    if not all(names) or max(map(len, names)) > HOLDER_CHARACTERS_MOST:
        raise UserError(
            f"A holder's name has 1 to {HOLDER_CHARACTERS_MOST} characters.", where="--holder"
        )
    if len(root) != KEY_BYTES:
        raise ValueError("a root key has 32 bytes")
    ((*shares,),) = generate_mnemonics(1, [(NEEDED, SHARES)], root)
    return tuple(
        PaperShare(number, name, words)
        for number, (name, words) in enumerate(zip(names, shares, strict=True), 1)
    )


def combine(typed: Sequence[str]) -> bytes:
    """The root key from the words of two holders, or of all three.

    Words may be shortened to their first four letters, in any case, with numbers or dots between.
    Raises: UserError saying which share, and which word's place or checksum, never a word.
    """
    if not NEEDED <= len(typed) <= SHARES:
        raise UserError(
            f"The words of {NEEDED} holders are needed, not of {len(typed)}.",
            remedy="One share alone gives nothing.",
        )
    read = [_read(words, f"the {_ORDINALS[at]} share") for at, words in enumerate(typed)]
    shares = [share for share, _ in read]
    if len({share.common_parameters() for share in shares}) > 1:
        raise UserError(
            "These shares are not of one set.",
            remedy="Take two sheets with the same check number; older sheets go with older ones.",
        )
    if len({share.index for share in shares}) < len(shares):
        raise UserError(
            "The same share was given twice.", remedy="Take the sheets of two different holders."
        )
    # Two give the key. A third is compared by what it gives with the first.
    found = {_joined([read[0][1], words]) for _, words in read[1:]}
    if len(found) > 1:
        raise UserError("The three shares do not give one key.", remedy="Take two of them.")
    return found.pop()


def plain_words(typed: str) -> str:
    """One share's words as the list spells them. Raises: UserError, as `combine`."""
    return _read(typed, "the share")[1]


def number_of(typed: str) -> int:
    """The number of the share with these words. Raises: UserError, as `combine`."""
    number: int = _read(typed, "the share")[0].index + 1
    return number


def check_number(root: bytes) -> str:
    """What stands on every sheet: it tells which key it is of, and nothing about the key."""
    return derive(root, _CHECK)[:_CHECK_BYTES].hex()


def _read(typed: str, where: str) -> tuple[Share, str]:
    """A share and its words, as the list spells them."""
    words = _words(typed[: TYPED_CHARACTERS_MOST + 1], where)
    if len(words) != WORDS:
        raise UserError(
            f"There are {len(words)} words, not {WORDS}.",
            where=where,
            remedy="Type all words of the sheet, in their order.",
        )
    try:
        share = Share.from_mnemonic(" ".join(words))
    except MnemonicError:
        raise UserError(
            "The checksum of the words does not hold.",
            where=where,
            remedy="A word is another one of the list, or two changed places. Compare each again.",
        ) from None
    form = (share.group_threshold, share.group_count, share.member_threshold, len(share.value))
    if form != (1, 1, NEEDED, KEY_BYTES):
        raise UserError("The words are not a share of a Tourniquet root key.", where=where)
    return share, " ".join(words)


def _words(typed: str, where: str) -> list[str]:
    """Words of the list; numbers and punctuation between them are let go."""
    words: list[str] = []
    for piece in "".join(c if c.isalpha() else " " for c in typed).lower().split():
        word = _BY_PREFIX.get(piece[:PREFIX_LETTERS])
        if word is None or not (len(piece) == PREFIX_LETTERS or piece == word):
            raise UserError(
                f"Word {len(words) + 1} is not a word of the list.",
                where=where,
                remedy="Compare it with the sheet, letter by letter.",
            )
        words.append(word)
    return words


def _joined(words: Sequence[str]) -> bytes:
    try:
        root: bytes = combine_mnemonics(words)
    except MnemonicError:
        raise UserError(
            "The shares do not give a key: their common checksum does not hold.",
            remedy="Compare each word with the sheets. If all are right, the sheets do not belong "
            "together.",
        ) from None
    return root
