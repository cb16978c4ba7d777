"""`tourniquet users`: accounts and bearer tokens."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tourniquet.cli import output
from tourniquet.directory.roles import Role
from tourniquet.kernel.errors import UserError


@click.group(
    name="users",
    epilog=output.example("tourniquet users add kim --role laboratory --organisation RJ1"),
)
def command() -> None:
    """Add and list accounts, and issue bearer tokens for the FHIR interface."""


@command.command(
    name="add",
    epilog=output.example(
        "tourniquet users add kim --role laboratory --organisation RJ1 --password-stdin",
    ),
)
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    required=True,
    help="What the account is for.",
)
@click.option(
    "--organisation",
    metavar="ODS",
    default=None,
    help="Sees only what names this organisation. Default: the whole region.",
)
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input: one line, or asked for at a terminal. "
    "Without it the account cannot sign in to the console; tokens work.",
)
@output.home_option
@output.json_option
def add(
    *,
    name: str,
    role: str,
    organisation: str | None,
    password_stdin: bool,
    home: Path | None,
    as_json: bool,
) -> None:
    """Add an account, or change the role and organisation of one."""
    password = _read_password() if password_stdin else None
    _open(home)
    from tourniquet.flows.manage_accounts import add_account

    added = add_account(
        name=name,
        role=role,
        organisation=organisation,
        password=password,
        actor=output.operator(),
    )
    if as_json:
        output.emit_json({"name": added, "role": role, "organisation": organisation or ""})
    else:
        output.say(f"Account {added} is set: {role}, {organisation or 'whole region'}.")


@command.command(name="token", epilog=output.example("tourniquet users token kim"))
@click.argument("name")
@output.home_option
@output.json_option
def token(*, name: str, home: Path | None, as_json: bool) -> None:
    """Print a new bearer token of an account, alone on standard output; it is shown once."""
    _open(home)
    from tourniquet.flows.manage_accounts import issue_token

    issued = issue_token(name=name, actor=output.operator())
    if as_json:
        output.emit_json({"name": name, "token": issued})
    else:
        output.say(issued)


@command.command(name="list", epilog=output.example("tourniquet users list --json"))
@output.home_option
@output.json_option
def list_(*, home: Path | None, as_json: bool) -> None:
    """List the accounts: name, role, organisation, whether active."""
    _open(home)
    from tourniquet.directory.queries import list_accounts

    accounts = [
        {
            "name": account.name,
            "role": account.role,
            "organisation": account.organisation,
            "active": account.active,
        }
        for account in list_accounts()
    ]
    if as_json:
        output.emit_json({"accounts": accounts})
        return
    if not accounts:
        output.note("There are no accounts yet. Add one with 'tourniquet users add'.")
    for account in accounts:
        scope = account["organisation"] or "whole region"
        state = "" if account["active"] else "  (not active)"
        output.say(f"{account['name']:<20}  {account['role']:<16}  {scope}{state}")


def _open(home: Path | None) -> None:
    """Django, and the clock of the home: an exercise's accounts are dated by the exercise."""
    output.configure_django(home=home)
    from tourniquet.record.home import open_home

    open_home()


def _read_password() -> str:
    if sys.stdin.isatty():
        answer = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        assert isinstance(answer, str)
        return answer
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise UserError(
            "No password came on standard input.", remedy="Pipe one line into the command."
        )
    return password
