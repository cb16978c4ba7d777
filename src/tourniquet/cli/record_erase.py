"""`tourniquet record erase`: one person's data erased, by two people and after a waiting time."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import PermissionRefused, UserError

if TYPE_CHECKING:
    from tourniquet.directory.roles import Viewer
    from tourniquet.record.models import Erasure
    from tourniquet.record.replica_erasures import Extent, Watched

SEALER_SECONDS = 30.0  # how long a sealer at work is waited for
LOOK_SECONDS = 0.2
_account_option = click.option(
    "--account",
    required=True,
    help="Whose act this is. The password is typed unseen, or comes on standard input.",
)


@click.group(
    name="erase",
    epilog=output.example(
        "tourniquet record erase ask PATIENT --account ada --ground b --asked-for person "
        "--identity in_person --exempt care=no --exempt public_health=no --exempt archiving=no "
        "--exempt legal_claims=no",
        "tourniquet record erase approve ERASURE --account ben",
        "tourniquet record erase list",
    ),
)
def command() -> None:
    """Erase one person's data: ask, have another person approve, wait, carry out."""


@command.command(name="ask", epilog=output.example("tourniquet record erase ask --help"))
@click.argument("patient")
@_account_option
@click.option("--ground", required=True, metavar="a-f", help="UK GDPR, article 17(1)(a) to (f).")
@click.option(
    "--asked-for",
    required=True,
    metavar="WHO",
    help="Who wants it: person, representative, court, regulator, controller.",
)
@click.option(
    "--identity",
    required=True,
    metavar="HOW",
    help="How identity was checked: in_person, document, nhs_login, known, order.",
)
@click.option(
    "--exempt",
    "exemptions",
    multiple=True,
    metavar="NAME=yes|no",
    help="Whether an exemption of article 17(3) applies; each: care, public_health, archiving, "
    "legal_claims.",
)
@click.option("--words", default="", help="What else to note; erased with the person.")
@click.option(
    "--acknowledge",
    "acknowledged",
    multiple=True,
    metavar="NAME",
    help="That you have looked at: critical_result, waiting_test, appointment, perhaps_same.",
)
@output.home_option
@output.json_option
def ask_command(
    *,
    patient: str,
    account: str,
    ground: str,
    asked_for: str,
    identity: str,
    exemptions: tuple[str, ...],
    words: str,
    acknowledged: tuple[str, ...],
    home: Path | None,
    as_json: bool,
) -> None:
    """Ask that a person be erased. PATIENT is a number of theirs, or their id in this record."""
    viewer, now = _open(home, account)
    from tourniquet.flows.ask_erasure import Asking, ask_erasure

    answers = [one.partition("=") for one in exemptions]
    for name, _, answer in answers:
        if answer not in ("yes", "no"):
            raise UserError("Answer yes or no.", where=f"--exempt {name}")
    asking = Asking(
        ground=ground,
        asked_for=asked_for,
        identity=identity,
        applies=tuple(name for name, _, answer in answers if answer == "yes"),
        not_applies=tuple(name for name, _, answer in answers if answer == "no"),
        words=words,
        acknowledged=acknowledged,
    )
    erasure = ask_erasure(_id_of(viewer, patient), asking, viewer=viewer, now=now)
    _tell_one(erasure, as_json=as_json)


def _id_of(viewer: Viewer, text: str) -> str:
    """The id of the person who has this number; any other text as it is. Raises: UserError."""
    from tourniquet.patients.readings import list_holders

    found = list_holders(viewer, text)
    if len(found) > 1:
        raise UserError(
            f"{len(found)} people have this number.",
            where="PATIENT",
            remedy="Name the person's id, as in the address of their page.",
        )
    return found[0] if found else text


