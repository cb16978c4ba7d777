"""The list of a log's keys: whoever pinned one of them finds the others, and which signs what.

A step says that from a tree of some size on another key signs. It is a note with six lines: what it
is, the log's origin, size and root of the tree at the change, the former key, the new key. Both
keys sign it; where the former was lost, the new one alone.

1. Read the steps. Each names the key before it, and a larger tree than the one before.
2. Find the pinned key among them, and check every signature. A step behind it must have the former
   key's: a key hands over to the next. For one before it the new key's is enough: it says who it
   took over from.
3. A checkpoint is believed if the key signed it that was in charge of a tree of that size.

Invariants:
- A key that was changed signs no tree that is larger than the one at the change: who steals it
  later has nothing. Who follows the list from the first key has to be shown it, though: a reader
  that has seen a step keeps it (record.replica), and a witness saw which history there is.
- A change without the former key leads nobody on: the new key must be pinned by hand.
- A refusal says which step does not hold.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tourniquet.kernel.errors import IntegrityError, OperatorError
from tourniquet.record.disk import Reader
from tourniquet.record.notes import (
    LOG_KEY,
    SIZE_MOST,
    Checkpoint,
    Note,
    Signature,
    Signer,
    VerifierKey,
    check,
    parse_verifier_key,
    read_checkpoint,
    read_note,
    sign,
)
from tourniquet.record.tree import HASH_BYTES, Tree

KEYS_FILE = "keys"
FIRST_LINE = "tourniquet log key v1"
STEPS_MOST = 64
LIST_BYTES_MOST = 256 * 1024  # 64 steps with the longest names are half of it
_GAP = "\n\n"  # between text and signatures of a step, and between steps


@dataclass(frozen=True)
class KeyStep:
    """A change of the key that signs a log: `size` and `root` are those of the tree before it."""

    size: int
    root: bytes
    former: VerifierKey
    new: VerifierKey
    note: Note

    @property
    def is_handed_over(self) -> bool:
        """Whether the former key has a signature here; whether it holds is looked at elsewhere."""
        return any(_is_by(one, self.former) for one in self.note.signatures)


def make_step(tree: Checkpoint, former: VerifierKey, new: Signer, old: Signer | None) -> KeyStep:
    """A step behind this tree, signed by both keys; by the new one alone where the old is lost."""
    text = _text(tree, former, new.verifier)
    signers = [*([old] if old else []), new]
    assert old is None or old.verifier == former
    note = Note(text, tuple(sign(text, one) for one in signers))
    return KeyStep(tree.size, tree.root, former, new.verifier, note)


def write_steps(steps: Sequence[KeyStep]) -> bytes:
    """The file's content: the notes, an empty line between two."""
    return "\n".join(str(step.note) for step in steps).encode()


