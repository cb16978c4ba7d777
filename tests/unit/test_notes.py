"""Signed notes: what is signed is what was written, and nothing else is taken."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record.notes import (
    LOG_KEY,
    NOTE_BYTES_MOST,
    SIGNATURES_MOST,
    WITNESS_KEY,
    Checkpoint,
    Note,
    Signature,
    Signer,
    VerifierKey,
    check,
    cosign,
    parse_verifier_key,
    read_checkpoint,
    read_note,
    sign,
)

LOG = Signer("log.example/record", LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"L" * 32))
WITNESS = Signer("witness.example", WITNESS_KEY, Ed25519PrivateKey.from_private_bytes(b"W" * 32))
SEEN = 1_717_400_000
TEXT = Checkpoint("log.example/record", 70_000, b"r" * 32).text()
# The verifier key of Go's checksum database, public: its key id was worked out by others.
SUM_GOLANG = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def signed(text: str = TEXT) -> Note:
    """A checkpoint that log and witness signed."""
    note = Note(text, (sign(text, LOG),))
    return note.with_signature(cosign(text, WITNESS, seconds=SEEN))


def note_of(text: str) -> Note:
    """A note that the log signed, whatever its text says."""
    return read_note(str(Note(text, (sign(text, LOG),))).encode())


def test_a_checkpoint_comes_back_as_it_was_signed() -> None:
    note = read_note(str(signed()).encode())
    assert note == signed()
    found = read_checkpoint(note, LOG.verifier)
    assert found == Checkpoint("log.example/record", 70_000, b"r" * 32)
    assert check(note, WITNESS.verifier) == SEEN
    assert check(note, LOG.verifier) is None


def test_verifier_keys_are_as_published() -> None:
    key = parse_verifier_key(SUM_GOLANG + "\n")
    assert (key.name, key.kind, key.key_id.hex()) == ("sum.golang.org", LOG_KEY, "033de0ae")
    assert str(key) == SUM_GOLANG
    for signer in (LOG, WITNESS):
        assert parse_verifier_key(str(signer.verifier)) == signer.verifier


@pytest.mark.parametrize(
    "line",
    [
        "",
        "name",
        SUM_GOLANG.replace("033de0ae", "033de0af"),
        SUM_GOLANG.replace("golang", "go lang"),
        SUM_GOLANG[:-4],
        SUM_GOLANG.replace("+Ac4", "+Bc4"),
        SUM_GOLANG + "=",
        str(VerifierKey("name", 0x02, b"k" * 32)),
        str(VerifierKey("name", LOG_KEY, b"k" * 31)),
    ],
)
def test_a_verifier_key_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(OperatorError, match="verifier key"):
        parse_verifier_key(line)


@given(st.data())
def test_one_changed_byte_is_found(data: st.DataObject) -> None:
    content = bytearray(str(signed()).encode())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError):
        _check_both(bytes(content))


def _check_both(content: bytes) -> None:
    note = read_note(content)
    read_checkpoint(note, LOG.verifier)
    check(note, WITNESS.verifier)


def test_signatures_of_keys_that_are_not_pinned_count_for_nothing() -> None:
    stranger = Signer(LOG.name, LOG_KEY, Ed25519PrivateKey.from_private_bytes(b"S" * 32))
    forged = Note(TEXT, (sign(TEXT, stranger),))
    with pytest.raises(IntegrityError, match="not signed by"):
        read_checkpoint(forged, LOG.verifier)
    both = read_note(str(forged.with_signature(sign(TEXT, LOG))).encode())
    assert read_checkpoint(both, LOG.verifier).size == 70_000


def test_a_signature_is_of_its_own_text_key_and_time() -> None:
    other = TEXT.replace("70000", "70001")
    for signature, key in (
        (sign(other, LOG), LOG),
        (cosign(other, WITNESS, seconds=SEEN), WITNESS),
        (_moved(cosign(TEXT, WITNESS, seconds=SEEN), SEEN + 1), WITNESS),
        (_moved(sign_as_log(WITNESS), SEEN), WITNESS),
        (Signature(LOG.name, LOG.verifier.key_id, b"short"), LOG),
        (Signature(WITNESS.name, WITNESS.verifier.key_id, b"short"), WITNESS),
    ):
        with pytest.raises(IntegrityError, match="does not fit"):
            check(Note(TEXT, (signature,)), key.verifier)
    twice = Note(TEXT, (sign(TEXT, LOG), sign(TEXT, LOG)))
    with pytest.raises(IntegrityError, match="more than once"):
        check(twice, LOG.verifier)


def sign_as_log(signer: Signer) -> Signature:
    """The witness's key on the bare text, with eight bytes before it for a time."""
    value = bytes(8) + signer.private.sign(TEXT.encode())
    return Signature(signer.name, signer.verifier.key_id, value)