@command.command(
    name="approve", epilog=output.example("tourniquet record erase approve ERASURE --account ben")
)
@click.argument("erasure")
@_account_option
@click.option(
    "--acknowledge",
    "acknowledged",
    multiple=True,
    metavar="NAME",
    help="That you have looked at: critical_result, waiting_test, appointment, perhaps_same.",
)
@output.home_option
@output.json_option
def approve_command(
    *, erasure: str, account: str, acknowledged: tuple[str, ...], home: Path | None, as_json: bool
) -> None:
    """Approve, as another person than who asked. From now on it waits."""
    viewer, now = _open(home, account)
    from tourniquet.flows.ask_erasure import approve_erasure

    approve_erasure(erasure, viewer=viewer, now=now, acknowledged=acknowledged)
    _tell_one(erasure, as_json=as_json)


@command.command(
    name="withdraw",
    epilog=output.example("tourniquet record erase withdraw ERASURE --account ada --why asker"),
)
@click.argument("erasure")
@_account_option
@click.option("--why", required=True, metavar="WHY", help="asker, mistake, changed.")
@output.home_option
@output.json_option
def withdraw_command(
    *, erasure: str, account: str, why: str, home: Path | None, as_json: bool
) -> None:
    """Take an erasure back that was not carried out yet."""
    viewer, now = _open(home, account)
    from tourniquet.flows.ask_erasure import withdraw_erasure

    withdraw_erasure(erasure, why=why, viewer=viewer, now=now)
    _tell_one(erasure, as_json=as_json)


@command.command(
    name="refuse",
    epilog=output.example("tourniquet record erase refuse ERASURE --account ben --exemption care"),
)
@click.argument("erasure")
@_account_option
@click.option(
    "--exemption",
    required=True,
    metavar="NAME",
    help="Which applies: care, public_health, archiving, legal_claims.",
)
@output.home_option
@output.json_option
def refuse_command(
    *, erasure: str, account: str, exemption: str, home: Path | None, as_json: bool
) -> None:
    """Refuse an erasure by an exemption of article 17(3)."""
    viewer, now = _open(home, account)
    from tourniquet.flows.ask_erasure import refuse_erasure

    refuse_erasure(erasure, exemption=exemption, viewer=viewer, now=now)
    _tell_one(erasure, as_json=as_json)


@command.command(name="list", epilog=output.example("tourniquet record erase list --json"))
@output.home_option
@output.json_option
def list_command(*, home: Path | None, as_json: bool) -> None:
    """List the erasures: state, who asked and approved, when it is due. No names."""
    output.configure_django(home=home)
    from tourniquet.record.erasures import list_erasures

    found = [_as_told(one) for one in list_erasures(limit=500)]
    if as_json:
        output.emit_json({"erasures": found})
        return
    for one in found:
        output.say(_line(one))
    if not found:
        output.say("No erasure was ever asked for.")


@command.command(name="sweep", epilog=output.example("tourniquet record erase sweep"))
@output.home_option
@output.json_option
def sweep_command(*, home: Path | None, as_json: bool) -> None:
    """Write the database's tables anew, so that its files hold nothing of what was erased.

    What is carried out is swept by itself, which leaves bytes in free space that nothing points to.
    This leaves none; writers wait meanwhile, seconds to minutes, so choose a quiet hour. It needs
    as much free disk as the database is large.
    """
    output.configure_django(home=home)
    from tourniquet.record.erasure_rules import State
    from tourniquet.record.erasures import MOST, list_erasures
    from tourniquet.record.home import open_home
    from tourniquet.record.sweeping import find_onlookers, still_seen, sweep_database

    open_home()
    erased = list_erasures(states=(State.CARRIED_OUT, State.FINISHED), limit=MOST)
    onlookers = find_onlookers(one.pk for one in erased)
    if onlookers:
        raise still_seen(onlookers)
    with output.progress("Rebuilding", None):
        found = sweep_database(rebuild=True)
    if as_json:
        output.emit_json({"rebuilt": found.rebuilt, "left": found.left})
        return
    left = f"It does not reach: {found.left}." if found.left else "Nothing is left in its files."
    output.say(f"The database's tables were written anew. {left}")


