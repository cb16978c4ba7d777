"""Commitments and the chain: how each entry is bound to its content and to all before it. Pure.

The form, byte for byte (also in docs/reference/journal.md):

- commitment = SHA-256(DOMAIN ‖ salt ‖ length of subject (2 bytes, big-endian) ‖ subject ‖ body),
  subject in UTF-8, empty where there is none; salt 32 random bytes; body in canonical form.
- header = the entry without identifiers of a patient, as JSON with sorted keys and no white space:
  actor, cause, happened_at, kind, kind_version, organisation, origin, origin_position, position,
  recorded_at; times as UTC, `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
- chain = SHA-256(previous chain ‖ header ‖ commitment); the first entry's previous is 32 zeros.

Erasure removes subject, body and salt; header, commitment and chain stand, so the chain is
checked as before, and nobody can try names against the commitment without the salt.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

DOMAIN = b"tourniquet journal entry v1\x00"
GENESIS = bytes(32)
SALT_BYTES = 32

_encoder = msgspec.json.Encoder()


class Header(msgspec.Struct, frozen=True):
    """What of an entry is never erased."""

    position: int
    kind: str
    kind_version: int
    recorded_at: datetime
    happened_at: datetime
    actor: str
    organisation: str
    origin: str
    origin_position: int
    cause: int | None


class _Written(msgspec.Struct, frozen=True):
    """A header as written: its fields stand in the order of their names, and are written so."""

    actor: str
    cause: int | None
    happened_at: str
    kind: str
    kind_version: int
    organisation: str
    origin: str
    origin_position: int
    position: int
    recorded_at: str


@lru_cache(maxsize=1024)  # entries of one group share their moment
def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def header_bytes(header: Header) -> bytes:
    """The header in the form that the chain covers."""
    return _encoder.encode(
        _Written(
            header.actor,
            header.cause,
            _instant(header.happened_at),
            header.kind,
            header.kind_version,
            header.organisation,
            header.origin,
            header.origin_position,
            header.position,
            _instant(header.recorded_at),
        )
    )


def commit(salt: bytes, subject: str | None, body: bytes) -> bytes:
    """The commitment to an entry's subject and body."""
    name = (subject or "").encode()
    return hashlib.sha256(
        b"".join((DOMAIN, salt, len(name).to_bytes(2, "big"), name, body))
    ).digest()


def link(previous: bytes, header: Header, commitment: bytes) -> bytes:
    """The chain value of an entry."""
    return link_bytes(previous, header_bytes(header), commitment)


def link_bytes(previous: bytes, header: bytes, commitment: bytes) -> bytes:
    """The chain value of an entry whose header is in the form that the chain covers."""
    return hashlib.sha256(previous + header + commitment).digest()
