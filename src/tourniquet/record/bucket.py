"""A vault in object storage: read as a folder is, written without ever writing over anything.

Below `vault/` in the prefix, where a folder has a file that grows or is replaced:

    checkpoint/BEHIND-BACK   a countersigned note of its own for each time; names count down, so
                             that the newest is listed first: BEHIND = 10^15 - 1 - size,
                             BACK = 10^11 - 1 - second of the cosignature
    body/N.from/OFFSET       a piece of segment N, for each pull; it begins where the last one ended
    body/N                   the whole segment, once it is full and was verified again
    keys/LEFT                a list of the log's keys, each longer one under a name of its own:
                             LEFT = 64 - its steps, so that the longest is listed first
    tile/…, vault.vkey       as in a folder; partial tiles stay

Invariants:
- An object is put under a name that has none, and then looked at: unless ours is the first version,
  nothing was kept. The same bytes from somebody else are as good, once they are locked too.
- A reader takes the first version, and of the checkpoints the newest that the log's key signed.
- What somebody else put under a name that no vault has is not read, but told (`foreign`): it can't
  be taken away while it is locked, and must not keep anybody from restoring.
- Nothing is deleted, and nothing cached that another writer could make untrue, but names that were
  seen: a first version stays the first.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TypeAlias, TypeVar

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.record.key_list import (
    KEYS_FILE,
    LIST_BYTES_MOST,
    STEPS_MOST,
    KeyList,
    newest_of,
    parse_steps,
)
from tourniquet.record.leaves import LEAF_BYTES, SEGMENT_BYTES_MOST
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.notes import (
    NOTE_BYTES_MOST,
    VerifierKey,
    check,
    read_note,
)
from tourniquet.record.objects import Objects, Stored
from tourniquet.record.tiles import parse_tile_path, tile_path
from tourniquet.record.tree import TILE_BITS, TILE_WIDTH
from tourniquet.record.vault import KEY_FILE, PENDING, VaultReader

VAULT = "vault/"
CHECKPOINTS = f"{VAULT}{CHECKPOINT}/"
KEY_LISTS = f"{VAULT}{KEYS_FILE}/"
CHECKPOINTS_MOST = 10_000  # that no key signed, before the newest that ours did
AT_ONCE = 16  # calls at the same time
AHEAD_MOST = 64  # tiles on their way
PIECES_BYTES_AT_ONCE = 8 * 1024 * 1024
_SIZE_MOST = 10**15 - 1
_SECONDS_MOST = 10**11 - 1
_FROM = ".from"
_PARTIAL = ".p"
_FOLDERS = frozenset({CHECKPOINT, KEYS_FILE, "tile", "body"})
_SEGMENT = re.compile(r"[0-9]{9}", re.ASCII)
_START_BYTES = 8
FOREIGN_MOST = 100
_FEW = 4

T = TypeVar("T")
R = TypeVar("R")
Pinned: TypeAlias = VerifierKey | Sequence[VerifierKey]


@dataclass(frozen=True)
class _Piece:
    """A piece of a segment, and where it begins."""

    at: int
    stored: Stored

    @property
    def end(self) -> int:
        """The byte behind it."""
        return self.at + self.stored.size


class BucketVault:
    """A vault in object storage as a `Reader`."""

    _lists = True  # folders as a whole, where one file is asked for

    def __init__(self, objects: Objects, key: Pinned, *, pieces_only: bool = False) -> None:
        """`key` is the log's, or all that people pinned, in that order.

        With `pieces_only` whole segments are not looked at.
        """
        self._objects = objects
        self._pinned = (key,) if isinstance(key, VerifierKey) else tuple(key)
        self._key_list: tuple[bytes, KeyList] | None = None  # as it lies there, and followed
        self._pieces_only = pieces_only
        self._known: dict[str, Stored] = {}
        self._listed: set[str] = set()
        self._ahead: dict[str, Future[bytes]] = {}
        self._tile_before: dict[int, int] = {}  # by level, the tile that was read last
        self._size: int | None = None  # of the checkpoint that was read last
        self._chains: dict[int, list[_Piece]] = {}
        self.foreign: list[str] = []
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="objects")

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """See `Reader`."""
        if path == CHECKPOINT:
            content = self._read_checkpoint()
        elif path == PENDING:
            content = self._read_pending()
        elif path == KEYS_FILE:
            content = self._keys()[0]
        elif path.startswith("body/"):
            content = self.read_part(path, 0, self.size(path) or 0)
        else:
            stored = self._get(path)
            _demand_size(path, stored.size, bytes_most)
            content = self._take(path, stored)
            self._read_ahead(path, bytes_most)
        _demand_size(path, len(content), bytes_most)
        return content

    def read_part(self, path: str, at: int, length: int) -> bytes:
        """See `Reader`."""
        if path.startswith("body/"):
            return self._read_segment(path, at, length)
        content = self.read(path, bytes_most=SEGMENT_BYTES_MOST)[at : at + length]
        if len(content) != length:
            raise IntegrityError("The file ends before.", where=path)
        return content

    def size(self, path: str) -> int | None:
        """See `Reader`."""
        if path == CHECKPOINT:
            newest = self._newest()
            return len(newest[1]) if newest else None
        if path == KEYS_FILE:
            return len(self._keys()[0]) or None
        if path == PENDING:
            return _START_BYTES + LEAF_BYTES if self.checkpoint_size() else None
        stored = self._find(path)
        if stored is not None or not path.startswith("body/"):
            return stored.size if stored else None
        return _end(self._chain(path)) or None

    def names(self, folder: str) -> list[str]:
        """See `Reader`. No partial tiles of before the newest checkpoint; they stay for ever."""
        start = f"{VAULT}{folder}/" if folder else VAULT
        found: set[str] = set()
        for one in self._objects.list(start, folders=True):
            name = one[len(start) : -1] if isinstance(one, str) else one.name[len(start) :]
            if not self._belongs(folder, name, one):
                if len(self.foreign) < FOREIGN_MOST:
                    self.foreign.append(start + name)
                continue
            if isinstance(one, Stored):
                self._known.setdefault(one.name[len(VAULT) :], one)
            found.add(name.removesuffix(_FROM))
        if not folder and self.checkpoint_size():
            found.add(PENDING)
        if folder.endswith(_PARTIAL):
            width = self._width(folder.removesuffix(_PARTIAL))
            return sorted(name for name in found if int(name) >= width)
        return sorted(
            name
            for name in found
            if not name.endswith(_PARTIAL) or name.removesuffix(_PARTIAL) not in found
        )

    def _belongs(self, folder: str, name: str, one: Stored | str) -> bool:
        """Whether a vault has such a name there."""
        path = f"{folder}/{name}" if folder else name
        if not folder:
            return name in ({KEY_FILE} if isinstance(one, Stored) else _FOLDERS)
        if folder == "body":
            is_whole = isinstance(one, Stored)
            number = name if is_whole else name.removesuffix(_FROM)
            fits = is_whole != name.endswith(_FROM) and bool(_SEGMENT.fullmatch(number))
            return fits and not (isinstance(one, Stored) and one.size > SEGMENT_BYTES_MOST)
        if isinstance(one, str):
            path += "/1" if name.endswith(_PARTIAL) else "/000"
        try:
            parse_tile_path(path)
        except IntegrityError:
            return False
        return True

    def _width(self, path: str) -> int:
        """How wide a tile is at the newest checkpoint."""
        level, number, _ = parse_tile_path(path)
        size = self.checkpoint_size()
        return min(TILE_WIDTH, (size >> TILE_BITS * max(level, 0)) - number * TILE_WIDTH)

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _take(self, path: str, stored: Stored) -> bytes:
        """An object's content, which may be on its way already."""
        coming = self._ahead.pop(path, None)
        return coming.result() if coming else self._objects.get(stored, 0, stored.size)

    def _read_ahead(self, path: str, bytes_most: int) -> None:
        """Ask for the tiles behind this one: whoever reads one mostly reads on."""
        if not self._lists or not path.startswith("tile/"):
            return
        level, number, width = parse_tile_path(path)
        is_next = self._tile_before.get(level) == number - 1
        self._tile_before[level] = number
        if width < TILE_WIDTH or not is_next:
            return
        for after in range(number + 1, number + 1 + AT_ONCE):
            name = tile_path(level, after)
            stored = self._known.get(name)
            if stored is not None and name not in self._ahead and stored.size <= bytes_most:
                while len(self._ahead) >= AHEAD_MOST:
                    self._ahead.pop(next(iter(self._ahead))).cancel()
                self._ahead[name] = self._pool.submit(self._objects.get, stored, 0, stored.size)

    def newest_checkpoint(self) -> Stored | None:
        """The newest that the log's key signed; None where there is none."""
        found = self._newest()
        return found[0] if found else None

    def _newest(self) -> tuple[Stored, bytes] | None:
        """The newest checkpoint that the key signed. Raises: IntegrityError: only others."""
        self._look_for_keys()
        count = 0
        for one in self._objects.list(CHECKPOINTS, page=AT_ONCE):
            assert isinstance(one, Stored)
            content = self._signed(one)
            if content is not None:
                return one, content
            count += 1
            if count == CHECKPOINTS_MOST:
                break
        if count:
            raise IntegrityError(
                f"The newest {count} checkpoints are not signed by the key.",
                where=CHECKPOINTS,
                remedy="Name the right key with --key. Somebody else may have put them there.",
            )
        return None

    def _signed(self, stored: Stored) -> bytes | None:
        if stored.size > NOTE_BYTES_MOST:
            return None
        content = self._objects.get(stored, 0, stored.size)
        try:
            size = self._covered(content)
        except IntegrityError:
            return None
        behind = stored.name.removeprefix(CHECKPOINTS).partition("-")[0]
        return content if behind == f"{_SIZE_MOST - size:015d}" else None

    def _read_checkpoint(self) -> bytes:
        found = self._newest()
        if found is None:
            raise IntegrityError("The file is missing.", where=CHECKPOINT)
        self._size = self._covered(found[1])
        return found[1]

    def _covered(self, content: bytes) -> int:
        """How many entries a checkpoint covers that a key of the log signed."""
        return self._keys()[1].read_checkpoint(read_note(content)).size

    def _keys(self) -> tuple[bytes, KeyList]:
        """The list of keys as it lies there, and followed from the key that was pinned."""
        return self._key_list or self._look_for_keys()

    def _look_for_keys(self) -> tuple[bytes, KeyList]:
        """Read the longest list along which a pinned key leads; others there are passed over.

        Raises: OperatorError where a key was lost and the new one must be pinned by a person.
        """
        self._key_list = b"", KeyList.follow(self._pinned[0], ())
        for one in self._objects.list(KEY_LISTS, page=AT_ONCE):
            assert isinstance(one, Stored)
            if one.size > LIST_BYTES_MOST:
                continue
            content = self._objects.get(one, 0, one.size)
            try:
                steps = parse_steps(content)
                found = KeyList.follow(newest_of(self._pinned, steps), steps)
            except IntegrityError:
                continue
            if one.name == _key_list_name(len(steps)):
                self._key_list = content, found
                break
        return self._key_list

    def checkpoint_size(self) -> int:
        """How many entries the newest checkpoint covers; 0 where there is none."""
        if self._size is None:
            newest = self._newest()
            self._size = self._covered(newest[1]) if newest else 0
        return self._size

    def _read_pending(self) -> bytes:
        """The last leaf: what a folder's would be, once it is published."""
        size = self.checkpoint_size()
        if not size:
            raise IntegrityError("The file is missing.", where=PENDING)
        leaf = VaultReader(self, size).packed(size)
        return (size - 1).to_bytes(_START_BYTES, "big") + leaf

    def _get(self, path: str) -> Stored:
        found = self._find(path)
        if found is None:
            raise IntegrityError("The file is missing.", where=path)
        return found

    def _find(self, path: str) -> Stored | None:
        if self._pieces_only and path.startswith("body/"):
            return None
        found = self._known.get(path)
        folder = path.rpartition("/")[0]
        if found is None and self._lists and folder not in self._listed:
            self._listed.add(folder)
            self.names(folder)  # one call for a thousand
            found = self._known.get(path)
        if found is None:
            found = self._objects.find(VAULT + path)
            if found is not None:
                self._known[path] = found
        return found

    def _chain(self, path: str) -> list[_Piece]:
        """The pieces of a segment, each from where the one before ended; others are not read."""
        number = _segment_number(path)
        if number not in self._chains:
            start = f"{VAULT}{path}{_FROM}/"
            found, end = list[_Piece](), 0
            for one in self._objects.list(start):
                if isinstance(one, Stored) and one.name == _piece_name(path, end):
                    found.append(_Piece(end, one))
                    end = found[-1].end
            self._chains[number] = found
        return self._chains[number]

    def _read_segment(self, path: str, at: int, length: int) -> bytes:
        whole = self._find(path)
        if whole is not None:
            parts = [(whole, start, some) for start, some in _steps(at, length)]
        else:
            parts = list(_cut(self._chain(path), path, at, length))
        return b"".join(self.each(lambda part: self._objects.get(*part), parts))

    def each(self, work: Callable[[T], R], values: Sequence[T]) -> Iterable[R]:
        """Call for each, several at the same time; the answers in order."""
        if len(values) == 1:
            return [work(values[0])]
        return self._pool.map(work, values)


