"""A vault of real sealed entries, struck in every region of every file: all found, all located.

Tiles sixteen hashes wide, so that two levels have full and partial tiles and a third a partial one.
`make test` strikes each kind of region in each way a few times, by seed; `make soak` every region.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.structs import replace

from tests.support.console import NOW
from tests.support.database import Database
from tests.support.effort import IS_LONG
from tests.support.gcm import opening_under_both
from tests.support.narrow_vault import narrow
from tests.support.sealing import opened, seal
from tests.support.vault_regions import Memory, Region, list_regions
from tourniquet.kernel.errors import IntegrityError
from tourniquet.record import bodies
from tourniquet.record.bodies import Body, open_content, open_header
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.entries import AlarmRaised, MessageApplied, MessageReceived
from tourniquet.record.journal import Act, writing
from tourniquet.record.keys import Keys, open_keys
from tourniquet.record.leaves import Leaf
from tourniquet.record.log import CHECKPOINT, read_last
from tourniquet.record.notes import Checkpoint, VerifierKey
from tourniquet.record.restoring import open_row
from tourniquet.record.sealer import keys_folder, vault_folder
from tourniquet.record.tiles import parse_tile_path
from tourniquet.record.vault import Vault, VaultReader
from tourniquet.record.verification import Verified, verify_vault

pytestmark = pytest.mark.no_cover  # a tracer would triple its time; flows cover the lines
BITS = 4
WIDTH = 1 << BITS
SEGMENT_BYTES = 64_000
STEPS = (5, 300, 1_000, 1_001, 1_700, 2_300)  # how far each sealing comes
FILES_EACH = 6
EACH = 1  # strikes of each kind of region in each way, in `make test`
PATIENTS = [f"01j{number:023d}" for number in range(40)]

Files = dict[str, bytes]


@dataclass
class Sealed:
    """A vault, as it was after each sealing, and its keys."""

    versions: list[Files]
    keys: Path
    key: VerifierKey

    @property
    def files(self) -> Files:
        """The vault as it is now."""
        return self.versions[-1]

    @cached_property
    def regions(self) -> list[Region]:
        """Every region of every file."""
        return list(list_regions(self.files, STEPS[-1], WIDTH))

    @cached_property
    def neighbours(self) -> dict[Region, Region]:
        """For each region the next one of its kind in the same file."""
        found: dict[Region, Region] = {}
        last: dict[tuple[str, str], Region] = {}
        for region in self.regions:
            before = last.get((region.path, region.what))
            if before is not None:
                found[before] = region
            last[region.path, region.what] = region
        return found

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest checkpoint, as somebody kept it elsewhere."""
        return read_last(Memory(self.files), self.key)

    def verify(self, files: Files, since: Checkpoint | None = None) -> Verified:
        """Verify files. Raises: IntegrityError."""
        return verify_vault(Memory(files), self.key, since=since)


_made: list[Sealed] = []  # one for a process: it takes seconds


@pytest.fixture
def sealed(sqlite_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    """A vault of STEPS[-1] entries, sealed in uneven steps."""
    with narrow(bits=BITS, segment_bytes=SEGMENT_BYTES):
        if not _made:
            versions = []
            for before, size in pairwise((0, *STEPS)):
                _append(size - before)
                seal()
                versions.append(_read(vault_folder()))
            keys = tmp_path_factory.mktemp("kept") / "keys"
            shutil.copytree(keys_folder(), keys)
            _made.append(Sealed(versions, keys, opened()[1].signer.verifier))
        yield _made[0]


def _append(count: int) -> None:
    random = Random(count)
    with writing(Act("tester", NOW)) as journal:
        for number in range(count):
            words = "x" * random.randrange(300)
            if number % 10 == 0:
                journal.append(AlarmRaised(f"alarm-{count}-{number}", "test", words))
            elif number % 10 == 1:
                journal.append(
                    MessageReceived("LAB|X1", f"R{count}-{number}", "d", "T", "AR", b"MSH|")
                )
            else:
                raw = b"MSH|" + words.encode()
                body = MessageApplied("LAB|X1", f"M{count}-{number}", "d", "ORU^R01", "AA", raw)
                journal.append(body, subject=random.choice(PATIENTS))


def _read(folder: Path) -> Files:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Striking a region -------------------------------------------------------------------------------

Strike = Callable[[bytes, Region, Region | None, Random], bytes]


def _with(content: bytes, region: Region, part: bytes) -> bytes:
    return content[: region.start] + part + content[region.end :]


def _flip(content: bytes, region: Region, _: Region | None, random: Random) -> bytes:
    at = random.randrange(region.start, region.end)
    return content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]


