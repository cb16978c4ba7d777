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
FORMS = "/forms/"
FORMS_VOID = "/forms/void/"
FORMS_UNUSED = "/forms/unused/"
RESULTS = "/results/"
RESULTS_KEY = "/results/key/"

__all__ = [
    "FORMS",
    "FORMS_UNUSED",
    "FORMS_VOID",
    "HOME",
    "RESULTS",
    "RESULTS_KEY",
    "SIGN_IN",
    "SIGN_OUT",
    "UNLOCK",
    "call",
    "labels",
    "open_record",
    "record",
    "requests",
    "with_query",
]


def requests(line: int) -> str:
    """The request forms of a block of numbers, to print."""
    return f"/forms/{line}/requests.pdf"


def labels(line: int) -> str:
    """The labels of a block of numbers, to print."""
    return f"/forms/{line}/labels.pdf"


def call(line: int) -> str:
    """Where a call about a keyed result is noted."""
    return f"/results/{line}/call/"


def record(patient_id: str) -> str:
    """A patient's history."""
    return f"/patients/{patient_id}/"


def open_record(patient_id: str) -> str:
    """Where the reason for opening a history is asked for."""
    return f"/patients/{patient_id}/open/"
