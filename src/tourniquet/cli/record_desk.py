"""Beside `tourniquet record history`: what is carried away from a desk and back, and its accounts.

`record desk-account` is run at the desk, the others in the main system.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.cli.record_history import read_root_file
from tourniquet.kernel.errors import OperatorError, UserError

if TYPE_CHECKING:
    from tourniquet.flows.desk_bundle import Bundle
    from tourniquet.flows.downtime_desk import DowntimeDesk
    from tourniquet.flows.reconcile_desk import Reconciled

LIST_BYTES_MOST = 1024 * 1024
FILE_BYTES_MOST = 1024 * 1024 * 1024
IDENTITY_BYTES_MOST = 64 * 1024
_opened: dict[Path, Bundle] = {}


@dataclass(frozen=True)
class Choice:
    """Whose histories are taken away, and why."""

    file: Path | None
    practice: str | None
    everybody: bool
    why: str


# Unlocking ----------------------------------------------------------------------------------------


def unlock(
    desk: DowntimeDesk, bundle_file: Path | None, root_file: Path | None, *, words: bool
) -> None:
    """Unlock a desk as the command says; without a word on it, it stays locked."""
    if bundle_file is not None:
        from tourniquet.flows.desk_bundle import BundleReading

        bundle = _opened[bundle_file]
        desk.unlock_with(
            BundleReading(bundle),
            (output.operator(),),
            book_key=bundle.book_key,
            export_key=bundle.export_key,
        )
    elif root_file is not None:
        desk.unlock_with_root(read_root_file(root_file), (output.operator(),))
    elif words:
        _ask_for_words(desk)


def _ask_for_words(desk: DowntimeDesk) -> None:
    """Two people type name, password and words at this terminal, none of the latter shown."""
    while desk.unlocked is None:
        name = click.prompt("Name", err=True)
        password = click.prompt("Password", hide_input=True, err=True)
        user = desk.accounts.check(name, password)
        if user is None:
            raise UserError("The name or the password is not right.")
        typed = click.prompt("The words of your share", hide_input=True, err=True)
        if not desk.offer_share(user, typed):
            output.note("Taken. Now the second person.")


def open_bundle_desk(file: Path, identity: Path | None, folder: Path | None) -> DowntimeDesk:
    """A desk that reads a bundle. Raises: UserError when it does not open."""
    own = (folder or file.resolve().parent / "desk").expanduser().resolve()
    output.configure_django(home=own, database_url="", settings_module=output.DESK_SETTINGS)
    from tourniquet.flows.desk_bundle import open_bundle
    from tourniquet.flows.downtime_desk import DeskPlaces, DowntimeDesk
    from tourniquet.record.notes import parse_verifier_key

    content = _read(file, FILE_BYTES_MOST)
    if identity is not None:
        lines = _read(identity, IDENTITY_BYTES_MOST).decode("utf-8", "replace").splitlines()
        secret = next((one for one in lines if one.startswith("AGE-SECRET-KEY-")), "none")
        bundle = open_bundle(content, identity=secret)
    else:
        typed = click.prompt("Passphrase", hide_input=True, err=True)
        bundle = open_bundle(content, passphrase=typed)
    _opened[file] = bundle
    return DowntimeDesk(
        DeskPlaces(file.parent, file.parent, own),
        parse_verifier_key(bundle.key),
        key_pinned=bundle.key_pinned,
        now=lambda: datetime.now(UTC),
    )


def _read(file: Path, bytes_most: int) -> bytes:
    try:
        with file.open("rb") as content:
            found = content.read(bytes_most + 1)
    except OSError as error:
        raise OperatorError("The file can't be read.", where=str(file)) from error
    if len(found) > bytes_most:
        raise UserError(f"The file is longer than {bytes_most} bytes.", where=str(file))
    return found


# Carrying away ------------------------------------------------------------------------------------


def write_export(desk: DowntimeDesk, file: Path, *, as_json: bool) -> None:
    """Write the book to a file that appears whole or not at all."""
    from tourniquet.flows.desk_export import export_book
    from tourniquet.flows.desk_work import read_account

    desk.follow()
    content = export_book(desk)
    _write(file, content)
    kept = read_account(desk)
    if as_json:
        output.emit_json(
            {
                "file": file,
                "lines": len(desk.demand().book),
                "issued": kept.total,
                "keyed": len(kept.keyed),
                "void": len(kept.void),
                "unused": len(kept.unused),
                "not_accounted": kept.describe_open(),
                "elsewhere": kept.describe_elsewhere(),
            }
        )
        return
    output.say(f"{len(desk.demand().book)} lines of the book written to {file}, encrypted.")
    output.say(
        f"Numbers: {kept.total} given out, {len(kept.keyed)} keyed, {len(kept.void)} void, "
        f"{len(kept.unused)} blank, {len(kept.open)} not accounted for."
    )


def _write(file: Path, content: bytes) -> None:
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def take_away(
    desk: DowntimeDesk,
    choice: Choice,
    bundle: Path | None,
    recipients: tuple[str, ...],
    pack: Path | None,
    *,
    as_json: bool,
) -> None:
    """Write a bundle or a paper pack of the chosen people."""
    from tourniquet.directory.desk_roles import DeskRole, DeskUser
    from tourniquet.flows.desk_bundle import Sealing, make_bundle
    from tourniquet.web.desk.access import run_desk
    from tourniquet.web.desk.packs import make_pack

    if not choice.why.strip():
        raise UserError("Say why, in a few words: it is kept in the book.", where="--why")
    desk.follow()
    run_desk(desk)
    user = DeskUser(output.operator(), DeskRole.KEEPER)
    people, unknown = _people(desk, choice)
    if bundle is not None:
        passphrase = "" if recipients else _new_passphrase()
        sealing = Sealing(recipients, passphrase)
        _write(bundle, make_bundle(desk, user, people, sealing, why=choice.why))
    elif pack is not None:
        title = choice.file.stem if choice.file else choice.practice or "Everybody"
        _write(pack, make_pack(user, people, title=title, why=choice.why))
    _tell_taken(bundle or pack, people, unknown, list_warnings(desk), as_json=as_json)


def _new_passphrase() -> str:
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))


def _people(desk: DowntimeDesk, choice: Choice) -> tuple[list[str], list[int]]:
    """Ids of the chosen people, and the lines of the list on which nobody was found."""
    from tourniquet.flows.desk_bundle import PEOPLE_MOST
    from tourniquet.patients.queries import Wanted

    if sum((choice.file is not None, bool(choice.practice), choice.everybody)) != 1:
        raise UserError("Say whose: --patients, --practice or --all.", where="--patients")
    index = desk.demand().reading.index
    if choice.file is None:
        return index.people_of(choice.practice or "", limit=PEOPLE_MOST + 1), []
    lines = _read(choice.file, LIST_BYTES_MOST).decode("utf-8", "replace").splitlines()
    found, unknown = [], []
    for at, line in enumerate(lines, 1):
        if not line.strip():
            continue
        ids = [one.id for one in index.search(Wanted(number=line))]
        if len(ids) == 1:
            found += ids
        else:
            unknown.append(at)
    return list(dict.fromkeys(found)), unknown


def list_warnings(desk: DowntimeDesk) -> list[str]:
    """What the desk's pages would say of its data now, where something is left out of it."""
    from tourniquet.web.desk.access import run_desk
    from tourniquet.web.desk.rendering import data_mark

    run_desk(desk)
    mark = data_mark()
    if mark is None:
        return []
    pinned = [] if mark.key_pinned else ["The key of the record is not pinned."]
    return [*mark.warnings, *pinned]


