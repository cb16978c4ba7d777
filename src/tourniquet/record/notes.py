"""Signed notes, checkpoints and a witness's cosignatures, as C2SP writes them. Pure.

A note is text that ends in a newline, an empty line, and one line for each signature:
`— <name> <base64 of 4 bytes key id and the signature>`. A checkpoint is a note whose text is the
log's origin, the size and the root of its tree. A cosignature says when a witness saw it.

1. Read the note: text and signatures, within limits, in the one form in which they are written.
2. Of each pinned key, find the signature by name and key id. Signatures of keys that are not pinned
   count for nothing: anybody may add some.
3. Check it. A pinned key's signature that does not fit is an error, not a missing one.

Invariants:
- Nothing is taken from the text before a pinned key's signature on it was checked.
- A text that was signed in one domain is never taken for another: a cosignature covers a header of
  its own before the text.

Source: C2SP signed-note, tlog-checkpoint, tlog-cosignature (cosignature/v1); RFC 8032.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record.tree import HASH_BYTES

NOTE_BYTES_MOST = 64 * 1024
SIGNATURES_MOST = 32
NAME_CHARACTERS_MOST = 255
SIZE_MOST = 2**63 - 1
LOG_KEY = 0x01  # Ed25519, signs the text itself
WITNESS_KEY = 0x04  # Ed25519, signs time and text: cosignature/v1
_KEY_ID_BYTES = 4
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_DASH = "\N{EM DASH} "
_CHECKPOINT_LINES = 3
_COSIGNED = "cosignature/v1\n"


@dataclass(frozen=True)
class VerifierKey:
    """A pinned key. `kind` is LOG_KEY or WITNESS_KEY, `public` 32 bytes."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first bytes of a hash over name, kind and key."""
        content = self.name.encode() + b"\n" + bytes([self.kind]) + self.public
        return hashlib.sha256(content).digest()[:_KEY_ID_BYTES]

    def fits(self, value: bytes, signed: bytes) -> bool:
        """Whether a signature is this key's over these bytes."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, signed)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        """The line that is pinned: name, key id, kind and key."""
        key = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{key}"


@dataclass(frozen=True)
class Signer:
    """A key that signs; its `repr` does not show it."""

    name: str
    kind: int
    private: Ed25519PrivateKey

    @property
    def verifier(self) -> VerifierKey:
        """What others pin."""
        return VerifierKey(self.name, self.kind, self.private.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """The signature over these bytes."""
        return self.private.sign(content)


@dataclass(frozen=True)
class Signature:
    """A line under a note. `value` is what follows the key id."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True)
