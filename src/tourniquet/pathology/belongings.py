"""Whose pathology's rows are."""

from __future__ import annotations

from tourniquet.pathology.models import (
    CallAttempt,
    CriticalCall,
    DeskBook,
    DiagnosticReport,
    NumberRange,
    Observation,
    ReportVersion,
    ServiceRequest,
    Specimen,
    SpecimenEvent,
    SpecimenRequest,
)
from tourniquet.record.emptying import rows_about, rows_of, rows_of_nobody

rows_about(ServiceRequest, "patient_id")
rows_about(Specimen, "patient_id")
rows_of(SpecimenRequest, "specimen_id", Specimen)
rows_of(SpecimenEvent, "specimen_id", Specimen)
rows_about(DiagnosticReport, "patient_id")
rows_of(ReportVersion, "report_id", DiagnosticReport)
rows_of(Observation, "report_id", DiagnosticReport)
rows_about(CriticalCall, "patient_id")
rows_of(CallAttempt, "call_id", CriticalCall)
rows_of_nobody(NumberRange, "numbers of paper forms, before anybody is on them")
rows_of_nobody(DeskBook, "counts of a desk's numbers, and which are not accounted for")
