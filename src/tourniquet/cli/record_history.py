"""`tourniquet record history`: the downtime desk."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.cli.record_verify import read_key
from tourniquet.kernel.errors import OperatorError, UserError

if TYPE_CHECKING:
    from tourniquet.flows.downtime_desk import DowntimeDesk

LOCK_FILE = "desk.lock"
PORT = 8400
ROOT_BYTES_MOST = 1024


@click.command(
    name="history",
    epilog=output.example(
        "tourniquet record history --vault /replica/vault --keys /replica/keys --serve",
        "tourniquet record history --vault ./vault --root-key ./keys/root.key --find 9991234567",
    ),
)
@click.option(
    "--vault",
    type=output.path_argument_type(),
    help="Folder of the vault, a replica's for instance. Default: that of this home.",
)
@click.option(
    "--keys",
    type=output.path_argument_type(),
    help="Folder with a copy of the key ring. Default: keys beside the vault.",
)
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="File with the verifier key that you pinned. Default: vault.vkey in or beside the vault.",
)
@click.option(
    "--desk",
    "folder",
    type=output.path_argument_type(),
    help="The desk's own folder: accounts, index, book. Default: desk beside the vault.",
)
@click.option(
    "--root-key",
    "root_file",
    type=output.path_argument_type(),
    help="Unlock with this file instead of two people's words: for exercises and drills.",
)
@click.option(
    "--words", is_flag=True, help="Unlock here: two people type the words of their shares, unseen."
)
@click.option(
    "--open-bundle",
    "bundle_file",
    type=output.path_argument_type(),
    help="Read a bundle instead of a vault: on a laptop, without a network.",
)
@click.option(
    "--identity",
    type=output.path_argument_type(),
    help="With --open-bundle: file with the age identity. Without it the passphrase is asked for.",
)
@click.option("--serve", is_flag=True, help="Serve the desk's pages, until it is stopped.")
@click.option("--find", "number", metavar="NUMBER", help="Find a patient by a number, and end.")
@click.option(
    "--export",
    "export_file",
    type=output.path_argument_type(),
    help="Write the desk's book to this file, encrypted, for `tourniquet record reconcile`.",
)
@click.option(
    "--bundle",
    "into_bundle",
    type=output.path_argument_type(),
    help="Write the chosen patients' histories to this file, encrypted, for a laptop.",
)
@click.option(
    "--for",
    "recipients",
    multiple=True,
    metavar="RECIPIENT",
    help="With --bundle: an age recipient. Without one a passphrase is asked for.",
)
@click.option(
    "--pack",
    "into_pack",
    type=output.path_argument_type(),
    help="Write the chosen patients' histories to this PDF, to print.",
)
@click.option(
    "--patients",
    "chosen",
    type=output.path_argument_type(),
    help="File with a number of a patient on each line: a ward's or a clinic's list.",
)
@click.option("--practice", metavar="ODS", help="Everybody registered at a practice.")
@click.option("--all", "everybody", is_flag=True, help="Everybody.")
@click.option("--why", default="", help="With --bundle and --pack: why; kept in the book.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="HTTP; 0: any."
)
@click.option(
    "--certificate", type=output.path_argument_type(), help="Certificate chain, to serve over TLS."
)
@click.option(
    "--certificate-key", type=output.path_argument_type(), help="The certificate's private key."
)
@click.option(
    "--exercise-clock",
    "clock_at",
    metavar="TIME",
    help="Of an exercise's record alone: the desk's clock begins at this time, with its offset.",
)
@output.json_option
def command(
    *,
    vault: Path | None,
    keys: Path | None,
    key_file: Path | None,
    folder: Path | None,
    root_file: Path | None,
    words: bool,
    bundle_file: Path | None,
    identity: Path | None,
    serve: bool,
    number: str | None,
    export_file: Path | None,
    into_bundle: Path | None,
    recipients: tuple[str, ...],
    into_pack: Path | None,
    chosen: Path | None,
    practice: str | None,
    everybody: bool,
    why: str,
    host: str,
    port: int,
    certificate: Path | None,
    certificate_key: Path | None,
    clock_at: str | None,
    as_json: bool,
) -> None:
    """Patients' histories from a vault alone, with the main database and the network gone.

    The desk follows the vault as it grows, verifies what comes, and shows a patient's blood group
    and antibodies first. Two of its named people unlock it with the words of their shares; nobody's
    data lies on its disk but encrypted. Forms, keyed results and calls go into its book, which
    --export carries back. Accounts: `tourniquet record desk-account`.
    """
    work = [serve, number, export_file, into_bundle, into_pack]
    if sum(map(bool, work)) != 1:
        raise UserError(
            "Say one thing to do.",
            where="history",
            remedy="Add --serve, --find, --export, --bundle or --pack.",
        )
    if bool(certificate) != bool(certificate_key):
        raise UserError("A certificate and its key go together.", where="--certificate")
    from tourniquet.cli import record_desk

    if bundle_file is not None:
        desk = record_desk.open_bundle_desk(bundle_file, identity, folder)
    else:
        desk = open_desk(vault, keys, key_file, folder)
    if clock_at is not None:
        _set_clock(desk, clock_at)
    with _alone(desk.places.folder):
        record_desk.unlock(desk, bundle_file, root_file, words=words)
        if serve:
            tls = (str(certificate or ""), str(certificate_key or ""))
            _serve(desk, host, port, tls, as_json=as_json)
        elif number:
            _find(desk, number, as_json=as_json)
        elif export_file is not None:
            record_desk.write_export(desk, export_file, as_json=as_json)
        else:
            choice = record_desk.Choice(chosen, practice, everybody, why)
            record_desk.take_away(desk, choice, into_bundle, recipients, into_pack, as_json=as_json)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the desk's folder. Raises: UserError when the desk is served, or a command works in it.

    A second process would write the book's next line under the same number (record.book).
    """
    from tourniquet.record.keys import only_one

    with ExitStack() as held:
        try:
            held.enter_context(only_one(folder, LOCK_FILE))
        except UserError as error:
            raise UserError(
                "This desk is being served, or another command is at work in its folder.",
                where=str(folder),
                remedy="Finish what is being keyed, stop the serving desk (Ctrl-C, or its "
                "service), do this, then start it again: two people unlock it anew.",
            ) from error
        yield


