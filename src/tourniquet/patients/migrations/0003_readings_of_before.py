"""Readings that the journal held before there was a table of them.

The same rows as a replay makes: `first_record_read` in patients/apply.py.
"""

import json
from typing import Any
from zoneinfo import ZoneInfo

from django.db import migrations

BATCH = 2000
LONDON = ZoneInfo("Europe/London")


def fill(apps: Any, _: Any) -> None:  # Any: models as they were then have no types
    """One row for each entry of the first kind."""
    entries = apps.get_model("record", "JournalEntry").objects
    readings = apps.get_model("patients", "Reading")
    days = apps.get_model("patients", "ReadingDay")
    told = entries.filter(kind="record.read", kind_version=1, body__isnull=False)
    after = 0
    while True:
        rows = list(told.filter(position__gt=after).order_by("position")[:BATCH])
        if not rows:
            return
        readings.objects.bulk_create(_reading(readings, row) for row in rows)
        days.objects.bulk_create(
            [
                days(
                    account=row.actor,
                    day=row.happened_at.astimezone(LONDON).date(),
                    patient_id=row.subject,
                )
                for row in rows
            ],
            ignore_conflicts=True,
        )
        after = rows[-1].position


def _reading(model: Any, row: Any) -> Any:
    body = json.loads(bytes(row.body))
    what = body.get("what", "record")
    return model(
        position=row.position,
        patient_id=row.subject,
        account=row.actor,
        organisation=row.organisation,
        role="",
        at=row.happened_at,
        what=what,
        channel="fhir" if what == "fhir" else "console",
        ground="",
        reason="",
        words="",
        late_by=body.get("late_by", ""),
    )


class Migration(migrations.Migration):
    dependencies = [("patients", "0002_who_reads_and_why"), ("record", "0001_initial")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
