"""Which URI names what in FHIR, and how the names that HL7 v2 senders use map to them. Pure.

Invariants:
- What a sender named and we do not know becomes a URI that holds the name as sent, and is read
  back to the same name.
- A unit gets a UCUM code only where it is known to mean that.

Source: HL7 terminology (THO) for v2-0203, v2-0074, v3-ObservationInterpretation; UCUM.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"
ODS = "https://fhir.nhs.uk/Id/ods-organization-code"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
V2_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
V2_0074 = "http://terminology.hl7.org/CodeSystem/v2-0074"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PATIENT_STATE = "urn:x-tourniquet:patient-state"
INDICATION = "urn:x-tourniquet:indication"
_AUTHORITY = "urn:x-tourniquet:authority:"
_CODES = "urn:x-tourniquet:codes:"

REQUEST_CATEGORY = "108252007"  # Laboratory procedure
REPORT_CODE = "721981007"  # Diagnostic studies report
NHS = "NHS"  # how the patient index names the NHS number's system

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+\Z")
_URI = re.compile(r"(https?://|urn:)[!-~]+\Z")
_KNOWN_CODES = {
    SNOMED: ("SCT", "SNM", "SNOMED", "SNOMEDCT", "SNOMED-CT", "SCT2"),
    LOINC: ("LN", "LOINC"),
    UCUM: ("UCUM",),
}
_CODE_URIS = {name: uri for uri, names in _KNOWN_CODES.items() for name in names}

_UCUM_CODES = {
    "%": "%",
    "mmol/l": "mmol/L",
    "umol/l": "umol/L",
    "nmol/l": "nmol/L",
    "pmol/l": "pmol/L",
    "mmol/mol": "mmol/mol",
    "mg/mmol": "mg/mmol",
    "g/l": "g/L",
    "mg/l": "mg/L",
    "ug/l": "ug/L",
    "ng/l": "ng/L",
    "pg/ml": "pg/mL",
    "ng/ml": "ng/mL",
    "g/dl": "g/dL",
    "mg/dl": "mg/dL",
    "ug/g": "ug/g",
    "u/l": "U/L",
    "iu/l": "[IU]/L",
    "ku/l": "kU/L",
    "iu/ml": "[IU]/mL",
    "mu/l": "m[IU]/L",
    "miu/l": "m[IU]/L",
    "10*9/l": "10*9/L",
    "10*12/l": "10*12/L",
    "l/l": "L/L",
    "fl": "fL",
    "pg": "pg",
    "s": "s",
    "sec": "s",
    "secs": "s",
    "mm/h": "mm/h",
    "mm/hr": "mm/h",
    "ml/min": "mL/min",
    "ml/min/1.73m2": "mL/min/{1.73_m2}",
    "ratio": "{ratio}",
    "inr": "{INR}",
}
_TEN_TO = re.compile(r"\A(?:x\s*)?10\s*[\^e*]\s*(9|12)\s*/\s*l\Z")

INTERPRETATIONS = {
    "H": "High",
    "L": "Low",
    "HH": "Critical high",
    "LL": "Critical low",
    "N": "Normal",
    "A": "Abnormal",
    "AA": "Critical abnormal",
    "U": "Significant change up",
    "D": "Significant change down",
    "B": "Better",
    "W": "Worse",
    "S": "Susceptible",
    "R": "Resistant",
    "I": "Intermediate",
    "POS": "Positive",
    "NEG": "Negative",
    "IND": "Indeterminate",
}


def patient_system(system: str) -> str:
    """The URI of a patient identifier's system as the index keeps it."""
    return NHS_NUMBER if system == NHS else authority_system(system)


def authority_system(authority: str) -> str:
    """The URI of who gave a number; "" where nobody is named."""
    if not authority or _URI.match(authority):
        return authority
    if _OID.match(authority):
        return f"urn:oid:{authority}"
    return _AUTHORITY + quote(authority, safe="")


def authority_of(system: str) -> str:
    """Who gave the number, from the URI, or from the plain name."""
    if system == NHS_NUMBER:
        return NHS
    if system.startswith(_AUTHORITY):
        return unquote(system.removeprefix(_AUTHORITY))
    bare = system.removeprefix("urn:oid:")
    return bare if _OID.match(bare) else system


def code_system(name: str) -> str:
    """The URI of a code system as HL7 v2 names it; "" where none is named."""
    if not name or _URI.match(name):
        return name
    return _CODE_URIS.get(name.upper()) or _CODES + quote(name, safe="")


def code_system_names(uri: str) -> tuple[str, ...]:
    """The names under which rows may hold this code system."""
    if uri in _KNOWN_CODES:
        return (uri, *_KNOWN_CODES[uri])
    return (unquote(uri.removeprefix(_CODES)),)


def ucum_code(unit: str) -> str:
    """The UCUM code of a unit as laboratories write it; "" where it is not known."""
    plain = unit.strip().lower().replace("µ", "u").replace("μ", "u").replace(" ", "")
    ten = _TEN_TO.match(plain)
    if ten:
        return f"10*{ten[1]}/L"
    return _UCUM_CODES.get(plain, "")
