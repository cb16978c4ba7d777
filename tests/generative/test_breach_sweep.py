"""The sweep finds what a plain search of the decoded text finds, however the bytes are cut."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zipfile
import zlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tourniquet.breach.numbers import find_numbers
from tourniquet.breach.sweep import DEPTH_MOST, INFLATED_BYTES_LEAST, sweep
from tourniquet.kernel.identifiers import NhsNumber, synthetic_nhs_numbers

NUMBERS = [number.digits for number, _ in zip(synthetic_nhs_numbers(), range(300), strict=False)]
FORMS = ("{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}", "{0}.{1}.{2}", "{0}\u00a0{1}\u00a0{2}")
CODINGS = ("utf-8", "utf-16-le", "utf-16-be")
_PLAIN = re.compile(r"(?<![0-9])(\d{3})([ .\-\u00a0]?)(\d{3})\2(\d{4})(?![0-9])", re.ASCII)

words = st.sampled_from(
    ["", " ", "1", "-", ".", ",", "\n", "a", "é", "12", "999", " 9", "NHS no. ", "0" * 10, "x" * 70]
)
numbers = st.builds(
    lambda digits, form: form.format(digits[:3], digits[3:6], digits[6:]),
    st.sampled_from([*NUMBERS[:40], "9990000010", "1234567890"]),
    st.sampled_from([*FORMS, "{0} {1}-{2}", "{0}  {1}  {2}", "{0}{1} {2}"]),
)


def plain(text: str) -> list[tuple[int, str]]:
    """Where in the text a number stands alone, by regular expression and the kernel's own check."""
    found = []
    for at in range(len(text)):
        match = _PLAIN.match(text, at)
        if match and NhsNumber.find("".join(match.group(1, 3, 4))):
            found.append((at, "".join(match.group(1, 3, 4))))
    return found


@given(st.lists(st.one_of(words, numbers), max_size=12), st.sampled_from(CODINGS))
def test_finds_what_a_search_of_the_text_finds(parts: list[str], coding: str) -> None:
    text = "".join(parts)
    expected = [(len(text[:at].encode(coding)), value) for at, value in plain(text)]

    found = find_numbers(text.encode(coding))

    shift = 1 if coding == "utf-16-be" else 0  # the digit is the second byte
    told = zip(found.starts.tolist(), found.values.tolist(), strict=True)
    assert [(start - shift, f"{value:010d}") for start, value in told] == expected


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 65, 129, 1000, 1 << 20])
def test_the_same_however_the_bytes_are_cut(tmp_path: Path, block_bytes: int) -> None:
    random = Random(block_bytes)
    file = tmp_path / "blocks.bin"
    parts = [
        random.choice(FORMS).format(one[:3], one[3:6], one[6:]).encode(random.choice(CODINGS))
        + random.choice((b"\n", b"   ", b"\xff\xfe", b"abc" * random.randrange(60)))
        for one in NUMBERS
    ]
    file.write_bytes(b"\n\n".join(parts))

    swept = sweep(file, block_bytes=block_bytes)

    whole = find_numbers(file.read_bytes())
    assert [one.start for one in swept.hits] == whole.starts.tolist()
    assert [str(one.value) for one in swept.hits] == [str(value) for value in whole.values]
    assert len(swept.hits) >= len(NUMBERS) * 9 // 10
    assert swept.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert swept.size == file.stat().st_size


def text_of(numbers: list[str]) -> bytes:
    """Some lines, each with a number, that compress a little."""
    return "\n".join(f"Patient {one}, seen in clinic and well" for one in numbers).encode()


def zipped(content: bytes, name: str = "list.csv") -> bytes:
    """An archive with one member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def values(file: Path) -> list[str]:
    """The numbers that a sweep finds, in order."""
    return [f"{one.value:010d}" for one in sweep(file).hits]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.zip", zipped(text_of(NUMBERS))),
        ("list.csv.gz", gzip.compress(text_of(NUMBERS), mtime=0)),
        ("in.zip", zipped(zipped(text_of(NUMBERS)), "inner.zip")),
        ("letter.pdf", b"%PDF-1.4\n1 0 obj\n<<>>\nstream\r\n" + zlib.compress(text_of(NUMBERS))),
        ("junk before.bin", b"\x00" * 999 + zipped(text_of(NUMBERS))),
    ],
)
def test_what_is_compressed_is_searched(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)

    assert values(file) == NUMBERS


def test_a_stream_that_is_cut_is_searched_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "half.zip"
    whole = zipped(text_of(NUMBERS))
    file.write_bytes(whole[: len(whole) // 2])

    found = values(file)

    assert 50 < len(found) < len(NUMBERS)
    assert found == NUMBERS[: len(found)]


def test_only_known_numbers_are_told_where_they_are_given(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_bytes(text_of(NUMBERS))
    known = np.array(sorted(int(one) for one in NUMBERS[::7]), np.int64)

    assert [f"{one.value:010d}" for one in sweep(file, known=known).hits] == NUMBERS[::7]
    assert sweep(file, known=np.empty(0, np.int64)).hits == []


def test_places_lead_back_to_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "in.zip"
    inner = zipped(text_of(NUMBERS[:3]))
    file.write_bytes(zipped(inner, "inner.zip"))

    first = sweep(file).hits[0]

    outer, within = first.stream.split(">")
    assert outer == "0"
    assert inner[int(within) :].startswith(b"PK\x03\x04")
    assert text_of(NUMBERS[:3])[first.start : first.end].decode() == NUMBERS[0]


def test_what_grows_without_end_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bomb.gz"
    zeros = bytes(INFLATED_BYTES_LEAST + (1 << 20))
    file.write_bytes(gzip.compress(zeros, mtime=0))

    swept = sweep(file)

    assert swept.limit == "what is compressed in it grows beyond the limit"
    assert swept.inflated_bytes < INFLATED_BYTES_LEAST + (4 << 20)


def test_what_lies_too_deep_is_named(tmp_path: Path) -> None:
    content = text_of(NUMBERS)
    for _ in range(DEPTH_MOST):
        content = zipped(content)
    deep = tmp_path / "deep.zip"
    deep.write_bytes(content)
    deeper = tmp_path / "deeper.zip"
    deeper.write_bytes(zipped(content))

    assert sorted(set(values(deep))) == NUMBERS  # what does not shrink lies there as it is, too
    assert not sweep(deep).limit
    assert sweep(deeper).limit == "streams lie in it deeper than the limit"
