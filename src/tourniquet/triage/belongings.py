"""Whose triage's rows are. A plan's counts stay as they were when it was made."""

from __future__ import annotations

from tourniquet.record.emptying import rows_about, rows_of_nobody
from tourniquet.triage.models import Plan, PlanLine

rows_about(PlanLine, "patient_id")
rows_of_nobody(Plan, "counts, harm and bound of a plan; whom it concerns is in its lines")
