"""Whose the record's own rows are."""

from __future__ import annotations

from tourniquet.record.emptying import rows_about, rows_at_entries, rows_of_nobody
from tourniquet.record.models import Alarm, Erasure, ErasureSubject, Message

rows_at_entries(Message)
rows_of_nobody(Alarm, "the text of an alarm names no patient; it points at a position")
rows_about(ErasureSubject, "patient_id")
rows_of_nobody(Erasure, "accounts, counts and words of a list; whose it is says ErasureSubject")
