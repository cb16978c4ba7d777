"""Damaged messages: only SenderError comes out, and an acknowledgement can always be made.

The 20,000 that must each end in AA, AE or AR go through the real listener in
tests/flows/test_mllp_record.py; here, where every accessor is asked too, `make soak` takes as many.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from tests.support.effort import effort
from tests.support.hl7_mutations import BASES, mutations
from tourniquet.kernel.errors import SenderError
from tourniquet.wire.acknowledgement import AckCode, ErrorDetail, acknowledge
from tourniquet.wire.hl7v2 import Message, parse, peek_header
from tourniquet.wire.hl7v2_batch import split_batch
from tourniquet.wire.hl7v2_time import parse_date, parse_timestamp
from tourniquet.wire.mllp import Unframer, frame

SEED = 20240603
COUNT = effort(5_000, 20_000)
MOMENT = datetime(2024, 6, 3, 12, tzinfo=UTC)


def walk(message: Message) -> None:
    """Ask every accessor for everything."""
    assert message.segments[0].name == "MSH"
    assert str(message.message_type) is not None
    assert message.sender
    for name in (
        "control_id",
        "version",
        "processing_id",
        "accept_ack",
        "application_ack",
        "timestamp",
        "sending_application",
        "receiving_facility",
    ):
        assert isinstance(getattr(message, name), str)
    for group in message.groups("OBR"):
        for segment in group.all("OBX"):
            group.after(segment)
    message.preamble("ORC", "OBR")
    for segment in message.segments:
        for field in range(-1, segment.field_count + 2):
            segment.raw(field)
            segment.text(field)
            segment.is_null(field, 1)
            segment.value(field, 0, -1)
            segment.value(field, 2, 2, 2)
            for number, repetition in enumerate(segment.repetitions(field), 1):
                components = repetition.components()
                assert segment.components(field, number) == components
                assert components[0] == repetition.value(1)
        times_of(segment.value(7), segment.where(7))


def times_of(text: str, where: str) -> None:
    for read in (parse_timestamp, parse_date):
        try:
            read(text, where=where)
        except SenderError:
            continue


@pytest.mark.no_cover  # a tracer would triple its time; the same lines are covered elsewhere
def test_damaged_messages_end_in_a_message_or_a_sender_error() -> None:
    print(f"seed {SEED}")
    outcomes: Counter[str] = Counter()
    for raw in mutations(SEED, COUNT):
        header: object = peek_header(raw)
        error_detail = None
        code = AckCode.ACCEPT
        try:
            message = parse(raw)
            walk(message)
            header = message
            outcomes["read"] += 1
        except SenderError as error:
            outcomes["refused"] += 1
            code = AckCode.REJECT
            error_detail = ErrorDetail.from_error(error)
        answer = acknowledge(
            header, code=code, control_id="ACK1", moment=MOMENT, error=error_detail
        )
        assert answer.startswith(b"MSH")
        assert b"\x1c" not in answer
        assert b"\x0b" not in answer
        msa = answer.split(b"\r")[1]
        assert msa[:3] == b"MSA"
        assert msa[4:6] in {b"AA", b"AR", b"CA", b"CR"}
    assert outcomes["read"] > COUNT // 4
    assert outcomes["refused"] > COUNT // 10


def test_an_acknowledgement_of_a_damaged_message_parses() -> None:
    parsed = 0
    for raw in mutations(SEED + 1, 2_000):
        try:
            message = parse(raw)
        except SenderError:
            continue
        answer = parse(acknowledge(message, code=AckCode.ACCEPT, control_id="1", moment=MOMENT))
        msa = answer.first("MSA")
        assert msa is not None
        assert msa.raw(2) == message.header.raw(10)
        parsed += 1
    assert parsed > 500


def test_damaged_files_and_streams_never_raise() -> None:
    for raw in mutations(SEED + 2, 3_000):
        split = split_batch(raw + b"\r" + BASES[0])
        assert any(BASES[0].startswith(found.data[:20]) for found in split.messages)
        unframer = Unframer()
        unframer.feed(frame(raw))
        unframer.end()


def test_the_undamaged_messages_are_read() -> None:
    for base in BASES:
        walk(parse(base))


def test_the_same_seed_gives_the_same_damage() -> None:
    assert list(mutations(5, 50)) == list(mutations(5, 50))
    assert list(mutations(5, 50)) != list(mutations(6, 50))
