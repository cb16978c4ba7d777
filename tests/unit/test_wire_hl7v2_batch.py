"""Files with several messages, envelopes and rubbish."""

from __future__ import annotations

import pytest

from tests.support.hl7_mutations import BASES
from tourniquet.wire.hl7v2_batch import split_batch
from tourniquet.wire.mllp import frame

ONE = b"MSH|^~\\&|A|B|||||ADT^A08|1\rPID|1"
TWO = b"MSH|^~\\&|A|B|||||ADT^A08|2\rPID|2"
FHS = b"FHS|^~\\&|A\r"
BHS = b"BHS|^~\\&|A\r"


def found_in(raw: bytes) -> list[bytes]:
    split = split_batch(raw)
    for item in (*split.messages, *split.leftovers):
        assert raw[item.offset :].startswith(item.data)
    return [message.data for message in split.messages]


CLEAN = [
    ONE,
    ONE + b"\r" + TWO + b"\r",
    ONE + b"\r\n\r\n" + TWO,
    b"\xef\xbb\xbf" + ONE + b"\n\xef\xbb\xbf" + TWO,
    b"  " + ONE + b"\r  " + TWO,
    FHS + BHS + ONE + b"\r" + TWO + b"\rBTS|2\rFTS|1\r",
    FHS + BHS + ONE + b"\rBTS|1\r" + BHS + TWO + b"\rBTS|1\rFTS|2",
    BHS + ONE + b"\r" + TWO + b"\rBTS\r",
    frame(ONE) + frame(TWO),
    frame(ONE + b"\r") + b"\r\n" + frame(TWO + b"\r"),
    b"\x0b" + ONE + b"\x1c\x0b" + TWO + b"\x1c",
    b"\x0b" + ONE + b"\x1c\n\x0b" + TWO + b"\x1c\n",
]


@pytest.mark.parametrize("raw", CLEAN)
def test_nothing_is_left_over(raw: bytes) -> None:
    split = split_batch(raw)
    expected = [ONE, TWO] if b"|2\rPID" in raw else [ONE]
    assert [data.rstrip(b"\r") for data in found_in(raw)] == expected
    assert split.leftovers == ()
    assert split.problems == ()


BROKEN = [
    (BHS + ONE + b"\rBTS|2\r", "BTS promises 2 messages, 1 found"),
    (FHS + BHS + ONE + b"\rBTS|1\rFTS|3\r", "FTS promises 3 batches, 1 found"),
    (FHS + BHS + ONE + b"\r", "BHS is not closed"),
    (FHS + BHS + ONE + b"\rFTS|1\r", "BHS is not closed before FTS"),
    (ONE + b"\rBTS|1\r", "BTS without BHS"),
    (BHS + BHS + ONE + b"\rBTS|1\r", "BHS is not closed"),
]


@pytest.mark.parametrize(("raw", "why"), BROKEN)
def test_broken_envelopes_are_reported_and_their_messages_found(raw: bytes, why: str) -> None:
    assert found_in(raw) == [ONE]
    assert why in [problem.why for problem in split_batch(raw).problems]


LEFT_OVER = [
    (b"exported by hand\r" + ONE, b"exported by hand", [ONE]),
    (ONE + b"\r// next\r" + TWO, b"// next", [ONE, TWO]),
    (ONE + b"\r\r// *** note", b"// *** note", [ONE]),
    (BHS + b"PID|1|stray\r" + ONE + b"\rBTS|1", b"PID|1|stray", [ONE]),
    (frame(ONE) + b"log line\r\n" + frame(TWO), b"log line", [ONE, TWO]),
    (b"\x0b" + ONE + b"\r" + frame(TWO), ONE, [TWO]),
    (b"no message at all", b"no message at all", []),
    (b"MSHAPE is no header", b"MSHAPE is no header", []),
]


@pytest.mark.parametrize(("raw", "left", "messages"), LEFT_OVER)
def test_what_is_no_message_is_reported(raw: bytes, left: bytes, messages: list[bytes]) -> None:
    assert found_in(raw) == messages
    (leftover,) = split_batch(raw).leftovers
    assert leftover.data.removeprefix(b"\x1c\r") == left
    assert leftover.why


def test_a_line_that_may_be_the_rest_of_a_text_stays_in_its_message() -> None:
    raw = ONE + b"\rOBX|1|TX|||a long\rtext\r\r"
    assert found_in(raw) == [raw.rstrip(b"\r")]


def test_empty_and_blank_files_hold_nothing() -> None:
    for raw in (b"", b"\r\n \r\n", b"\xef\xbb\xbf", b"\x00\x00"):
        split = split_batch(raw)
        assert (split.messages, split.leftovers, split.problems) == ((), (), ())


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
def test_utf_16_files_keep_their_bytes(order: str) -> None:
    text = "MSH|^~\\&|A|B\rPID|é€😀\r// note\rMSH|^~\\&|A|B\rPID|2\r"
    raw = f"\ufeff{text}".encode(order)
    split = split_batch(raw)
    assert len(split.messages) == 2
    for item in (*split.messages, *split.leftovers):
        assert raw[item.offset :].startswith(item.data)
    assert [item.data.decode(order) for item in split.leftovers] == ["// note"]
    assert split_batch(raw + b"\x00").leftovers[0].why == "the file begins like UTF-16 and is not"


def test_many_messages_of_different_delimiters() -> None:
    assert len(found_in(b"".join(BASES * 200))) == len(BASES) * 200
