"""First family: HL7 v2 batches and interface logs, NHS EDIFACT, FHIR bundles.

Invariants:
- Messages are numbered from 1 in the order in which they stand in the file.
- A fragment that begins or ends in mid-message holds only what is left of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from tourniquet.exercise.theft.cases import Case
from tourniquet.exercise.theft.content import Content, Draft, Paper, Where, Written
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.pen import Pen, date_text

MERGE_SHARE = 0.5  # of messages about somebody with an old number


def _present(fields: Sequence[Written | None]) -> tuple[Written, ...]:
    return tuple(one for one in fields if one is not None)


def _text(field: Written | None) -> str:
    return field.text if field else ""


def pid_segment(pen: Pen, case: Case) -> tuple[str, tuple[Written, ...]]:
    """A PID segment with its fields."""
    who, trust = case.subject, case.trust.ods_code
    nhs = pen.nhs(who, pen.chance.pick(("plain", "plain", "spaced")))
    local = pen.local(who, trust)
    family, given = pen.family(who, "upper"), pen.given(who, "upper")
    birth, postcode = pen.birth(who, "compact"), pen.postcode(who)
    address, phone = pen.address(who), pen.phone(who)
    numbers = "~".join(
        text for text in (
            f"{nhs.text}^^^NHS^NH" if nhs else "",
            f"{local.text}^^^{trust}^MR" if local else "",
        ) if text
    )  # fmt: skip
    line = (
        f"PID|1||{numbers}||{family.text}^{given.text}^^^{who.title}||{birth.text}|"
        f"{who.sex[0].upper()}|||{address.text}^^^^{_text(postcode)}||{_text(phone)}"
    )
    return line, _present((nhs, local, family, given, birth, address, postcode, phone))


def message_lines(pen: Pen, case: Case, number: int, kind: str) -> tuple[list[str], Draft]:
    """One message's segments and the fragment that it is."""
    asked = date_text(case.asked_on, "compact")
    sender, trust, sample = case.requester.ods_code, case.trust.ods_code, case.specimen
    pid, written = pid_segment(pen, case)
    lines = [
        f"MSH|^~\\&|LIMS|{trust}|TIE|{sender}|{asked}0830||{kind}|M{number:08d}|P|2.4",
        pid,
    ]
    if kind == "ADT^A40":  # a merge: the number that is no longer used stands behind
        old = pen.local(case.subject, trust)
        lines.append(f"MRG|{case.subject.superseded}^^^NHS^NH~{_text(old)}^^^{trust}^MR")
        draft = Draft(case.subject, written, controller=trust, context=trust)
        return lines, draft
    if kind.startswith("ADT"):
        lines += [f"PV1|1|I|{case.ward}^^^{case.trust.ods_code}||||||||||||||||E{number}"]
        draft = Draft(
            case.subject, written, controller=case.trust.ods_code, context=case.trust.ods_code
        )
        return lines, draft
    test, result, requester = case.test, case.result, f"{sender}^{case.clinician}"
    lines += [
        f"ORC|RE|{sample}|{sample}A",
        f"OBR|1|{sample}|{sample}A|{test.code}^{test.name}^L|||{asked}0815|||||||||{requester}",
    ]
    extra = [Written("request", "", test.code, test.code)]
    if kind.startswith("ORU"):
        lines.append(f"OBX|1|ST|{test.code}^{test.name}^L||{result}|{test.unit}|||||F")
        extra.append(Written("result", "", result, result))
        if pen.chance.happens(0.1):
            lines.append("NTE|1||HIV test not requested on this sample.")
    draft = Draft(
        case.subject, (*written, *extra), sensitive=case.sensitive, controller=sender,
        context=case.trust.ods_code,
    )  # fmt: skip
    return lines, draft


def hl7_batch(desk: Desk) -> Content:
    """A batch of results, orders and admissions."""
    paper = Paper(newline="\r")
    paper.line("BHS|^~\\&|LIMS|HUB|TIE|ALL|20240529")
    for number in range(1, desk.rows + 1):
        case = desk.deal.case()
        kind = desk.chance.pick(("ORU^R01", "ORU^R01", "ORM^O01", "ADT^A08"))
        if case.subject.superseded and desk.chance.happens(MERGE_SHARE):
            kind = "ADT^A40"
        lines, draft = message_lines(desk.pen, case, number, kind)
        paper.block(lines, draft, message=number)
    paper.line(f"BTS|{desk.rows}")
    return paper.content(f"oru_{desk.chance.number(1000, 9999)}.hl7")


def interface_log(desk: Desk) -> Content:
    """A log of an engine with messages that begin and end in the middle."""
    paper = Paper()
    for number in range(1, desk.rows + 1):
        case = desk.deal.case()
        lines, draft = message_lines(desk.pen, case, number, "ORU^R01")
        stamp = f"2024-05-{number % 28 + 1:02d} 03:{number % 60:02d}:11,{number % 1000:03d}"
        luck = desk.chance.real(0, 1)
        if luck < 0.15:
            paper.line(f"{stamp} WARN  [tie-7] ACK timeout, control id M{number:08d}, requeued")
            continue
        if luck < 0.35:  # the log was rotated: the beginning is gone
            lines = lines[1:]
        elif luck < 0.5:  # cut at 4 kB: the end is gone
            lines = lines[:2]
            draft = _identity_only(draft, case)
        paper.block([f"{stamp} DEBUG [tie-7] RX {lines[0]}", *lines[1:]], draft)
    return paper.content("tie-interface.log.1")


