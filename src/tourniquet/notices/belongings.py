"""Whose the notices' rows are."""

from __future__ import annotations

from tourniquet.notices.models import Notice, NoticeEvent, StatusPublication
from tourniquet.record.emptying import rows_about, rows_of, rows_of_nobody

rows_about(Notice, "patient_id")
rows_of(NoticeEvent, "notice_id", Notice)
rows_of_nobody(StatusPublication, "what the public was told")
