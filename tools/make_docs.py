"""Write the generated pages of docs/reference; `--check` only says whether they are stale.

Pages: commands.md from every command's --help, settings.md from the kernel's table of settings.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from tourniquet.cli.main import command as root_command
from tourniquet.kernel.settings import SETTINGS

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"
_WRITTEN = "<!-- Written by `make docs`; not edited by hand. -->"
_WIDTH = 96


def list_commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its full name, groups before what is in them."""
    return _walk(root_command, None, "tourniquet")


def list_commands_of(
    group: click.Group, name: str
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """One command of a group, and what is in it."""
    context = _context(group, None, "tourniquet")
    command = group.get_command(context, name)
    assert command is not None, name
    return _walk(command, context, name)


def help_of(command: click.Command, context: click.Context) -> str:
    """The text of --help, without spaces at the ends of lines."""
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def render_commands() -> str:
    """The page with every command's help."""
    parts = [f"# Commands\n\n{_WRITTEN}"]
    for name, command, context in list_commands():
        parts.append(f"## `{name}`\n\n```text\n{help_of(command, context)}\n```")
    return "\n\n".join(parts) + "\n"


def render_settings() -> str:
    """The page with every setting."""
    lines = [
        "# Settings",
        "",
        _WRITTEN,
        "",
        "Every setting comes from the environment. `tourniquet check` names what is missing or",
        "unsafe, and never shows a secret's value.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
    ]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default else "unset"
        meaning = setting.meaning.replace("|", "\\|") + (" Secret." if setting.secret else "")
        lines.append(f"| `{setting.name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": render_commands,
    "settings.md": render_settings,
}


def list_stale() -> list[str]:
    """The pages that are missing or say something else than the code."""
    return [
        name
        for name, render in PAGES.items()
        if not (REFERENCE / name).exists()
        or (REFERENCE / name).read_text(encoding="utf-8") != render()
    ]


def _walk(
    command: click.Command, parent: click.Context | None, name: str
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = _context(command, parent, name)
    yield context.command_path, command, context
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from _walk(child, context, child_name)


def _context(command: click.Command, parent: click.Context | None, name: str) -> click.Context:
    return click.Context(
        command, info_name=name, parent=parent, terminal_width=_WIDTH, max_content_width=_WIDTH
    )


def main() -> int:
    """Write the stale pages, or with --check name them and exit 1."""
    stale = list_stale()
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/reference/{name} is stale: run 'make docs'", file=sys.stderr)
        return 1 if stale else 0
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (REFERENCE / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"docs/reference/{name} written")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
