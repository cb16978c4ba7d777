"""The report of a restore: what was verified, restored and compared, under a signature. Pure.

The form is a signed note (C2SP signed-note) whose text is one `name: value` a line, under a first
line that says which form it is. Names and their order are fixed; docs/reference/vault.md.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tourniquet.record.notes import Checkpoint, Note, Signer, sign

FIRST_LINE = "tourniquet restore report v1"
POSITIONS_NAMED_MOST = 20


@dataclass(frozen=True)
class RestoreReport:
    """What a restore found. `tables`: rows by table.

    `malformed`: positions of entries that would erase something, and are not in their form.
    `beyond`: entries that lay whole behind the checkpoint, restored too. `unreadable`: those for
    which the ring had no key, restored as erased ones, and in `where_unreadable` their positions.
    """

    checkpoint: Checkpoint
    key_pinned: bool
    position: int
    chain: bytes
    erased: int
    malformed: tuple[int, ...]
    database: str
    tables: Mapping[str, int]
    finished_at: datetime
    beyond: int = 0
    unreadable: int = 0
    where_unreadable: str = ""

    def text(self) -> str:
        """The text that is signed."""
        pinned = "pinned" if self.key_pinned else "taken from beside the vault"
        lines = [
            FIRST_LINE,
            f"log: {self.checkpoint.origin}",
            f"checkpoint size: {self.checkpoint.size}",
            f"checkpoint root: {base64.b64encode(self.checkpoint.root).decode()}",
            f"verifier key: {pinned}",
            "vault verified: every leaf, tile and body",
            f"whole behind the checkpoint, restored too: {self.beyond}",
            f"restored up to position: {self.position}",
            f"chain at that position: {self.chain.hex()}",
            "chain and commitments checked: every entry",
            f"entries erased before: {self.erased}",
            f"erasures not in their form, not heeded: {position_words(self.malformed)}",
            f"entries whose key was missing, restored without content: {self.unreadable}",
            *([f"without content: {self.where_unreadable}"] if self.unreadable else []),
            f"database: {self.database}",
            "entries read back and compared with the vault: every one",
            *(f"rows of {name}: {count}" for name, count in sorted(self.tables.items())),
            f"finished at: {self.finished_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        ]
        return "\n".join(lines) + "\n"

    def signed(self, signer: Signer) -> Note:
        """The report with its signature."""
        return Note(self.text(), (sign(self.text(), signer),))


def position_words(positions: Sequence[int]) -> str:
    """How many positions, and the first of them; "none"."""
    if not positions:
        return "none"
    named = ", ".join(map(str, positions[:POSITIONS_NAMED_MOST]))
    dots = ", ..." if len(positions) > POSITIONS_NAMED_MOST else ""
    return f"{len(positions)}, at position {named}{dots}"
