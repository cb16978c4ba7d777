"""MLLP framing, one case a line."""

from __future__ import annotations

import time

import pytest

from tourniquet.wire.mllp import (
    HEAD_BYTES_MAX,
    NOISE_REPORT_BYTES,
    NOISE_SAMPLE_BYTES_MAX,
    Event,
    Frame,
    Noise,
    NoiseKind,
    State,
    TooLarge,
    Unframer,
    frame,
)


def outside(data: bytes) -> Noise:
    return Noise(NoiseKind.OUTSIDE, len(data), data)


def abandoned(data: bytes) -> Noise:
    return Noise(NoiseKind.ABANDONED, len(data), data)


STREAMS: list[tuple[bytes, list[Event]]] = [
    (b"", []),
    (b"\r\n\r\n", []),
    (b"\x0ba\x1c\r", [Frame(b"a")]),
    (b"\x0b\x1c\r", [Frame(b"")]),
    (b"\x0ba\x1c\r\x0bb\x1c\r", [Frame(b"a"), Frame(b"b")]),
    (b"\x0ba\x1c\r\r\n\x0bb\x1c\r", [Frame(b"a"), Frame(b"b")]),
    (b"\x0ba\x1c\x0bb\x1c\r", [Frame(b"a"), Frame(b"b")]),
    (b"\x0ba\x1cb\x1c\r", [Frame(b"a\x1cb")]),
    (b"\x0ba\x1c\x1c\r", [Frame(b"a\x1c")]),
    (b"\x0ba\x1c\nb\x1c\r", [Frame(b"a\x1c\nb")]),
    (b"\x0bab\x0bc\x1c\r", [abandoned(b"ab"), Frame(b"c")]),
    (b"\x0b\x0bc\x1c\r", [Frame(b"c")]),
    (b"xy\x0ba\x1c\r", [outside(b"xy"), Frame(b"a")]),
    (b"\x0ba\x1c\rxy\x0bb\x1c\r", [Frame(b"a"), outside(b"xy"), Frame(b"b")]),
    (b"\x1c\r\x0ba\x1c\r", [outside(b"\x1c\r"), Frame(b"a")]),
]


@pytest.mark.parametrize(("stream", "events"), STREAMS)
def test_streams(stream: bytes, events: list[Event]) -> None:
    whole = Unframer()
    assert whole.feed(stream) == events
    assert whole.state is State.OUTSIDE
    single = Unframer()
    assert [event for byte in stream for event in single.feed(bytes([byte]))] == events


def test_a_frame_that_lacks_only_its_cr_comes_out_when_the_line_is_idle() -> None:
    unframer = Unframer()
    assert unframer.feed(b"\x0ba\x1c") == []
    assert unframer.state is State.INSIDE_AFTER_FS
    assert unframer.idle() == [Frame(b"a")]
    assert unframer.feed(b"\r\x0bb\x1c\r") == [Frame(b"b")]
    assert unframer.idle() == []


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\x0b", []),
        (b"\x0ba\x1c", [Frame(b"a")]),
        (b"\x0bab", [Noise(NoiseKind.UNFINISHED, 2, b"ab")]),
        (b"noise", [outside(b"noise")]),
    ],
)
def test_the_end_of_the_connection(stream: bytes, events: list[Event]) -> None:
    unframer = Unframer()
    unframer.feed(stream)
    assert unframer.end() == events
    assert unframer.end() == []
    assert unframer.state is State.OUTSIDE


def test_a_frame_at_the_limit_is_taken_and_one_past_it_is_not() -> None:
    unframer = Unframer(max_frame_bytes=5)
    assert unframer.feed(frame(b"12345")) == [Frame(b"12345")]
    assert unframer.feed(b"\x0b12345") == []
    assert unframer.feed(b"6") == [TooLarge(b"12345")]
    assert unframer.state is State.SKIPPING
    assert unframer.feed(b"789\x1cab\x1c") == []
    assert unframer.feed(b"\r" + frame(b"next")) == [Frame(b"next")]
    assert unframer.feed(b"\x0b1234567\x0bnew\x1c\r") == [TooLarge(b"12345"), Frame(b"new")]
    assert unframer.feed(b"\x0b12345\x1c6\x1c\r\x0ba\x1c\r") == [TooLarge(b"12345"), Frame(b"a")]


def test_a_huge_frame_gives_its_head_and_holds_nothing_back() -> None:
    unframer = Unframer(max_frame_bytes=HEAD_BYTES_MAX + 10)
    events = unframer.feed(b"\x0bMSH" + b"x" * (2 * HEAD_BYTES_MAX))
    assert events == [TooLarge(b"MSH" + b"x" * (HEAD_BYTES_MAX - 3))]
    assert unframer.buffered_bytes == 0
    unframer.feed(b"x" * 1_000_000)
    assert unframer.buffered_bytes == 0
    assert unframer.end() == []


def test_endless_noise_is_reported_in_bounded_pieces() -> None:
    unframer = Unframer()
    events = unframer.feed(b"n" * (2 * NOISE_REPORT_BYTES + 1))
    sample = b"n" * NOISE_SAMPLE_BYTES_MAX
    assert events == [Noise(NoiseKind.OUTSIDE, NOISE_REPORT_BYTES, sample)] * 2
    assert unframer.end() == [outside(b"n")]


@pytest.mark.no_cover  # it measures time
@pytest.mark.parametrize("pattern", [b"\x0b", b"\x1c", b"\x0b\x1c", b"\x1cx", b"\x0bx", b"x"])
def test_time_is_linear(pattern: bytes) -> None:
    def seconds(size: int) -> float:
        data = b"\x0b" + pattern * (size // len(pattern))
        start = time.process_time()
        Unframer().feed(data)
        return time.process_time() - start

    seconds(1_000)
    # Quadratic work would take 400 times as long for 20 times the bytes, and a minute.
    assert seconds(400_000) < 100 * max(seconds(20_000), 0.005)
