"""Tables of pathology. Written by pathology.apply alone.

Every clinical row names the requesting, performing and registered organisation, so that scope is
not an afterthought; "" means not known.
"""

from __future__ import annotations

from django.db import models


class Scoped(models.Model):
    """What every clinical row carries."""

    patient_id = models.TextField()
    requesting_organisation = models.TextField()
    performing_organisation = models.TextField()
    registered_organisation = models.TextField()
    updated_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        abstract = True


class ServiceRequest(Scoped):
    """One test asked for. `status`, `priority` in FHIR's words; `requisition` groups a form."""

    id = models.TextField(primary_key=True)
    requisition = models.TextField()
    placer_number = models.TextField()
    placer_authority = models.TextField()
    filler_number = models.TextField()
    filler_authority = models.TextField()
    sender = models.TextField()
    code = models.TextField()
    code_system = models.TextField()
    code_display = models.TextField()
    status = models.TextField()
    priority = models.TextField()
    indication = models.TextField()
    authored_at = models.DateTimeField(null=True)
    wanted_on = models.DateField(null=True)
    requester = models.TextField()
    reason = models.TextField()
    note = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["patient_id", "authored_at"], name="request_by_patient"),
            models.Index(fields=["placer_number"], name="request_by_placer"),
            models.Index(fields=["filler_number"], name="request_by_filler"),
            models.Index(fields=["requisition"], name="request_by_requisition"),
        ]


class Specimen(Scoped):
    """One tube, swab, vial or device."""

    id = models.TextField(primary_key=True)
    accession = models.TextField()
    placer_number = models.TextField()
    requisition = models.TextField()
    type_code = models.TextField()
    type_display = models.TextField()
    container = models.TextField()
    status = models.TextField()
    collected_at = models.DateTimeField(null=True)
    collected_precision = models.TextField()
    received_at = models.DateTimeField(null=True)
    condition = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["patient_id", "collected_at"], name="specimen_by_patient"),
            models.Index(fields=["accession"], name="specimen_by_accession"),
            models.Index(fields=["placer_number"], name="specimen_by_placer"),
            models.Index(fields=["requisition"], name="specimen_by_requisition"),
        ]


class SpecimenRequest(models.Model):
    """Which requests a specimen serves."""

    pk = models.CompositePrimaryKey("specimen_id", "service_request_id")
    specimen_id = models.TextField()
    service_request_id = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["service_request_id"], name="specimen_of_request")]


class SpecimenEvent(models.Model):
    """Where the specimen was.

    `kind`: collected, dispatched, received, processed, rejected, discarded, lost.
    """

    pk = models.CompositePrimaryKey("specimen_id", "position", "kind")
    specimen_id = models.TextField()
    position = models.BigIntegerField()
    kind = models.TextField()
    at = models.DateTimeField()
    organisation = models.TextField()
    actor = models.TextField()
    note = models.TextField()


class DiagnosticReport(Scoped):
    """One report, as its current version stands. `version` counts from 1; status in FHIR's words.

    `versions` is how many there are, those that came late and are not current included. `ordinal`
    tells reports of one number and code in one message apart; `content` is what was sent, digested.
    """

    id = models.TextField(primary_key=True)
    version = models.IntegerField()
    versions = models.IntegerField()
    ordinal = models.IntegerField()
    content = models.TextField()
    service_request_id = models.TextField(null=True)
    specimen_id = models.TextField(null=True)
    requisition = models.TextField()
    placer_number = models.TextField()
    filler_number = models.TextField()
    sender = models.TextField()
    code = models.TextField()
    code_system = models.TextField()
    code_display = models.TextField()
    status = models.TextField()
    effective_at = models.DateTimeField(null=True)
    issued_at = models.DateTimeField(null=True)
    conclusion = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["patient_id", "issued_at"], name="report_by_patient"),
            models.Index(fields=["filler_number"], name="report_by_filler"),
            models.Index(fields=["placer_number"], name="report_by_placer"),
            models.Index(fields=["service_request_id"], name="report_by_request"),
        ]


class ReportVersion(models.Model):
    """Every version that a report had: what changed its standing, and the entry that did."""

    pk = models.CompositePrimaryKey("report_id", "version")
    report_id = models.TextField()
    version = models.IntegerField()
    status = models.TextField()
    change = models.TextField()
    issued_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    conclusion = models.TextField()
    content = models.TextField()
    position = models.BigIntegerField()


class Observation(models.Model):
    """One result line of one version of a report; current where the version is the report's own."""

    pk = models.CompositePrimaryKey("report_id", "version", "sequence")
    report_id = models.TextField()
    version = models.IntegerField()
    sequence = models.IntegerField()
    patient_id = models.TextField()
    code = models.TextField()
    code_system = models.TextField()
    code_display = models.TextField()
    sub_id = models.TextField()
    value_type = models.TextField()
    value_text = models.TextField()
    value_number = models.FloatField(null=True)
    comparator = models.TextField()
    unit = models.TextField()
    reference_range = models.TextField()
    flags = models.TextField()
    status = models.TextField()
    effective_at = models.DateTimeField(null=True)
    note = models.TextField()
    # No index by patient: every result line would write a page of its own. They are found through
    # their reports.


class CriticalCall(Scoped):
    """A critical value that a person must phone. `state`: open, closed."""

    id = models.TextField(primary_key=True)
    report_id = models.TextField()
    version = models.IntegerField()
    sequence = models.IntegerField()
    code = models.TextField()
    display = models.TextField()
    value_text = models.TextField()
    unit = models.TextField()
    rule = models.TextField()
    state = models.TextField()
    opened_at = models.DateTimeField()
    call_by = models.DateTimeField()
    attempts = models.IntegerField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.TextField()
    told = models.TextField()
    read_back = models.BooleanField()
    comment = models.TextField()

    class Meta:
        indexes = [
            models.Index(fields=["state", "opened_at"], name="call_open"),
            models.Index(fields=["patient_id"], name="call_by_patient"),
        ]


class CallAttempt(models.Model):
    """One attempt to phone a critical value."""

    pk = models.CompositePrimaryKey("call_id", "position")
    call_id = models.TextField()
    position = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.TextField()
    outcome = models.TextField()
    note = models.TextField()


class NumberRange(models.Model):
    """Numbers of paper forms that were reserved for a downtime desk; see pathology.desk_numbers."""

    code = models.TextField(primary_key=True)
    first = models.IntegerField()
    last = models.IntegerField()
    desk = models.TextField()
    purpose = models.TextField()
    reserved_at = models.DateTimeField()
    position = models.BigIntegerField()


class DeskBook(models.Model):
    """How far the book of a downtime desk was taken in, and what became of its numbers."""

    desk = models.TextField(primary_key=True)
    lines = models.IntegerField()
    digest = models.TextField()
    issued = models.IntegerField()
    keyed = models.IntegerField()
    void = models.IntegerField()
    unused = models.IntegerField()
    not_accounted = models.TextField()
    reconciled_at = models.DateTimeField()
    position = models.BigIntegerField()
