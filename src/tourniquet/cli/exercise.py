"""`tourniquet exercise`: an incident played on a synthetic region, against the running system."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import click

from tourniquet.cli import output

LEAST_PEOPLE = 2_000
MOST_PEOPLE = 2_000_000
DEFAULT_HOME = Path("tourniquet-exercise")


@click.command(
    name="exercise",
    epilog=output.example(
        "tourniquet exercise june-2024",
        "tourniquet exercise june-2024 --seed 7 --people 2000 --home june --json",
    ),
)
@click.argument("scenario", default="june-2024")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=7, show_default=True)
@click.option(
    "--people",
    type=click.IntRange(LEAST_PEOPLE, MOST_PEOPLE),
    default=20_000,
    show_default=True,
    help="Size of the synthetic region.",
)
@click.option(
    "--home",
    type=output.path_argument_type(),
    default=None,
    metavar="DIR",
    help="Folder of the exercise: empty, or an earlier exercise's. "
    "Default: TOURNIQUET_HOME, else ./tourniquet-exercise.",
)
@click.option(
    "--out",
    type=output.path_argument_type(),
    default=None,
    metavar="DIR",
    help="Where the scorecard is written. Default: scorecard/ in the home.",
)
@click.option(
    "--database-url", default=None, help="An empty PostgreSQL database instead of SQLite."
)
@click.option("--serve", is_flag=True, help="Serve the console of the exercise afterwards.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
@click.option("--mllp-port", type=click.IntRange(0, 65535), default=2575, show_default=True)
@output.json_option
def command(  # noqa: PLR0917 (click passes by name)
    scenario: str,
    seed: int,
    people: int,
    home: Path | None,
    out: Path | None,
    database_url: str | None,
    serve: bool,  # noqa: FBT001 (click passes by name)
    port: int,
    mllp_port: int,
    as_json: bool,  # noqa: FBT001 (click passes by name)
) -> None:
    """Replay an incident on a synthetic region, end to end, and print the scorecard.

    SCENARIO names one that ships with Tourniquet; june-2024 is the only one so far.
    """
    from tourniquet.exercise.folders import prepare_folder
    from tourniquet.exercise.scenario import load_scenario

    named = os.environ.get("TOURNIQUET_HOME", "")
    folder = (home or (Path(named) if named else DEFAULT_HOME)).resolve()
    played = load_scenario(scenario)
    prepare_folder(folder)
    output.configure_django(home=folder, database_url=database_url or "")
    from tourniquet.exercise.run import Terms, run_exercise

    terms = Terms(
        scenario=scenario,
        seed=seed,
        people=people,
        home=folder,
        out=(out or folder / "scorecard").resolve(),
        database_url=database_url or "",
    )
    total = played.days + played.warm_up_days
    with _ended_like_ctrl_c(), output.progress("Setting up the region", total) as steps:
        result = run_exercise(terms, describe=steps.describe, advance=steps.advance)
    if as_json:
        output.emit_json(result.scorecard)
    else:
        for line in result.lines:
            output.say(line)
    if serve:
        _serve(folder, database_url or "", port, mllp_port)


@contextlib.contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """SIGTERM ends the play as Ctrl-C does: its server and helpers end with it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _serve(home: Path, database_url: str, port: int, mllp_port: int) -> None:
    """Become the server of the exercise's home, until it is interrupted."""
    import sys

    from tourniquet.kernel.settings import environment_with

    environment = environment_with(TOURNIQUET_HOME=str(home), TOURNIQUET_DATABASE_URL=database_url)
    sys.stdout.flush()
    os.execve(  # noqa: S606 (our own interpreter and module; no shell)
        sys.executable,
        [
            sys.executable,
            "-m",
            "tourniquet.cli.main",
            "serve",
            "--port",
            str(port),
            "--mllp-port",
            str(mllp_port),
        ],
        environment,
    )
