"""Readings as FHIR AuditEvents: the resource, and how it is searched.

Invariants:
- An AuditEvent is one reading of one patient's record; its id is the position of its entry.
- The purpose is said in codes of v3-ActReason: TREAT in the course of care, BTG (break the glass)
  without a tie, with the reason as text; HOPERAT for work on a worklist; nothing where the first
  release did not write it down.

Source: FHIR R4 4.0.1, AuditEvent; DICOM PS3.16, CID 400 (110110 Patient Record).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from tourniquet.directory.roles import Viewer
from tourniquet.edge.fhir import parameters as read_as
from tourniquet.edge.fhir import systems
from tourniquet.edge.fhir.bundle import CURSOR, read_cursor, searchset, write_cursor
from tourniquet.edge.fhir.parameters import bad
from tourniquet.edge.fhir.resources import code_of, instant, text_of
from tourniquet.edge.fhir.search import OF_THE_RESULT, Parameters, read_count
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.settings import read
from tourniquet.patients.grounds import CARE, GLASS, GROUND_WORDS, WORKLIST, reason_words
from tourniquet.patients.models import Reading
from tourniquet.patients.readings import ReadingSearch, list_holders, list_ids_of, list_readings

Json: TypeAlias = dict[str, Any]  # Any: the shapes are FHIR's, checked against fhir.resources

PARAMETERS = {"_id": "token", "agent": "reference", "date": "date", "patient": "reference"}
_AGENT_IDENTIFIER = "agent:identifier"
_PATIENT_IDENTIFIER = "patient.identifier"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_INTERACTION = "http://hl7.org/fhir/restful-interaction"
_ENTITY_TYPE = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_OBJECT_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_ACT_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_PURPOSES = {CARE: ("TREAT", "treatment"), GLASS: ("BTG", "break the glass")}
_PURPOSES[WORKLIST] = ("HOPERAT", "healthcare operations")
ACCOUNT = "urn:x-tourniquet:account"
ROLE = "urn:x-tourniquet:role"
DETAIL = "urn:x-tourniquet:detail"


def audit_event(row: Reading) -> Json:
    """One reading."""
    event: Json = {
        "resourceType": "AuditEvent",
        "id": str(row.position),
        "meta": {"lastUpdated": instant(row.at)},
        "type": {"system": _DCM, "code": "110110", "display": "Patient Record"},
        "subtype": [{"system": _INTERACTION, "code": "read"}],
        "action": "R",
        "recorded": instant(row.at),
        "outcome": "0",
        "agent": _agents(row),
        "source": {
            "site": read("TOURNIQUET_SITE"),
            "observer": {"display": f"Tourniquet, {row.channel}"},
        },
        "entity": [
            {
                "what": {"reference": f"Patient/{row.patient_id}"},
                "type": {"system": _ENTITY_TYPE, "code": "1", "display": "Person"},
                "role": {"system": _OBJECT_ROLE, "code": "1", "display": "Patient"},
                "detail": _details(row),
            }
        ],
    }
    purpose = _purpose(row)
    if purpose:
        event["purposeOfEvent"] = [purpose]
    return event


def _agents(row: Reading) -> list[Json]:
    reader: Json = {
        "who": {"identifier": {"system": ACCOUNT, "value": row.account}, "display": row.account},
        "requestor": True,
    }
    if row.role:
        reader["role"] = [{"coding": [{"system": ROLE, "code": row.role}]}]
    if not row.organisation:
        return [reader]
    behalf = {
        "who": {
            "type": "Organization",
            "identifier": {"system": systems.ODS, "value": row.organisation},
        },
        "requestor": False,
    }
    return [reader, behalf]


def _purpose(row: Reading) -> Json:
    found = _PURPOSES.get(row.ground)
    words = reason_words(row.reason) if row.reason else GROUND_WORDS.get(row.ground, row.ground)
    said = text_of(f"{words}: {row.words}" if row.words else words)
    if not row.ground:
        return {}
    if found is None:
        return {"text": said}
    coding = {"system": _ACT_REASON, "code": found[0], "display": found[1]}
    return {"coding": [coding], "text": said}


def _details(row: Reading) -> list[Json]:
    """What of the record was read, and who wrote it down afterwards, if so."""
    told = (("what", row.what), ("written-down-later-by", row.late_by))
    return [{"type": code_of(name), "valueString": text_of(text)} for name, text in told if text]


# Search -------------------------------------------------------------------------------------------


def is_understood(name: str) -> bool:
    """Whether a search of AuditEvents reads the parameter."""
    plain = name.removesuffix(":Patient") if name.startswith("patient") else name
    return plain in PARAMETERS or plain in (_AGENT_IDENTIFIER, _PATIENT_IDENTIFIER)


def search_events(
    viewer: Viewer, given: Parameters, *, base: str, strict: bool
) -> tuple[Json, ReadingSearch]:
    """The Bundle that answers a search, and what was asked.

    Raises: UserError naming the parameter that cannot be read.
    """
    names = [name for name, _ in given]
    unknown = sorted({n for n in names if n not in OF_THE_RESULT and not is_understood(n)})
    if unknown and strict:
        raise UserError(
            "These parameters are not understood: " + ", ".join(unknown) + ".",
            remedy="See /fhir/metadata, or search without Prefer: handling=strict.",
        )
    result = {name: value for name, value in given if name in OF_THE_RESULT}
    asked = _gather(
        viewer, [(n, v) for n, v in given if n not in OF_THE_RESULT and n not in unknown]
    )
    count = read_count(result.get("_count", ""))
    cursor = result.get(CURSOR, "")
    before = read_cursor(cursor, int)[0] if cursor else None
    rows = list_readings(viewer, asked, before=before, limit=count + 1)
    following = write_cursor([rows[count - 1].position]) if len(rows) > count else ""
    bundle = searchset(
        base=base,
        kind="AuditEvent",
        parameters=[(n, v) for n, v in given if n not in unknown and n != "_format"],
        resources=[audit_event(row) for row in rows[:count]],
        total=None,
        following=following,
        ignored=unknown,
    )
    return bundle, asked


def find_event(viewer: Viewer, id_: str) -> tuple[Json, Reading] | None:
    """One AuditEvent with its reading, or None where there is none that the viewer may see."""
    if not (id_.isascii() and id_.isdigit()) or len(id_) > 18:
        return None
    rows = list_readings(viewer, ReadingSearch(positions=((int(id_),),)), limit=1)
    return (audit_event(rows[0]), rows[0]) if rows else None


def _gather(viewer: Viewer, asked: Parameters) -> ReadingSearch:
    found: dict[str, list[Any]] = {}  # Any: tuples of each field of ReadingSearch
    for name, value in asked:
        if name == "_id":
            found.setdefault("positions", []).append(_positions(name, value))
        elif name == "date":
            found.setdefault("times", []).append(read_as.dates(name, value))
        elif name.startswith("patient"):
            found.setdefault("patients", []).append(_patients(viewer, name, value))
        else:
            found.setdefault("accounts", []).append(_accounts(name, value))
    return ReadingSearch(**{name: tuple(each) for name, each in found.items()})


def _positions(name: str, value: str) -> tuple[int, ...]:
    ids = read_as.ids(name, value, "AuditEvent")
    return tuple(int(one) for one in ids if one.isascii() and one.isdigit() and len(one) <= 18)


def _patients(viewer: Viewer, name: str, value: str) -> frozenset[str]:
    if name == _PATIENT_IDENTIFIER:
        numbers = [token.value for token in read_as.patient_numbers(name, value)]
        people = {one for number in numbers for one in list_holders(viewer, number)}
    else:
        people = set(read_as.ids(name, value, "Patient"))
    return frozenset(one for person in people for one in list_ids_of(viewer, person))


def _accounts(name: str, value: str) -> tuple[str, ...]:
    """Names of accounts: an agent has no resource of its own, so it is named, not referred to."""
    found = []
    for token in read_as.tokens(name, value):
        if token.system not in (None, ACCOUNT) or not token.value:
            raise bad(name, f"The parameter takes names of accounts, or {ACCOUNT}|NAME.")
        found.append(token.value)
    return tuple(found)
