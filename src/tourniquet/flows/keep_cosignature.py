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
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from tourniquet.kernel import settings
from tourniquet.kernel.errors import IntegrityError, NotFound, UserError
from tourniquet.record.witness import (
    Mark,
    Witnessed,
    demand_ours,
    find_witness_key,
    find_witnessed,
    keep_witnessed,
    read_cosigned,
)

WRITE_SECONDS = 1.0  # how far what is written may be behind while there is more to come
_one_at_a_time = threading.Lock()  # one process serves a home
_written: dict[Path, float] = {}  # when, by the monotonic clock


def keep_cosignature(
    content: bytes, *, believed: Callable[[Mark], None] = lambda _: None
) -> Witnessed:
    """Keep a countersigned checkpoint; the newest that is kept now.

    `believed` is told how far the witness has come, before that is written down here: what the
    replica has, it has. While it runs after the journal, that is written once a second. Raises:
    NotFound when no witness is pinned; UserError when it is not signed by both; IntegrityError
    when it is not of our history.
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
    ours = demand_ours(witnessed.checkpoint, noted=True)
    believed(ours.mark)
    # 3. The newest.
    with _one_at_a_time:
        kept = _find_kept()
        if kept is not None and _order(kept) >= _order(witnessed):
            return kept
        last = _written.get(settings.home(), -WRITE_SECONDS)
        if witnessed.checkpoint.size == ours.sealed.size or monotonic() - last >= WRITE_SECONDS:
            keep_witnessed(note)
            _written[settings.home()] = monotonic()
        return witnessed


def _find_kept() -> Witnessed | None:
    try:
        return find_witnessed()
    except IntegrityError:  # not what was kept, or by a witness pinned before: replaced
        return None


def _order(witnessed: Witnessed) -> tuple[int, float]:
    return witnessed.checkpoint.size, witnessed.at.timestamp()