def _swap(content: bytes, region: Region, other: Region | None, _: Random) -> bytes:
    if other is None:
        return content
    between = content[region.end : other.start]
    first, second = content[region.start : region.end], content[other.start : other.end]
    return content[: region.start] + second + between + first + content[other.end :]


STRIKES: dict[str, Strike] = {
    "flipped": _flip,
    "zeroed": lambda content, region, *_: _with(content, region, bytes(region.end - region.start)),
    "made up": lambda content, region, _, random: _with(
        content, region, random.randbytes(region.end - region.start)
    ),
    "cut off from": lambda content, region, *_: content[: region.start],
    "taken out": lambda content, region, *_: _with(content, region, b""),
    "doubled": lambda content, region, *_: _with(
        content, region, 2 * content[region.start : region.end]
    ),
    "swapped with the next": _swap,
}


@dataclass
class Tally:
    """What was tried, and what of it was missed or located badly."""

    tried: Counter[str] = field(default_factory=Counter)
    same: int = 0
    beyond: int = 0
    missed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def check(self, sealed: Sealed, files: Files, what: str, how: str, *places: str) -> None:
        """Verify what was struck; one of the places must be in the error."""
        if files == sealed.files:
            self.same += 1
            return
        self.tried[how] += 1
        try:
            beyond = sealed.verify(files).beyond
        except IntegrityError as error:
            said = f"{error.where}: {error.what}:"
            if not any(f"{place}{end}" in said for place in places for end in ": ,"):
                self.lost.append(f"{what} {how}: {said}")
        else:
            if any(one.startswith(places) for one in beyond):
                self.beyond += 1  # said to lie behind all that was sealed, and not vouched for
            else:
                self.missed.append(f"{what} {how}")

    def end(self, kind: str) -> None:
        """Say the figures; nothing may have been missed."""
        total = sum(self.tried.values())
        found = total - len(self.missed)
        print(
            f"{kind}: {total} tampered with, {found} found, {found - len(self.lost)} located, "
            f"{self.beyond} of them named as lying beyond; {dict(self.tried)}; "
            f"{self.same} strikes changed nothing"
        )
        assert self.missed == []
        assert self.lost == []
        assert total


def _chosen(sealed: Sealed, random: Random) -> Iterator[tuple[Region, str]]:
    if IS_LONG:
        for region in sealed.regions:
            yield region, random.choice(list(STRIKES))
        return
    kinds: dict[str, list[Region]] = defaultdict(list)
    for region in sealed.regions:
        kinds[region.what].append(region)
    for regions in kinds.values():
        for how in STRIKES:
            for region in random.sample(regions, min(EACH, len(regions))):
                yield region, how


def test_every_region_that_is_struck_is_found_and_located(sealed: Sealed, seed: int) -> None:
    random, tally = Random(seed), Tally()
    assert sealed.verify(sealed.files).beyond == []
    for region, how in _chosen(sealed, random):
        content = sealed.files[region.path]
        struck = STRIKES[how](content, region, sealed.neighbours.get(region), random)
        places = [region.path]
        if region.position:
            places.append(f"position {region.position}")
        tally.check(sealed, {**sealed.files, region.path: struck}, str(region), how, *places)
    tally.end(f"{len(sealed.regions)} regions of {len(sealed.files)} files")


# Striking files ----------------------------------------------------------------------------------


def _is_older_partial(path: str) -> bool:
    """Whether a partial tile is not that of the checkpoint: it may be there, or be cleared."""
    if not path.startswith("tile/"):
        return False
    level, number, width = parse_tile_path(path)
    now = STEPS[-1] >> BITS * max(level, 0)
    return width != min(WIDTH, now - number * WIDTH)


