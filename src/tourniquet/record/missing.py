"""Entries of a vault whose key a copy of the ring does not know: the copy is older than they are.

Invariants:
- They are found before anything is restored: one pass over the headers, against the ring.
- Nobody's entry is left out unasked. Where a person asks for it, the entry is restored as one that
  was erased, and its position is told.
- A key that nobody has is entered as an erased one in the ring that goes on: otherwise the same id
  would be made again, for another key, and the vault could not be read with both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

from tourniquet.kernel.errors import OperatorError
from tourniquet.record import bodies
from tourniquet.record.ring import KeyRing
from tourniquet.record.vault import VaultReader

ENTRIES_AT_ONCE = 2000
STRETCHES_TOLD_MOST = 200


@dataclass(frozen=True)
class Missing:
    """Keys that a ring does not know, and the positions of what lies under them, in order."""

    keys: frozenset[bytes] = frozenset()
    positions: tuple[int, ...] = ()

    def up_to(self, last: int) -> Missing:
        """The same without the positions behind this one."""
        return Missing(self.keys, tuple(one for one in self.positions if one <= last))

    def stretches(self) -> str:
        """The positions as a person reads them: 513 to 520, 531."""
        found = _stretches(self.positions)
        some = [f"{one} to {end}" if one < end else str(one) for one, end in found]
        more = len(some) - STRETCHES_TOLD_MOST
        told = some[:STRETCHES_TOLD_MOST] + ([f"and {more} stretches more"] if more > 0 else [])
        return ", ".join(told)

    def demand_none(self) -> None:
        """Raises: OperatorError where there are any."""
        if self.positions:
            raise OperatorError(
                f"The key ring has no key for {len(self.positions)} entries, the first at position "
                f"{self.positions[0]}: this copy of it is older than they are. Nothing was "
                "restored.",
                where="--keys",
                remedy="Bring a newer copy of the ring: each replica has one. If there is none, "
                "--without-missing-keys restores everything else, and names these entries.",
            )


def find_missing(
    reader: VaultReader,
    ring: KeyRing,
    *,
    destroyed: Iterable[bytes] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Missing:
    """What the ring has no key for; `destroyed`: keys that the vault says are gone.

    `progress` is told the position that was reached. Raises: IntegrityError.
    """
    known = {*destroyed, ring.site.id, bodies.NO_KEY}
    missing: set[bytes] = set()
    positions: list[int] = []
    for first in range(1, reader.size + 1, ENTRIES_AT_ONCE):
        last = min(first + ENTRIES_AT_ONCE - 1, reader.size)
        ids = [
            (leaf.position, bodies.open_header(leaf, sealed, ring.site.key).key_id)
            for leaf, sealed in reader.bodies(range(first, last + 1))
            if bodies.has_content(sealed)
        ]
        new = {key_id for _, key_id in ids} - known - missing
        missing |= ring.list_unknown(new)
        known |= new - missing
        positions += [position for position, key_id in ids if key_id in missing]
        progress(last)
    return Missing(frozenset(missing), tuple(positions))


def _stretches(positions: tuple[int, ...]) -> list[tuple[int, int]]:
    """First and last of neighbours."""
    if not positions:
        return []
    breaks = [(one, after) for one, after in pairwise(positions) if after != one + 1]
    firsts = [positions[0], *(after for _, after in breaks)]
    lasts = [*(one for one, _ in breaks), positions[-1]]
    return list(zip(firsts, lasts, strict=True))
