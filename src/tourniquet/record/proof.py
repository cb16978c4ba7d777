"""A bundle of proofs for somebody outside, who trusts two pinned keys and nothing else of ours.

What goes into it: the newest checkpoint with its signatures, an earlier one with the proof that it
was only added to, and entries, each with its leaf, the proof that the leaf is in the tree, and as
much of header and content as is to be shown, so that the leaf's commitments can be computed again.

Invariants:
- Nothing encrypted and no key goes into a bundle: showing one entry opens no other.
- What is not asked for is withheld: header and content are shown only where the caller says so.
- A bundle is one that `tourniquet-verify` takes, and memory is bounded by that: entries and bytes
  are counted while they are chosen.
- Entries about a patient are found in the vault itself, by the key in their headers: no index and
  no table is believed. Whose keys those are says the vault too (patients.vault_people).

The form, member by member: docs/reference/bundle.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from tourniquet.kernel.errors import IntegrityError, UserError
from tourniquet.record.bodies import open_header
from tourniquet.record.disk import Reader
from tourniquet.record.key_list import KeyList, KeyStep
from tourniquet.record.log import read_signed, read_tile
from tourniquet.record.notes import Checkpoint, Note, VerifierKey
from tourniquet.record.opening import OpenedEntry, open_entry
from tourniquet.record.ring import KeyRing
from tourniquet.record.tree import Tree
from tourniquet.record.vault import VaultReader
from tourniquet.record.verification import verify_vault

FORM = "tourniquet bundle v1"
ENTRIES_MOST = 100_000
BYTES_MOST = 64 * 1024 * 1024  # what the checker takes
TILES_HELD = 256  # of 8 KiB; neighbours are proved by the same ones
Json = dict[str, object]


@dataclass(frozen=True)
class Shown:
    """An entry of a bundle, and how much of it is shown."""

    entry: OpenedEntry
    header: bool = True
    content: bool = True


@dataclass(frozen=True)
class Bundle:
    """What goes to somebody outside. `before` is an earlier checkpoint, with its note."""

    checkpoint: Checkpoint
    note: Note
    entries: Sequence[Shown]
    before: tuple[Checkpoint, Note] | None = None
    reports: Sequence[Note] = field(default_factory=tuple)
    steps: Sequence[KeyStep] = field(default_factory=tuple)  # changes of the key


@dataclass(frozen=True)
class Wanted:
    """Which entries: by position, by the key of a patient, and of which kinds (empty: of all).

    Of `headers` the header alone is shown. `within`: positions among which all entries under the
    keys are, where somebody has read the whole vault for them already.
    """

    positions: frozenset[int] = frozenset()
    headers: frozenset[int] = frozenset()
    keys: frozenset[bytes] = frozenset()
    kinds: frozenset[str] = frozenset()
    within: frozenset[int] | None = None


def choose(
    reader: VaultReader,
    ring: KeyRing,
    wanted: Wanted,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Shown]:
    """The entries that are wanted, in order; a vault is read from its beginning to find a key's.

    Raises: UserError when they are more than a bundle holds; IntegrityError.
    """
    found: list[Shown] = []
    size = 0
    by_position = wanted.positions | wanted.headers
    is_searched = wanted.keys and wanted.within is None
    named = sorted(by_position | (wanted.within or frozenset()))
    for position in range(1, reader.size + 1) if is_searched else named:
        shown = _choose(reader, ring, position, wanted)
        if shown is not None:
            found.append(shown)
            size += len(shown.entry.header.content)
            size += len(shown.entry.content.body) if shown.entry.content else 0
            _demand_room(len(found), size)
        progress(position)
    return found


def _choose(reader: VaultReader, ring: KeyRing, position: int, wanted: Wanted) -> Shown | None:
    """The entry as it is shown; None where it is not wanted."""
    entry = None
    is_named = position in wanted.positions
    if not is_named and wanted.keys:
        leaf = reader.leaf(position)
        if open_header(leaf, reader.body(leaf), ring.site.key).key_id in wanted.keys:
            entry = open_entry(reader, ring, position)
            is_named = not wanted.kinds or entry.fields.kind in wanted.kinds
    if not is_named and position not in wanted.headers:
        return None
    entry = entry or open_entry(reader, ring, position)
    return Shown(entry) if is_named else Shown(replace(entry, content=None), content=False)


def _demand_room(entries: int, size: int) -> None:
    if entries > ENTRIES_MOST or size > BYTES_MOST:
        raise UserError(
            f"A bundle holds at most {ENTRIES_MOST} entries and {BYTES_MOST} bytes.",
            where="record prove",
            remedy="Ask for fewer, in several bundles.",
        )


def write_bundle(disk: Reader, bundle: Bundle) -> str:
    """The bundle's text, as it goes into its file. Raises: as `make_bundle`."""
    text = json.dumps(make_bundle(disk, bundle))
    _demand_room(len(bundle.entries), len(text))
    return text


def read_verified(disk: Reader, key: VerifierKey) -> tuple[Checkpoint, Note, KeyList]:
    """The checkpoint that a bundle is about, its note, the keys, once the vault was verified.

    The vault may grow meanwhile; what is proved is proved of this note, so it is read but once.
    Raises: IntegrityError when anything in the vault does not hold.
    """
    checkpoint, note, keys = read_signed(disk, key)
    verify_vault(disk, key, since=checkpoint)
    return checkpoint, note, keys


def make_bundle(disk: Reader, bundle: Bundle) -> Json:
    """The bundle as JSON. `disk` is a verified vault, at least as long as its checkpoint.

    Raises: UserError when it is too large; IntegrityError when the earlier checkpoint does not fit.
    """
    _demand_room(len(bundle.entries), 0)
    read = lru_cache(maxsize=TILES_HELD)(lambda *tile: read_tile(disk, *tile))
    tree = Tree(bundle.checkpoint.size, read)
    steps = [one for one in bundle.steps if one.size < bundle.checkpoint.size]
    found: Json = {
        "form": FORM,
        "checkpoint": str(bundle.note),
        "before": None,
        "consistency": [],
        "entries": [_entry(tree, one) for one in bundle.entries],
        "reports": [str(note) for note in bundle.reports],
    }
    if steps:
        found["keys"] = [str(one.note) for one in steps]
    if bundle.before is not None:
        old, note = bundle.before
        if old.origin != bundle.checkpoint.origin or tree.root(old.size) != old.root:
            raise IntegrityError(
                "The earlier checkpoint is not one of this history.",
                where="--before",
                remedy="Keep both: this is what a rewritten record looks like.",
            )
        found["before"] = str(note)
        found["consistency"] = _all(tree.prove_consistency(old.size))
    return found


def _entry(tree: Tree, shown: Shown) -> Json:
    entry = shown.entry
    found: Json = {
        "position": entry.fields.position,
        "leaf": _text(entry.packed),
        "proof": _all(tree.prove_inclusion(entry.fields.position - 1)),
        "header": None,
        "content": None,
    }
    if shown.header:
        found["header"] = {
            "salt": _text(entry.header.salt),
            "chain": _text(entry.header.chain),
            "key_id": _text(entry.header.key_id),
            "header": entry.header.content.decode(),
        }
    if shown.header and shown.content and entry.content is not None:
        found["content"] = {
            "salt": _text(entry.content.salt),
            "subject": entry.content.subject or "",
            "body": _text(entry.content.body),
        }
    return found


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _all(hashes: Iterable[bytes]) -> list[str]:
    return [_text(one) for one in hashes]
