"""What this FHIR server can do, for `/fhir/metadata`. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

from tourniquet import __version__
from tourniquet.edge.fhir.audit import PARAMETERS as AUDIT_PARAMETERS
from tourniquet.edge.fhir.resources import instant
from tourniquet.edge.fhir.search import PARAMETERS

Json: TypeAlias = dict[str, Any]  # Any: the shapes are FHIR's, checked against fhir.resources

_ALL = PARAMETERS | {"AuditEvent": AUDIT_PARAMETERS}
_SECURITY = (
    "A bearer token (`tourniquet users token NAME`) or a console session. A resource outside the "
    "viewer's scope is answered 404. AuditEvent is for data protection, auditors and "
    "administrators. An account that asks for more people in a day than it may is answered 429."
)


def capability_statement(base: str, moment: datetime) -> Json:
    """The CapabilityStatement."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": instant(moment),
        "kind": "instance",
        "software": {"name": "Tourniquet", "version": __version__},
        "implementation": {"description": "Tourniquet's FHIR interface, read only", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": _SECURITY},
                "resource": [_resource(kind) for kind in sorted(_ALL)],
            }
        ],
    }


def _resource(kind: str) -> Json:
    parameters = _ALL[kind]
    found = [{"name": name, "type": type_} for name, type_ in sorted(parameters.items())]
    if "patient" in parameters:
        found.append({"name": "patient.identifier", "type": "token"})
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version" if kind == "AuditEvent" else "versioned",
        "readHistory": False,
        "searchParam": found,
    }
