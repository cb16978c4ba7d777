"""`tourniquet record keys`: the root key on paper and back, the drill, and a new signing key."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import OperatorError, UserError

_RING_OPTION = "--ring"
PASSWORD_CHARACTERS_MOST = 1024


@click.group(name="keys", epilog=output.example("tourniquet record keys check --home ./home"))
def command() -> None:
    """Split the root key among people, bring it back, hold the drill, change the signing key."""


@command.command(
    name="shares",
    epilog=output.example(
        "tourniquet record keys shares --out /dev/shm/shares "
        "--holder 'Ada Osei' --holder 'Bea Lind' --holder 'Cy Mora'"
    ),
)
@click.option(
    "--out",
    type=output.path_argument_type(),
    required=True,
    help="A folder that is not there yet; best in memory (/dev/shm), so that no disk keeps it.",
)
@click.option("--holder", "holders", multiple=True, required=True, help="A name; three times.")
@output.home_option
@output.json_option
def shares_command(
    *, out: Path, holders: tuple[str, ...], home: Path | None, as_json: bool
) -> None:
    """Split the root key: three sheets to be printed, any two of which bring it back.

    The journal notes who holds which number, not the words. Print the sheets on a printer that
    keeps no copy, hand each to its holder, then delete the folder.
    """
    output.configure_django(home=home)
    from tourniquet.flows.share_keys import note_shares
    from tourniquet.kernel import settings
    from tourniquet.record.journal import Act
    from tourniquet.record.keys import read_root
    from tourniquet.record.recovery import check_number, split
    from tourniquet.record.sealer import keys_folder
    from tourniquet.record.share_sheet import sheet

    root, now = read_root(keys_folder()), datetime.now(UTC)
    shares, check = split(root, holders), check_number(root)
    site = settings.read("TOURNIQUET_SITE")
    pages = [sheet(one, site=site, check=check, made_at=now) for one in shares]
    # Written before they are noted: a set that is noted is one that somebody could print.
    files = _write_sheets(out, pages)
    position = note_shares(shares, check=check, act=Act(output.operator(), now))
    if as_json:
        output.emit_json({"files": files, "check": check, "position": position})
        return
    for file, one in zip(files, shares, strict=True):
        output.say(f"{file}: for {one.holder}")
    output.say(f"Check number {check}; noted in the journal at position {position}.")
    output.say("Print each sheet for its holder alone, then delete the folder.")


def _write_sheets(folder: Path, pages: list[str]) -> list[Path]:
    """Write the sheets, readable by their owner only. Raises: UserError when the folder is there.

    Where one cannot be written, none is left.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise UserError("The folder is there already.", where=str(folder)) from None
    files = [folder / f"share-{number}.txt" for number in range(1, len(pages) + 1)]
    try:
        for file, page in zip(files, pages, strict=True):
            with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as one:
                one.write(page)
    except BaseException:
        for file in files:
            file.unlink(missing_ok=True)
        folder.rmdir()
        raise
    return files


@command.command(
    name="combine",
    epilog=output.example(
        "tourniquet record keys combine --ring /replica/keys/ring.sqlite3 "
        "--key vault.vkey --into ./keys"
    ),
)
@click.option(
    _RING_OPTION,
    "ring",
    type=output.path_argument_type(),
    help="A copy of the key ring, for instance the replica's. Default: that in --into.",
)
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="The log's verifier key that you pinned: with it the signing key comes back too.",
)
@click.option(
    "--into",
    type=output.path_argument_type(),
    required=True,
    help="The folder of keys: empty, or with a ring and no root key.",
)
@output.json_option
def combine_command(*, ring: Path | None, key_file: Path | None, into: Path, as_json: bool) -> None:
    """Bring the root key back from the words of two holders.

    Each holder types their own words, which are not shown; or they come on standard input, a share
    on each line. The key is tried on the ring before anything is written.
    """
    from tourniquet.cli.record_verify import read_key
    from tourniquet.record.keys import bring_back_keys
    from tourniquet.record.recovery import check_number, combine

    key = read_key(key_file, into) if key_file else None
    root = combine(_read_words(needed=2))
    written = bring_back_keys(into, ring, root, key)
    check = check_number(root)
    if as_json:
        output.emit_json({"into": into, "written": written, "check": check})
        return
    output.say(f"The root key with check number {check} opens the ring.")
    output.say(f"Written to {into}: {', '.join(written)}.")


@command.command(
    name="check",
    epilog=output.example("tourniquet record keys check --ring /replica/keys/ring.sqlite3"),
)
@click.option(
    _RING_OPTION,
    "ring",
    type=output.path_argument_type(),
    help="The ring to try the key on. Default: that of this home.",
)
@output.home_option
@output.json_option
def check_command(*, ring: Path | None, home: Path | None, as_json: bool) -> None:
    """Hold the drill: are the words of two holders right? No key is written.

    The words are read as by `combine`, and the key that they give is tried on the ring.
    """
    from tourniquet.record.recovery import check_number, combine, number_of
    from tourniquet.record.ring import KeyRing

    ring = ring or _ring_of_home(home)
    typed = _read_words(needed=2)
    root = combine(typed)
    KeyRing(ring, root).close()
    numbers = sorted(map(number_of, typed))
    check = check_number(root)
    if as_json:
        output.emit_json({"right": True, "shares": numbers, "check": check})
        return
    which = " and ".join(map(str, numbers))
    output.say(f"Shares {which} are right: check number {check}, the ring opens. Nothing written.")


