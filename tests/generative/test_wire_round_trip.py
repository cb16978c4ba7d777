"""What is written is read back; a second implementation agrees; however a stream is cut."""

from __future__ import annotations

from itertools import pairwise

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.effort import effort
from tests.support.hl7_mutations import BASES
from tourniquet.wire.hl7v2 import NULL, Delimiters, Header, parse, write
from tourniquet.wire.hl7v2_batch import split_batch
from tourniquet.wire.hl7v2_text import escaper, unescaper
from tourniquet.wire.mllp import Frame, Unframer, frame

_SURROGATES = ("Cs",)
texts = st.one_of(
    st.text(st.characters(exclude_categories=_SURROGATES, exclude_characters="\x00"), max_size=12),
    st.text(alphabet='|^~\\&#\r\n\t".brXFE0Dé€ ', max_size=12),
)
names = st.sampled_from(["PID", "ORC", "OBR", "OBX", "NTE", "SPM", "ZAB", "DG1"])
repetitions = st.lists(
    st.lists(st.lists(texts, min_size=1, max_size=3), min_size=1, max_size=3),
    min_size=1,
    max_size=3,
)
rows = st.lists(st.tuples(names, st.lists(repetitions, max_size=5)), max_size=5)
delimiter_sets = st.sampled_from(
    [Delimiters(), Delimiters(truncation="#"), Delimiters("^", "~", "|"), Delimiters("!", "$", "%")]
)
DEADLINE = None  # two cores are shared with other tests


@pytest.mark.no_cover  # a tracer would triple its time; the same lines are covered elsewhere
@settings(max_examples=effort(150, 400), deadline=DEADLINE)
@given(rows=rows, delimiters=delimiter_sets, control_id=texts)
def test_values_are_read_back_as_written(
    rows: list[tuple[str, list[list[list[list[str]]]]]], delimiters: Delimiters, control_id: str
) -> None:
    header = Header(message_type=("ORU", "R01", "ORU_R01"), control_id=control_id)
    raw = write(
        header,
        [
            [name, *([tuple(map(tuple, rep)) for rep in field] for field in fields)]
            for name, fields in rows
        ],
        delimiters=delimiters,
    )
    message = parse(raw)
    assert message.delimiters == delimiters
    assert message.control_id == control_id
    assert [segment.name for segment in message.segments[1:]] == [name for name, _ in rows]
    for segment, (_, fields) in zip(message.segments[1:], rows, strict=True):
        for number, field in enumerate(fields, 1):
            assert not segment.is_null(number)
            for at, rep in enumerate(field, 1):
                for component, subs in enumerate(rep, 1):
                    for sub, text in enumerate(subs, 1):
                        assert segment.value(number, component, sub, at) == text


@given(text=texts, delimiters=delimiter_sets)
def test_escape_and_unescape_are_inverse(text: str, delimiters: Delimiters) -> None:
    escaped = escaper(delimiters)(text)
    assert unescaper(delimiters, "utf-8")(escaped) == text
    assert not set(escaped) & set("\r\n\x0b\x1c" + delimiters.field + delimiters.component)


_PYTHON_HL7_TEXT = st.text(
    alphabet=st.characters(
        min_codepoint=0x20, max_codepoint=0x2FF, exclude_characters="|^~\\&\x85"
    ),
    max_size=8,
)


@settings(max_examples=200, deadline=DEADLINE)
@given(
    rows=st.lists(
        st.tuples(
            names,
            st.lists(
                st.lists(
                    st.lists(_PYTHON_HL7_TEXT, min_size=1, max_size=3), min_size=1, max_size=3
                ),
                min_size=1,
                max_size=4,
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_python_hl7_splits_the_same(rows: list[tuple[str, list[list[list[str]]]]]) -> None:
    lines = ["MSH|^~\\&|A|B|C|D|20240603||ORU^R01|1|P|2.5.1||||||UNICODE UTF-8"]
    for name, fields in rows:
        texts_of = ["~".join("^".join(rep) for rep in field) for field in fields]
        lines.append("|".join([name, *texts_of, "end"]))
    text = "\r".join(lines) + "\r"
    ours = parse(text.encode())
    theirs = hl7.parse(text)
    assert len(ours.segments) == len(theirs)
    for mine, other in zip(ours.segments, theirs, strict=True):
        assert mine.name == str(other[0])
        for number in range(1, mine.field_count + 1):
            assert mine.raw(number) == str(other(number))
    for row, (_, fields) in enumerate(rows, 1):
        for number, field in enumerate(fields, 1):
            for at, rep in enumerate(field, 1):
                for component in range(1, len(rep) + 1):
                    mine_value = ours.segments[row].value(number, component, 1, at)
                    their_value = rep[component - 1]
                    assert mine_value == ("" if their_value == '""' else their_value)


def test_python_hl7_reads_our_messages_the_same() -> None:
    for base in BASES:
        ours = parse(base)
        theirs = hl7.parse(base.decode())
        for mine, other in zip(ours.segments, theirs, strict=True):
            for number in range(1, mine.field_count + 1):
                assert mine.raw(number) == str(other(number))


_PIECES = st.sampled_from(
    [b"\x0b", b"\x1c", b"\r", b"\n", b"\x1c\r", b"\x0bMSH|a\x1c\r", b"abc", b"x" * 40, b" "]
)


@settings(max_examples=500, deadline=DEADLINE)
@given(pieces=st.lists(_PIECES, max_size=20), cuts=st.lists(st.integers(0, 400), max_size=12))
def test_any_cut_of_a_stream_gives_the_same_events(pieces: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(pieces)
    whole = Unframer(max_frame_bytes=30)
    expected = [*whole.feed(stream), *whole.end()]
    parts = Unframer(max_frame_bytes=30)
    found = []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    for start, stop in pairwise(edges):
        found += parts.feed(stream[start:stop])
    assert [*found, *parts.end()] == expected
    single = Unframer(max_frame_bytes=30)
    found = [event for byte in stream for event in single.feed(bytes([byte]))]
    assert [*found, *single.end()] == expected


@given(
    payloads=st.lists(
        st.binary(max_size=60).map(lambda b: b.replace(b"\x0b", b"").replace(b"\x1c", b""))
    )
)
def test_framed_payloads_come_out_as_they_went_in(payloads: list[bytes]) -> None:
    events = Unframer().feed(b"".join(map(frame, payloads)))
    assert events == [Frame(payload) for payload in payloads]


@given(
    order=st.lists(st.sampled_from(BASES), max_size=6),
    between=st.sampled_from([b"", b"\r", b"\n", b"\r\n\r\n", b"\r// a note\r"]),
)
def test_concatenated_messages_are_all_found(order: list[bytes], between: bytes) -> None:
    raw = between.join(order)
    split = split_batch(raw)
    assert [found.data for found in split.messages] == [base.rstrip(b"\r") for base in order]
    for found in split.messages:
        assert raw[found.offset :].startswith(found.data)
    framed = split_batch(b"".join(map(frame, order)))
    assert [found.data for found in framed.messages] == order


def test_null_is_written_and_read() -> None:
    header = Header(message_type="ADT", control_id="1")
    segment = parse(write(header, [("PID", NULL, '""', ("a", NULL))])).segments[1]
    assert segment.is_null(1)
    assert segment.value(1) == ""
    assert not segment.is_null(2)
    assert segment.value(2) == '""'
    assert segment.is_null(3, 2)
    assert not segment.is_null(3)
