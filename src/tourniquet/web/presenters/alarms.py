"""Alarms: what a person must look at soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.web import addresses
from tourniquet.web.presenters.shell import BLANK_FORM, Form, Paging
from tourniquet.web.presenters.worklists import Tabs

KIND_WORDS = {
    "canary-read": "A record that nobody should read",
    "reading-ceiling": "Many records read",
    "reason-ceiling": "Many records opened without a tie",
    "export-stopped": "Bulk export stopped",
    "erasure-held": "An erasure is due and was held",
    "record-diverges": "Record and tables disagree",
    "control-id-reused": "Control id used twice",
    "message-not-applied": "Message not taken in",
    "report-number-of-two": "One report number, two people",
}


@dataclass(frozen=True)
class AlarmRow:
    """One alarm; `about` is the position of the entry that it is about, where there is one."""

    alarm_id: str
    kind: str
    text: str
    raised_at: datetime
    about: int | None
    about_href: str

    @property
    def href(self) -> str:
        """Its page."""
        return addresses.alarm(self.alarm_id)

    @property
    def kind_words(self) -> str:
        """The kind in words."""
        return KIND_WORDS.get(self.kind, self.kind.replace("-", " ").capitalize())


@dataclass(frozen=True)
class AlarmsPage:
    """The list of open alarms."""

    tabs: Tabs
    rows: tuple[AlarmRow, ...]
    paging: Paging


@dataclass(frozen=True)
class AlarmPage:
    """One alarm and what may be done about it; `stopped` names an account that was stopped."""

    tabs: Tabs
    row: AlarmRow
    may_clear: bool
    cleared_by: str = ""
    cleared_at: datetime | None = None
    stopped: str = ""
    may_lift: bool = False
    access_href: str = ""
    form: Form = BLANK_FORM
