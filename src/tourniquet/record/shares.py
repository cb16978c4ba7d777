"""The root key put together from the words of several named people, in memory. Pure.

SLIP-39 by `shamir-mnemonic`: any two of three shares of words give the key, one gives nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from shamir_mnemonic import MnemonicError, combine_mnemonics
from shamir_mnemonic.share import Share

from tourniquet.kernel.errors import UserError
from tourniquet.record.bodies import KEY_BYTES

WORDS_CHARACTERS_MOST = 1000


def check_share(words: str) -> str:
    """One share's words in their plain form. Raises: UserError when they are not a share."""
    plain = " ".join(words[:WORDS_CHARACTERS_MOST].casefold().split())
    try:
        Share.from_mnemonic(plain)
    except MnemonicError:
        raise UserError(
            "These words are not a share.", remedy="Compare them with the paper, word by word."
        ) from None
    return plain


def combine_shares(shares: Sequence[str]) -> bytes:
    """The root key. Raises: UserError when the shares are too few or do not belong together."""
    try:
        root: bytes = combine_mnemonics(list(shares))
    except MnemonicError:
        raise UserError(
            "These shares do not give a key together.",
            remedy="Bring shares of one set, from as many people as the set asks for.",
        ) from None
    if len(root) != KEY_BYTES:
        raise UserError("These shares give another kind of key.", remedy="Bring those of the root.")
    return root
