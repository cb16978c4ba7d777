"""What we answer, to whom, in which form."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tourniquet.kernel.errors import SenderError
from tourniquet.wire.acknowledgement import AckCode, ErrorCode, ErrorDetail, acknowledge
from tourniquet.wire.hl7v2 import HeaderPeek, Message, parse, peek_header

MOMENT = datetime(2024, 6, 3, 9, 15, 30, tzinfo=UTC)


def header_of(version: str = "2.4", accept_ack: str = "", **changes: str) -> bytes:
    control_id = changes.get("control_id", "C1")
    return (
        f"MSH|^~\\&|LAB^1^L|RJ1|EPR|RJZ|2024||ORU^R01^ORU_R01|{control_id}|T|{version}"
        f"|||{accept_ack}|||{changes.get('character_set', '')}\r"
    ).encode(changes.get("encoding", "utf-8"))


def answer(
    header: Message | HeaderPeek | None,
    code: AckCode = AckCode.ACCEPT,
    text: str = "",
    error: ErrorDetail | None = None,
) -> list[str]:
    raw = acknowledge(header, code=code, control_id="OURS", moment=MOMENT, text=text, error=error)
    return raw.decode("latin-1").split("\r")


def test_sender_and_receiver_change_places() -> None:
    assert answer(parse(header_of())) == [
        "MSH|^~\\&|EPR|RJZ|LAB^1^L|RJ1|20240603091530+0000||ACK^R01^ACK|OURS|T|2.4",
        "MSA|AA|C1",
        "",
    ]


@pytest.mark.parametrize(
    ("code", "accept_ack", "written"),
    [
        (AckCode.ACCEPT, "", "AA"),
        (AckCode.ERROR, "", "AE"),
        (AckCode.REJECT, "", "AR"),
        (AckCode.ACCEPT, "AL", "CA"),
        (AckCode.ERROR, "NE", "CE"),
        (AckCode.REJECT, "ER", "CR"),
        (AckCode.REJECT, '""', "AR"),
    ],
)
def test_codes_of_both_modes(code: AckCode, accept_ack: str, written: str) -> None:
    for header in (
        parse(header_of(accept_ack=accept_ack)),
        peek_header(header_of("2.4", accept_ack)),
    ):
        assert answer(header, code)[1] == f"MSA|{written}|C1"


DETAIL = ErrorDetail(
    code=ErrorCode.REQUIRED_FIELD_MISSING, message="PID-3 is | empty.", segment="PID", field=3
)


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.4", "", "x", "D"])
def test_older_versions_get_the_text_in_msa(version: str) -> None:
    lines = answer(parse(header_of(version)), AckCode.REJECT, error=DETAIL)
    assert lines[1:] == ["MSA|AR|C1|PID-3 is \\F\\ empty.", ""]


@pytest.mark.parametrize("version", ["2.5", "2.5.1", "2.10", "2.7^GBR"])
def test_newer_versions_get_an_err_segment(version: str) -> None:
    lines = answer(parse(header_of(version)), AckCode.REJECT, error=DETAIL)
    assert lines[1:] == [
        "MSA|AR|C1",
        "ERR||PID^1^3|101^Required field missing^HL70357|E||||PID-3 is \\F\\ empty.",
        "",
    ]


def test_text_without_an_error_goes_into_msa_in_every_version() -> None:
    assert answer(parse(header_of("2.5")), text="seen")[1] == "MSA|AA|C1|seen"


def test_the_place_comes_from_the_error() -> None:
    header = parse(header_of("2.5.1"))
    error = SenderError("It is bad.", where="OBX-5 of OBX number 3", remedy="Send it well.")
    detail = ErrorDetail.from_error(error)
    assert (detail.segment, detail.ordinal, detail.field) == ("OBX", 3, 5)
    err = answer(header, AckCode.REJECT, error=detail)[2]
    assert err.startswith("ERR||OBX^3^5|102^Data type error^HL70357|E||||OBX-5 of OBX number 3: It")
    nowhere = ErrorDetail.from_error(SenderError("It is bad."), code=ErrorCode.INTERNAL)
    assert answer(header, AckCode.ERROR, error=nowhere)[2].startswith("ERR|||207^")


def test_an_answer_is_possible_where_no_header_was_read() -> None:
    lines = answer(None, AckCode.REJECT, text="No MSH.", error=None)
    assert lines == [
        "MSH|^~\\&|TOURNIQUET||||20240603091530+0000||ACK|OURS|P|2.5.1",
        "MSA|AR||No MSH.",
        "",
    ]
    assert answer(None)[1] == "MSA|AA"
    with_error = answer(None, AckCode.REJECT, error=DETAIL)
    assert with_error[1] == "MSA|AR||PID-3 is \\F\\ empty."


@pytest.mark.parametrize(
    ("encoding", "character_set"),
    [("utf-8", "UNICODE UTF-8"), ("utf-8", ""), ("latin-1", "8859/1"), ("cp1252", "")],
)
def test_the_control_id_comes_back_byte_for_byte(encoding: str, character_set: str) -> None:
    raw = header_of(control_id="É-é\\T\\", character_set=character_set, encoding=encoding)
    for header in (parse(raw), peek_header(raw)):
        sent = acknowledge(header, code=AckCode.ACCEPT, control_id="O", moment=MOMENT)
        assert "|É-é\\T\\\r".encode(encoding) in sent
        assert parse(sent).header.value(18) == character_set


def test_letters_that_the_set_lacks_do_not_stop_the_answer() -> None:
    raw = header_of(character_set="ASCII")
    sent = acknowledge(
        parse(raw), code=AckCode.ERROR, control_id="O", moment=MOMENT, text="caf\u00e9 \x00"
    )
    assert b"MSA|AE|C1|caf? \r" in sent


def test_utf_16_is_answered_in_utf_8() -> None:
    message = parse("MSH|^~\\&|A|||||||É|P|2.5||||||UNICODE UTF-16\r".encode("utf-16-le"))
    sent = parse(acknowledge(message, code=AckCode.ACCEPT, control_id="O", moment=MOMENT))
    msa = sent.first("MSA")
    assert msa is not None
    assert msa.value(2) == "É"
    assert sent.header.value(18) == "UNICODE UTF-8"


def test_framing_bytes_and_endless_fields_are_not_echoed() -> None:
    peek = peek_header(b"MSH|^~\\&|A\x1c\x0b|B|C|D|||X|" + b"9" * 1001 + b"|P|2.4")
    assert answer(peek)[0] == "MSH|^~\\&|C|D|A|B|20240603091530+0000||ACK|OURS|P|2.4"
    assert answer(peek)[1] == "MSA|AA"
    edge = peek_header(b"MSH|^~\\&|A|B|C|D|||X|" + b"9" * 1000 + b"|P|2.4")
    assert answer(edge)[1] == "MSA|AA|" + "9" * 1000


@pytest.mark.parametrize("characters", ["^", "^~", "~|\\&", ".+-0"])
def test_odd_delimiters_still_give_an_answer_that_parses(characters: str) -> None:
    separator = "|" if "|" not in characters else "^"
    raw = separator.join(["MSH", characters, *[""] * 7, "C1", "P", "2"]).encode()
    peek = peek_header(raw)
    assert peek is not None
    sent = parse(acknowledge(peek, code=AckCode.REJECT, control_id="O", moment=MOMENT, text="a|^b"))
    msa = sent.first("MSA")
    assert msa is not None
    assert (msa.value(1), msa.value(2)) == ("AR", "C1")
