"""The addresses of the downtime desk's pages.

Invariants:
- The desk's own URLs serve exactly these, and none of the console's.
- No address holds a patient's data: a patient is named by our own id.
"""

from __future__ import annotations

from tourniquet.web.addresses import with_query

HOME = "/"
SIGN_IN = "/sign-in/"
SIGN_OUT = "/sign-out/"
UNLOCK = "/unlock/"
BOOK = "/book/"

__all__ = ["BOOK", "HOME", "SIGN_IN", "SIGN_OUT", "UNLOCK", "open_record", "record", "with_query"]


def record(patient_id: str) -> str:
    """A patient's history."""
    return f"/patients/{patient_id}/"


def open_record(patient_id: str) -> str:
    """Where the reason for opening a history is asked for."""
    return f"/patients/{patient_id}/open/"