def open_desk(
    vault: Path | None, keys: Path | None, key_file: Path | None, folder: Path | None
) -> DowntimeDesk:
    """The desk of these places, locked, and Django ready for it with nothing on a disk.

    Raises: OperatorError when there is no vault or no ring.
    """
    from tourniquet.kernel import settings

    vault = (vault or settings.home() / "vault").expanduser().resolve()
    if not vault.is_dir():
        raise OperatorError("There is no vault.", where=str(vault), remedy="Name it with --vault.")
    ring = (keys or vault.parent / "keys").expanduser().resolve() / "ring.sqlite3"
    if not ring.is_file():
        raise OperatorError(
            "There is no copy of the key ring.", where=str(ring), remedy="Name it with --keys."
        )
    own = (folder or vault.parent / "desk").expanduser().resolve()
    output.configure_django(home=own, database_url="", settings_module=output.DESK_SETTINGS)
    from tourniquet.edge.log import log_to_stderr
    from tourniquet.flows.downtime_desk import DeskPlaces, DowntimeDesk

    log_to_stderr()
    return DowntimeDesk(
        DeskPlaces(vault, ring, own),
        read_key(key_file, vault),
        key_pinned=key_file is not None,
        now=lambda: datetime.now(UTC),
    )


def _set_clock(desk: DowntimeDesk, text: str) -> None:
    """Begin an exercise's desk at a time of the exercise. Raises: UserError for a real record."""
    if not desk.exercise:
        raise UserError(
            "This is no exercise's record: its desk goes by this machine's clock.",
            where="--exercise-clock",
            remedy="Leave the option out.",
        )
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.min  # noqa: DTZ901 (refused below, as every time without an offset)
    if moment.tzinfo is None:
        raise UserError(
            "This is no time with its offset.",
            where="--exercise-clock",
            remedy="Write 2024-06-19T20:00:00+01:00.",
        )
    ahead = moment.astimezone(UTC) - datetime.now(UTC)
    desk.now = lambda: datetime.now(UTC) + ahead


def read_root_file(file: Path) -> bytes:
    """The root key in a file. Raises: OperatorError."""
    from tourniquet.record.keys import parse_root

    try:
        with file.open("rb") as content:
            return parse_root(content.read(ROOT_BYTES_MOST), where=str(file))
    except OSError as error:
        raise OperatorError(
            "The root key can't be read.", where=str(file), remedy="Name its file."
        ) from error


def _serve(
    desk: DowntimeDesk, host: str, port: int, tls: tuple[str, str], *, as_json: bool
) -> None:
    import uvloop
    from django.conf import settings

    from tourniquet.site.desk_server import DeskAddress, serve_desk

    def ready(address: DeskAddress) -> None:
        locked = desk.unlocked is None
        if as_json:
            output.emit_json({"url": address.url, "desk": desk.places.folder, "locked": locked})
        else:
            state = "locked: two of its named people unlock it there" if locked else "unlocked"
            output.say(f"The downtime desk answers: {address.url} ({state}).")
        sys.stdout.flush()

    if not desk.accounts.list_all():
        output.note("The desk has no accounts yet: add some with `tourniquet record desk-account`.")
    # Whoever opens the address that was asked for is answered; over TLS cookies go by it alone.
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, host]
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = bool(tls[0])
    uvloop.run(serve_desk(desk, DeskAddress(host, port, *tls), ready))


def _find(desk: DowntimeDesk, number: str, *, as_json: bool) -> None:
    from tourniquet.cli.record_desk import list_warnings
    from tourniquet.patients.queries import Wanted

    opened = desk.demand()
    desk.follow()
    found = opened.reading.index.search(Wanted(number=number))
    standing = opened.reading.standing
    if as_json:
        output.emit_json(
            {
                "patients": [one.id for one in found],
                "as_of": standing.as_of,
                "position": standing.position,
                "people": standing.people,
                "warnings": list_warnings(desk),
            }
        )
        return
    as_of = standing.as_of.isoformat() if standing.as_of else "never"
    output.say(f"{len(found)} found among {standing.people} people, data as of {as_of}.")
    for text in list_warnings(desk):
        output.say(f"Warning: {text}")
    for one in found:
        output.say(one.id)