def _tell_taken(
    file: Path | None,
    people: list[str],
    unknown: list[int],
    warnings: list[str],
    *,
    as_json: bool,
) -> None:
    if as_json:
        output.emit_json(
            {
                "file": file,
                "people": len(people),
                "lines_without_patient": unknown,
                "warnings": warnings,
            }
        )
        return
    output.say(f"{len(people)} histories written to {file}.")
    for text in warnings:
        output.say(f"Warning, said there too: {text}")
    for line in unknown:
        output.say(f"Line {line} of the list names nobody here, or more than one.")


# The main system ----------------------------------------------------------------------------------


@click.command(
    name="reserve-numbers",
    epilog=output.example("tourniquet record reserve-numbers 2000 --for-desk 7KQ2M9XA"),
)
@click.argument("count", type=click.IntRange(1))
@click.option(
    "--for-desk",
    "desk_id",
    required=True,
    help="The desk, by its id: eight signs that `tourniquet record desk-account` prints.",
)
@click.option("--purpose", default="", help="A word on what they are for.")
@output.home_option
@output.json_option
def reserve(*, count: int, desk_id: str, purpose: str, home: Path | None, as_json: bool) -> None:
    """Reserve numbers of paper forms for a downtime desk, before anything happens.

    The desk finds them in the vault. Without any it uses its own emergency range. A desk has an id
    of its own, because two machines may have folders of one name.
    """
    output.configure_django(home=home)
    from tourniquet.directory.roles import Role, Viewer
    from tourniquet.flows.reserve_numbers import reserve_numbers
    from tourniquet.record.home import clock, open_home

    open_home()
    viewer = Viewer(output.operator(), Role.ADMINISTRATOR)
    block = reserve_numbers(count, desk=desk_id, purpose=purpose, viewer=viewer, now=clock().now())
    if as_json:
        output.emit_json({"code": block.code, "first": block.first, "last": block.last})
    else:
        output.say(f"{block} are reserved for {desk_id}.")


