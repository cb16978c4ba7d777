"""An alarm is raised: something that a person must look at soon.

1. The text says what happened and what to do, and names no patient: a list shows it to many.
2. Append `alarm.raised`, in the transaction of what it is about.
3. `raise_alarm_once`: what would be raised again and again about the same thing is raised once.

Whatever refuses a destructive call raises its alarm here too.
"""

from __future__ import annotations

from datetime import datetime

from tourniquet.kernel.identifiers import IdSource, RandomIds, derived_id
from tourniquet.record.entries import AlarmRaised
from tourniquet.record.journal import Act, Writer
from tourniquet.record.models import Alarm


def raise_alarm(
    journal: Writer,
    kind: str,
    text: str,
    *,
    about: int | None = None,
    act: Act | None = None,
    ids: IdSource | None = None,
) -> str:
    """Raise an alarm about an entry, or about nothing written; its id."""
    alarm = (ids or RandomIds()).new((act or journal.act).moment)
    body = AlarmRaised(alarm=alarm, alarm_kind=kind, text=text, about=about)
    journal.append(body, cause=about, act=act)
    return alarm


def raise_alarm_once(
    journal: Writer,
    kind: str,
    text: str,
    *,
    since: datetime,
    about_what: tuple[str, ...],
    about: int | None = None,
) -> bool:
    """Raise an alarm unless one of this kind was raised about the same thing since then.

    `since` and `about_what` name the thing: the same ones always make the same alarm.
    """
    alarm = derived_id(since, kind, *about_what)
    journal.flush()
    if Alarm.objects.filter(pk=alarm).exists():
        return False
    body = AlarmRaised(alarm=alarm, alarm_kind=kind, text=text, about=about)
    journal.append(body, cause=about)
    journal.flush()
    return True