class Note:
    """A note as read: nothing of it is trusted before `check`."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(str(one) for one in self.signatures)

    def with_signature(self, signature: Signature) -> Note:
        """The note with one more line."""
        return Note(self.text, (*self.signatures, signature))


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself: how many leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def parse_verifier_key(line: str) -> VerifierKey:
    """A pinned key from its line. Raises: OperatorError, who pinned it must look at it."""
    name, _, rest = line.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    try:
        content = _decode(encoded)
        key = VerifierKey(_checked_name(name), content[0], content[1:])
        fits = key.kind in {LOG_KEY, WITNESS_KEY} and len(key.public) == HASH_BYTES
    except (IntegrityError, IndexError) as error:
        raise _bad_key() from error
    if not fits or key.key_id.hex() != key_id:
        raise _bad_key()
    return key


def _bad_key() -> OperatorError:
    return OperatorError(
        "The verifier key is not one.",
        remedy="It is one line: a name, +, eight digits, + and the key, as the log published it.",
    )


# Signing ------------------------------------------------------------------------------------------


def sign(text: str, signer: Signer) -> Signature:
    """A log's signature of a note's text. Raises: IntegrityError when it is none to sign."""
    _check_text(text)
    _demand(not text.startswith(_COSIGNED), "A log does not sign what a witness would.")
    assert signer.kind == LOG_KEY
    key = signer.verifier
    return Signature(_checked_name(key.name), key.key_id, signer.sign(text.encode()))


def cosign(text: str, signer: Signer, *, seconds: int) -> Signature:
    """A witness's signature of a checkpoint's text, seen `seconds` after 1970."""
    _check_text(text)
    _demand(0 <= seconds <= SIZE_MOST, "The time of a cosignature is out of range.")
    assert signer.kind == WITNESS_KEY
    key = signer.verifier
    value = signer.sign(_cosigned(text, seconds))
    return Signature(_checked_name(key.name), key.key_id, seconds.to_bytes(_TIME_BYTES) + value)


def _cosigned(text: str, seconds: int) -> bytes:
    return f"{_COSIGNED}time {seconds}\n{text}".encode()


# Reading ------------------------------------------------------------------------------------------


def read_note(content: bytes) -> Note:
    """Split a note into its text and signatures. Raises: IntegrityError."""
    _demand(len(content) <= NOTE_BYTES_MOST, "The note is too long.")
    try:
        whole = content.decode()
    except UnicodeDecodeError:
        raise IntegrityError("The note is not UTF-8.") from None
    text, gap, lines = whole.rpartition("\n\n")
    _demand(bool(gap) and lines.endswith("\n"), "The note has no signatures.")
    text += "\n"
    _check_text(text)
    found = lines[:-1].split("\n")
    _demand(len(found) <= SIGNATURES_MOST, "The note has too many signatures.")
    return Note(text, tuple(_read_signature(line) for line in found))


def _read_signature(line: str) -> Signature:
    _demand(line.startswith(_DASH), "A line under the note is not a signature.")
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    value = _decode(encoded)
    _demand(len(value) > _KEY_ID_BYTES, "A signature under the note is too short.")
    is_name = bool(name) and not any(sign.isspace() or sign == "+" for sign in name)
    _demand(is_name, "A key has no name.")  # others' keys may have names that ours do not
    return Signature(name, value[:_KEY_ID_BYTES], value[_KEY_ID_BYTES:])


def check(note: Note, key: VerifierKey) -> int | None:
    """Check a pinned key's signature; a witness's says when, in seconds after 1970.

    Raises: IntegrityError when there is none, when there are two, or when it does not fit.
    """
    own = [one for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
    _demand(len(own) > 0, f"The note is not signed by {key.name}.")
    _demand(len(own) == 1, f"The note is signed by {key.name} more than once.")
    value = own[0].value
    seconds: int | None = None
    signed = note.text.encode()
    if key.kind == WITNESS_KEY:
        _demand(len(value) > _TIME_BYTES, f"The signature of {key.name} does not fit the note.")
        seconds = int.from_bytes(value[:_TIME_BYTES])
        _demand(seconds <= SIZE_MOST, "The time of a cosignature is out of range.")
        value, signed = value[_TIME_BYTES:], _cosigned(note.text, seconds)
    _demand(len(value) == _SIGNATURE_BYTES, f"The signature of {key.name} does not fit the note.")
    _demand(key.fits(value, signed), f"The signature of {key.name} does not fit the note.")
    return seconds


def read_checkpoint(note: Note, key: VerifierKey) -> Checkpoint:
    """The checkpoint in a note, once the log's signature was checked. Raises: IntegrityError."""
    assert key.kind == LOG_KEY
    check(note, key)
    lines = note.text.split("\n")[:-1]
    _demand(len(lines) >= _CHECKPOINT_LINES, "The checkpoint has too few lines.")
    _demand(len(lines) == _CHECKPOINT_LINES, "The checkpoint says more than is known here.")
    origin, size, encoded = lines
    _demand(origin == key.name, "The checkpoint is of another log.")
    _demand(size.isascii() and size.isdigit(), "The size in the checkpoint is not a number.")
    _demand(size == "0" or not size.startswith("0"), "The size in the checkpoint begins with 0.")
    root = _decode(encoded)
    _demand(len(root) == HASH_BYTES, "The root in the checkpoint is not 32 bytes.")
    _demand(len(size) <= len(str(SIZE_MOST)), "The size in the checkpoint is too large.")
    _demand(int(size) <= SIZE_MOST, "The size in the checkpoint is too large.")
    return Checkpoint(origin, int(size), root)


def _check_text(text: str) -> None:
    _demand(text.endswith("\n"), "The text of a note must end with a newline.")
    _demand(len(text) > 1, "The text of the note is empty.")
    _demand(
        all(sign == "\n" or ord(sign) >= ord(" ") for sign in text),
        "The text of a note must hold no control characters.",
    )
    _demand(not any(0xD800 <= ord(sign) < 0xE000 for sign in text), "The text is not Unicode.")


def _checked_name(name: str) -> str:
    fits = 0 < len(name) <= NAME_CHARACTERS_MOST and name.isprintable()
    _demand(fits and not any(sign.isspace() or sign == "+" for sign in name), "A key has no name.")
    return name


def _decode(encoded: str) -> bytes:
    """Base64 in the one form in which it is written."""
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise IntegrityError("A part of the note is not base64.") from None
    _demand(base64.b64encode(content).decode() == encoded, "A part of the note is not base64.")
    return content


def _demand(holds: bool, what: str) -> None:  # noqa: FBT001 (reads as the sentence that it checks)
    if not holds:
        raise IntegrityError(what)
