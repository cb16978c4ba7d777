"""Who was erased leaves the outbox as well: what still lies there for printers and gateways.

1. Find the positions of notices that were emptied. None: nothing is opened.
2. Letters, and lines of lots, whose notice is not in the tables any more are taken out.

It looks at what is there and not at who was erased, so it may be done at any time after the
erasure was committed, and again after a crash. Who has fetched a file before has it still.
"""

from __future__ import annotations

from collections.abc import Sequence

from tourniquet.flows.tell_people import outbox_folder
from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.notices.models import Notice
from tourniquet.notices.outbox import take_out
from tourniquet.record.models import JournalEntry
from tourniquet.record.tables import select_in


def sweep_outbox() -> int:
    """Take out of the outbox what is about notices that were erased; how many notices.

    Raises: StorageUnavailable: ask again.
    """
    # 1. Which positions.
    rows = JournalEntry.objects.filter(
        kind__startswith="notice.", subject__isnull=True, body__isnull=True
    )
    emptied = list(rows.order_by("position").values_list("position", flat=True))
    # 2. What lies there.
    folder = outbox_folder()
    try:
        return take_out(folder, emptied=emptied, find_known=_find_known)
    except OSError as error:
        raise StorageUnavailable(
            "What was erased could not be taken out of the outbox.",
            where=str(folder),
            remedy="Look at the disk, and at who else may write there; it is tried again.",
        ) from error


def _find_known(notices: Sequence[str]) -> set[str]:
    return {row[0] for row in select_in(Notice, ("id",), "id", notices)}