class BucketDisk(BucketVault):
    """A vault in object storage as a `Keeper`: for the one replica that writes it.

    What was begun and not finished by an earlier process is used again where it has the same bytes.
    """

    _lists = False  # it asks for few, and knows what it put
    failure = ""  # a put is whole or not there: after an error the replica is opened anew

    def __init__(
        self,
        objects: Objects,
        key: Pinned,
        witness: VerifierKey,
        *,
        until: Callable[[], datetime],
    ) -> None:
        """`until` says how long what is put now is locked."""
        super().__init__(objects, key)
        self._witness = witness
        self._until = until
        self._ends: dict[int, int] = {}  # how far each segment is vouched for
        self._note = b""

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """See `Reader`."""
        return (
            self._note
            if path == CHECKPOINT and self._note
            else super().read(path, bytes_most=bytes_most)
        )

    def size(self, path: str) -> int | None:
        """See `Reader`. A tile that we have not seen is compared when it is put."""
        if path.startswith("tile/"):
            stored = self._known.get(path)
            return stored.size if stored else None
        return super().size(path)

    def names(self, folder: str) -> list[str]:
        """See `Reader`. What an interrupted pull left of tiles is compared when it is put again."""
        return [] if folder.endswith(_PARTIAL) else super().names(folder)

    def create(self, files: Mapping[str, bytes]) -> None:
        """See `Keeper`."""
        new = [path for path in files if path not in self._known]
        until = self._until()
        versions = self.each(
            lambda path: self._objects.put(VAULT + path, files[path], until=until), new
        )
        put = dict(zip(new, versions, strict=True))
        firsts = {one.name: one for one in self._firsts([VAULT + path for path in new])}
        for path, content in files.items():
            first = self._known.get(path)
            if first is None:
                first = firsts.get(VAULT + path)
                if first is None:
                    raise _not_shown(VAULT + path)
            self._known[path] = self._accept(first, put.get(path), content)

    def _firsts(self, names: list[str]) -> Iterator[Stored]:
        """The first versions under these names, with few calls where they are neighbours."""
        for _, some in groupby(sorted(names), key=lambda name: name.rpartition("/")[0]):
            group = list(some)
            wanted = set(group)
            if len(group) < _FEW:
                found = self.each(self._objects.find, group)
                yield from (one for one in found if one is not None)
                continue
            for one in self._objects.list(_shared(group[0], group[-1]), folders=True):
                if isinstance(one, Stored) and one.name in wanted:
                    yield one

    def replace(self, path: str, content: bytes) -> None:
        """See `Keeper`: a checkpoint under a name of its own; what is `pending` is derived."""
        if path in {PENDING, KEY_FILE}:  # the line stays that of the key with which it was begun
            return
        if path == KEYS_FILE:
            steps = parse_steps(content)
            self.put(_key_list_name(len(steps)).removeprefix(VAULT), content)
            self._key_list = content, KeyList.follow(newest_of(self._pinned, steps), steps)
            return
        assert path == CHECKPOINT, path
        note = read_note(content)
        seconds = check(note, self._witness)
        assert seconds is not None  # a witness's signature says when
        behind = _SIZE_MOST - self._covered(content)
        self.put(f"{CHECKPOINT}/{behind:015d}-{_SECONDS_MOST - seconds:011d}", content)
        self._note, self._size = content, _SIZE_MOST - behind

    def append(self, path: str, content: bytes, *, at: int) -> None:
        """See `Keeper`: put as a piece what no piece has yet."""
        number = _segment_number(path)
        if self._ends.get(number, 0) != at:
            raise IntegrityError(f"The segment was to go on at {at}.", where=path)
        chain, end = self._chain(path), at + len(content)
        for piece in _covering(chain, at):  # an interrupted pull's
            length = min(piece.end, end) - at
            if length <= 0:
                break
            if self._objects.get(piece.stored, at - piece.at, length) != content[:length]:
                raise _other(piece.stored.name)
            self._objects.retain(piece.stored, self._until())
            at, content = at + length, content[length:]
        if content:
            stored = self.put(_piece_name(path, at).removeprefix(VAULT), content)
            chain.append(_Piece(at, stored))
        self._ends[number] = end

    def go_on(self, path: str, *, at: int) -> None:
        """See `Keeper`."""
        if (self.size(path) or 0) < at:
            raise IntegrityError(f"The pieces end before byte {at}.", where=path)
        self._ends[_segment_number(path)] = at

    def discard(self, path: str) -> None:
        """Nothing is taken away; what no leaf names is used again, or never read."""

    def drop(self, *paths: str) -> None:
        """Nothing is taken away."""

    def flush(self, path: str) -> None:
        """What was put outlives whatever happens to us."""

    def keep(self, path: str) -> None:
        """What was put outlives whatever happens to us."""

    def put(self, path: str, content: bytes) -> Stored:
        """Put an object of the vault that is never changed; see `put_beside`."""
        first = self._put(VAULT + path, content, self._known.get(path))
        self._known[path] = first
        return first

    def put_beside(self, name: str, content: bytes) -> Stored:
        """Put an object that is never changed, and see that it is the first of its name.

        Raises: IntegrityError when another is.
        """
        return self._put(name, content, None)

    def _put(self, name: str, content: bytes, first: Stored | None) -> Stored:
        version = None
        if first is None:
            version = self._objects.put(name, content, until=self._until())
            first = self._objects.find(name)
            if first is None:
                raise _not_shown(name)
        return self._accept(first, version, content)

    def _accept(self, first: Stored, version: str | None, content: bytes) -> Stored:
        """The first version: ours, or the same and locked now. Raises: IntegrityError."""
        if version is not None and first.version == version and first.size == len(content):
            return first
        if first.size != len(content) or self._objects.get(first, 0, first.size) != content:
            raise _other(first.name)
        self._objects.retain(first, self._until())  # whoever put it may not have locked it
        return first


