"""Parsing HL7 v2: numbering, escapes, character sets, limits, refusals."""

from __future__ import annotations

import pytest

from tests.support.hl7_mutations import BASES
from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2 import (
    PEEK_BYTES_MAX,
    Delimiters,
    Header,
    Limits,
    MessageType,
    parse,
    peek_header,
    sparse,
    write,
)
from tourniquet.wire.hl7v2_text import find_place, place

MSH = b"MSH|^~\\&|LAB^1.2^ISO|RJ1|EPR|RJZ|20240603101500||ORU^R01^ORU_R01|C1|P|2.5.1|||AL|NE"


def message_of(*lines: bytes, header: bytes = MSH) -> bytes:
    return b"\r".join((header, *lines)) + b"\r"


def test_the_header_is_numbered_as_hl7_numbers_it() -> None:
    message = parse(message_of())
    header = message.header
    assert header.value(1) == "|"
    assert header.value(2) == header.raw(2) == header.text(2) == "^~\\&"
    assert [r.raw for r in header.repetitions(2)] == ["^~\\&"]
    assert header.field_count == 16
    assert message.sender == ("LAB^1.2^ISO", "RJ1")
    assert message.sending_application == "LAB"
    assert message.sending_facility == "RJ1"
    assert (message.receiving_application, message.receiving_facility) == ("EPR", "RJZ")
    assert message.timestamp == "20240603101500"
    assert message.message_type == MessageType("ORU", "R01", "ORU_R01")
    assert str(message.message_type) == "ORU^R01"
    assert (message.control_id, message.processing_id, message.version) == ("C1", "P", "2.5.1")
    assert (message.accept_ack, message.application_ack) == ("AL", "NE")


def test_values_are_found_by_field_component_subcomponent_and_repetition() -> None:
    segment = parse(message_of(b"PID|1||A&a2^B~C^D&d2||X\\T\\Y")).segments[1]
    assert segment.value(3) == "A"
    assert segment.value(3, 1, 2) == "a2"
    assert segment.value(3, 2) == "B"
    assert segment.value(3, repetition=2) == "C"
    assert segment.value(3, 2, 2, 2) == "d2"
    assert segment.value(5) == "X&Y"
    assert segment.raw(3) == "A&a2^B~C^D&d2"
    assert segment.text(3) == "A&a2^B\nC^D&d2"
    assert segment.components(3) == ("A", "B")
    assert segment.components(3, 2) == ("C", "D")
    assert [rep.value(2) for rep in segment.repetitions(3)] == ["B", "D"]


def test_what_is_absent_is_empty_and_never_an_exception() -> None:
    segment = parse(message_of(b"PID|1||A")).segments[1]
    for numbers in ((0,), (-1,), (2,), (99,), (3, 0), (3, -1), (3, 2), (3, 1, 0), (3, 1, 2)):
        assert segment.value(*numbers) == ""
    assert segment.value(3, repetition=2) == segment.value(3, repetition=0) == ""
    assert segment.repetitions(2) == ()
    assert segment.components(2) == ()
    assert segment.components(3, 2) == ()
    assert segment.raw(99) == segment.text(99) == ""


def test_null_is_told_from_absent() -> None:
    segment = parse(message_of(b'PID|""||A^""~""')).segments[1]
    assert segment.is_null(1)
    assert segment.value(1) == segment.text(1) == ""
    assert not segment.is_null(2)
    assert not segment.is_null(3)
    assert segment.is_null(3, 2)
    assert not segment.is_null(3, 1)
    assert segment.is_null(3, 1, 2)
    assert not segment.is_null(3, 1, 3)
    assert [rep.is_null for rep in segment.repetitions(3)] == [False, True]
    assert segment.value(3, 2) == ""


ESCAPES = [
    (r"\F\\S\\T\\R\\E\\P\ ".strip(), "|^&~\\\\P\\"),
    (r"a\.br\b", "a\nb"),
    (r"a\.sp\b\.sp2\c\.sp+2\d", "a\nb\n\nc\n\nd"),
    (r"a\.ce\b", "a\nb"),
    (r"\.in+4\a\.ti-2\b\.fi\c\.nf\d", "abcd"),
    (r"a\.sk3\b", "a   b"),
    (r"\H\bold\N\ ".strip(), "bold"),
    (r"\X41\\X0D0A\ ".strip(), "A\r\n"),
    (r"\XC3A9\ ".strip(), "é"),
    (r"\XE9\ ".strip(), "\\XE9\\"),
    (r"\X00\ ".strip(), "\\X00\\"),
    (r"\X4\ ".strip(), "\\X4\\"),
    (r"\C2842\x\M242842\ ".strip(), "\\C2842\\x\\M242842\\"),
    (r"\Z9\ ".strip(), "\\Z9\\"),
    (r"\unknown\ ".strip(), "\\unknown\\"),
    (r"5\ 10\.br\6", "5\\ 10\n6"),
    (r"end\F", "end\\F"),
    ("end\\", "end\\"),
    (r"\.sp99999\ ".strip(), "\\.sp99999\\"),
    (r"\.sp9999\ ".strip(), "\\.sp9999\\"),
    (r"\.sp100\ ".strip(), "\n" * 100),
    (r"\.sp101\ ".strip(), "\\.sp101\\"),
    (r"\.zz\ ".strip(), "\\.zz\\"),
    (r"\E\.br\E\ ".strip(), "\\.br\\"),
]


