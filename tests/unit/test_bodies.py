"""Leaves and bodies: the published form step by step, and every changed byte found."""

from __future__ import annotations

import hashlib

import pytest
import zstandard
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record import bodies, leaves
from tourniquet.record.bodies import Content, Header, open_content, open_header, seal
from tourniquet.record.leaves import Leaf, Place, parse_leaf

SITE, PATIENT = b"s" * 32, b"p" * 32
SEAL_SALT = bytes(range(16))
HEADER = Header(b'{"kind":"report.filed"}', b"c" * 32, b"k" * 16, b"h" * 32)
CONTENT = Content("01JXPATIENT", b'{"report":"R1"}' * 20, b"z" * 32)
PLACE = Place(3, 640, 0)


def sealed_entry(
    content: Content | None = CONTENT, position: int = 7, header: Header = HEADER
) -> tuple[Leaf, bytes]:
    body = seal(
        position,
        header,
        content,
        content_commitment=(content or CONTENT).commitment,
        site_key=SITE,
        content_key=PATIENT,
        seal_salt=SEAL_SALT,
    )
    place = replace(PLACE, length=len(body.sealed))
    packed = leaves.pack_leaf(body.head, hashlib.sha256(body.sealed).digest(), place)
    return parse_leaf(packed, position), body.sealed


def open_both(leaf: Leaf, sealed: bytes) -> None:
    open_header(leaf, sealed, SITE)
    open_content(leaf, sealed, PATIENT)


def expanded(key: bytes, label: bytes) -> bytes:
    """The key of one ciphertext, by the library's own HKDF-Expand."""
    info = label + (7).to_bytes(8, "big") + SEAL_SALT
    return HKDFExpand(algorithm=hashes.SHA256(), length=32, info=info).derive(key)


def test_a_body_opens_to_what_was_sealed() -> None:
    leaf, sealed = sealed_entry()
    assert open_header(leaf, sealed, SITE) == HEADER
    assert open_content(leaf, sealed, PATIENT) == CONTENT
    assert bodies.has_content(sealed)


def test_leaf_is_what_the_reference_says() -> None:
    leaf, sealed = sealed_entry()
    commitment = hashlib.sha256(
        b"tourniquet vault header commitment v1\x00" + b"h" * 32 + b"c" * 32 + b"k" * 16
        + HEADER.content
    ).digest()  # fmt: skip
    head = b"\x01" + (7).to_bytes(8, "big") + commitment + CONTENT.commitment
    place = b"".join(number.to_bytes(4, "big") for number in (3, 640, len(sealed)))
    assert leaf.head == head
    assert len(head) == 73
    packed = head + hashlib.sha256(sealed).digest() + place
    assert parse_leaf(packed, 7) == leaf
    assert len(packed) == leaves.LEAF_BYTES == 117


def test_header_is_encrypted_as_the_reference_says() -> None:
    leaf, sealed = sealed_entry()
    length = int.from_bytes(sealed[16:18], "big")
    key = expanded(SITE, b"tourniquet vault header v1\x00")
    clear = AESGCM(key).decrypt(bytes(12), sealed[18 : 18 + length], leaf.head)
    kept = HEADER.salt + HEADER.chain + HEADER.key_id + HEADER.content
    assert clear == (len(kept).to_bytes(2, "big") + kept).ljust(128, b"\x00")


def test_content_is_encrypted_as_the_reference_says() -> None:
    leaf, sealed = sealed_entry()
    length = int.from_bytes(sealed[16:18], "big")
    key = expanded(PATIENT, b"tourniquet vault content v1\x00")
    clear = AESGCM(key).decrypt(bytes(12), sealed[18 + length :], leaf.head)
    size = int.from_bytes(clear[1:5], "big")
    assert clear[:1] == b"\x01"
    assert clear[5:37] == CONTENT.salt
    plain = zstandard.decompress(clear[37 : 5 + size])
    assert plain == b"\x00\x0b01JXPATIENT" + CONTENT.body
    assert len(clear) % 128 == 0
    assert not any(clear[5 + size :])


