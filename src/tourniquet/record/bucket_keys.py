"""Wrapped keys in object storage: each row of a ring an object of its own, `keys/NUMBER`.

They lie apart from the vault, best in a bucket of their own that does not lock: an erased key must
be destroyed in every place, and what is locked can't be.

Invariants:
- Rows go up by number, each put once; a row that was put as another is refused.
- The ring's copy in the replica's own folder comes first: it alone says which rows there are, and
  finds a source that changed one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import msgspec

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.record.disk import Disk
from tourniquet.record.objects import Objects, Stored
from tourniquet.record.ring import RingCopy, RingSource, WrappedKey

KEYS = "keys/"
SENT = "keys-sent"
ROW_BYTES_MOST = 1024
ROWS_AT_ONCE = 256
_AT_ONCE = 16
_SENT_BYTES_MOST = 32


class BucketKeys:
    """Wrapped keys pulled into a ring's copy, and from there put into object storage."""

    def __init__(
        self,
        copy: RingCopy,
        rows: RingSource,
        objects: Objects,
        own: Disk,
        *,
        until: Callable[[], datetime | None],
    ) -> None:
        """`rows` reads what `copy` holds; `own` remembers how far they were put."""
        self._copy, self._rows, self._objects, self._own = copy, rows, objects, own
        self._until = until
        self._sent: int | None = None
        self._without_key: set[int] = set()  # rows that lie there without their key

    def pull(self) -> int:
        """Copy those that are new, here and there; how many. Raises: as `RingCopy.pull`."""
        count = self._copy.pull()
        if self._sent is None:
            self._sent = self._read_sent()
        while rows := self._rows.rows(after=self._sent, most=ROWS_AT_ONCE):
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for _ in pool.map(self._put, rows):
                    pass
            self._sent = rows[-1].number
            self._own.replace(SENT, f"{self._sent}\n".encode())
        return count

    def held(self, key_ids: Iterable[bytes]) -> list[bytes]:
        """Those of these ids whose wrapped key lies in the copy."""
        return self._copy.held(key_ids)

    def lasting(self) -> tuple[bytes, ...]:
        """The ids of the site's key and the log's first."""
        return self._copy.lasting()

    def destroy(self, key_ids: Sequence[bytes], *, now: datetime) -> None:
        """Destroy wrapped keys in the copy. What was put stays until its owner deletes it."""
        self._copy.destroy(key_ids, now=now)

    def left_behind(self) -> list[str]:
        """Objects with a wrapped key that is destroyed here: whoever owns the bucket deletes them.

        We can't, and must not be able to. Where one is gone, the row without its key is put.
        """
        found = []
        for row in self._copy.erased_rows():
            if row.number in self._without_key or row.number > self._read_sent():
                continue
            first = self._objects.find(_name(row.number))
            if first is None:
                self._put(row)
            elif _read_row(self._objects, first, row.number).wrapped is not None:
                found.append(first.name)
                continue
            self._without_key.add(row.number)
        return found

    def _put(self, row: WrappedKey) -> None:
        name, content = _name(row.number), msgspec.json.encode(row)
        version = self._objects.put(name, content, until=self._until())
        first = self._objects.find(name)
        if first is None:
            raise StorageUnavailable("The object storage does not show what was put.", where=name)
        if version == first.version:
            return
        if row.wrapped is None and _read_row(self._objects, first, row.number).id == row.id:
            return  # put before its key was erased; see `left_behind`
        if first.size != len(content) or self._objects.get(first, 0, first.size) != content:
            raise IntegrityError(
                "Another object has this name already; it stays.",
                where=name,
                remedy="Somebody else writes here. Change the credential; name another --keys-to.",
            )

    def _read_sent(self) -> int:
        """Up to which row was put; from the beginning where that was lost."""
        if self._own.size(SENT) is None:
            return 0
        text = self._own.read(SENT, bytes_most=_SENT_BYTES_MOST).strip()
        return int(text) if text.isdigit() else 0


class BucketRing:
    """The wrapped keys in object storage as a `RingSource`."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._listed: dict[str, Stored] | None = None

    def rows(self, *, after: int, most: int) -> Sequence[WrappedKey]:
        """See `RingSource`. Raises: IntegrityError when what is there are no such rows."""
        if self._listed is None:
            found = [one for one in self._objects.list(KEYS) if isinstance(one, Stored)]
            self._listed = {one.name: one for one in found}
        last = max(self._listed, default=_name(0)).removeprefix(KEYS)
        if not (last.isascii() and last.isdigit()):
            raise IntegrityError("The object is not a wrapped key.", where=KEYS + last)
        numbers = range(after + 1, min(after + most, int(last)) + 1)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._read, numbers))

    def _read(self, number: int) -> WrappedKey:
        assert self._listed is not None
        stored = self._listed.get(_name(number))
        if stored is None:
            raise IntegrityError(
                f"Wrapped key {number} is missing.",
                where=_name(number),
                remedy="If it was deleted because it was erased, run the replica once: it puts the "
                "row without its key.",
            )
        return _read_row(self._objects, stored, number)


def _read_row(objects: Objects, stored: Stored, number: int) -> WrappedKey:
    if stored.size <= ROW_BYTES_MOST:
        try:
            content = objects.get(stored, 0, stored.size)
            row = msgspec.json.decode(content, type=WrappedKey)
        except msgspec.MsgspecError:
            row = None
        if row is not None and row.number == number:
            return row
    raise IntegrityError(f"The object is not wrapped key {number}.", where=stored.name)


def _name(number: int) -> str:
    return f"{KEYS}{number:012d}"
