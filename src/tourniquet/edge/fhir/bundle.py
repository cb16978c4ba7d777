"""Bundles, OperationOutcomes and page cursors. Pure."""

from __future__ import annotations

import base64
import binascii
from typing import Any, TypeAlias
from urllib.parse import urlencode

import orjson

from tourniquet.kernel.errors import UserError

Json: TypeAlias = dict[str, Any]  # Any: the shapes are FHIR's, checked against fhir.resources

CURSOR = "_cursor"


def outcome(severity: str, code: str, text: str) -> Json:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": code, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def write_cursor(key: list[str | int]) -> str:
    """A page's last key, opaque to the client."""
    return base64.urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def read_cursor(text: str, *shape: type) -> tuple[Any, ...]:
    """The key in a cursor. Raises: UserError when it is not one of ours."""
    try:
        padded = text + "=" * (-len(text) % 4)
        key = orjson.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
    except (ValueError, binascii.Error, UnicodeEncodeError):
        key = None
    if not isinstance(key, list) or [type(part) for part in key] != list(shape):
        raise UserError(
            "The page marker is not one of ours.", where=CURSOR, remedy="Begin the search anew."
        )
    return tuple(key)


def searchset(
    *,
    base: str,
    kind: str,
    parameters: list[tuple[str, str]],
    resources: list[Json],
    total: int | None,
    following: str,
    ignored: list[str],
) -> Json:
    """A Bundle of matches; what was not understood is named in an entry of its own."""
    entries: list[Json] = [
        {
            "fullUrl": f"{base}/{resource['resourceType']}/{resource['id']}",
            "resource": resource,
            "search": {"mode": "match"},
        }
        for resource in resources
    ]
    if ignored:
        text = "These parameters are not understood and were ignored: " + ", ".join(ignored) + "."
        entries.append(
            {
                "resource": outcome("warning", "not-supported", text),
                "search": {"mode": "outcome"},
            }
        )
    links = [{"relation": "self", "url": f"{base}/{kind}" + _query(parameters)}]
    if following:
        kept = [(name, value) for name, value in parameters if name != CURSOR]
        links.append(
            {
                "relation": "next",
                "url": f"{base}/{kind}" + _query([*kept, (CURSOR, following)]),
            }
        )
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "link": links}
    if total is not None:
        bundle["total"] = total
    if entries:
        bundle["entry"] = entries
    return bundle


def _query(parameters: list[tuple[str, str]]) -> str:
    return "?" + urlencode(parameters) if parameters else ""
