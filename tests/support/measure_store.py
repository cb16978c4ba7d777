"""Measure a replica in object storage.

    tools/test_store.sh .venv/bin/python -m tests.support.measure_store

Prints a first copy, a pull of one second's entries, reading all back, a renewal of every lock, and
the calls that each took.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from tests.generative.test_replica import NoKeys
from tests.generative.test_vault import KEY, SIGNER
from tests.support.object_store import object_store
from tourniquet.record.bodies import Body
from tourniquet.record.bucket import BucketVault
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.leaves import pack_head
from tourniquet.record.replica_home import open_replica_home
from tourniquet.record.s3 import S3Client, S3Objects, environment_credential, parse_store_url
from tourniquet.record.store_home import StoreHome
from tourniquet.record.vault import Vault
from tourniquet.record.verification import verify_vault

LOT = 20_000
BODY_BYTES = 1_050  # of an entry with twenty results


class Counting(S3Client):
    """Counts the calls."""

    calls: Counter[str] = Counter()

    def call(self, operation: str, **arguments: object) -> Mapping[str, Any]:
        """See `S3Client`."""
        self.calls[operation] += 1
        return super().call(operation, **arguments)


def bodies_from(start: int, count: int, random: Random) -> list[Body]:
    """Bodies as large as those of reports."""
    return [
        Body(
            pack_head(position, random.randbytes(32), random.randbytes(32)),
            random.randbytes(BODY_BYTES),
        )
        for position in range(start + 1, start + count + 1)
    ]


@contextmanager
def measured(what: str) -> Iterator[None]:
    """Say how long it took, and with how many calls."""
    Counting.calls.clear()
    begun = time.monotonic()
    yield
    seconds = time.monotonic() - begun
    total = sum(Counting.calls.values())
    calls = ", ".join(f"{number} {name}" for name, number in sorted(Counting.calls.items()))
    print(f"{what}: {seconds:.2f} s, {total} calls ({total / seconds:.0f}/s): {calls}", flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--entries", type=int, default=200_000)
    parser.add_argument("--each-second", type=int, default=100)
    given = parser.parse_args()
    with object_store() as store, tempfile.TemporaryDirectory() as name:
        os.environ |= store.environment()
        folder, random = Path(name), Random(1)
        for one in ("vault", "own"):
            (folder / one).mkdir()
        source = Vault.begin(Disk(LocalFiles(folder / "vault")), SIGNER)
        for start in range(0, given.entries, LOT):
            source.publish(bodies_from(start, min(LOT, given.entries - start), random))
        size = sum(path.stat().st_size for path in (folder / "vault").rglob("*") if path.is_file())
        print(f"{store.name}: {given.entries} entries, {size / 1e6:.0f} MB")
        url = parse_store_url(f"s3://{store.make_bucket()}/site", where="--to")
        objects = S3Objects(Counting(environment_credential()), url)
        now = datetime.now(UTC)
        with open_replica_home(folder / "own", None, KEY) as home:
            held = StoreHome(home, objects, None, timedelta(days=2), clock=lambda: now)
            with measured("open an empty place"):
                replica, vault = held.open()
            disk = Disk(LocalFiles(folder / "vault"))
            with measured("first copy"):
                replica.pull(disk, NoKeys(), now=now)
            with measured("whole segments"):
                held.keep_up()
            with measured("open again"):
                replica, vault = held.open()
            with measured("10 pulls"):
                for number in range(10):
                    at = source.checkpoint.size
                    source.publish(bodies_from(at, given.each_second, random))
                    replica.pull(disk, NoKeys(), now=now + timedelta(seconds=number))
            now += timedelta(days=1, hours=1)
            held.clock = lambda: now
            with measured("lock anew"):
                print(f"{held.keep_up()} objects")
            vault.close()
        reader = BucketVault(objects, KEY)
        with measured("verify"):
            found = verify_vault(reader, KEY)
        reader.close()
        print(f"{found.checkpoint.size} entries, {found.body_bytes / 1e6:.0f} MB of bodies")


if __name__ == "__main__":
    main()
