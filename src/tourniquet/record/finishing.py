"""A copied vault brought up to the last whole entry: what was written down is signed at last.

Invariants:
- Leaves and bodies are published as they were written: what a replica elsewhere has seen of them is
  a beginning of this log, and no position ever has two leaves.
- A change of the key that lies among them is put into the list where it was, as it was signed; each
  checkpoint is signed by the key in charge of its size.
- Interrupted, it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tourniquet.kernel.errors import IntegrityError
from tourniquet.record.disk import Disk
from tourniquet.record.key_list import KEYS_FILE, KeyStep, read_steps, write_steps
from tourniquet.record.keys import Keys
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.notes import Checkpoint, VerifierKey
from tourniquet.record.vault import Vault, VaultReader

ENTRIES_AT_ONCE = 5_000
BYTES_AT_ONCE = 32 * 1024 * 1024


def finish_vault(
    disk: Disk,
    reader: VaultReader,
    steps: Sequence[KeyStep],
    keys: Keys,
    key: VerifierKey,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Checkpoint:
    """Publish what the copy on `disk` has not yet of a vault; its checkpoint then.

    `steps` are all changes of the key that the vault knows; `key` signs where it has none.
    Raises: IntegrityError when the copy is of another vault; OperatorError when a key is not here.
    """
    first = steps[0].former if steps else key
    vault = _open(disk, keys, first)
    ends = [step.size for step in steps if vault.checkpoint.size <= step.size < reader.size]
    for end in (*ends, reader.size):
        for lot in _lots(reader, vault.checkpoint.size, end):
            vault.publish_sealed(lot)
            progress(vault.checkpoint.size)
        covered = [step for step in steps if step.size <= end]
        if len(covered) > len(vault.keys.steps):
            disk.replace(KEYS_FILE, write_steps(covered))
            vault = _open(disk, keys, first)
    size = vault.checkpoint.size
    if size != reader.size or (size and vault.last != reader.leaf(size)):
        raise IntegrityError(
            f"The vault ends at {size}, the restored journal at {reader.size}.",
            where=CHECKPOINT,
            remedy="Name an empty folder.",
        )
    return vault.checkpoint


def _open(disk: Disk, keys: Keys, first: VerifierKey) -> Vault:
    steps = read_steps(disk)
    if not steps:
        return Vault(disk, keys.get_signer(first))
    return Vault(disk, keys.get_signer(steps[-1].new), keys.find_signer(steps[-1].former))


def _lots(reader: VaultReader, after: int, last: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """Leaves and bodies behind a position, as many as are published together."""
    lot: list[tuple[bytes, bytes]] = []
    total = 0
    for position in range(after + 1, last + 1):
        body = reader.body(reader.leaf(position))
        lot.append((reader.packed(position), body))
        total += len(body)
        if len(lot) == ENTRIES_AT_ONCE or total >= BYTES_AT_ONCE:
            yield lot
            lot, total = [], 0
    if lot:
        yield lot
