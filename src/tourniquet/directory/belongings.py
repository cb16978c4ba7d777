"""Whose the directory's rows are: nobody's who is a patient."""

from __future__ import annotations

from tourniquet.directory.models import Account, Organisation
from tourniquet.record.emptying import rows_of_nobody

rows_of_nobody(Organisation, "practices, clinics, hospitals and laboratories")
rows_of_nobody(Account, "people and systems that work here, not those who are cared for")
