"""A replica hands over a checkpoint that it has countersigned.

1. Our log signed the checkpoint, and the pinned witness countersigned it. Anything else is not read
   further.
2. It is one of our vault, and the journal below it is still the one that was sealed. Otherwise
   there are two histories under one key, or somebody put the database back: nothing is kept, and
   the fault is logged.
3. Keep the newest. An older one changes nothing.

Nothing of this is an entry of the journal: a cosignature is about entries, and each would need
another.
"""

from __future__ import annotations

import threading

from tourniquet.kernel.errors import IntegrityError, NotFound, UserError
from tourniquet.record.witness import (
    Witnessed,
    demand_ours,
    find_witness_key,
    find_witnessed,
    keep_witnessed,
    read_cosigned,
)

_one_at_a_time = threading.Lock()  # one process serves a home


def keep_cosignature(content: bytes) -> Witnessed:
    """Keep a countersigned checkpoint; the newest that is kept now.

    Raises: NotFound when no witness is pinned; UserError when it is not signed by both;
    IntegrityError when it is not of our history.
    """
    key = find_witness_key()
    if key is None:
        raise NotFound("No witness is pinned here.")
    # 1. Signatures.
    try:
        note, witnessed = read_cosigned(content, key)
    except IntegrityError as error:
        raise UserError(error.what, where="cosignature") from error
    # 2. History.
    demand_ours(witnessed.checkpoint)
    # 3. The newest.
    with _one_at_a_time:
        kept = _find_kept()
        if kept is not None and _order(kept) >= _order(witnessed):
            return kept
        keep_witnessed(note)
        return witnessed


def _find_kept() -> Witnessed | None:
    try:
        return find_witnessed()
    except IntegrityError:  # not what was kept, or by a witness pinned before: replaced
        return None


def _order(witnessed: Witnessed) -> tuple[int, float]:
    return witnessed.checkpoint.size, witnessed.at.timestamp()
