"""Whose the incident's rows are: nobody's, because no entry of an incident may name a patient."""

from __future__ import annotations

from tourniquet.incident.models import Decision, Incident, TimelineEvent
from tourniquet.record.emptying import rows_of_nobody

_REASON = "the entries name no patient; what somebody wrote all the same is found as a mention"

rows_of_nobody(Incident, _REASON)
rows_of_nobody(TimelineEvent, _REASON)
rows_of_nobody(Decision, _REASON)
