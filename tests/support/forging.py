"""For tests of a production in others' hands: whoever runs the sealer chooses what it seals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

from tests.support.console import NOW
from tourniquet.record import bodies
from tourniquet.record.bodies import SALT_BYTES, Body, Content, Header
from tourniquet.record.destroying import Destroyer
from tourniquet.record.entries import ErasureApproved, ErasureAsked, ErasureCarriedOut
from tourniquet.record.journal import Act, writing
from tourniquet.record.ring import NamedKey
from tourniquet.record.sealer import Row, Sealer

Change = Callable[[Header, Content, NamedKey], tuple[Header, Content, NamedKey]]


@contextmanager
def forged(kind: str, change: Change) -> Iterator[None]:
    """Within it a sealer seals entries of this kind with another header, content or key."""
    honest = Sealer._seal

    def seal(self: Sealer, row: Row, key: NamedKey, chance: bytes) -> Body:
        if row.header.kind != kind:
            return honest(self, row, key, chance)
        assert row.body is not None
        assert row.salt is not None
        header, content, key = change(
            Header(row.header_bytes, row.chain, key.id, chance[:SALT_BYTES]),
            Content(row.subject, row.body, row.salt),
            key,
        )
        return bodies.seal(
            row.header.position,
            header,
            content,
            content_commitment=content.commitment,
            site_key=self._site.key,
            content_key=key.key,
            seal_salt=chance[SALT_BYTES:],
        )

    with mock.patch.object(Sealer, "_seal", seal):
        yield


@contextmanager
def unheeding() -> Iterator[None]:
    """Within it a sealer looks at no erasure: what it seals is meant for others."""
    with mock.patch.object(Destroyer, "heed"):
        yield


THROWN_AWAY = NamedKey(b"thrown away key!", bytes(32))


def under(key: NamedKey) -> Change:
    """The entry is sealed under another key, and its header says so."""
    return lambda header, content, _: (_with(header, key_id=key.id), content, key)


def headed(old: bytes, new: bytes) -> Change:
    """Other bytes in the header."""
    return lambda header, content, key: (
        _with(header, content=header.content.replace(old, new)),
        content,
        key,
    )


def saying(body: bytes, *, subject: str | None = None) -> Change:
    """Another body."""
    return lambda header, content, key: (header, Content(subject, body, content.salt), key)


def _with(header: Header, *, content: bytes | None = None, key_id: bytes | None = None) -> Header:
    return Header(content or header.content, header.chain, key_id or header.key_id, header.salt)


def ask_and_approve(erasure: str, *, approver: str = "ben") -> None:
    """What two accounts would have written."""
    with writing(Act("ada", NOW)) as journal:
        journal.append(
            ErasureAsked(
                erasure=erasure, ground="b", asked_for="person", identity="known", records=1
            )
        )
    with writing(Act(approver, NOW)) as journal:
        journal.append(ErasureApproved(erasure=erasure, days=1))


def carry_out(erasure: str, keys: Sequence[int]) -> int:
    """An entry that says that it was carried out, with keys to go; its position."""
    with writing(Act("system", NOW)) as journal:
        return journal.append(
            ErasureCarriedOut(erasure=erasure, entries=0, rows=0, keys=tuple(keys))
        )