def _identity_only(draft: Draft, case: Case) -> Draft:
    kept = tuple(one for one in draft.written if one.kind not in ("request", "result"))
    return Draft(draft.subject, kept, controller=case.requester.ods_code, context=draft.context)


def edifact(desk: Desk) -> Content:
    """An interchange of NHS003 pathology reports: one segment a line end there is none."""
    trust = desk.trust()
    data = bytearray(b"UNA:+.? '")
    drafts: list[Draft] = []

    def put(segments: Sequence[str]) -> tuple[int, int]:
        start = len(data)
        data.extend("".join(f"{text}'" for text in segments).encode("latin-1", "replace"))
        return start, len(data)

    put([f"UNB+UNOA:2+{trust.ods_code}+MESH+240529:2314+00000042++MEDRPT"])
    for number in range(1, max(2, desk.rows // 4) + 1):
        case, pen = desk.deal.case(trust=trust), desk.pen
        who = case.subject
        nhs, birth = pen.nhs(who), pen.birth(who, "compact")
        family, given = pen.family(who, "upper"), pen.given(who, "upper")
        address, postcode = pen.address(who), pen.postcode(who)
        street, _, town = address.text.partition(", ")
        start, end = put(
            [
                f"UNH+{number:08d}+MEDRPT:0:1:RT:NHS003",
                f"BGM+LSR+{case.specimen}",
                f"NAD+SLA+{trust.ods_code}:902",
                f"NAD+PO+{case.requester.ods_code}:902",
                *([f"S01+1'RFF+NHS:{nhs.text}"] if nhs else ["S01+1"]),
                f"PNA+PAT+{_text(nhs)}:OPI+++SU:{_quoted(family.text)}+FO:{_quoted(given.text)}",
                f"DTM+329:{birth.text}:102",
                f"PDI+{1 if who.sex == 'male' else 2}",
                f"NAD+PAT++{street}:{town}++++{_text(postcode)}",
                f"INV+MQ+{case.test.code}:911::{_quoted(case.test.name[:35])}",
                f"RSL+NV+{_quoted(case.result)}",
                f"UNT+12+{number:08d}",
            ]
        )
        written = _present((nhs, family, given, birth, address, postcode))
        extra = (
            Written("request", "", case.test.code, case.test.code),
            Written("result", "", case.result, case.result),
        )
        drafts.append(
            Draft(
                who, (*written, *extra), Where(message=number, start=start, end=end),
                case.sensitive, case.requester.ods_code, trust.ods_code,
            )
        )  # fmt: skip
    put([f"UNZ+{len(drafts)}+00000042"])
    return Content(f"{trust.ods_code}_0042.edi", bytes(data), tuple(drafts))


def _quoted(text: str) -> str:
    """Release characters before separators."""
    return "".join(f"?{sign}" if sign in "?+:'" else sign for sign in text)


def fhir_bundle(desk: Desk) -> Content:
    """A searchset of patients with observations, one resource a line."""
    paper = Paper()
    paper.line('{"resourceType": "Bundle", "type": "searchset", "entry": [')
    count = max(2, desk.rows // 4)
    for number in range(count):
        case, pen = desk.deal.case(), desk.pen
        who = case.subject
        nhs, local = pen.nhs(who), pen.local(who, case.trust.ods_code)
        family, given, birth = pen.family(who), pen.given(who), pen.birth(who, "iso")
        postcode, phone = pen.postcode(who), pen.phone(who)
        identifiers: list[dict[str, object]] = []
        if nhs:
            identifiers.append({"system": "https://fhir.nhs.uk/Id/nhs-number", "value": nhs.text})
        if local:
            identifiers.append(
                {"value": local.text, "assigner": {"identifier": {"value": case.trust.ods_code}}}
            )
        patient = {
            "resourceType": "Patient", "id": f"p{number}", "identifier": identifiers,
            "name": [{"family": family.text, "given": [given.text]}], "birthDate": birth.text,
            "gender": who.sex, "address": [{"postalCode": _text(postcode)}],
            "telecom": [{"system": "phone", "value": _text(phone)}],
        }  # fmt: skip
        observation = {
            "resourceType": "Observation", "subject": {"reference": f"Patient/p{number}"},
            "code": {"coding": [{"code": case.test.code, "display": case.test.name}]},
            "valueString": case.result,
            "performer": [{"identifier": {"value": case.requester.ods_code}}],
        }  # fmt: skip
        draft = Draft(
            who,
            (
                *_present((nhs, local, family, given, birth, postcode, phone)),
                Written("request", "", case.test.code, case.test.code),
                Written("result", "", case.result, case.result),
            ),
            sensitive=case.sensitive,
            controller=case.requester.ods_code,
            context=case.trust.ods_code,
        )
        end = "" if number == count - 1 else ","
        texts = (json.dumps({"resource": patient}), json.dumps({"resource": observation}))
        paper.block((f"{texts[0]},", f"{texts[1]}{end}"), draft)
    paper.line("]}")
    return paper.content("bundle.json")


SHAPES: dict[str, Maker] = {
    "hl7-batch": hl7_batch,
    "hl7-log": interface_log,
    "edifact": edifact,
    "fhir-json": fhir_bundle,
}
