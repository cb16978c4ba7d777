"""`tourniquet record doctor`: whether what a replica keeps is really out of reach."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import IntegrityError

if TYPE_CHECKING:
    from tourniquet.record.doctor import Finding

WHOSE = ("production", "replica")


@click.command(
    name="doctor",
    epilog=output.example(
        "tourniquet record doctor",
        "tourniquet record doctor --store s3://BUCKET/PREFIX --replica-credentials ./replica.ini",
        "tourniquet record doctor --store s3://BUCKET/PREFIX --whose replica",
    ),
)
@click.option(
    "--store",
    metavar="s3://BUCKET/PREFIX",
    help="Object storage to be tried. Without it this home is looked at.",
)
@click.option(
    "--credentials",
    type=output.path_argument_type(),
    help="File with the credential to be tried, in AWS's form. Default: this environment's.",
)
@click.option(
    "--replica-credentials",
    type=output.path_argument_type(),
    help="File with the replica's: it makes the throw-away object and reads it back, since "
    "production's should not be able to.",
)
@click.option(
    "--whose",
    type=click.Choice(WHOSE),
    default=WHOSE[0],
    show_default=True,
    help="Whose credential is tried: production's may do nothing; the replica's may add and read.",
)
@output.home_option
@output.json_option
def command(
    *,
    store: str | None,
    credentials: Path | None,
    replica_credentials: Path | None,
    whose: str,
    home: Path | None,
    as_json: bool,
) -> None:
    """Try to destroy what a replica keeps; nothing may succeed.

    With --store a throw-away object is made, and with the credential in question overwritten,
    deleted, unlocked; versions are suspended, the bucket's rules and the bucket removed; after
    each try the object is read back. Exit status 0 only where all was refused, and the object is
    still there; 1 where anything succeeded or could not be read back. The object stays, locked for
    a day. Without --store: whether this home holds what belongs to the replica, whose the keys are,
    and whether the witness was heard.
    """
    findings = (
        _examine_store(store, credentials, replica_credentials, whose)
        if store
        else _examine_home(home)
    )
    failed = [one for one in findings if not one.passed]
    if as_json:
        output.emit_json(
            {
                "store": store or "",
                "whose": whose if store else "",
                "passed": not failed,
                "findings": findings,
            }
        )
    else:
        for one in findings:
            mark = "ok  " if one.passed else "FAIL"
            output.say(f"{mark} {one.probe}: {one.answer}{f'; {one.note}' if one.note else ''}")
    if failed:
        raise IntegrityError(
            f"{len(failed)} of {len(findings)} probes failed: {failed[0].probe}.",
            where=store or "this home",
            remedy="Do not rely on this copy until the doctor passes.",
        )


def _examine_store(
    store: str, credentials: Path | None, replica_credentials: Path | None, whose: str
) -> list[Finding]:
    from tourniquet.record.doctor import Doctor
    from tourniquet.record.s3 import (
        S3Client,
        environment_credential,
        parse_store_url,
        read_credential,
    )

    url = parse_store_url(store, where="--store")
    tried = S3Client(
        read_credential(credentials, where="--credentials")
        if credentials
        else environment_credential()
    )
    keeper = tried
    if replica_credentials:
        keeper = S3Client(read_credential(replica_credentials, where="--replica-credentials"))
    now = datetime.now(UTC)
    return Doctor(url, tried, keeper, whose=whose, now=now, names=_names(now)).examine()


def _names(now: datetime) -> Iterator[str]:
    while True:
        yield f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}"


def _examine_home(home: Path | None) -> list[Finding]:
    output.configure_django(home=home)
    from tourniquet.kernel import settings
    from tourniquet.record.doctor_home import examine_home, home_and_keys

    folder, keys = home_and_keys()
    return examine_home(folder, keys, now=datetime.now(UTC), environ=settings.environment_with())
