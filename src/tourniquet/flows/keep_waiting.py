"""Whoever is called in when the turn comes, and was not called today, hears by when.

1. Only while capacity is short: otherwise everybody who waits is booked (`book_needs`).
2. Take who waits without a word, or whose review day has come.
3. Defer them to a review day, with the reason, one entry a patient.

It is done after calling in, so that who is called this morning is not deferred first.

Invariants:
- Afterwards everybody who waits has a review day to come, within 14 days.
- A promise that stands is kept: it is no news, and nobody is told again.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from tourniquet.diary.planning import read_needs_without_word
from tourniquet.diary.rows import NeedRow
from tourniquet.diary.rules import BOOK_AHEAD_DAYS, URGENT, parse_tubes
from tourniquet.directory.roles import SYSTEM_VIEWER, Viewer
from tourniquet.flows.moving import LINES_AT_ONCE, Moving, PlannedLine, apply_lines
from tourniquet.flows.outlook import Shortage, read_shortage
from tourniquet.flows.propose_plan import draw_line, wait_turn
from tourniquet.flows.set_up_region import batches
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, writing
from tourniquet.triage.building import Window


def keep_waiting(
    *,
    now: datetime,
    viewer: Viewer = SYSTEM_VIEWER,
    ids: IdSource | None = None,
    only_urgent: bool = False,
    shortage: Shortage | None = None,
) -> int:
    """Give review days to those, or the urgent of those, who go on waiting for a call; how many."""
    # 1. Only while capacity is short.
    shortage = shortage or read_shortage(now)
    if not shortage.is_short:
        return 0
    # 2. Who has no word.
    today = service_day(now)
    window = Window(today, BOOK_AHEAD_DAYS)
    rows = [
        row
        for row in read_needs_without_word(
            today, window.last_day, priorities=tuple(sorted(URGENT)) if only_urgent else ()
        )
        if shortage.calls_in(row.priority, parse_tubes(row.tubes))
    ]
    # 3. Deferred.
    lines = [_deferred(row, shortage, window, today) for row in rows]
    work = Moving(
        plan=None,
        now=now,
        today=today,
        parent=None,
        sessions={},
        routes={},
        ids=ids or RandomIds(),
    )
    act = Act(viewer.account, now, viewer.organisation)
    for part in batches(lines, LINES_AT_ONCE):
        with writing(act) as journal:
            apply_lines(journal, work, part, is_last=True)
    return len(lines)


def _deferred(row: NeedRow, shortage: Shortage, window: Window, today: date) -> PlannedLine:
    line = draw_line(row, wait_turn(row, shortage, window), window, today=today)
    return PlannedLine(
        row.id,
        row.patient,
        line.decision,
        "",
        "",
        None,
        row.clinic,
        row.day,
        line.review_on or today + timedelta(days=1),
        line.reason,
        row.priority,
    )