def _key_list_name(steps: int) -> str:
    """The object of a list of so many steps: the longest comes first."""
    return f"{KEY_LISTS}{STEPS_MOST - steps:02d}"


def segment_of_piece(stored: Stored) -> int | None:
    """The segment that an object is a piece of; None where it is none."""
    folder, _, _ = stored.name.removeprefix(f"{VAULT}body/").partition("/")
    number = folder.removesuffix(_FROM)
    is_piece = folder.endswith(_FROM) and number.isascii() and number.isdigit()
    return int(number) if is_piece and stored.name.startswith(f"{VAULT}body/") else None


def is_partial_tile(stored: Stored) -> bool:
    """Whether an object is a tile that is not full."""
    try:
        return parse_tile_path(stored.name.removeprefix(VAULT))[2] < TILE_WIDTH
    except IntegrityError:
        return False


def _shared(first: str, last: str) -> str:
    """What two names begin with."""
    pairs = enumerate(zip(first, last, strict=False))
    return first[: next((at for at, (one, other) in pairs if one != other), len(first))]


def _not_shown(name: str) -> StorageUnavailable:
    return StorageUnavailable(
        "The object storage does not show what was just put.",
        where=name,
        remedy="It is tried again. Use a store that shows at once what it took.",
    )


def _other(name: str) -> IntegrityError:
    return IntegrityError(
        "Another object has this name already; it stays, and nothing was put in its place.",
        where=name,
        remedy="If a pull was cut off here and the source restored from another copy, begin a "
        "replica in a new prefix. Otherwise somebody else writes here: keep it as evidence, and "
        "change the credential too.",
    )


