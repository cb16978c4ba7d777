"""A home's journal sealed, its vault opened, an empty database to restore into."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from tests.support.console import NOW
from tests.support.database import Database, Databases, _described
from tourniquet.record.database import point
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.keys import Keys, only_one, open_keys
from tourniquet.record.replay import SOURCE
from tourniquet.record.sealer import keys_folder, open_sealer, vault_folder
from tourniquet.record.vault import VaultReader
from tourniquet.record.verification import verify_vault

ENDING_SECONDS = 15  # that of a killed server ends by itself


def seal() -> int:
    """Seal to the head; how many entries that were."""
    with only_one(keys_folder(), wait_seconds=ENDING_SECONDS):
        sealer = open_sealer(now=NOW)
        try:
            return sum(iter(lambda: sealer.seal_next(now=NOW), 0))
        finally:
            sealer.close()


def opened() -> tuple[VaultReader, Keys]:
    """The vault of this home, verified, and its keys."""
    keys = open_keys(keys_folder())
    disk = Disk(LocalFiles(vault_folder()))
    found = verify_vault(disk, keys.signer.verifier)
    assert found.beyond == []
    return VaultReader(disk, found.checkpoint.size), keys


@contextmanager
def target(databases: Databases, source: Database, vendor: str) -> Iterator[None]:
    """An empty database as "default", the one that was there as "source"."""
    databases.new("postgresql" if vendor == "postgresql" else "sqlite")
    point(SOURCE, _described(source.url, source.home))
    try:
        yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE]
        connections.settings.pop(SOURCE, None)
