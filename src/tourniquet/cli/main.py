"""`tourniquet`: the table of commands, and the entry point.

Invariants:
- The table holds each command's short help, so that `--help` imports none of them.
- A module named here exports `command`.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass

import click

from tourniquet import __version__
from tourniquet.cli import output


@dataclass(frozen=True)
class Entry:
    """One command: its name, the module that exports it, and its line in `--help`."""

    name: str
    module: str
    help: str


COMMANDS: tuple[Entry, ...] = (
    Entry("serve", "tourniquet.cli.serve", "Console, public pages, FHIR and MLLP in one command."),
    Entry("exercise", "tourniquet.cli.exercise", "Replay an incident on a synthetic region."),
    Entry("intake", "tourniquet.cli.intake", "Take message files as if they came by wire."),
    Entry("plan", "tourniquet.cli.plan", "Plan appointments under reduced capacity."),
    Entry("review", "tourniquet.cli.review", "Find whose data is in a folder of stolen files."),
    Entry("record", "tourniquet.cli.record", "The journal and its vault: seal, verify, replay."),
    Entry("users", "tourniquet.cli.users", "Add and list accounts, issue bearer tokens."),
    Entry("migrate", "tourniquet.cli.migrate", "Bring the database's tables up to date."),
    Entry("check", "tourniquet.cli.check", "Name every missing or unsafe setting."),
    Entry("region", "tourniquet.cli.region", "Import the organisations of a region."),
    Entry("bench", "tourniquet.cli.bench", "Measure this machine: intake, plan, record."),
)


class LazyGroup(click.Group):
    """A group that imports a command only when it is asked for by name."""

    def __init__(self, *, entries: Sequence[Entry], **attributes: object) -> None:
        super().__init__(**attributes)  # type: ignore[arg-type] # click's own keyword arguments
        self._entries = {entry.name: entry for entry in entries}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 # click's signature
        """Every name, in the order of the table."""
        return list(self._entries)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 # click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import the command; None for a name that is not in the table."""
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command = importlib.import_module(entry.module).command
        assert isinstance(command, click.Command), f"{entry.module} exports no command"
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 # click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands from the table, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in self._entries.values()])


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    name="tourniquet",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=output.example("tourniquet exercise june-2024 --serve"),
)
@click.version_option(__version__, prog_name="tourniquet")
def command() -> None:
    """Keep a region's pathology service working through a cyber attack.

    Settings come from the environment (TOURNIQUET_…); `tourniquet check` names what is missing.
    Exit status: 0 done, 1 the input or the state is at fault, 2 wrong usage.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    raise SystemExit(output.run(command, arguments))


if __name__ == "__main__":
    main()
