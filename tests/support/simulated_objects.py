"""Object storage in memory: keeps versions and locks, and can fail at any call.

It is as good a store as the record needs; flags take away what some stores lack.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.objects import COMPLIANCE, PAGE_ROWS, Retention, Stored

START = datetime(2024, 6, 3, 6, tzinfo=UTC)


class Killed(BaseException):
    """The process that called is gone."""


@dataclass
class Version:
    """One version of an object."""

    id: str
    content: bytes
    until: datetime | None
    changed_at: datetime


@dataclass
class SimulatedObjects:
    """See `Objects`. `now` is the store's clock."""

    conditions: bool = True  # False: a put goes over what is there, as in Ceph 16
    locks: bool = True  # False: takes a lock and does not keep it
    shows: bool = True  # False: what was put is not listed
    now: datetime = START
    fail_at: int | None = None  # the call that gets no answer
    fails_after: bool = False  # it was carried out all the same
    kill_at: int | None = None
    full_at: int | None = None  # from this call on nothing more is taken
    denied: bool = False
    versions: dict[str, list[Version]] = field(default_factory=dict)
    calls: int = 0
    puts: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def put(self, name: str, content: bytes, *, until: datetime | None) -> str | None:
        with self._lock:
            self._call()
            if self.full_at is not None and self.calls >= self.full_at:
                raise StorageUnavailable("The object storage takes no more (QuotaExceeded).")
            if self.conditions and self.versions.get(name):
                return None
            self.puts += 1
            made = Version(f"v{self.puts}", content, until if self.locks else None, self.now)
            self.versions.setdefault(name, []).append(made)
            self._answer()
            return made.id

    def find(self, name: str) -> Stored | None:
        with self._lock:
            self._call()
            return self._stored(name) if self.shows and self.versions.get(name) else None

    def list(
        self, prefix: str, *, folders: bool = False, page: int = PAGE_ROWS
    ) -> Iterator[Stored | str]:
        with self._lock:
            self._call()
            names = sorted(name for name, some in self.versions.items() if some)
            told: set[str] = set()
            found: list[Stored | str] = []
            for name in names:
                if not name.startswith(prefix):
                    continue
                rest = name[len(prefix) :]
                folder = prefix + rest.partition("/")[0] + "/"
                if folders and "/" in rest:
                    if folder not in told:
                        found.append(folder)
                    told.add(folder)
                else:
                    found.append(self._stored(name))
        yield from found

    def get(self, stored: Stored, at: int, length: int) -> bytes:
        with self._lock:
            self._call()
            for one in self.versions.get(stored.name, ()):
                if one.id == stored.version and len(one.content) >= at + length:
                    return one.content[at : at + length]
        raise IntegrityError("The object is gone, or shorter.", where=stored.name)

    def retain(self, stored: Stored, until: datetime) -> None:
        with self._lock:
            self._call()
            one = next(o for o in self.versions[stored.name] if o.id == stored.version)
            one.until = max(until, one.until or until)
            one.changed_at = self.now

    def retention(self, stored: Stored) -> Retention | None:
        with self._lock:
            self._call()
            one = next(o for o in self.versions[stored.name] if o.id == stored.version)
            return Retention(COMPLIANCE, one.until) if one.until else None

    def plant(self, name: str, content: bytes) -> None:
        """What somebody else puts there."""
        self.puts += 1
        self.versions.setdefault(name, []).append(Version(f"v{self.puts}", content, None, self.now))

    def expire(self) -> int:
        """Delete all that is not locked, as a thief would; how many."""
        count = 0
        for some in self.versions.values():
            kept = [one for one in some if one.until is not None and one.until > self.now]
            count += len(some) - len(kept)
            some[:] = kept
        return count

    def _stored(self, name: str) -> Stored:
        first = self.versions[name][0]
        return Stored(name, first.id, len(first.content), first.changed_at)

    def _call(self) -> None:
        self.calls += 1
        if self.denied:
            raise OperatorError("The object storage refuses (AccessDenied).")
        if self.kill_at is not None and self.calls >= self.kill_at:
            raise Killed
        if self.calls == self.fail_at and not self.fails_after:
            raise StorageUnavailable("The object storage can't answer now (SlowDown).")

    def _answer(self) -> None:
        if self.fails_after and self.fail_at is not None and self.calls >= self.fail_at:
            self.fail_at = None
            raise StorageUnavailable("The object storage does not answer: ReadTimeoutError.")