def parse_steps(content: bytes) -> tuple[KeyStep, ...]:
    """The steps in a file, in their form; no signature is looked at yet. Raises: IntegrityError."""
    try:
        parts = content.decode().split(_GAP) if content else []
    except UnicodeDecodeError:
        raise IntegrityError("The list of keys is not UTF-8.", where=KEYS_FILE) from None
    if len(content) > LIST_BYTES_MOST or len(parts) > 2 * STEPS_MOST or len(parts) % 2:
        raise IntegrityError("The list of keys is not in its form.", where=KEYS_FILE)
    found = []
    for at in range(0, len(parts), 2):
        end = "" if at + 2 == len(parts) else "\n"
        found.append(_parse(f"{parts[at]}{_GAP}{parts[at + 1]}{end}", at // 2 + 1))
    for number, (one, two) in enumerate(pairwise(found), 2):
        if one.new != two.former:
            raise bad_step(number, "names another key before it than the step before made")
        if one.size >= two.size:
            raise bad_step(number, f"is at size {two.size}, not behind the step before")
    return tuple(found)


def _parse(text: str, number: int) -> KeyStep:
    try:
        note = read_note(text.encode())
        first, origin, size, root, former, new, rest = note.text.split("\n")
        old_key, new_key = parse_verifier_key(former), parse_verifier_key(new)
        found = KeyStep(int(size), base64.b64decode(root, validate=True), old_key, new_key, note)
    except (IntegrityError, OperatorError, ValueError, binascii.Error):
        raise bad_step(number, "is not in its form") from None
    signed = [(one.name, one.key_id) for one in note.signatures]
    whose = [(key.name, key.key_id) for key in (old_key, new_key)]
    fits = (
        (first, rest) == (FIRST_LINE, "")
        and note.text == _text(Checkpoint(origin, found.size, found.root), old_key, new_key)
        and 0 < found.size <= SIZE_MOST
        and len(found.root) == HASH_BYTES
        and signed in (whose, whose[1:])
    )
    if not fits:
        raise bad_step(number, "is not in its form")
    kinds = {(key.name, key.kind) for key in (old_key, new_key)}
    if kinds != {(origin, LOG_KEY)} or old_key == new_key:
        raise bad_step(number, "names a key of another log, or one key twice")
    return found


def _text(tree: Checkpoint, former: VerifierKey, new: VerifierKey) -> str:
    """A step's text, in the one form in which it is written."""
    return f"{FIRST_LINE}\n{tree.text()}{former}\n{new}\n"


def bad_step(number: int, what: str) -> IntegrityError:
    """What to raise where a step, counted from 1, does not hold."""
    return IntegrityError(
        f"Step {number} of the list of keys {what}.",
        where=f"{KEYS_FILE}, step {number}",
        remedy="Compare the list with another copy; keep this one as evidence.",
    )


@dataclass(frozen=True)
class KeyList:
    """The keys of a log that a pinned key vouches for."""

    pinned: VerifierKey
    steps: tuple[KeyStep, ...]

    @classmethod
    def follow(cls, pinned: VerifierKey, steps: Sequence[KeyStep]) -> KeyList:
        """Follow the steps from a pinned key, both ways.

        Raises: IntegrityError naming the step that does not hold, or where the pinned key is none
        of these; OperatorError where the former key was lost and a person must pin the new one.
        """
        found = cls(pinned, tuple(steps))
        if pinned not in found.keys:
            raise IntegrityError(
                f"The pinned key {pinned.key_id.hex()} is not one of the log's list of keys.",
                where=f"{KEYS_FILE}, step 1",
                remedy="Find out which is right. Nothing here was believed.",
            )
        at = found.keys.index(pinned)
        for number, step in enumerate(steps, 1):
            if number > at and not step.is_handed_over:
                raise OperatorError(
                    f"Behind position {step.size} the key was changed without the former key. "
                    f"The pinned key can't vouch for the new one, {step.new.key_id.hex()}.",
                    where=f"{KEYS_FILE}, step {number}",
                    remedy="Have the new verifier key brought by a person, and pin it by hand.",
                )
            for key in (step.former, step.new) if step.is_handed_over else (step.new,):
                try:
                    check(step.note, key)
                except IntegrityError:
                    raise bad_step(number, f"is not signed by the key {key.key_id.hex()}") from None
        return found

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key, from the first to the newest."""
        if not self.steps:
            return (self.pinned,)
        return (self.steps[0].former, *(step.new for step in self.steps))

    @property
    def newest(self) -> VerifierKey:
        """The key that signs now."""
        return self.keys[-1]

    @property
    def start(self) -> VerifierKey:
        """The first key that leads to the newest: behind the last change without a former one."""
        lost = [step.new for step in self.steps if not step.is_handed_over]
        return lost[-1] if lost else self.keys[0]

    @property
    def onward(self) -> tuple[KeyStep, ...]:
        """The steps that lead on from the pinned key."""
        return self.steps[self.keys.index(self.pinned) :]

    def in_charge(self, size: int) -> VerifierKey:
        """The key that signs trees of this size."""
        return self.keys[sum(step.size < size for step in self.steps)]

    def read_checkpoint(self, note: Note) -> Checkpoint:
        """The checkpoint in a note, signed by the key in charge. Raises: IntegrityError."""
        signed = [key for key in self.keys if any(_is_by(one, key) for one in note.signatures)]
        if not signed:
            return read_checkpoint(note, self.newest)  # says that it is not signed
        found = read_checkpoint(note, signed[-1])
        key = self.in_charge(found.size)
        if key not in signed:
            raise WrongKey(found.size, signed[-1], key)
        return read_checkpoint(note, key)

    def check(self, note: Note) -> None:
        """Check a note that is no checkpoint, such as a report. Raises: IntegrityError."""
        check(note, self.newest)

    def signatures_of(self, note: Note) -> tuple[Signature, ...]:
        """Those of a note that are by keys of the log."""
        return tuple(one for one in note.signatures if any(_is_by(one, key) for key in self.keys))

    def demand_roots(self, tree: Tree) -> None:
        """Demand that each step tells the root that this verified tree had. Raises: IntegrityError.

        Steps behind the tree's end are not looked at.
        """
        for number, step in enumerate(self.steps, 1):
            if step.size <= tree.size and tree.root(step.size) != step.root:
                raise bad_step(number, f"has another root than the tree of {step.size} entries")


class WrongKey(IntegrityError):
    """A checkpoint is signed by a key of the log that is not in charge of a tree of its size."""

    def __init__(self, size: int, signed: VerifierKey, in_charge: VerifierKey) -> None:
        super().__init__(
            f"The checkpoint of {size} entries is signed by the key {signed.key_id.hex()}; "
            f"in charge of that size is {in_charge.key_id.hex()}.",
            where="checkpoint",
            remedy="Somebody has a key that was changed. Keep this checkpoint as evidence.",
        )


def read_steps(disk: Reader) -> tuple[KeyStep, ...]:
    """The steps that lie beside a checkpoint; none where the key was never changed.

    Read them after the checkpoint: a step is written before what the new key signs.
    Raises: IntegrityError.
    """
    if disk.size(KEYS_FILE) is None:
        return ()
    return parse_steps(disk.read(KEYS_FILE, bytes_most=LIST_BYTES_MOST))


def read_key_list(disk: Reader, pinned: VerifierKey) -> KeyList:
    """The list beside a checkpoint, followed from a pinned key. Raises: as `KeyList.follow`."""
    return KeyList.follow(pinned, read_steps(disk))


def newest_of(pinned: Iterable[VerifierKey], steps: Sequence[KeyStep]) -> VerifierKey:
    """Of the keys that a person pinned, one after the other, the newest that the steps know."""
    found = list(pinned)
    known = [step.new for step in steps]
    return max(found, key=lambda key: known.index(key) if key in known else -1)


def _is_by(signature: Signature, key: VerifierKey) -> bool:
    return (signature.name, signature.key_id) == (key.name, key.key_id)
