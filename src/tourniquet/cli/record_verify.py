"""`tourniquet record verify`: a vault, from its first byte to its last."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import IntegrityError, OperatorError

if TYPE_CHECKING:
    from tourniquet.record.key_list import KeyList
    from tourniquet.record.notes import Checkpoint, Note, VerifierKey
    from tourniquet.record.verification import Verified

KEY_BYTES_MOST = 4096


@click.command(
    name="verify",
    epilog=output.example(
        "tourniquet record verify",
        "tourniquet record verify --vault ./replica/vault --key ./pinned.vkey --since ./checkpoint",
    ),
)
@click.option(
    "--vault",
    metavar="FOLDER|s3://BUCKET/PREFIX",
    help="The vault: its folder, or a replica in object storage. Default: that of this home.",
)
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="File with the verifier key that you pinned. Default: vault.vkey in or beside the vault.",
)
@click.option(
    "--since",
    type=output.path_argument_type(),
    help="File with an earlier checkpoint, which the vault must extend.",
)
@output.home_option
@output.json_option
def command(
    *,
    vault: str | None,
    key_file: Path | None,
    since: Path | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Hash every leaf, tile and body of a vault again; needs no key but the public one.

    Exit status 0 where everything holds; 1, naming the first bad position or file, where a byte
    differs, something is missing, or the tree does not extend the checkpoint of --since. Without
    --key the key is taken from beside the vault: that shows damage, not forgery.
    """
    from tourniquet.cli.vault_place import open_vault
    from tourniquet.kernel import settings
    from tourniquet.record.key_list import read_key_list
    from tourniquet.record.log import read_last
    from tourniquet.record.verification import verify_vault

    begun = time.monotonic()
    place = open_vault(vault or str((home or settings.home()) / "vault"), key_file, where="--vault")
    key, disk = place.key, place.vault
    earlier = read_earlier(since, read_key_list(disk, key))[0] if since else None
    with output.progress("Verifying", read_last(disk, key).size) as steps:
        at = 0

        def moved(position: int) -> None:
            nonlocal at
            steps.advance(position - at)
            at = position

        found = verify_vault(disk, key, since=earlier, progress=moved)
    place.tell_foreign()
    _tell(found, key, time.monotonic() - begun, pinned=key_file is not None, as_json=as_json)


def read_key(file: Path | None, vault: Path) -> VerifierKey:
    """The key from its file, or from in or beside the vault. Raises: OperatorError."""
    from tourniquet.record.notes import parse_verifier_key

    places = [file] if file else [vault / "vault.vkey", vault.parent / "vault.vkey"]
    place = next((one for one in places if one.is_file()), None)
    if place is None:
        raise OperatorError(
            "There is no verifier key.", where=str(places[-1]), remedy="Name it with --key."
        )
    with place.open("rb") as content:
        line = content.read(KEY_BYTES_MOST).decode("utf-8", "replace")
    return parse_verifier_key(line)


def read_earlier(file: Path, keys: KeyList) -> tuple[Checkpoint, Note]:
    """An earlier checkpoint. Raises: IntegrityError when the key in charge did not sign it."""
    from tourniquet.record.notes import NOTE_BYTES_MOST, read_note

    try:
        with file.open("rb") as content:
            note = read_note(content.read(NOTE_BYTES_MOST + 1))
        return keys.read_checkpoint(note), note
    except OSError as error:
        raise OperatorError(
            "The earlier checkpoint can't be read.", where=str(file), remedy="Name its file."
        ) from error
    except IntegrityError as error:
        raise IntegrityError(error.what, where=str(file)) from error


def _tell(
    found: Verified, key: VerifierKey, seconds: float, *, pinned: bool, as_json: bool
) -> None:
    checkpoint = found.checkpoint
    if as_json:
        output.emit_json(
            {
                "origin": checkpoint.origin,
                "position": checkpoint.size,
                "root": checkpoint.root.hex(),
                "body_bytes": found.body_bytes,
                "beyond": found.beyond,
                "key": str(key),
                "key_pinned": pinned,
                "seconds": round(seconds, 2),
            }
        )
        return
    output.say(
        f"{checkpoint.size} entries and {found.body_bytes} bytes of bodies verified "
        f"in {seconds:.1f} s; root {checkpoint.root.hex()}."
    )
    for one in found.beyond:
        output.say(f"Beyond the checkpoint, not vouched for: {one}.")
    if not pinned:
        output.say(
            "The key was not pinned: it came from beside the vault, so this shows damage and not "
            "forgery. Keep a copy of vault.vkey elsewhere and name it with --key."
        )
