"""HL7 v2 messages for tests: small builders with sensible defaults. Synthetic people only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from tourniquet.flows.receive_messages import Answer, Received, receive_group

NOW = datetime(2024, 6, 3, 10, 0, tzinfo=UTC)


def valid_nhs(stem: str) -> str:
    """The NHS number with these first nine digits."""
    from tourniquet.kernel.identifiers import check_digit

    return stem + check_digit(stem)


MARY_NUMBER = valid_nhs("999123450")
TOM_NUMBER = valid_nhs("999000001")


def pid(
    number: str = MARY_NUMBER,
    *,
    family: str = "AXTON",
    given: str = "MARY",
    born: str = "19450714",
    local: str = "A100001^^^RJ1^MR",
    sex: str = "F",
    extra: str = "",
) -> str:
    """A PID; an empty number or local number is left out."""
    nhs = f"{number}^^^NHS^NH" if number else ""
    numbers = "~".join(part for part in (nhs, local) if part)
    return f"PID|1||{numbers}||{family}^{given}||{born}|{sex}{extra}"


MARY = pid()
TOM = pid(
    TOM_NUMBER, family="BARLOW", given="TOM", born="20150102", local="A100002^^^RJ1^MR", sex="M"
)


def message(
    kind: str,
    control: str,
    lines: Sequence[str],
    *,
    sender: str = "LAB|RJ1",
    version: str = "2.5.1",
    at: str = "20240603100000+0000",
) -> bytes:
    """A message of these segments."""
    head = f"MSH|^~\\&|{sender}|TQ|SEL|{at}||{kind}|{control}|P|{version}"
    return "".join(f"{line}\r" for line in (head, *lines)).encode()


def adt(event: str, control: str, person: str = MARY, *more: str, sender: str = "PAS|RJ1") -> bytes:
    """An ADT message."""
    return message(f"ADT^{event}", control, [f"EVN|{event}|20240603", person, *more], sender=sender)


def oru(
    control: str,
    person: str = MARY,
    *,
    number: str = "L1",
    placer: str = "",
    status: str = "F",
    issued: str = "20240603093000+0000",
    lines: Sequence[str] = ("NM|HB^Haemoglobin^L||131|g/L|120-150|N|||F",),
    test: str = "FBC^Full blood count^L",
    sender: str = "LAB|RJ1",
    more: Sequence[str] = (),
) -> bytes:
    """An ORU with one OBR; `lines` are OBX from OBX-2 on."""
    obr = (
        f"OBR|1|{placer}|{number}|{test}|||20240603080000+0000|" + "|" * 14 + f"{issued}|||{status}"
    )
    obx = [f"OBX|{place}|{line}" for place, line in enumerate(lines, 1)]
    return message("ORU^R01", control, [person, obr, *obx, *more], sender=sender)


def oml(
    control: str,
    person: str = MARY,
    *,
    order: str = "NW",
    status: str = "",
    placer: str = "O1^PRAC",
    requisition: str = "G1",
    test: str = "FBC^Full blood count^99TQ",
    collected: str = "",
    specimen: str = "",
    sender: str = "PRACTICE|G85001",
) -> bytes:
    """An OML with one test, and a specimen where its number is given."""
    lines = [
        person,
        f"ORC|{order}|{placer}||{requisition}|{status}",
        "TQ1|1||||||20240610||R",
        f"OBR|1|{placer}||{test}|||{collected}",
    ]
    if specimen:
        lines.append(f"SPM|1|{specimen}||EDTA^Blood in EDTA^99TQ" + "|" * 13 + collected)
    return message("OML^O21", control, lines, sender=sender)


def send(*raws: bytes, now: datetime = NOW) -> list[Answer]:
    """Hand messages to the flow, as one group."""
    return receive_group([Received(raw, "mllp", "test") for raw in raws], now=now)


def codes(*raws: bytes, now: datetime = NOW) -> list[str]:
    """The answers' codes."""
    return [answer.code for answer in send(*raws, now=now)]
