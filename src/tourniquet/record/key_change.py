"""The log's signing key is changed: the new one is made in the ring, and the list says so.

With the former key at hand, nothing here touches the vault: the journal's entry asks for it, and
the sealer carries it out where the entry lies (record.sealer). Where the former key is lost nothing
can be sealed under it, so the list is written here, while no sealer runs.

Invariants:
- The new key is in the ring, durable, before an entry names it. One that was made and not used is
  used by the next change.
- One change at a time: the next waits until the last is sealed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError, UserError
from tourniquet.record.database import storage_errors
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.key_list import STEPS_MOST, KeyList, KeyStep, make_step, read_steps
from tourniquet.record.keys import RING_FILE, keep_signer, open_keys, signer_of
from tourniquet.record.log import LogFiles, read_last
from tourniquet.record.models import JournalEntry
from tourniquet.record.notes import Checkpoint, Signer, VerifierKey
from tourniquet.record.ring import KeyRing
from tourniquet.record.sealer import CHANGED, find_log_key, find_sealed, keys_folder, vault_folder
from tourniquet.record.vault import keep_key_line

LOCK_FILE = "change.lock"


@dataclass(frozen=True)
class NewKey:
    """A key that is about to sign behind `sealed`, in place of `former`."""

    signer: Signer
    former: VerifierKey
    sealed: Checkpoint
    steps: tuple[KeyStep, ...]


def prepare_key(*, now: datetime) -> NewKey:
    """Make the next key in the ring. The caller holds the lock LOCK_FILE in the folder of keys.

    Raises: UserError when nothing is sealed, or the last change is not; OperatorError.
    """
    sealed = find_sealed()
    _demand_sealed(sealed)
    assert sealed is not None  # see there
    keys = open_keys(keys_folder())
    try:
        found = _prepare(keys.ring, sealed, now)
    finally:
        keys.ring.close()
    with storage_errors():
        waiting = JournalEntry.objects.filter(kind=CHANGED, position__gt=sealed.size)
        position = waiting.values_list("position", flat=True).first()
    if position is not None:
        raise UserError(
            "The last change of the key is not sealed yet. Nothing was changed.",
            where=f"position {position}",
            remedy="Let the server seal it, or run 'tourniquet record seal'.",
        )
    return found


def prepare_key_without_former(root: bytes, *, now: datetime) -> NewKey:
    """Make the next key where the former is lost, with a root key that people brought back.

    The caller holds the folder of keys (`only_one`): no sealer runs. Raises: UserError when nothing
    is sealed; OperatorError when the root key does not open the ring.
    """
    steps = read_steps(_vault())
    sealed = read_last(_vault(), steps[-1].new) if steps else find_sealed()
    _demand_sealed(sealed)
    assert sealed is not None  # see there
    if steps and steps[-1].size == sealed.size and not steps[-1].is_handed_over:
        raise UserError(
            "The key was changed without the former one already, and nothing is sealed since.",
            remedy="Start the server, or run 'tourniquet record seal': it finishes the change.",
        )
    ring = KeyRing(keys_folder() / RING_FILE, root)
    try:
        return _prepare(ring, sealed, now)
    finally:
        ring.close()


def replace_lost_key(new: NewKey) -> None:
    """Put a change without the former key in the vault's list. The journal names it already.

    Raises: IntegrityError, StorageUnavailable: do it again, with the same words.
    """
    keep_signer(keys_folder(), new.signer)  # first: whoever opens the vault then finishes the rest
    disk = _vault()
    log = LogFiles(disk, new.former)
    step = make_step(log.checkpoint, new.former, new.signer, None)
    log.keep_keys(KeyList.follow(new.signer.verifier, (*log.keys.steps, step)))
    keep_key_line(disk, log.keys)
    keep_key_line(Disk(LocalFiles(settings.home())), log.keys)


def _prepare(ring: KeyRing, sealed: Checkpoint, now: datetime) -> NewKey:
    steps = read_steps(_vault())
    if len(steps) >= STEPS_MOST:
        raise OperatorError(
            f"The key was changed {STEPS_MOST} times, which is all that a list holds.",
            remedy="Begin a new record, or ask for a release that holds more.",
        )
    pinned = find_log_key()
    assert pinned is not None  # something is sealed
    former = steps[-1].new if steps else pinned
    seed = ring.provide_log_seed(len(steps) + 1, now=now)
    return NewKey(signer_of(seed, former.name), former, sealed, steps)


def _demand_sealed(sealed: Checkpoint | None) -> None:
    if sealed is None or not sealed.size:
        raise UserError(
            "Nothing is sealed here yet, so there is no key to change.",
            remedy="Start the server, or run 'tourniquet record seal'.",
        )


def _vault() -> Disk:
    return Disk(LocalFiles(vault_folder()))
