"""Bodies of the vault: an entry of the journal, encrypted so that its leaf binds it. Pure.

1. Commit to the header, under a salt of its own.
2. Encrypt the header under a key of the site, the content under the key that the header names.
3. Open in the same order, and compare both commitments before anything is believed.

Invariants:
- A key that encrypts is derived for one ciphertext: position and a seal salt that is new each time
  go into it. So the nonce is constant, and opening one entry opens no other.
- GCM does not commit to its key; the commitments do. Nothing is returned before they were compared.
- Time and randomness are arguments: the same arguments give the same body.

The form, byte for byte: docs/reference/vault.md. Source: NIST SP 800-38D; RFC 5869; RFC 8878.
"""

from __future__ import annotations

import hashlib
import hmac
import threading

import msgspec
import zstandard
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record import sealing
from tourniquet.record.leaves import SEGMENT_BYTES_MOST, Leaf, pack_head

KEY_BYTES = 32
KEY_ID_BYTES = 16
SALT_BYTES = 32
SEAL_SALT_BYTES = 16
NO_KEY = bytes(KEY_ID_BYTES)
PAD_TO_BYTES = 128
CONTENT_BYTES_MOST = 48 * 1024 * 1024  # a frame of 16 MB in base64, and room
_HEADER_COMMITMENT = b"tourniquet vault header commitment v1\x00"
_HEADER_KEY = b"tourniquet vault header v1\x00"
_CONTENT_KEY = b"tourniquet vault content v1\x00"
_NONCE = bytes(12)
_TAG_BYTES = 16
_PLAIN, _ZSTD = 0, 1
_LEVEL = 1  # 8 microseconds for 2.5 kB; level 3 takes 9 and saves 2 %
_per_thread = threading.local()


class Header(msgspec.Struct, frozen=True):
    """What is kept of an entry for ever. `content` is in the form that the chain covers."""

    content: bytes
    chain: bytes
    key_id: bytes
    salt: bytes

    @property
    def commitment(self) -> bytes:
        """The commitment in the leaf."""
        parts = (_HEADER_COMMITMENT, self.salt, self.chain, self.key_id, self.content)
        return hashlib.sha256(b"".join(parts)).digest()


class Content(msgspec.Struct, frozen=True):
    """What erasure takes away: subject (None: no patient), the journal's body and its salt."""

    subject: str | None
    body: bytes
    salt: bytes

    @property
    def commitment(self) -> bytes:
        """The journal's commitment over it."""
        return sealing.commit(self.salt, self.subject, self.body)


class Body(msgspec.Struct, frozen=True):
    """A sealed body, and the head of the leaf that binds it."""

    head: bytes
    sealed: bytes


def derive(key: bytes, label: bytes) -> bytes:
    """HKDF-Expand with SHA-256 to 32 bytes. `key` is uniformly random."""
    return hmac.digest(key, label + b"\x01", "sha256")


def seal(
    position: int,
    header: Header,
    content: Content | None,
    *,
    content_commitment: bytes,
    site_key: bytes,
    content_key: bytes,
    seal_salt: bytes,
) -> Body:
    """Seal an entry. `content` is None where it has been erased; `content_key` counts then not.

    Raises: OperatorError when it is too long to be sealed.
    """
    head = pack_head(position, header.commitment, content_commitment)
    context = position.to_bytes(8, "big") + seal_salt
    # 1. The header.
    clear = header.salt + header.chain + header.key_id + header.content
    if len(clear) + 2 + PAD_TO_BYTES + _TAG_BYTES > 0xFFFF:
        raise OperatorError("The header is too long to be sealed.", where=f"position {position}")
    clear = _padded(len(clear).to_bytes(2, "big") + clear)
    sealed_header = AESGCM(derive(site_key, _HEADER_KEY + context)).encrypt(_NONCE, clear, head)
    parts = [seal_salt, len(sealed_header).to_bytes(2, "big"), sealed_header]
    # 2. The content.
    if content is not None:
        key = derive(content_key, _CONTENT_KEY + context)
        parts.append(AESGCM(key).encrypt(_NONCE, _pack(content, position), head))
    sealed = b"".join(parts)
    if len(sealed) > SEGMENT_BYTES_MOST:
        raise OperatorError("The entry is too long to be sealed.", where=f"position {position}")
    return Body(head, sealed)


def _pack(content: Content, position: int) -> bytes:
    name = (content.subject or "").encode()
    clear = len(name).to_bytes(2, "big") + name + content.body
    if len(clear) > CONTENT_BYTES_MOST:
        raise OperatorError("The entry is too long to be sealed.", where=f"position {position}")
    packed = _compressor().compress(clear)
    method = _ZSTD if len(packed) < len(clear) else _PLAIN
    kept = packed if method == _ZSTD else clear
    length = (len(content.salt) + len(kept)).to_bytes(4, "big")
    return _padded(bytes([method]) + length + content.salt + kept)