def test_a_time_out_of_range_is_refused() -> None:
    note = Note(TEXT, (_moved(cosign(TEXT, WITNESS, seconds=SEEN), 2**63),))
    with pytest.raises(IntegrityError, match="out of range"):
        check(note, WITNESS.verifier)
    for seconds in (-1, 2**63):
        with pytest.raises(IntegrityError, match="out of range"):
            cosign(TEXT, WITNESS, seconds=seconds)


def test_a_strangers_name_may_be_one_that_ours_is_not() -> None:
    odd = f"\N{EM DASH} odd\N{ZERO WIDTH JOINER}{'x' * 300} {'A' * 16}\n"
    note = read_note((str(signed()) + odd).encode())
    assert read_checkpoint(note, LOG.verifier).size == 70_000


def _moved(signature: Signature, seconds: int) -> Signature:
    return Signature(signature.name, signature.key_id, seconds.to_bytes(8) + signature.value[8:])


def test_one_key_in_two_roles_has_two_names() -> None:
    as_log = Signer(WITNESS.name, LOG_KEY, WITNESS.private)
    assert as_log.verifier.key_id != WITNESS.verifier.key_id
    with pytest.raises(IntegrityError, match="not signed by"):
        check(Note(TEXT, (sign(TEXT, as_log),)), WITNESS.verifier)


ROOT = base64.b64encode(b"r" * 32).decode()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"other.example\n7\n{ROOT}\n", "another log"),
        (f"log.example/record\n07\n{ROOT}\n", "begins with 0"),
        (f"log.example/record\n-7\n{ROOT}\n", "not a number"),
        (f"log.example/record\n\N{ARABIC-INDIC DIGIT SEVEN}\n{ROOT}\n", "not a number"),
        (f"log.example/record\n{2**63}\n{ROOT}\n", "too large"),
        (f"log.example/record\n{'9' * 5000}\n{ROOT}\n", "too large"),
        (f"log.example/record\n7\n{ROOT[:-1]}\n", "not base64"),
        (f"log.example/record\n7\n{ROOT[:-4]}\n", "not 32 bytes"),
        (f"log.example/record\n7\n{ROOT}\nmore\n", "more than is known"),
        ("log.example/record\n7\n", "too few lines"),
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(text: str, what: str) -> None:
    with pytest.raises(IntegrityError, match=what):
        read_checkpoint(note_of(text), LOG.verifier)


LINE = str(sign(TEXT, LOG))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "no signatures"),
        (TEXT.encode(), "no signatures"),
        ((TEXT + "\n").encode(), "no signatures|not a signature"),
        ((TEXT + "\n" + LINE[:-1]).encode(), "no signatures"),
        ((TEXT + "\n" + LINE.replace("—", "-")).encode(), "not a signature"),
        ((TEXT + "\n— name AAAA\n").encode(), "too short"),
        ((TEXT + "\n— na+me AAAAAAAAAAAA\n").encode(), "no name"),
        ((TEXT + "\n—  AAAAAAAAAAAA\n").encode(), "no name"),
        ((TEXT + "\n— name AAAA AAAA\n").encode(), "not base64"),
        (f"\n\n{LINE}".encode(), "empty"),
        ((TEXT + "\x07\n\n" + LINE).encode(), "control characters"),
        (b"\xff\n\n" + LINE.encode(), "not UTF-8"),
        ((TEXT + "\n" + LINE * (SIGNATURES_MOST + 1)).encode(), "too many"),
        (b"x" * (NOTE_BYTES_MOST + 1), "too long"),
    ],
)
def test_what_is_no_note_is_refused(content: bytes, what: str) -> None:
    with pytest.raises(IntegrityError, match=what):
        read_note(content)


@pytest.mark.parametrize(
    "text", ["", "\n", "no newline", "a\tb\n", "a\r\n", "a\ud800\n", "cosignature/v1\ntime 5\na\n"]
)
def test_what_could_not_be_read_again_is_not_signed(text: str) -> None:
    with pytest.raises(IntegrityError):
        sign(text, LOG)


def test_a_signer_does_not_show_its_key() -> None:
    assert b"L" * 32 not in repr(LOG).encode()
    assert base64.b64encode(b"L" * 32).decode() not in repr(LOG)
