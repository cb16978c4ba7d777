"""A vault as it was at one moment, whoever goes on writing it meanwhile.

Invariants:
- Checkpoint, list of keys and the line of the key are read once, in this order, and stay so: what
  is verified, restored and copied is one and the same tree.
- Everything else is read where it lies: below a checkpoint nothing of it ever changes.
"""

from __future__ import annotations

from tourniquet.record.disk import Reader
from tourniquet.record.key_list import KEYS_FILE, LIST_BYTES_MOST
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.notes import NOTE_BYTES_MOST
from tourniquet.record.vault import KEY_FILE


class VaultMoment:
    """A vault as a `Reader`, held at the checkpoint that it had when this was made."""

    def __init__(self, source: Reader) -> None:
        """Raises: IntegrityError when there is no checkpoint."""
        self._source = source
        self._held = {CHECKPOINT: source.read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST)}
        for path, most in ((KEYS_FILE, LIST_BYTES_MOST), (KEY_FILE, NOTE_BYTES_MOST)):
            if source.size(path) is not None:
                self._held[path] = source.read(path, bytes_most=most)

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """See `Reader`."""
        return self._held.get(path) or self._source.read(path, bytes_most=bytes_most)

    def read_part(self, path: str, at: int, length: int) -> bytes:
        """See `Reader`."""
        return self._source.read_part(path, at, length)

    def size(self, path: str) -> int | None:
        """See `Reader`."""
        if path == KEYS_FILE and path not in self._held:
            return None  # one that came since is not this moment's
        return len(self._held[path]) if path in self._held else self._source.size(path)

    def names(self, folder: str) -> list[str]:
        """See `Reader`."""
        return self._source.names(folder)
