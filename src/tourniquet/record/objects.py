"""Object storage as the record uses it: the few calls, whoever answers them.

Names are relative to one prefix of one bucket. A bucket that keeps versions may hold several
objects under one name; the record knows one of them, the **first**: the one that was put before all
others and that still is there. Whoever holds the writer's credential can put others over it, and
can neither change nor remove it while it is locked.

Invariants:
- Nothing is believed because a store said it: whoever reads verifies, and whoever puts looks
  whether his own object is the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

OBJECT_BYTES_MOST = 64 * 1024 * 1024  # a whole segment
COMPLIANCE = "COMPLIANCE"
PAGE_ROWS = 1000


@dataclass(frozen=True)
class Stored:
    """The first version of an object. `changed_at` is the store's, and may tell of its lock."""

    name: str
    version: str
    size: int
    changed_at: datetime


@dataclass(frozen=True)
class Retention:
    """How an object is locked, and until when."""

    mode: str
    until: datetime


class Objects(Protocol):
    """The calls.

    All raise StorageUnavailable when the store does not answer now or is full, and OperatorError
    when it refuses us.
    """

    def put(self, name: str, content: bytes, *, until: datetime | None) -> str | None:
        """Put a new object, locked until then; its version.

        None when the store says that there is one. It may also put one over it, and say nothing.
        """

    def find(self, name: str) -> Stored | None:
        """The first version under a name."""

    def list(
        self, prefix: str, *, folders: bool = False, page: int = PAGE_ROWS
    ) -> Iterator[Stored | str]:
        """First versions in the order of their names, those that begin with the prefix.

        With `folders` what lies below a further / is told as one folder: its name, ending in /.
        `page`: how many rows are asked for at once.
        """

    def get(self, stored: Stored, at: int, length: int) -> bytes:
        """So many bytes of it. Raises: IntegrityError when there are fewer, or it is gone."""

    def retain(self, stored: Stored, until: datetime) -> None:
        """Let nobody delete it until then; never shortened."""

    def retention(self, stored: Stored) -> Retention | None:
        """How it is locked; None where it is not."""