def _piece_name(path: str, at: int) -> str:
    return f"{VAULT}{path}{_FROM}/{at:09d}"


def _covering(chain: Sequence[_Piece], at: int) -> list[_Piece]:
    """The pieces from the one on that has this byte."""
    return list(chain[bisect_right(chain, at, key=lambda one: one.end) :])


def _segment_number(path: str) -> int:
    name = path.removeprefix("body/")
    if not _SEGMENT.fullmatch(name):
        raise IntegrityError("This is not the name of a segment.", where=path)
    return int(name)


def _demand_size(path: str, size: int, bytes_most: int) -> None:
    if size > bytes_most:
        raise IntegrityError(f"The file has {size} bytes, more than {bytes_most}.", where=path)


def _end(chain: Sequence[_Piece]) -> int:
    """How far the pieces go."""
    return chain[-1].end if chain else 0


def _steps(at: int, length: int) -> Iterator[tuple[int, int]]:
    for start in range(at, at + length, PIECES_BYTES_AT_ONCE):
        yield start, min(PIECES_BYTES_AT_ONCE, at + length - start)


def _cut(
    chain: Sequence[_Piece], path: str, at: int, length: int
) -> Iterator[tuple[Stored, int, int]]:
    """Which parts of which pieces make up a part of a segment. Raises: IntegrityError: too few."""
    end = at + length
    if end > _end(chain):
        raise IntegrityError(
            f"The pieces end after {_end(chain)} bytes; {end} were expected.", where=path
        )
    for one in _covering(chain, at):
        if at == end:
            break
        upto = min(one.end, end)
        yield one.stored, at - one.at, upto - at
        at = upto
