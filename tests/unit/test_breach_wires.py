"""Fragments of messages: HL7 v2, EDIFACT and FHIR, whole and cut."""

from __future__ import annotations

import json

from tests.support.breach import NUMBERS, of, said
from tourniquet.breach.fragments import Fragment, Mark
from tourniquet.breach.pieces import Syntax, Wire

N = NUMBERS

ADDRESS = "4 High St^^Town^^SE18 8FB||07700900791"
HL7 = "\r".join(
    [
        "MSH|^~\\&|LIMS|RJZ|TIE|RJ1|202402140830||ORU^R01|M1|P|2.4",
        f"PID|1||{N[0]}^^^NHS^NH~K000012^^^RJ1^MR||SMITH^JOHN^A^^Mr||19450714|M|||{ADDRESS}",
        "NK1|1|SMITH^JANE|MTH||07700900792",
        "OBR|1|a|b|HIVAB^HIV 1+2 antigen and antibody^L||||||||||||NRTH^Dr L Jones",
        "OBX|1|ST|HIVAB^HIV 1+2^L||Reactive|||||F",
        "NTE|1||Phoned to ward",
    ]
)


def wire(raw: str, syntax: Syntax, *, is_whole: bool = True) -> list[Fragment]:
    """The fragments of one message."""
    return of(Wire("message 1", syntax, raw.encode(), is_whole))


def test_hl7() -> None:
    patient, mother = wire(HL7, Syntax.HL7)
    assert said(patient) == {
        "nhs_number": [N[0]],
        "local_number": ["RJ1:K000012"],
        "family_name": ["SMITH"],
        "given_names": ["JOHN A"],
        "birth_date": ["1945-07-14"],
        "sex": ["male"],
        "address": ["4 HIGH ST, TOWN"],
        "postcode": ["SE18 8FB"],
        "phone": ["07700900791"],
        "organisation": ["RJ1"],
        "test": ["HIVAB"],
        "result": ["Reactive"],
        "narrative": ["Phoned to ward"],
    }
    assert said(mother)["given_names"] == ["JANE"]
    assert patient.fields[0].at == "PID-3"


def test_hl7_cut_at_either_end() -> None:
    start = HL7.index("0714|M")
    (rest,) = wire(HL7[start:], Syntax.HL7, is_whole=False)
    assert said(rest)["phone"] == ["07700900792"]
    assert Mark.CUT in rest.marks
    (first,) = wire(HL7[: HL7.index("NK1")], Syntax.HL7, is_whole=False)
    assert said(first)["organisation"] == ["RJZ"]  # the sender, where nobody is said to have asked


def test_hl7_several_people() -> None:
    second = HL7.split("\r")[1].replace(N[0], N[1]).replace("SMITH^JOHN", "LEE^MARY")
    found = wire(f"{HL7}\r{second}", Syntax.HL7)
    assert [said(one).get("nhs_number") for one in found] == [[N[0]], None, [N[1]]]


EDIFACT = (
    "UNH+1+MEDRPT:0:1:RT:NHS003'BGM+LSR+22R1'NAD+SLA+RJZ:902'NAD+PO+G85001:902'S01+1'"
    f"PNA+PAT+{N[0]}:OPI+++SU:O?'NEIL+FO:MARY'DTM+329:19450714:102'PDI+2'"
    "NAD+PAT++4 High Street:Town++++SE18 8FB'INV+MQ+LI:911::Lithium'RSL+NV+0.8++:::mmol/L'UNT+9+1'"
)


def test_edifact() -> None:
    (found,) = wire(EDIFACT, Syntax.EDIFACT)
    assert said(found) == {
        "nhs_number": [N[0]],
        "family_name": ["ONEIL"],
        "given_names": ["MARY"],
        "birth_date": ["1945-07-14"],
        "sex": ["female"],
        "address": ["4 HIGH STREET, TOWN"],
        "postcode": ["SE18 8FB"],
        "organisation": ["G85001"],
        "test": ["LI"],
        "result": ["0.8 mmol/L"],
    }


def test_edifact_from_the_middle() -> None:
    (found,) = wire(EDIFACT[EDIFACT.index("DTM") - 4 :], Syntax.EDIFACT, is_whole=False)
    assert said(found)["birth_date"] == ["1945-07-14"]


BUNDLE = {
    "resourceType": "Bundle",
    "entry": [
        {
            "resource": {
                "resourceType": "Patient",
                "id": "p0",
                "identifier": [
                    {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": N[0]},
                    {"value": "K000012", "assigner": {"identifier": {"value": "RJ1"}}},
                ],
                "name": [{"family": "Smith", "given": ["Mary", "Ann"]}],
                "birthDate": "1945-07",
            }
        },
        {
            "resource": {
                "resourceType": "Observation",
                "subject": {"reference": "Patient/p0"},
                "code": {"coding": [{"code": "LI", "display": "Lithium"}]},
                "valueQuantity": {"value": 0.8, "unit": "mmol/L"},
                "performer": [{"identifier": {"value": "RJZ"}}],
            }
        },
    ],
}


def test_fhir() -> None:
    (found,) = wire(json.dumps(BUNDLE), Syntax.FHIR)
    assert said(found) == {
        "nhs_number": [N[0]],
        "local_number": ["RJ1:K000012"],
        "family_name": ["SMITH"],
        "given_names": ["MARY ANN"],
        "birth_date": ["1945-07"],
        "organisation": ["RJZ"],
        "test": ["LI"],
        "result": ["0.8 mmol/L"],
    }


def test_fhir_cut_gives_the_resources_that_are_whole() -> None:
    text = json.dumps(BUNDLE)
    (found,) = wire(text[: text.index("Observation")], Syntax.FHIR, is_whole=False)
    assert said(found)["nhs_number"] == [N[0]]


def test_a_subject_with_a_number_and_no_patient() -> None:
    alone = {
        "resourceType": "ServiceRequest",
        "subject": {"identifier": {"system": "x/nhs-number", "value": N[0]}},
        "code": {"text": "Lithium"},
    }
    (found,) = wire(json.dumps(alone), Syntax.FHIR)
    assert said(found) == {"nhs_number": [N[0]], "test": ["LI"]}