@command.command(name="carry-out", epilog=output.example("tourniquet record erase carry-out"))
@output.home_option
@output.json_option
def carry_out_command(*, home: Path | None, as_json: bool) -> None:
    """Carry out what is due, and go on with what was interrupted. `serve` does this by itself.

    Where a sealer is at work it destroys the keys; else this command seals and destroys them.
    """
    output.configure_django(home=home)
    from tourniquet.flows.carry_out_erasures import carry_out_erasures, finish_erasures
    from tourniquet.record.erasure_rules import State
    from tourniquet.record.erasures import list_erasures
    from tourniquet.record.home import clock, open_home

    open_home()
    now = clock().now()
    found = carry_out_erasures(now=now)
    finished, unfinished = found.finished, found.unfinished
    until = time.monotonic() + SEALER_SECONDS
    while list_erasures(states=(State.CARRIED_OUT,), limit=1) and time.monotonic() < until:
        if not _seal(now):
            time.sleep(LOOK_SECONDS)
        done = finish_erasures(now=now)
        finished += done.finished
        unfinished = done.unfinished
        if unfinished is not None:
            time.sleep(LOOK_SECONDS)
    told = {
        "carried_out": found.carried_out,
        "held": found.held,
        "nobody_left": found.nobody,
        "finished": finished,
        "waiting_for_sealer": [one.pk for one in list_erasures(states=(State.CARRIED_OUT,))],
        "failed": [{"erasure": one.erasure, "why": str(one.error)} for one in found.failed],
    }
    if as_json:
        output.emit_json(told)
    else:
        _tell_done(told)
    error = found.failed[0].error if found.failed else unfinished
    if error is not None:
        raise error


_DONE_WORDS = {
    "carried_out": "content and rows are gone.",
    "held": "HELD; see the alarm.",
    "nobody_left": "HELD: nobody is left whom it is about. Withdraw it.",
    "finished": "keys destroyed, free space overwritten: finished.",
    "waiting_for_sealer": "its keys or the database's files are still to go; it goes on by itself.",
}


def _tell_done(told: dict[str, Any]) -> None:
    for name, words in _DONE_WORDS.items():
        for one in told[name]:
            output.say(f"{one}: {words}")
    for one in told["failed"]:
        if one["erasure"]:
            output.say(f"{one['erasure']}: NOT carried out: {one['why']}")
    if not any(told.values()):
        output.say("Nothing is due.")


@command.command(
    name="replica",
    epilog=output.example(
        "tourniquet record erase replica --of /replica",
        "tourniquet record erase replica --of /replica --refuse ERASURE",
    ),
)
@click.option(
    "--of",
    "folder",
    type=output.path_argument_type(),
    required=True,
    help="The replica's folder.",
)
@click.option(
    "--allow", multiple=True, metavar="ERASURE", help="Let it take the keys that are shown."
)
@click.option("--refuse", multiple=True, metavar="ERASURE", help="Never carry it out here.")
@click.option("--go-on", is_flag=True, help="After a stop: erasures go by themselves again.")
@output.json_option
def replica_command(
    *, folder: Path, allow: tuple[str, ...], refuse: tuple[str, ...], go_on: bool, as_json: bool
) -> None:
    """At a replica: which erasures it has seen, and what a person here decides about them."""
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.keys import only_one
    from tourniquet.record.replica_erasures import ReplicaErasures

    erasures = ReplicaErasures(Disk(LocalFiles(folder)), None)
    if allow or refuse or go_on:
        with only_one(folder, "replica.lock"):
            book = erasures.decide(allow=allow, refuse=refuse, go_on=go_on)
    else:
        book = erasures.read()
    if as_json:
        import msgspec

        output.emit_json(msgspec.to_builtins(book))
        return
    if book.is_stopped:
        output.say("STOPPED: more was due on one day than may be. Nothing goes by itself.")
    for name, one in book.watched.items():
        output.say(f"{name}: {_watched_line(one)}")
    if not book.watched:
        output.say("This replica has seen no erasure.")


