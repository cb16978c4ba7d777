"""A bundle of proofs for somebody outside, who trusts two pinned keys and nothing else of ours.

What goes into it: the newest checkpoint with its signatures, an earlier one with the proof that it
was only added to, and entries, each with its leaf, the proof that the leaf is in the tree, and as
much of header and content as is to be shown, so that the leaf's commitments can be computed again.

Invariants:
- Nothing encrypted and no key goes into a bundle: showing one entry opens no other.
- What is not asked for is withheld: header and content are shown only where the caller says so.

The form, member by member: docs/reference/bundle.md.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tourniquet.kernel.errors import IntegrityError, UserError
from tourniquet.record.disk import Reader
from tourniquet.record.log import read_tile
from tourniquet.record.notes import Checkpoint, Note
from tourniquet.record.opening import OpenedEntry
from tourniquet.record.tree import Tree

FORM = "tourniquet bundle v1"
ENTRIES_MOST = 100_000
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


def make_bundle(disk: Reader, bundle: Bundle) -> Json:
    """The bundle as JSON. `disk` is a verified vault, at least as long as its checkpoint.

    Raises: UserError when it is too large; IntegrityError when the earlier checkpoint does not fit.
    """
    if len(bundle.entries) > ENTRIES_MOST:
        raise UserError(f"A bundle holds at most {ENTRIES_MOST} entries.", where="record prove")
    tree = Tree(bundle.checkpoint.size, lambda *tile: read_tile(disk, *tile))
    found: Json = {
        "form": FORM,
        "checkpoint": str(bundle.note),
        "before": None,
        "consistency": [],
        "entries": [_entry(tree, one) for one in bundle.entries],
        "reports": [str(note) for note in bundle.reports],
    }
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