@given(st.data())
def test_every_changed_byte_of_a_body_is_found(data: st.DataObject) -> None:
    leaf, sealed = sealed_entry()
    at = data.draw(st.integers(0, len(sealed) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :]
    with pytest.raises(IntegrityError, match="position 7"):
        open_both(leaf, changed)


@given(st.data())
def test_every_shortened_body_is_found(data: st.DataObject) -> None:
    leaf, sealed = sealed_entry()
    length = data.draw(st.integers(0, len(sealed) - 1))
    with pytest.raises(IntegrityError, match="position 7"):
        open_both(leaf, sealed[:length])


@given(
    st.text(min_size=1, max_size=40),
    st.binary(max_size=2000),
    st.binary(min_size=32, max_size=32),
)
def test_any_content_comes_back(subject: str, body: bytes, salt: bytes) -> None:
    content = Content(subject, body, salt)
    leaf, sealed = sealed_entry(content)
    assert open_content(leaf, sealed, PATIENT) == content


def test_content_without_a_patient_comes_back() -> None:
    content = Content(None, b"{}", b"z" * 32)
    leaf, sealed = sealed_entry(content)
    assert open_content(leaf, sealed, PATIENT) == content


def test_an_erased_entry_keeps_its_header() -> None:
    erased = replace(HEADER, key_id=bodies.NO_KEY)
    leaf, sealed = sealed_entry(None, header=erased)
    assert open_header(leaf, sealed, SITE) == erased
    assert not bodies.has_content(sealed)
    with pytest.raises(IntegrityError, match="does not open"):
        open_content(leaf, sealed, PATIENT)


def test_lengths_tell_no_more_than_their_step() -> None:
    lengths = {
        len(sealed_entry(Content("01JXPATIENT", b"x" * count, b"z" * 32))[1]) for count in range(20)
    }
    assert len(lengths) == 1


def test_a_body_of_another_position_does_not_open() -> None:
    leaf, _ = sealed_entry()
    _, other = sealed_entry(position=8)
    with pytest.raises(IntegrityError, match="position 7: The header does not open"):
        open_header(leaf, other, SITE)


def test_a_second_key_that_opens_is_not_enough() -> None:
    """Who knows both keys can make a ciphertext whose tag fits; the commitment does not."""
    leaf, sealed = sealed_entry()
    length = int.from_bytes(sealed[16:18], "big")
    key = expanded(b"o" * 32, b"tourniquet vault content v1\x00")
    clear = bodies._pack(replace(CONTENT, body=b'{"report":"R2"}'), 7)
    forged = sealed[: 18 + length] + AESGCM(key).encrypt(bytes(12), clear, leaf.head)
    with pytest.raises(IntegrityError, match="not what the leaf commits to"):
        open_content(leaf, forged, b"o" * 32)


def test_a_frame_that_unpacks_too_far_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    leaf, sealed = sealed_entry(Content("01", b"0" * 10_000, b"z" * 32))
    monkeypatch.setattr(bodies, "CONTENT_BYTES_MOST", 5_000)
    with pytest.raises(IntegrityError, match="longer than any entry"):
        open_content(leaf, sealed, PATIENT)


def test_what_is_too_long_is_refused_before_it_is_sealed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(OperatorError, match="header is too long"):
        sealed_entry(header=replace(HEADER, content=b"x" * 70_000))
    monkeypatch.setattr(bodies, "CONTENT_BYTES_MOST", 5_000)
    with pytest.raises(OperatorError, match="entry is too long"):
        sealed_entry(Content("01", b"0" * 10_000, b"z" * 32))


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (b"", "form that this release does not know"),
        (b"\x02" + bytes(116), "form that this release does not know"),
        (b"\x01" + bytes(115), "has 116 bytes"),
        (b"\x01" + (8).to_bytes(8, "big") + bytes(108), "that of position 8"),
        (b"\x01" + (7).to_bytes(8, "big") + bytes(108), "a place that no segment has"),
        (b"\x01" + (7).to_bytes(8, "big") + b"\xff" * 108, "a place that no segment has"),
    ],
)
def test_leaves_of_another_form_are_refused(packed: bytes, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        parse_leaf(packed, 7)


def test_places_lie_end_to_end() -> None:
    most = leaves.SEGMENT_BYTES_MOST
    first = leaves.next_place(None, 100)
    assert first == Place(0, 0, 100)
    full = leaves.next_place(first, most - 100)
    assert full == Place(0, 100, most - 100)
    over = leaves.next_place(first, most - 99)
    assert over == Place(1, 0, most - 99)
    assert leaves.follows(first, None)
    assert leaves.follows(full, first)
    assert leaves.follows(over, first)
    assert not leaves.follows(full, None)
    assert not leaves.follows(Place(0, 101, 5), first)
    assert not leaves.follows(Place(0, 99, 5), first)
    assert not leaves.follows(Place(2, 0, 5), first)
    assert leaves.segment_path(12) == "body/000000012"