def _watched_line(one: Watched) -> str:
    """What a replica knows of an erasure, and what a person there decided."""
    state = "refused here" if one.is_refused else "waits"
    if one.is_again:
        state = "refused here, and approved again at the source since: it stays refused"
    if one.done_at:
        state = f"carried out {one.done_at.isoformat()}"
    parts = [f"asked by {one.asked_by}", f"approved by {one.approved_by}"]
    parts.append(f"first seen {one.first_seen.isoformat()}: {state}")
    if one.extent and not one.done_at:
        parts.append(f"takes {_extent_words(one.extent)}")
    if one.allowed and one.allowed == one.extent:
        parts.append("allowed here")
    elif one.allowed:
        parts.append(f"allowed here for something else: {_extent_words(one.allowed)}")
    return ", ".join(parts)


def _extent_words(extent: Extent) -> str:
    return f"{extent.keys} keys, by position {extent.position}"


def _seal(now: datetime) -> bool:
    """Seal to the head, which destroys the keys; False where another process is at it."""
    from tourniquet.record.keys import only_one
    from tourniquet.record.sealer import keys_folder, open_sealer

    try:
        with only_one(keys_folder()):
            sealer = open_sealer(now=now)
            try:
                while sealer.seal_next(now=now):
                    pass
            finally:
                sealer.close()
    except UserError:
        return False
    return True


def _open(home: Path | None, account: str) -> tuple[Viewer, datetime]:
    """The viewer whom the password belongs to, and the home's time. Raises: PermissionRefused."""
    output.configure_django(home=home)
    from django.contrib.auth import authenticate

    from tourniquet.directory.queries import find_viewer
    from tourniquet.record.home import clock, open_home

    open_home()
    if sys.stdin.isatty():
        password = str(click.prompt(f"Password of {account}", hide_input=True, err=True))
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    known = authenticate(None, username=account, password=password)
    viewer = find_viewer(account) if known is not None else None
    if viewer is None:
        raise PermissionRefused(
            "The account or the password is not right.",
            where="--account",
            remedy="An erasure is asked for and approved by named people, each with a password.",
        )
    return viewer, clock().now()


def _as_told(one: Erasure) -> dict[str, Any]:
    from tourniquet.record.erasures import find_due

    return {
        "erasure": one.pk,
        "state": one.state,
        "ground": one.ground,
        "records": one.records,
        "asked_by": one.asked_by,
        "asked_at": one.asked_at,
        "approved_by": one.approved_by,
        "approved_at": one.approved_at,
        "due_at": find_due(one),
        "why": one.why,
        "ended_at": one.ended_at,
        "entries": one.entries,
        "rows": one.rows,
        "finished_at": one.finished_at,
        "mentions": _positions(one.mentions),
        "handed_out": _positions(one.handed_out),
    }


def _positions(joined: str) -> list[int]:
    return [int(one) for one in joined.split(",") if one]


def _line(told: dict[str, Any]) -> str:
    state = told["state"].replace("_", " ")
    parts = [f"{told['erasure']}: {state}, ground {told['ground']}, asked by {told['asked_by']}"]
    if told["approved_by"]:
        parts.append(f"approved by {told['approved_by']}")
    if told["state"] == "approved":
        due = told["due_at"]
        parts.append(f"due {due.isoformat()}" if due else "waits for the witness to see it")
    if told["why"]:
        parts.append(told["why"])
    if told["entries"]:
        parts.append(f"{told['entries']} entries and {told['rows']} rows gone")
    for name, words in (("mentions", "look at"), ("handed_out", "handed out at")):
        if told[name]:
            parts.append(f"{words} {', '.join(map(str, told[name]))}")
    return ", ".join(parts)


def _tell_one(erasure: str, *, as_json: bool) -> None:
    from tourniquet.record.erasures import get_erasure

    told = _as_told(get_erasure(erasure))
    if as_json:
        output.emit_json(told)
    else:
        output.say(_line(told))
