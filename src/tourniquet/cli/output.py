"""What every command does alike: how it prints, reports progress, fails and ends.

Invariants:
- Exit status 0 done; 1 the input or the state is at fault, with exactly one line on standard
  error; 2 wrong usage; 130 interrupted by the user.
- An exception nobody foresaw is written to a log under the home folder, never to the screen.
- With `--json`, standard output holds one JSON object and nothing else.

A command raises `tourniquet.kernel.errors` and lets them pass: `run` prints them. A missing input
file is the input's fault (1), not wrong usage (2): take paths with `path_argument_type`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

import click

from tourniquet.kernel import settings
from tourniquet.kernel.errors import OperatorError, TourniquetError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DONE = 0
AT_FAULT = 1
WRONG_USAGE = 2
INTERRUPTED = 130
CONSOLE_SETTINGS = "tourniquet.site.settings"
DESK_SETTINGS = "tourniquet.site.desk_settings"
HOME_MODE = 0o700  # patients' data lies there: nobody else on the machine may look in

_Function = TypeVar("_Function", bound=Callable[..., object])


# Help ------------------------------------------------------------------------------------------


def example(*lines: str) -> str:
    """The epilog of a command's help: one example a line, kept as written.

    Source: click's documentation, "Preventing Rewrapping" (the \\b marker).
    """
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


def json_option(function: _Function) -> _Function:
    """Add `--json`, handed to the command as `as_json`."""
    option = click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON object on standard output, and nothing else there.",
    )
    return option(function)


def home_option(function: _Function) -> _Function:
    """Add `--home DIR`, handed to the command as `home` (None: TOURNIQUET_HOME decides)."""
    option = click.option(
        "--home",
        type=path_argument_type(),
        default=None,
        metavar="DIR",
        help="Folder that holds all state. Default: TOURNIQUET_HOME, else ./tourniquet-data.",
    )
    return option(function)


def path_argument_type() -> click.Path:
    """A path that may or may not exist: whether it must is the command's to say, with status 1."""
    return click.Path(path_type=Path)


# Answers ---------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Write one line of the answer to standard output."""
    click.echo(text)


def note(text: str) -> None:
    """Write one line that is not part of the answer to standard error."""
    click.echo(text, err=True)


def emit_json(answer: Mapping[str, object]) -> None:
    """Write the one JSON object of a `--json` answer."""
    click.echo(json.dumps(answer, ensure_ascii=False, default=_as_json))


def _as_json(value: object) -> object:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (tuple, Path)):
        return list(value) if isinstance(value, tuple) else str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Write a text file that appears whole under its name or, on any failure, not at all."""
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # noqa: PTH101 # mkstemp gives 0600; an answer is read by others
        os.replace(name, path)  # noqa: PTH105 # the name is mkstemp's own string
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


# Progress --------------------------------------------------------------------------------------


class Steps(Protocol):
    """What a long run tells as it goes."""

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        ...

    def describe(self, text: str) -> None:
        """What is being done now."""
        ...


class _Silent:
    def advance(self, count: int = 1) -> None:
        pass

    def describe(self, text: str) -> None:
        pass


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, count: int = 1) -> None:
        self._progress.advance(self._task, count)

    def describe(self, text: str) -> None:
        self._progress.update(self._task, description=text)


@contextlib.contextmanager
def progress(description: str, total: int | None = None) -> Iterator[Steps]:
    """Show a bar on standard error where that is a terminal; else nothing at all."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Bar(bar, bar.add_task(description, total=total))


# Django ----------------------------------------------------------------------------------------


def configure_django(
    *,
    home: Path | None = None,
    database_url: str | None = None,
    settings_module: str = CONSOLE_SETTINGS,
) -> None:
    """Make the home folder where there is none, and Django ready for it.

    Called inside a command, before anything with tables is imported.
    Raises: OperatorError when a setting or the disk does not allow it.
    """
    if home is not None:
        os.environ["TOURNIQUET_HOME"] = str(home)
    if database_url is not None:
        os.environ["TOURNIQUET_DATABASE_URL"] = database_url
    os.environ["DJANGO_SETTINGS_MODULE"] = settings_module
    settings.home().mkdir(mode=HOME_MODE, parents=True, exist_ok=True)
    import django
    from django.core.exceptions import ImproperlyConfigured

    try:
        django.setup()
    except ImproperlyConfigured as error:
        raise OperatorError(
            "The settings do not fit together.", remedy="Run 'tourniquet check'."
        ) from error


def operator() -> str:
    """Who acts when a command writes to the journal: the user of the operating system."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container's user without a name
        return f"cli:{os.getuid()}"


# Ends ------------------------------------------------------------------------------------------


def run(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status; every way to fail ends here."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        # Not command.main(): it prints an empty line of its own on an interrupt.
        with command.make_context("tourniquet", given) as context:
            status = command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.UsageError as error:
        error.show()
        return WRONG_USAGE
    except (KeyboardInterrupt, click.Abort):
        _fail("Interrupted; nothing was left half-written.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone. Python would complain once more at exit.
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 # kept to the end
        return AT_FAULT
    except Exception as error:  # noqa: BLE001 # the last line of defence: decided by kind below
        _fail(_one_line_for(error))
        return AT_FAULT
    return status if isinstance(status, int) else DONE


def _fail(line: str) -> None:
    """Exactly one line on standard error, whatever the message holds."""
    with contextlib.suppress(BrokenPipeError):
        note("tourniquet: " + " ".join(line.split()))


def _one_line_for(error: Exception) -> str:
    if isinstance(error, TourniquetError):
        return str(error)
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}. Check the path, its permissions and the disk."
    return _database_line(error) or _internal_line(error)


def _database_line(error: Exception) -> str | None:
    """What to do about a database that cannot be used; None for any other exception."""
    database = sys.modules.get("django.db.utils")
    if database is None or not isinstance(error, database.DatabaseError):
        return None
    text = str(error)
    if "no such table" in text or ("relation" in text and "does not exist" in text):
        return "The database's tables are not up to date. Run 'tourniquet migrate'."
    if isinstance(error, database.OperationalError):
        return "The database does not answer or cannot be written. Run 'tourniquet check'."
    return None


def _internal_line(error: Exception) -> str:
    """Keep the traceback in a log that only its owner can read, and say where it is."""
    import secrets
    import traceback

    reference = secrets.token_hex(4)
    folder = settings.home() / "logs"
    path = folder / f"internal-error-{reference}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(traceback.format_exception(error))
    except OSError:
        return f"Internal error ({type(error).__name__}), and no log could be written in {folder}."
    return f"Internal error {reference}. Send {path} to whoever maintains this installation."