@click.command(
    name="reconcile",
    epilog=output.example(
        "tourniquet record reconcile ./desk-east.export",
        "tourniquet record reconcile ./desk-east.export --root-key /safe/root.key --json",
    ),
)
@click.argument("file", type=output.path_argument_type())
@click.option(
    "--root-key",
    "root_file",
    type=output.path_argument_type(),
    help="File with the root key. Default: that of this home's keys.",
)
@output.home_option
@output.json_option
def reconcile(*, file: Path, root_file: Path | None, home: Path | None, as_json: bool) -> None:
    """Take in what a downtime desk wrote down, and account for every number that it gave out.

    Records opened, results, corrections and calls become entries that name the desk and its line.
    The same file again changes nothing. People whom the desk did not know go to the worklist of
    unknown people; numbers of which nobody has said what became raise an alarm.
    """
    output.configure_django(home=home)
    from tourniquet.directory.roles import Role, Viewer
    from tourniquet.flows.desk_export import EXPORT_BYTES_MOST, open_export
    from tourniquet.flows.reconcile_desk import reconcile_desk
    from tourniquet.record.home import clock, open_home
    from tourniquet.record.keys import ROOT_FILE, read_signer
    from tourniquet.record.sealer import keys_folder

    open_home()
    root = read_root_file(root_file or keys_folder() / ROOT_FILE)
    export = open_export(_read(file, EXPORT_BYTES_MOST), root)
    with output.progress("Reconciling", len(export.lines)) as steps:
        found = reconcile_desk(
            export,
            record=read_signer(keys_folder()).name,
            viewer=Viewer(output.operator(), Role.LABORATORY),
            now=clock().now(),
            progress=lambda _: steps.advance(),
        )
    _tell_reconciled(found, as_json=as_json)


def _tell_reconciled(found: Reconciled, *, as_json: bool) -> None:
    kept = found.account
    if as_json:
        output.emit_json(
            {
                "desk": found.desk,
                "lines": found.lines,
                "new": found.new,
                "readings": found.readings,
                "results": found.results,
                "corrections": found.corrections,
                "provisional": found.provisional,
                "calls": found.calls,
                "issued": kept.total,
                "keyed": len(kept.keyed),
                "void": {str(number): why for number, why in sorted(kept.void.items())},
                "unused": len(kept.unused),
                "not_accounted": kept.describe_open(),
                "erased": list(found.erased),
                "elsewhere": kept.describe_elsewhere(),
                "clashes": [str(clash) for clash in found.clashes],
            }
        )
        return
    output.say(
        f"{found.new} of {found.lines} lines were new: {found.readings} records opened, "
        f"{found.results} results ({found.corrections} corrections), {found.calls} critical."
    )
    output.say(f"{found.provisional} results are of people whom the desk did not know.")
    output.say(
        f"Of {kept.total} numbers {len(kept.keyed)} were keyed, {len(kept.void)} are void, "
        f"{len(kept.unused)} blank, {len(kept.open)} not accounted for."
    )
    for words in kept.describe_open():
        output.say(f"Not accounted for: {words}")
    if found.erased:
        output.say(
            "Not taken in, because the person was erased meanwhile: " + "; ".join(found.erased)
        )
    for words in kept.describe_elsewhere():
        output.say(f"Keyed here, given out by another desk: {words}")
    for clash in found.clashes:
        output.say(f"Look at this: {clash}")


# Accounts -----------------------------------------------------------------------------------------


@click.command(
    name="desk-account",
    epilog=output.example(
        "tourniquet record desk-account amara --role keeper --holder",
        "tourniquet record desk-account amara --remove",
    ),
)
@click.argument("name")
@click.option("--role", default="reader", show_default=True, help="reader, recorder or keeper.")
@click.option("--holder", is_flag=True, help="One of the people who unlock the desk together.")
@click.option("--remove", is_flag=True, help="Remove the account.")
@click.option(
    "--desk",
    "folder",
    type=output.path_argument_type(),
    help="The desk's own folder. Default: desk in this home.",
)
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input, one line."
)
@output.json_option
def account(
    *,
    name: str,
    role: str,
    holder: bool,
    remove: bool,
    folder: Path | None,
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Add an account to the downtime desk, change one, or remove it.

    The desk's accounts are its own: it works while the main system's are away. Without
    --password-stdin a password is made and printed once.
    """
    import secrets

    from tourniquet.kernel import settings

    own = (folder or settings.home() / "desk").expanduser().resolve()
    output.configure_django(home=own, database_url="", settings_module=output.DESK_SETTINGS)
    from tourniquet.directory.desk_roles import DeskRole
    from tourniquet.flows.desk_accounts import DeskAccounts
    from tourniquet.flows.desk_id import begin_id
    from tourniquet.pathology.desk_reading import make_folder

    make_folder(own)
    desk_id = begin_id(own)
    accounts = DeskAccounts(own)
    if remove:
        accounts.remove(name)
    made = "" if password_stdin else secrets.token_urlsafe(12)
    if not remove:
        given = sys.stdin.readline().rstrip("\r\n") if password_stdin else made
        accounts.put(name, DeskRole.parse(role), given, holder=holder)
    if as_json:
        shown = {"password": made} if made and not remove else {}
        output.emit_json(
            {"name": name, "role": role, "removed": remove, "desk_id": desk_id, **shown}
        )
    elif remove:
        output.say(f"{name} removed.")
    else:
        output.say(f"{name} is {role} at the desk{' and unlocks it' if holder else ''}.")
        output.say(f"The desk's id, for `tourniquet record reserve-numbers`: {desk_id}")
        if made:
            output.say(f"Password, shown once: {made}")