def _kind_of(path: str) -> str:
    return path.rpartition("/")[0].replace(".p", "") if "/" in path else path


def _some(files: Files, random: Random) -> Files:
    """All of them, or in `make test` at most FILES_EACH of a kind, neighbours, and the last."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for path in files:
        kinds[_kind_of(path)].append(path)
    found: Files = {}
    for paths in kinds.values():
        first = 0 if IS_LONG else random.randrange(max(1, len(paths) - FILES_EACH))
        some = paths if IS_LONG else [*paths[first : first + FILES_EACH], paths[-1]]
        found |= {path: files[path] for path in some}
    return found


def test_every_file_that_is_struck_is_found_and_named(sealed: Sealed, seed: int) -> None:
    tally, files = Tally(), sealed.files
    older = {path: content for version in sealed.versions for path, content in version.items()
             if content != files.get(path)}  # fmt: skip
    last: dict[str, str] = {}
    harmless = 0
    for path, content in _some(files, Random(seed)).items():
        tally.check(sealed, {**files, path: b""}, path, "emptied", path)
        tally.check(sealed, {**files, path: content + b"x"}, path, "lengthened", path)
        tally.check(sealed, {**files, path: 2 * content}, path, "doubled", path)
        without = {name: one for name, one in files.items() if name != path}
        if _is_older_partial(path):
            assert sealed.verify(without).beyond == []
            harmless += 1
        else:
            tally.check(sealed, without, path, "deleted", path)
        other = last.get(_kind_of(path))
        if other is not None:
            swapped = {**files, path: files[other], other: content}
            tally.check(sealed, swapped, path, "swapped with the one before", path, other)
        last[_kind_of(path)] = path
        if path in older and path != CHECKPOINT:
            tally.check(sealed, {**files, path: older[path]}, path, "put back to an older", path)
    for path in ("note.txt", "tile/0/1", "tile/9/x/000", "body/7", "body/000000999", "tile/note"):
        tally.check(sealed, {**files, path: b"x"}, path, "added", path)
    tally.end(f"{len(files)} files ({harmless} older partial tiles may be deleted)")


def test_a_vault_put_back_or_forked_is_found_by_a_checkpoint_kept_elsewhere(
    sealed: Sealed, tmp_path: Path
) -> None:
    newest = sealed.checkpoint
    tried = 0
    for size, version in zip(STEPS[:-1], sealed.versions[:-1], strict=True):
        mixed = {**sealed.files, CHECKPOINT: version[CHECKPOINT]}
        for files in (version, mixed):  # the whole vault put back, and its checkpoint alone
            with pytest.raises(
                IntegrityError, match=f"ends at {size}; it had {STEPS[-1]}"
            ) as found:
                sealed.verify(files, newest)
            assert found.value.where == f"position {size + 1}"
            tried += 1
        for count in (STEPS[-1] - size, STEPS[-1] - size + 9):
            forked = _forked(sealed, version, count, tmp_path / f"fork-{size}-{count}")
            assert sealed.verify(forked).checkpoint.size == size + count  # signed by the same key
            with pytest.raises(IntegrityError, match=f"first {STEPS[-1]} entries are not") as found:
                sealed.verify(forked, newest)
            assert found.value.where == CHECKPOINT
            tried += 1
    print(f"{tried} put back or forked, all found")


def _forked(sealed: Sealed, version: Files, count: int, place: Path) -> Files:
    """Another history from an older version on, sealed under the same keys."""
    for path, content in version.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(content)
    keys = _keys(sealed)
    reader = VaultReader(Memory(sealed.files), STEPS[-1])
    one = Vault(Disk(LocalFiles(place)), keys.signer)
    start = one.checkpoint.size
    leaves = [reader.leaf(min(start + at + 2, STEPS[-1])) for at in range(count)]
    others = [
        Body(replace(leaf, position=start + at).head, reader.body(leaf))
        for at, leaf in enumerate(leaves, 1)
    ]
    one.publish(others)
    keys.ring.close()
    return _read(place)


def _keys(sealed: Sealed) -> Keys:
    return open_keys(sealed.keys)


# With the keys -----------------------------------------------------------------------------------

FORGED = 13  # a position whose entry is about a patient


class Claiming(bodies.Header, frozen=True):
    """A header that is sealed under another's commitment."""

    claimed: bytes

    @property
    def commitment(self) -> bytes:
        """What the leaf has."""
        return self.claimed


