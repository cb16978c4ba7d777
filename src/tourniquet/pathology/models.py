"""Tables of pathology. Written by pathology.apply alone.

Every clinical row names the requesting, performing and registered organisation, so that scope is
not an afterthought; "" means not known.
"""

from __future__ import annotations

from django.db import models

from tourniquet.kernel.identifiers import ID_LENGTH


class Scoped(models.Model):
    """What every clinical row carries."""

    patient_id = models.CharField(max_length=ID_LENGTH)
    requesting_organisation = models.CharField(max_length=20)
    performing_organisation = models.CharField(max_length=20)
    registered_organisation = models.CharField(max_length=20)
    updated_at = models.DateTimeField()
    position = models.BigIntegerField()

    class Meta:
        abstract = True


class ServiceRequest(Scoped):
    """One test asked for. `status` and `priority` in FHIR's words; `requisition` groups a request form."""

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    requisition = models.CharField(max_length=200)
    placer_number = models.CharField(max_length=200)
    placer_authority = models.CharField(max_length=200)
    filler_number = models.CharField(max_length=200)
    filler_authority = models.CharField(max_length=200)
    sender = models.CharField(max_length=400)
    code = models.CharField(max_length=100)
    code_system = models.CharField(max_length=100)
    code_display = models.CharField(max_length=400)
    status = models.CharField(max_length=20)
    priority = models.CharField(max_length=10)
    indication = models.CharField(max_length=20)
    authored_at = models.DateTimeField(null=True)
    wanted_on = models.DateField(null=True)
    requester = models.CharField(max_length=200)
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

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    accession = models.CharField(max_length=200)
    placer_number = models.CharField(max_length=200)
    requisition = models.CharField(max_length=200)
    type_code = models.CharField(max_length=100)
    type_display = models.CharField(max_length=200)
    container = models.CharField(max_length=100)
    status = models.CharField(max_length=20)
    collected_at = models.DateTimeField(null=True)
    collected_precision = models.CharField(max_length=10)
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
    specimen_id = models.CharField(max_length=ID_LENGTH)
    service_request_id = models.CharField(max_length=ID_LENGTH)

    class Meta:
        indexes = [models.Index(fields=["service_request_id"], name="specimen_of_request")]


class SpecimenEvent(models.Model):
    """Where the specimen was. `kind`: collected, dispatched, received, processed, rejected, discarded, lost."""

    pk = models.CompositePrimaryKey("specimen_id", "position")
    specimen_id = models.CharField(max_length=ID_LENGTH)
    position = models.BigIntegerField()
    kind = models.CharField(max_length=20)
    at = models.DateTimeField()
    organisation = models.CharField(max_length=20)
    actor = models.CharField(max_length=150)
    note = models.TextField()


class DiagnosticReport(Scoped):
    """One report, as its newest version stands. `version` counts from 1; status in FHIR's words."""

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    version = models.IntegerField()
    service_request_id = models.CharField(max_length=ID_LENGTH, null=True)
    specimen_id = models.CharField(max_length=ID_LENGTH, null=True)
    requisition = models.CharField(max_length=200)
    placer_number = models.CharField(max_length=200)
    filler_number = models.CharField(max_length=200)
    sender = models.CharField(max_length=400)
    code = models.CharField(max_length=100)
    code_system = models.CharField(max_length=100)
    code_display = models.CharField(max_length=400)
    status = models.CharField(max_length=20)
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
    report_id = models.CharField(max_length=ID_LENGTH)
    version = models.IntegerField()
    status = models.CharField(max_length=20)
    change = models.CharField(max_length=20)
    issued_at = models.DateTimeField(null=True)
    recorded_at = models.DateTimeField()
    conclusion = models.TextField()
    position = models.BigIntegerField()


class Observation(models.Model):
    """One result line of one version of a report; current where the version is the report's own."""

    pk = models.CompositePrimaryKey("report_id", "version", "sequence")
    report_id = models.CharField(max_length=ID_LENGTH)
    version = models.IntegerField()
    sequence = models.IntegerField()
    patient_id = models.CharField(max_length=ID_LENGTH)
    code = models.CharField(max_length=100)
    code_system = models.CharField(max_length=100)
    code_display = models.CharField(max_length=400)
    sub_id = models.CharField(max_length=40)
    value_type = models.CharField(max_length=4)
    value_text = models.TextField()
    value_number = models.FloatField(null=True)
    comparator = models.CharField(max_length=2)
    unit = models.CharField(max_length=60)
    reference_range = models.CharField(max_length=200)
    flags = models.CharField(max_length=60)
    status = models.CharField(max_length=20)
    effective_at = models.DateTimeField(null=True)
    note = models.TextField()

    class Meta:
        indexes = [models.Index(fields=["patient_id", "code"], name="observation_by_patient")]


class CriticalCall(Scoped):
    """A critical value that a person must phone. `state`: open, closed."""

    id = models.CharField(max_length=ID_LENGTH, primary_key=True)
    report_id = models.CharField(max_length=ID_LENGTH)
    version = models.IntegerField()
    sequence = models.IntegerField()
    code = models.CharField(max_length=100)
    display = models.CharField(max_length=400)
    value_text = models.TextField()
    unit = models.CharField(max_length=60)
    rule = models.TextField()
    state = models.CharField(max_length=10)
    opened_at = models.DateTimeField()
    call_by = models.DateTimeField()
    attempts = models.IntegerField()
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=150)
    told = models.CharField(max_length=200)
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
    call_id = models.CharField(max_length=ID_LENGTH)
    position = models.BigIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    outcome = models.CharField(max_length=40)
    note = models.TextField()
