"""Object storage that we did not write: moto's server, or one that runs already (make test-store).

`TEST_STORE_FILE` names a JSON file with the address of the one that runs, and three credentials:
the bucket's owner, the replica, production. moto knows no rights: there all three are the same.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE_VARIABLE = "TEST_STORE_FILE"
_STARTS = 5
_READY_SECONDS = 30.0
RIGHTS = (
    "s3:PutObject",
    "s3:PutObjectRetention",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectRetention",
    "s3:ListBucket",
    "s3:ListBucketVersions",
)
"""What docs/how-to/object-storage.md gives a replica."""


@dataclass(frozen=True)
class ObjectStore:
    """A store that runs."""

    name: str
    endpoint: str
    owner: tuple[str, str]
    replica: tuple[str, str]
    production: tuple[str, str]
    replica_name: str = ""  # of its account, where there are rights

    def environment(self, who: tuple[str, str] | None = None) -> dict[str, str]:
        """The settings of a process that uses it, as the replica or as somebody else."""
        name, secret = who or self.replica
        return {
            "TOURNIQUET_STORE_ENDPOINT": self.endpoint,
            "TOURNIQUET_STORE_ACCESS_KEY": name,
            "TOURNIQUET_STORE_SECRET_KEY": secret,
            "TOURNIQUET_STORE_RETENTION_DAYS": "2",
        }

    def credential_file(self, folder: Path, who: tuple[str, str]) -> Path:
        """A file with a credential."""
        path = folder / f"{secrets.token_hex(4)}.ini"
        name, secret = who
        path.write_text(
            f"[default]\naws_access_key_id = {name}\naws_secret_access_key = {secret}\n"
        )
        return path

    def client(self, who: tuple[str, str] | None = None) -> Any:
        """A client of the tests' own."""
        import botocore.config
        import botocore.session

        name, secret = who or self.owner
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=name,
            aws_secret_access_key=secret,
            config=botocore.config.Config(
                s3={"addressing_style": "path"}, request_checksum_calculation="when_required"
            ),
        )

    def make_bucket(self, *, lock: bool = True) -> str:
        """A new bucket, as the how-to says."""
        name = f"test-{secrets.token_hex(6)}"
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if self.replica_name:
            statement = {
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam:::user/{self.replica_name}"]},
                "Action": list(RIGHTS),
                "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
            }
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        return name


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """The store that runs, or moto's server in a process of its own."""
    file = os.environ.get(FILE_VARIABLE)
    if file:
        yield _described(json.loads(Path(file).read_text()))
        return
    process, port = _start()
    who = ("testkey", "testsecret")
    try:
        yield ObjectStore("moto", f"http://127.0.0.1:{port}", who, who, who)
    finally:
        process.terminate()
        process.wait(_READY_SECONDS)


def _described(found: Mapping[str, Any]) -> ObjectStore:
    owner, replica, production = (
        (found[who]["name"], found[who]["secret"]) for who in ("owner", "replica", "production")
    )
    return ObjectStore(
        found["store"], found["endpoint"], owner, replica, production, found["replica_account"]
    )


def _start() -> tuple[subprocess.Popen[bytes], int]:
    for _ in range(_STARTS):
        with socket.socket() as free:  # another program may take it before the server does
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + _READY_SECONDS
        while process.poll() is None and time.monotonic() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
                    return process, port
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        process.kill()
        process.wait()
    raise AssertionError("moto's server does not start")
