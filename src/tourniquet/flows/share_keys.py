"""The root key was split on paper: who holds which share is written down, never the words.

1. Append `keys.shared`: the number and the name of each holder, and the set's check number.
"""

from __future__ import annotations

from collections.abc import Sequence

from tourniquet.record.entries import KeysShared, ShareHeld
from tourniquet.record.journal import Act, writing
from tourniquet.record.recovery import PaperShare


def note_shares(shares: Sequence[PaperShare], *, check: str, act: Act) -> int:
    """Note who holds which share; the entry's position. Raises: StorageUnavailable."""
    held = tuple(ShareHeld(number=one.number, holder=one.holder) for one in shares)
    with writing(act) as journal:
        return journal.append(KeysShared(check=check, held=held))