def _forgeries(sealed: Sealed, keys: Keys) -> dict[str, Body]:
    """Bodies that a thief of keys puts in place of one, under a tree that is signed again."""
    reader = VaultReader(Memory(sealed.files), STEPS[-1])
    leaf = reader.leaf(FORGED)
    body = reader.body(leaf)
    header = open_header(leaf, body, keys.ring.site.key)
    key = keys.ring.find_key(header.key_id)
    assert key is not None
    content = open_content(leaf, body, key)
    salt = b"another seal salt"[: bodies.SEAL_SALT_BYTES]

    def again(
        new: bodies.Content, *, words: bytes = header.content, key_id: bytes = header.key_id
    ) -> Body:
        made = bodies.seal(
            FORGED,
            Claiming(words, header.chain, key_id, header.salt, leaf.header_commitment),
            new,
            content_commitment=leaf.content_commitment,
            site_key=keys.ring.site.key,
            content_key=key or b"",
            seal_salt=salt,
        )
        return Body(leaf.head, made.sealed)

    other = reader.leaf(FORGED + 1)
    return {
        "another content": again(replace(content, body=b'{"forged":true}')),
        "another patient": again(replace(content, subject=PATIENTS[0] + "x")),
        "another header": again(content, words=header.content.replace(b"tester", b"nobody")),
        "another key named": again(content, key_id=keys.ring.site.id),
        "another entry's body": Body(leaf.head, reader.body(other)),
        "two contents under two keys": Body(leaf.head, _under_two_keys(leaf, body, key)),
    }


def _under_two_keys(leaf: Leaf, body: bytes, key: bytes) -> bytes:
    """The body with a content that opens under the patient's key and under another."""
    seal_salt, sealed_header, _ = bodies._split(body, "")
    context = b"tourniquet vault content v1\x00" + leaf.position.to_bytes(8, "big") + seal_salt
    both = [bodies.derive(one, context) for one in (key, b"k" * 32)]
    length = 2 * bodies.PAD_TO_BYTES
    clear = bytes([0]) + (length - 5).to_bytes(4, "big") + bytes(length - 5)
    ciphertext = opening_under_both(*both, bytes(12), leaf.head, clear)
    first, second = (AESGCM(one).decrypt(bytes(12), ciphertext, leaf.head) for one in both)
    assert first != second  # GCM takes either key; the commitments do not
    head = seal_salt + len(sealed_header).to_bytes(2, "big") + sealed_header
    return head + ciphertext


def test_a_body_forged_with_the_keys_is_not_opened(sealed: Sealed, tmp_path: Path) -> None:
    keys = _keys(sealed)
    reader = VaultReader(Memory(sealed.files), STEPS[-1])
    true = [Body(leaf.head, reader.body(leaf)) for leaf in map(reader.leaf, range(1, 40))]
    for number, (what, forged) in enumerate(_forgeries(sealed, keys).items()):
        place = tmp_path / f"vault-{number}"
        place.mkdir()
        disk = Disk(LocalFiles(place))
        one = Vault.begin(disk, keys.signer)
        one.publish([*true[: FORGED - 1], forged, *true[FORGED:]])
        verify_vault(disk, sealed.key)  # the tree is whole, and signed by the stolen key
        forged_reader = VaultReader(disk, one.checkpoint.size)
        for position in range(1, one.checkpoint.size + 1):
            if position != FORGED:
                assert open_row(forged_reader, keys.ring, position)[0] == position
        with pytest.raises(IntegrityError) as found:
            open_row(forged_reader, keys.ring, FORGED)
        assert found.value.where == f"position {FORGED}", what
        print(f"{what}: {found.value.what}")
    keys.ring.close()
