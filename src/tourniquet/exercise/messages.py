"""What the exercise's practices, clinics and laboratories send: HL7 v2.5.1.

Invariants:
- The content depends on the need, the person and the day alone, never on the order of sending.
- A control id says what it is about, so that a repeat is the same bytes: O order, C collection,
  R result, X a specimen that could not be processed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tourniquet.exercise.demand import Need
from tourniquet.exercise.people import Person
from tourniquet.pathology.catalogue import Catalogue
from tourniquet.wire.hl7v2_write import Header, Row, Value, sparse, write

RECEIVER = ("TOURNIQUET", "SEL")
_SEX = {"female": "F", "male": "M"}
_URGENCY = {"P1": "S", "P2": "A"}
CODES = "99TQ"


@dataclass(frozen=True)
class ResultLine:
    """One result as a laboratory reports it."""

    code: str
    name: str
    value: str
    unit: str
    reference_range: str
    flag: str
    numeric: bool


def hl7_time(moment: datetime) -> str:
    """An HL7 timestamp with offset."""
    return moment.strftime("%Y%m%d%H%M%S%z")


def accession(need: Need, specimen: int) -> str:
    """The label on a specimen."""
    return f"{need.key}-{specimen + 1}"


def _header(
    kind: tuple[str, str, str], sender: tuple[str, str], control: str, at: datetime
) -> Header:
    return Header(
        message_type=kind,
        control_id=control,
        sending_application=sender[0],
        sending_facility=sender[1],
        receiving_application=RECEIVER[0],
        receiving_facility=RECEIVER[1],
        timestamp=hl7_time(at),
    )


def _pid(person: Person) -> Row:
    identifiers: list[tuple[str, ...]] = []
    if person.nhs_number:
        identifiers.append((person.nhs_number, "", "", "NHS", "NH"))
    identifiers.append((person.local_number, "", "", person.hospital, "MR"))
    given, _, more = person.given_names.partition(" ")
    fields: dict[int, Value] = {
        1: "1",
        3: list(identifiers),
        5: (person.family_name, given, more, "", person.title),
        7: person.birth_date.strftime("%Y%m%d"),
        8: _SEX[person.sex],
        11: (person.address, "", "", "", person.postcode),
        13: person.phone,
    }
    return sparse("PID", fields)


def _specimens(need: Need, catalogue: Catalogue) -> list[tuple[str, list[str]]]:
    """Specimen types of a need's tests, each with the tests that share it, in order."""
    out: dict[str, list[str]] = {}
    for code in need.tests:
        out.setdefault(catalogue.tests[code].specimen_type, []).append(code)
    return list(out.items())


def specimen_count(need: Need, catalogue: Catalogue) -> int:
    """How many specimens a visit takes."""
    return len(_specimens(need, catalogue))


def _order_rows(
    need: Need,
    catalogue: Catalogue,
    *,
    control: str,
    status: str,
    practice: str,
    wanted_on: date,
    collected_at: datetime | None,
) -> list[Row]:
    """ORC, TQ1 and OBR for each test of the need."""
    rows: list[Row] = []
    for number, code in enumerate(need.tests, 1):
        test = catalogue.tests[code]
        placer = (f"{need.key}.{number}", practice)
        rows.append(
            sparse(
                "ORC",
                {1: control, 2: placer, 4: (need.key, practice), 5: status, 21: ("", "", practice)},
            )
        )
        urgency = _URGENCY.get(need.priority, "R")
        rows.append(sparse("TQ1", {1: "1", 7: wanted_on.strftime("%Y%m%d"), 9: urgency}))
        obr: dict[int, Value] = {
            1: str(number),
            2: placer,
            4: (test.code, test.name, CODES),
            16: practice,
            27: ("", "", "", wanted_on.strftime("%Y%m%d"), "", urgency),
            31: (need.indication.code, need.indication.name, CODES),
        }
        if collected_at is not None:
            obr[7] = hl7_time(collected_at)
        rows.append(sparse("OBR", obr))
    return rows


def order_message(
    need: Need, person: Person, catalogue: Catalogue, *, at: datetime, wanted_on: date
) -> tuple[str, bytes]:
    """OML^O21, a new order: the practice asks for tests. Control id and bytes."""
    control = f"O{need.key}"
    header = _header(("OML", "O21", "OML_O21"), ("PRACTICE", person.practice), control, at)
    rows = [_pid(person), sparse("PV1", {1: "1", 2: "O", 3: ("", "", "", person.practice)})]
    rows += _order_rows(
        need,
        catalogue,
        control="NW",
        status="SC",
        practice=person.practice,
        wanted_on=wanted_on,
        collected_at=None,
    )
    return control, write(header, rows)