@pytest.mark.parametrize(("sent", "plain"), ESCAPES)
def test_escapes(sent: str, plain: str) -> None:
    segment = parse(message_of(b"OBX|1|TX|||" + sent.encode())).segments[1]
    assert segment.value(5) == plain


def test_truncation_character_of_version_2_7() -> None:
    message = parse(message_of(b"OBX|a\\P\\b", header=b"MSH|^~\\&#|A|B"))
    assert message.delimiters.truncation == "#"
    assert message.segments[1].value(1) == "a#b"


def test_delimiters_are_taken_from_the_header() -> None:
    message = parse(BASES[-1])
    assert message.delimiters == Delimiters("^", "~", "|")
    assert message.message_type.trigger == "A08"
    pid = message.first("PID")
    assert pid is not None
    assert (pid.value(5), pid.value(5, 2)) == ("AXTON", "MARY")


def test_a_message_may_define_no_escape_character() -> None:
    segment = parse(message_of(b"PID|a\\F\\b~c&d", header=b"MSH|^~|A|B")).segments[1]
    assert segment.value(1) == "a\\F\\b"
    assert segment.value(1, repetition=2) == "c&d"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\r\n", b"\r\n\r\n", b" \n"])
def test_line_ends_blank_lines_and_blanks(end: bytes) -> None:
    raw = end.join((MSH, b"PID|1", b"  OBR|1", b"OBX   ", b"", b"OBX|2|", b""))
    names = [segment.name for segment in parse(b"\xef\xbb\xbf\r\n \n" + raw).segments]
    assert names == ["MSH", "PID", "OBR", "OBX", "OBX"]


def test_line_ends_may_be_mixed() -> None:
    message = parse(MSH + b"\nPID|1\r\nOBR|1\rOBX|1")
    assert len(message.segments) == 4
    assert message.segments[1].field_count == 1


CHARACTER_SETS = [
    ("UNICODE UTF-8", "utf-8"),
    ("UNICODE", "utf-8"),
    ("utf-8", "utf-8"),
    ("8859/1", "latin-1"),
    ("ISO-8859-1", "latin-1"),
    ("8859/15", "iso8859-15"),
    ("8859/2", "iso8859-2"),
    ("8859/1~UNICODE UTF-8", "latin-1"),
    ("WINDOWS-1252", "cp1252"),
]


@pytest.mark.parametrize(("declared", "encoding"), CHARACTER_SETS)
def test_declared_character_sets(declared: str, encoding: str) -> None:
    raw = f"MSH|^~\\&|A|||||||1|P|2.5||||||{declared}\rPID|é".encode(encoding)
    message = parse(raw)
    assert message.segments[1].value(1) == "é"
    assert not message.encoding_guessed


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_utf_16_is_recognised(order: str, bom: str) -> None:
    raw = f"{bom}MSH|^~\\&|A|||||||1|P|2.5||||||UNICODE UTF-16\rPID|é€".encode(order)
    message = parse(raw)
    assert message.segments[1].value(1) == "é€"
    assert not message.encoding_guessed


def test_utf_16_declared_over_plain_bytes_is_read_and_flagged() -> None:
    message = parse("MSH|^~\\&|A|||||||1|P|2.5||||||UNICODE UTF-16\rPID|é".encode())
    assert message.segments[1].value(1) == "é"
    assert message.encoding_guessed


@pytest.mark.parametrize(
    ("raw", "plain", "guessed"),
    [
        (b"abc", "abc", False),
        ("é".encode(), "é", True),
        (b"\xe9\x93", "é“", True),
        (b"\xe9\x81", "é\x81", True),
    ],
)
def test_undeclared_character_sets_are_guessed_and_flagged(
    raw: bytes, plain: str, *, guessed: bool
) -> None:
    message = parse(message_of(b"PID|" + raw))
    assert message.segments[1].value(1) == plain
    assert message.encoding_guessed is guessed