@command.command(
    name="fetch",
    epilog=output.example(
        "tourniquet record keys fetch --from s3://BUCKET/PREFIX --to ./ring.sqlite3"
    ),
)
@click.option(
    "--from",
    "source",
    required=True,
    metavar="s3://BUCKET/PREFIX",
    help="Where a replica put the wrapped keys (its --keys-to).",
)
@click.option(
    "--to", "target", type=output.path_argument_type(), required=True, help="The ring's new file."
)
@output.json_option
def fetch_command(*, source: str, target: Path, as_json: bool) -> None:
    """Make a ring's file from the wrapped keys in object storage.

    It opens nothing without the root key: bring that back with `combine --ring`.
    """
    from tourniquet.record.bucket_keys import BucketRing
    from tourniquet.record.ring import RingCopy
    from tourniquet.record.s3 import open_objects, parse_store_url

    if target.exists():
        raise UserError("The file is there already.", where=str(target))
    objects = open_objects(parse_store_url(source, where="--from"))
    part = target.with_name(f"{target.name}.new")
    for ending in ("", "-wal", "-shm"):  # an interrupted run's
        part.with_name(part.name + ending).unlink(missing_ok=True)
    copy = RingCopy(BucketRing(objects), part)
    count = copy.pull()
    copy.close()
    part.replace(target)
    if as_json:
        output.emit_json({"keys": count, "ring": target})
        return
    output.say(f"{count} wrapped keys in {target}.")


@command.command(
    name="rotate",
    epilog=output.example(
        "tourniquet record keys rotate --by adm --second eve --reason 'Yearly change.'",
        "tourniquet record keys rotate --by adm --second eve --reason 'Disk lost.' --old-key-lost",
    ),
)
@click.option("--by", required=True, metavar="ACCOUNT", help="Who changes it.")
@click.option(
    "--second",
    metavar="ACCOUNT",
    help="Who does it with them; needed where two accounts may administer.",
)
@click.option("--reason", required=True, help="Why; journalled.")
@click.option(
    "--old-key-lost",
    "lost",
    is_flag=True,
    help="The former key is gone from file and ring. Takes the words of two holders as well, and "
    "whoever pinned a key must pin the new one by hand.",
)
@output.home_option
@output.json_option
def rotate_command(
    *, by: str, second: str | None, reason: str, lost: bool, home: Path | None, as_json: bool
) -> None:
    """Change the key that signs the log; it takes over where the journal says so.

    Each person types their own password, unseen; or they come on standard input, one on each line,
    before the holders' words. The server need not be stopped, but with --old-key-lost. Whoever
    pinned a key of this log is led to the new one; a former key signs nothing longer from then on.
    """
    output.configure_django(home=home)
    from tourniquet.flows.change_signing_key import (
        Person,
        change_signing_key,
        replace_lost_signing_key,
    )

    names = [by, *([second] if second else [])]
    people = [Person(name, _read_password_of(name)) for name in names]
    now = datetime.now(UTC)
    if lost:
        found = replace_lost_signing_key(people, _read_words(needed=2), reason=reason, now=now)
    else:
        found = change_signing_key(people, reason=reason, now=now)
    if as_json:
        output.emit_json(
            {"position": found.position, "former": str(found.former), "new": str(found.new)}
        )
        return
    output.say(f"Noted in the journal at position {found.position}. The new verifier key:")
    output.say(str(found.new))
    if lost:
        output.say("No pinned key leads to it: bring it to whoever pinned one, by a person.")
    else:
        output.say("It signs once that entry is sealed; the keys that were pinned lead to it.")


def _read_password_of(name: str) -> str:
    """A password, typed unseen at a terminal, else the next line of standard input."""
    if sys.stdin.isatty():
        typed = click.prompt(f"Password of {name}", hide_input=True, err=True)
        assert isinstance(typed, str)
        return typed
    line = sys.stdin.readline(PASSWORD_CHARACTERS_MOST).rstrip("\r\n")
    if not line:
        raise UserError(
            f"No password of {name} came on standard input.", remedy="Give one on each line."
        )
    return line


def _ring_of_home(home: Path | None) -> Path:
    output.configure_django(home=home)
    from tourniquet.record.keys import RING_FILE
    from tourniquet.record.sealer import keys_folder

    return keys_folder() / RING_FILE


def _read_words(*, needed: int) -> list[str]:
    """The words of the holders: each typed unseen at a terminal, else a share on each line."""
    from tourniquet.record.recovery import TYPED_CHARACTERS_MOST

    if sys.stdin.isatty():
        return [
            click.prompt(f"Words of holder {number} of {needed}", hide_input=True, err=True)
            for number in range(1, needed + 1)
        ]
    text = sys.stdin.read((needed + 1) * TYPED_CHARACTERS_MOST)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise OperatorError(
            "No words came on standard input.", remedy="Give one share on each line."
        )
    return lines
