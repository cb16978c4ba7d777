"""The sealer ended though nobody stopped it: somebody must look before it is started again.

1. Append `alarm.raised`, once for each time it ended.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.flows.raise_alarm import raise_alarm
from tourniquet.record.journal import Act, writing

KIND = "sealer ended"
ACTOR = "sealer"
TEXT = (
    "The sealer stopped and was not started again. What is journalled from now on is in this "
    "database alone. Read logs/sealer.log in the home, look at disk and vault, restart the server."
)


def note_sealer_ended(*, now: datetime) -> None:
    """Raise the alarm. Raises: StorageUnavailable where the journal can't be written either."""
    with writing(Act(ACTOR, now)) as journal:
        raise_alarm(journal, KIND, TEXT)