@pytest.mark.parametrize("declared", ["UNICODE UTF-8", "ASCII", "8859/7"])
def test_bytes_outside_the_declared_set_are_refused_by_offset(declared: str) -> None:
    head = f"MSH|^~\\&|A|||||||1|P|2.5||||||{declared}\rPID|SECRET".encode()
    with pytest.raises(SenderError) as caught:
        parse(b"\r\n" + head + b"\xff")
    assert caught.value.where == "MSH-18"
    assert f"offset {len(head) + 2} " in caught.value.what
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("declared", ["KLINGON", "8859/12", "ISO IR87"])
def test_unknown_character_sets_are_refused_by_name(declared: str) -> None:
    with pytest.raises(SenderError, match=declared):
        parse(f"MSH|^~\\&|A|||||||1|P|2.5||||||{declared}\r".encode())


REFUSED = [
    (b"", "empty"),
    (b" \r\n", "empty"),
    (b"PID|1\r", "does not begin with MSH"),
    (b"BHS|^~\\&|A\rMSH|^~\\&|A\r", "batch"),
    (b"MSH", "MSH-1"),
    (b"MSH|", "MSH-2"),
    (b"MSH||A", "MSH-2"),
    (b"MSHX^~\\&XA", "MSH-1"),
    (b"MSH|^^\\&|A", "MSH-2"),
    (b"MSH|^~\\&#!|A", "MSH-2"),
    (b"MSH|a~\\&|A", "MSH-2"),
    (b"MSH\xff^~\\&\xff", "MSH-1"),
    (message_of(b"pid|1"), "line 2"),
    (message_of(b"OBX|1|TX|||text", b"that goes on"), r"line 3.*\\.br\\"),
    (message_of(b"PIDX|1"), "line 2"),
    (message_of(b"P|1"), "line 2"),
    (message_of(b"PID|a\x00b"), "control byte 00"),
    (message_of(b"PID|a\x0bb"), "control byte 0B"),
    (message_of(b"PID|a\x1cb"), "control byte 1C"),
    (message_of(MSH), "second message header"),
    (message_of(b"MSH|x"), "second message header"),
    (message_of(b"OBX|12^XYZ LABMSH|^~\\&|A|B"), "second message header"),
    ("\ufeffPID|1".encode("utf-16-le"), "does not begin with MSH"),
    (b"\xff\xfeM\x00S\x00H\x00|", "offset"),
]


@pytest.mark.parametrize(("raw", "reason"), REFUSED)
def test_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(SenderError, match=reason):
        parse(raw)


def test_limits_hold_at_the_limit_and_not_one_past_it() -> None:
    header = b"MSH|^~\\&|A"
    raw = message_of(b"PID|1|2|a~b|c^d", header=header)
    limits = Limits(
        message_bytes_max=len(raw),
        segments_max=2,
        segment_fields_max=4,
        field_repetitions_max=2,
        repetition_components_max=2,
    )
    segment = parse(raw, limits=limits).segments[1]
    assert segment.value(3, repetition=2) == "b"
    assert segment.value(4, 2) == "d"
    with pytest.raises(SenderError, match=f"larger than {len(raw)} bytes"):
        parse(raw + b"\r", limits=limits)
    wider = Limits(segments_max=2, segment_fields_max=4, field_repetitions_max=2)
    with pytest.raises(SenderError, match="more than 2 segments"):
        parse(message_of(b"PID", b"OBR", header=header), limits=wider)
    with pytest.raises(SenderError, match="PID of PID number 2: A segment has more than 4 fields"):
        parse(
            message_of(b"PID", b"PID|1|2|3|4|5", header=header), limits=Limits(segment_fields_max=4)
        )
    over = parse(message_of(b"PID|a~b~c", header=header), limits=wider).segments[1]
    for ask in (over.value, over.text, over.repetitions, over.components):
        with pytest.raises(SenderError, match="PID-1: A field has more than 2 repetitions"):
            ask(1)
    narrow = Limits(repetition_components_max=2)
    many = parse(message_of(b"PID|a^b^c|a&b&c", header=header), limits=narrow).segments[1]
    for field in (1, 2):
        with pytest.raises(SenderError, match=f"PID-{field}: A value has more than 2 components"):
            many.value(field)


