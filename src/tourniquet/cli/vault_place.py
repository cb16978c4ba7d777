"""A vault to be read, wherever it lies: a folder, or a place in object storage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tourniquet.cli import output
from tourniquet.cli.record_verify import read_key
from tourniquet.kernel.errors import IntegrityError, OperatorError

if TYPE_CHECKING:
    from tourniquet.record.disk import Reader
    from tourniquet.record.notes import VerifierKey

PIECES = "?pieces"


@dataclass(frozen=True)
class VaultPlace:
    """A vault that was found, and the key that it is read with; `folder` where it is one."""

    vault: Reader
    key: VerifierKey
    folder: Path | None

    def tell_foreign(self) -> None:
        """Name what lies among the vault's objects and is none of them."""
        from tourniquet.record.bucket import BucketVault

        if isinstance(self.vault, BucketVault) and self.vault.foreign:
            names = ", ".join(self.vault.foreign[:3])
            output.note(
                f"{len(self.vault.foreign)} objects are not the vault's, and were not read: {names}"
            )


def open_vault(place: str, key_file: Path | None, *, where: str) -> VaultPlace:
    """Open a vault to be read; `?pieces` behind s3://… reads no whole segments.

    Raises: OperatorError when there is none, or no key.
    """
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.s3 import is_store

    if is_store(place):
        return _open_store(place, key_file, where)
    folder = Path(place).expanduser()
    if not folder.is_dir():
        raise OperatorError("There is no vault.", where=place, remedy=f"Name it with {where}.")
    return VaultPlace(Disk(LocalFiles(folder)), read_key(key_file, folder), folder)


def _open_store(place: str, key_file: Path | None, where: str) -> VaultPlace:
    from tourniquet.record.bucket import VAULT, BucketVault
    from tourniquet.record.notes import NOTE_BYTES_MOST, parse_verifier_key
    from tourniquet.record.s3 import open_objects, parse_store_url
    from tourniquet.record.vault import KEY_FILE

    url = parse_store_url(place.removesuffix(PIECES), where=where)
    objects = open_objects(url)
    if key_file is not None:
        key = read_key(key_file, key_file.parent)
    else:
        first = objects.find(VAULT + KEY_FILE)
        if first is None:
            raise OperatorError("There is no vault.", where=place, remedy=f"See {where}.")
        if first.size > NOTE_BYTES_MOST:
            raise IntegrityError("The file is too long for a key.", where=first.name)
        line = objects.get(first, 0, first.size).decode("utf-8", "replace")
        key = parse_verifier_key(line)
    return VaultPlace(BucketVault(objects, key, pieces_only=place.endswith(PIECES)), key, None)
