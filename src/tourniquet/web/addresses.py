"""The addresses of the console's pages: templates and presenters take them from here.

Invariants:
- The root URLs of the site serve exactly these; a test resolves each.
- No address holds a patient's data: a patient is named by our own id.
"""

from __future__ import annotations

from datetime import date
from urllib.parse import quote, urlencode

HOME = "/"
SIGN_IN = "/sign-in/"
SIGN_OUT = "/sign-out/"
INCIDENT = "/incident/"
INCIDENT_DECLARE = "/incident/declare/"
INCIDENT_CAPACITY = "/incident/capacity/"
INCIDENT_CAPACITY_TABLE = "/incident/capacity/table/"
INCIDENT_UPDATE = "/incident/update/"
INCIDENT_LOG = "/incident/log/"
INCIDENT_STAND_DOWN = "/incident/stand-down/"
PLAN = "/plan/"
PLAN_PROPOSE = "/plan/propose/"
PATIENTS = "/patients/"
WORKLISTS = "/worklists/"
WORKLIST_PROVISIONAL = "/worklists/provisional/"
WORKLIST_REFUSED = "/worklists/refused/"
WORKLIST_CRITICAL = "/worklists/critical/"
WORKLIST_URGENT = "/worklists/urgent/"
WORKLIST_WAITING = "/worklists/waiting/"
WORKLIST_ALARMS = "/worklists/alarms/"
WORKLIST_UNDELIVERED = "/worklists/undelivered/"
DIARY = "/diary/"
ACCESS = "/access/"
ACCESS_CANARIES = "/access/canaries/"
ERASURES = "/access/erasures/"
BREAK_GLASS = "/patients/break-glass/"
STATUS = "/status/"


def plan(plan_id: str) -> str:
    """One plan."""
    return f"/plan/{plan_id}/"


def plan_adopt(plan_id: str) -> str:
    """Where the adoption of a plan is posted to."""
    return f"/plan/{plan_id}/adopt/"


def plan_acknowledge(plan_id: str) -> str:
    """Where a clinician's acknowledgements of urgent needs not served are posted to."""
    return f"/plan/{plan_id}/acknowledge/"


def patient(patient_id: str) -> str:
    """A patient's record."""
    return f"/patients/{patient_id}/"


def break_glass(patient_id: str, *, entry_position: int = 0) -> str:
    """Where somebody without a tie says why they open a record, or one entry about it."""
    path = f"/patients/{patient_id}/break-glass/"
    return with_query(path, entry=entry_position or "")


def access_to(patient_id: str) -> str:
    """Who opened a patient's record."""
    return f"/access/patients/{patient_id}/"


def erasure(erasure_id: str) -> str:
    """One erasure of somebody's data."""
    return f"/access/erasures/{erasure_id}/"


def erasure_ask(patient_id: str) -> str:
    """Where the erasure of somebody's data is asked for."""
    return f"/access/erasures/ask/{patient_id}/"


def access_by(account: str) -> str:
    """Whose records an account opened."""
    return f"/access/accounts/{quote(account, safe='')}/"


def canary_off(patient_id: str) -> str:
    """Where a canary is taken off the list."""
    return f"/access/canaries/{patient_id}/off/"


def alarm(alarm_id: str) -> str:
    """One alarm."""
    return f"/worklists/alarms/{alarm_id}/"


def provisional(patient_id: str) -> str:
    """The page on which a provisional patient is confirmed or merged."""
    return f"/worklists/provisional/{patient_id}/"


def refused(position: int) -> str:
    """One refused message."""
    return f"/worklists/refused/{position}/"


def critical_call(call_id: str) -> str:
    """Where the outcome of a call about a critical result is posted to."""
    return f"/worklists/critical/{call_id}/"


def entry(position: int) -> str:
    """One entry of the journal."""
    return f"/entries/{position}/"


def diary(*, clinic: str = "", day: date | None = None) -> str:
    """A clinic's day."""
    query = {"clinic": clinic, "day": day.isoformat() if day else ""}
    kept = {key: value for key, value in query.items() if value}
    return f"{DIARY}?{urlencode(kept)}" if kept else DIARY


def with_query(address: str, **query: str | int) -> str:
    """An address with those of the values that are not empty."""
    kept = {key: value for key, value in query.items() if value != ""}
    return f"{address}?{urlencode(kept)}" if kept else address