def _padded(clear: bytes) -> bytes:
    return clear + bytes(-len(clear) % PAD_TO_BYTES)


def open_header(leaf: Leaf, sealed: bytes, site_key: bytes) -> Header:
    """The header of an entry. Raises: IntegrityError when key, body or leaf do not fit."""
    where = f"position {leaf.position}"
    seal_salt, sealed_header, _ = _split(sealed, where)
    context = leaf.position.to_bytes(8, "big") + seal_salt
    clear = _decrypt(derive(site_key, _HEADER_KEY + context), sealed_header, leaf, "header")
    length = int.from_bytes(clear[:2], "big")
    fixed = SALT_BYTES + len(sealing.GENESIS) + KEY_ID_BYTES
    if length < fixed or clear != _padded(clear[: 2 + length]):
        raise IntegrityError("The header is not in its form.", where=where)
    kept = clear[2 : 2 + length]
    header = Header(
        content=kept[fixed:],
        chain=kept[SALT_BYTES : fixed - KEY_ID_BYTES],
        key_id=kept[fixed - KEY_ID_BYTES : fixed],
        salt=kept[:SALT_BYTES],
    )
    if header.commitment != leaf.header_commitment:
        raise IntegrityError("The header is not the one that the leaf commits to.", where=where)
    return header


def has_content(sealed: bytes) -> bool:
    """Whether the entry had its content when it was sealed. Raises: IntegrityError."""
    return bool(_split(sealed, "")[2])


def open_content(leaf: Leaf, sealed: bytes, content_key: bytes) -> Content:
    """The content of an entry. Raises: IntegrityError when key, body or leaf do not fit."""
    where = f"position {leaf.position}"
    seal_salt, _, sealed_content = _split(sealed, where)
    context = leaf.position.to_bytes(8, "big") + seal_salt
    key = derive(content_key, _CONTENT_KEY + context)
    clear = _decrypt(key, sealed_content, leaf, "content")
    method, length = clear[0], int.from_bytes(clear[1:5], "big")
    if length < SALT_BYTES or clear != _padded(clear[: 5 + length]):
        raise IntegrityError("The content is not in its form.", where=where)
    salt, kept = clear[5 : 5 + SALT_BYTES], clear[5 + SALT_BYTES : 5 + length]
    plain = _unpacked(kept, method, where)
    name_length = int.from_bytes(plain[:2], "big")
    try:
        name = plain[2 : 2 + name_length].decode()
    except UnicodeDecodeError:
        raise IntegrityError("The content is not in its form.", where=where) from None
    content = Content(name or None, plain[2 + name_length :], salt)
    if len(plain) < 2 + name_length or content.commitment != leaf.content_commitment:
        raise IntegrityError("The content is not what the leaf commits to.", where=where)
    return content


def _split(sealed: bytes, where: str) -> tuple[bytes, bytes, bytes]:
    """Seal salt, the header's ciphertext, the content's."""
    at = SEAL_SALT_BYTES + 2
    length = int.from_bytes(sealed[SEAL_SALT_BYTES:at], "big")
    content = sealed[at + length :]
    too_short = len(sealed) < at + length or length < _TAG_BYTES + PAD_TO_BYTES
    if too_short or 0 < len(content) < _TAG_BYTES + PAD_TO_BYTES:
        raise IntegrityError("The body is not in its form.", where=where)
    return sealed[:SEAL_SALT_BYTES], sealed[at : at + length], content


def _decrypt(key: bytes, ciphertext: bytes, leaf: Leaf, what: str) -> bytes:
    try:
        return AESGCM(key).decrypt(_NONCE, ciphertext, leaf.head)
    except InvalidTag:
        raise IntegrityError(
            f"The {what} does not open: another key, or another body.",
            where=f"position {leaf.position}",
        ) from None


def _unpacked(kept: bytes, method: int, where: str) -> bytes:
    if method == _PLAIN:
        return kept
    if method != _ZSTD:
        raise IntegrityError("The content is packed in a way that is not known.", where=where)
    try:
        if zstandard.frame_content_size(kept) > CONTENT_BYTES_MOST:
            raise IntegrityError("The content is longer than any entry.", where=where)
        return _decompressor().decompress(
            kept, max_output_size=CONTENT_BYTES_MOST, allow_extra_data=False
        )
    except zstandard.ZstdError:
        raise IntegrityError("The content does not unpack.", where=where) from None


def _compressor() -> zstandard.ZstdCompressor:
    """One for each thread: they cannot be shared."""
    if not hasattr(_per_thread, "compressor"):
        _per_thread.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    found: zstandard.ZstdCompressor = _per_thread.compressor
    return found


def _decompressor() -> zstandard.ZstdDecompressor:
    if not hasattr(_per_thread, "decompressor"):
        _per_thread.decompressor = zstandard.ZstdDecompressor()
    found: zstandard.ZstdDecompressor = _per_thread.decompressor
    return found