def collection_message(
    need: Need,
    person: Person,
    catalogue: Catalogue,
    *,
    clinic: str,
    laboratory: str,
    at: datetime,
    wanted_on: date,
    visit: int,
) -> tuple[str, bytes]:
    """OML^O21, status changed: the clinic has taken the specimens. Control id and bytes."""
    control = f"C{need.key}.{visit}"
    header = _header(("OML", "O21", "OML_O21"), ("PHLEBOTOMY", clinic), control, at)
    rows = [_pid(person), sparse("PV1", {1: "1", 2: "O", 3: (clinic, "", "", clinic)})]
    rows += _order_rows(
        need,
        catalogue,
        control="SC",
        status="IP",
        practice=person.practice,
        wanted_on=wanted_on,
        collected_at=at,
    )
    for number, (kind, _) in enumerate(_specimens(need, catalogue)):
        name = catalogue.specimen_types[kind].name
        label = accession(need, number) if visit == 1 else f"{accession(need, number)}v{visit}"
        spm: dict[int, Value] = {
            1: str(number + 1),
            2: ((label, clinic),),
            4: (kind, name, CODES),
            17: hl7_time(at),
        }
        rows.append(sparse("SPM", spm))
    if not laboratory:
        raise ValueError("a specimen is taken for a laboratory")
    return control, write(header, rows)


def result_message(
    need: Need,
    person: Person,
    catalogue: Catalogue,
    results: Sequence[tuple[str, Sequence[ResultLine]]],
    *,
    laboratory: str,
    collected_at: datetime,
    at: datetime,
    visit: int,
) -> tuple[str, bytes]:
    """ORU^R01: the laboratory reports every test of the visit. Control id and bytes."""
    control = f"R{need.key}.{visit}"
    header = _header(("ORU", "R01", "ORU_R01"), ("LIMS", laboratory), control, at)
    rows: list[Row] = [_pid(person)]
    for number, (code, lines) in enumerate(results, 1):
        test = catalogue.tests[code]
        placer = (f"{need.key}.{number}", person.practice)
        filler = (f"{need.key}-{code}", laboratory)
        rows.append(sparse("ORC", {1: "RE", 2: placer, 3: filler, 4: (need.key, person.practice)}))
        rows.append(
            sparse(
                "OBR",
                {
                    1: str(number),
                    2: placer,
                    3: filler,
                    4: (test.code, test.name, CODES),
                    7: hl7_time(collected_at),
                    14: hl7_time(at),
                    16: person.practice,
                    22: hl7_time(at),
                    24: "LAB",
                    25: "F",
                },
            )
        )
        for place, line in enumerate(lines, 1):
            kind = "NM" if line.numeric else "ST"
            rows.append(
                ["OBX", str(place), kind, (line.code, line.name, CODES), "", line.value, line.unit,
                 line.reference_range, line.flag, "", "", "F", "", "", hl7_time(at)]
            )  # fmt: skip
    return control, write(header, rows)


def unprocessed_message(
    need: Need,
    person: Person,
    catalogue: Catalogue,
    *,
    laboratory: str,
    collected_at: datetime,
    at: datetime,
    visit: int,
    reason: str,
) -> tuple[str, bytes]:
    """ORU^R01 with OBR-25 X: the laboratory could not process the visit's specimens."""
    control = f"X{need.key}.{visit}"
    header = _header(("ORU", "R01", "ORU_R01"), ("LIMS", laboratory), control, at)
    rows: list[Row] = [_pid(person)]
    for number, code in enumerate(need.tests, 1):
        test = catalogue.tests[code]
        placer = (f"{need.key}.{number}", person.practice)
        filler = (f"{need.key}-{code}-{visit}", laboratory)
        rows.append(sparse("ORC", {1: "RE", 2: placer, 3: filler, 4: (need.key, person.practice)}))
        rows.append(
            sparse(
                "OBR",
                {
                    1: str(number),
                    2: placer,
                    3: filler,
                    4: (test.code, test.name, CODES),
                    7: hl7_time(collected_at),
                    22: hl7_time(at),
                    24: "LAB",
                    25: "X",
                },
            )
        )
        rows.append(
            ["OBX", "1", "ST", (test.code, test.name, CODES), "", reason, "", "", "", "", "", "X",
             "", "", hl7_time(at)]
        )  # fmt: skip
    return control, write(header, rows)


_CHECKBOX = re.compile(r'<input[^>]*type="checkbox"[^>]*>')
_ATTRIBUTE = re.compile(r'(name|value)="([^"]*)"')


def checkbox_values(page: str, name: str) -> list[str]:
    """Values of a page's checkboxes of that name, as a person would tick them all."""
    values = []
    for box in _CHECKBOX.findall(page):
        found = dict(_ATTRIBUTE.findall(box))
        if found.get("name") == name:
            values.append(found.get("value", ""))
    return values