def test_segments_are_walked_in_order() -> None:
    message = parse(BASES[2])
    assert [segment.name for segment in message.preamble("ORC", "OBR")] == ["MSH", "PID"]
    first, second = message.groups("OBR")
    assert [s.name for s in first.segments] == ["ORC", "TQ1", "OBR", "OBX", "SPM"]
    assert first.start is not None
    assert first.start.value(4) == "UE"
    assert [s.name for s in second.segments] == ["ORC", "OBR"]
    assert message.first("ZZZ") is None
    assert len(message.all("ORC")) == 2
    assert second.start is not None
    assert second.start.ordinal == 2
    assert second.start.where(4) == "OBR-4 of OBR number 2"


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ("OBR OBX OBR OBX", ["OBR OBX", "OBR OBX"]),
        ("ORC OBR OBX OBR", ["ORC OBR OBX", "OBR"]),
        ("ORC ORC OBR", ["ORC", "ORC OBR"]),
        ("PID NTE ORC TQ1 OBR NTE", ["ORC TQ1 OBR NTE"]),
        ("PID", []),
    ],
)
def test_groups(names: str, groups: list[str]) -> None:
    message = parse(message_of(*(f"{name}|1".encode() for name in names.split())))
    found = [" ".join(s.name for s in group.segments) for group in message.groups("OBR")]
    assert found == groups


def test_notes_follow_their_segment_in_a_message_and_in_a_group() -> None:
    message = parse(message_of(b"PID", b"OBR|1", b"OBX|1", b"NTE|1", b"NTE|2", b"OBX|2", b"NTE|3"))
    (group,) = message.groups("OBR")
    for run in (message, group):
        notes = [[n.value(1) for n in run.after(obx)] for obx in run.all("OBX")]
        assert notes == [["1", "2"], ["3"]]
    assert group.groups("OBX", leading=())[1].segments[0].value(1) == "2"


@pytest.mark.parametrize(
    ("name", "ordinal", "field"), [("MSH", 1, 18), ("OBX", 3, 5), ("PID", 1, 0), ("Z12", 20, 0)]
)
def test_places_are_read_back(name: str, ordinal: int, field: int) -> None:
    assert find_place(place(name, ordinal, field)) == (name, ordinal, field)
    assert find_place("line 4") is None


PEEKS = [
    (MSH, "C1"),
    (b"\xef\xbb\xbf\r\n" + MSH, "C1"),
    (b"noise\r" + MSH + b"\rPID|\xff", "C1"),
    (b"\x0b" + MSH, "C1"),
    (MSH.replace(b"^~\\&", b"^^^^"), "C1"),
    (MSH.replace(b"^~\\&", b""), "C1"),
    (b"MSH|^~\\&|A|B|C|D|20240603||ORU^R01|42", "42"),
    (b"MSH|^~\\&|A|B|C|D|20240603||ORU^R01", ""),
    (MSH.decode().encode("utf-16-le"), "C1"),
    (b"MSH|^~\\&|A|||||||1\xff|P|2.5||||||ASCII", "1\xff"),
    (b"MSH|^~\\&|A|||||||7|" + b"x" * PEEK_BYTES_MAX, "7"),
    (b"MSH|^~\\&|A|||||||7" + b"7" * PEEK_BYTES_MAX, ""),
]


@pytest.mark.parametrize(("raw", "control_id"), PEEKS)
def test_peek_reads_the_control_id(raw: bytes, control_id: str) -> None:
    peek = peek_header(raw)
    assert peek is not None
    assert peek.control_id == control_id


@pytest.mark.parametrize("raw", [b"", b"MSH", b"PID|1", b"GET / HTTP/1.1\r\n", b"MSHA", b"MSH\xff"])
def test_peek_gives_none_where_there_is_no_header(raw: bytes) -> None:
    assert peek_header(raw) is None


def test_peek_and_message_agree() -> None:
    for base in BASES:
        assert parse(base).peek() == peek_header(base)


def test_writer_refuses_what_hl7_cannot_carry() -> None:
    ascii_header = Header(message_type="ACK", control_id="1", character_set="ASCII")
    with pytest.raises(SenderError, match="outside the message's character set"):
        write(ascii_header, [("PID", "é")])
    for value in ("a\x00b", "\ud800"):
        with pytest.raises(SenderError):
            write(Header(message_type="ACK", control_id="1"), [("PID", value)])


def test_writer_writes_what_one_expects() -> None:
    header = Header(
        message_type=("ORU", "R01", "ORU_R01"),
        control_id="C|1",
        sending_application=("LAB", "1.2", "ISO"),
        timestamp="20240603101500",
        accept_ack="AL",
    )
    rows = [
        sparse("PID", {3: [("1", "", "", "NHS"), ("2", ("a", "b"))], 5: ("O&N", "É\r\nx")}),
        ("OBX", "1", "TX"),
    ]
    head, *lines = write(header, rows).decode().split("\r")
    assert head.startswith("MSH|^~\\&|LAB^1.2^ISO||||20240603101500||ORU^R01^ORU_R01|C\\F\\1|P|")
    assert head.endswith("|P|2.5.1|||AL|||UNICODE UTF-8")
    assert lines == ["PID|||1^^^NHS~2^a&b||O\\T\\N^É\\X0D\\\\.br\\x", "OBX|1|TX", ""]
