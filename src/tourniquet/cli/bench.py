"""`tourniquet bench`: what this machine does, each figure with its work and the machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from tourniquet.cli import output

Figures = dict[str, Any]  # Any: numbers, texts and objects of them, as they go to JSON
SECONDS = 10
CONNECTIONS = 32
RECORD_ENTRIES = 20_000
REPLICA_RATE = 100
DESK_PEOPLE = 1000


def _give(figures: Figures, tell: Callable[[Figures], None], *, as_json: bool) -> None:
    """For a machine, or for a person."""
    if as_json:
        output.emit_json(figures)
    else:
        tell(figures)


@click.group(
    name="bench",
    invoke_without_command=True,
    epilog=output.example("tourniquet bench intake --seconds 10", "tourniquet bench plan --json"),
)
@output.json_option
@click.pass_context
def command(context: click.Context, *, as_json: bool) -> None:
    """Measure this machine. Without a name: every benchmark, with its defaults."""
    if context.invoked_subcommand is not None:
        return
    from tourniquet.cli.bench_intake import measure, tell
    from tourniquet.cli.bench_plan import run
    from tourniquet.cli.bench_reads import run as run_reads

    figures = measure(seconds=SECONDS, connections=CONNECTIONS)
    plan = run(echo=not as_json)
    readings = run_reads(echo=not as_json)
    if as_json:
        output.emit_json({"intake": figures, "plan": plan, "reads": readings})
    else:
        tell(figures)


@command.command(
    name="erase", epilog=output.example("tourniquet bench erase --home june --people 50")
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Home of an exercise that was played on SQLite. It is copied and not changed.",
)
@click.option(
    "--people",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="How many people to take out.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Chooses the same people.")
@output.json_option
def erase(*, home: Path, people: int, seed: int, as_json: bool) -> None:
    """Take people out of a copy of an exercise, replay what is left, and compare.

    Beside the times it says whether ids and NHS numbers of theirs are left in the copy's bytes.
    """
    from tourniquet.cli.bench_erase import measure, tell

    figures = measure(source=home, people=people, seed=seed)
    _give(figures, tell, as_json=as_json)


@command.command(name="intake", epilog=output.example("tourniquet bench intake --seconds 30"))
@click.option(
    "--seconds",
    type=click.IntRange(1, 600),
    default=SECONDS,
    show_default=True,
    help="How long to measure.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 256),
    default=CONNECTIONS,
    show_default=True,
    help="Senders at once, each waiting for its answer.",
)
@output.json_option
def intake(*, seconds: int, connections: int, as_json: bool) -> None:
    """Reports of 4 kB with 20 results, over TCP, durable before AA.

    Makes a home of its own in a temporary folder, starts the real server on it, registers 2,000
    people and sends from a process beside it. The same messages are then taken in one transaction
    each, as a plain script would do it, for comparison.
    """
    from tourniquet.cli.bench_intake import measure, tell

    figures = measure(seconds=seconds, connections=connections)
    _give(figures, tell, as_json=as_json)


@command.command(name="plan", epilog=output.example("tourniquet bench plan --needs 100000"))
@click.option(
    "--needs",
    type=click.IntRange(100, 1_000_000),
    default=40_000,
    show_default=True,
    help="How many visits to plan.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Makes the same region again.")
@output.json_option
def plan(*, needs: int, seed: int, as_json: bool) -> None:
    """Plan a synthetic region under reduced capacity, beside strict priority."""
    from tourniquet.cli.bench_plan import run

    figures = run(needs=needs, seed=seed, echo=not as_json)
    if as_json:
        output.emit_json(figures)


@command.command(name="record", epilog=output.example("tourniquet bench record --entries 500000"))
@click.option(
    "--entries",
    type=click.IntRange(100, 10_000_000),
    default=RECORD_ENTRIES,
    show_default=True,
    help="How many entries to journal, seal and restore.",
)
@click.option(
    "--seed", type=int, default=7, show_default=True, help="Makes the same entries again."
)
@click.option("--database-url", default="", help="An empty PostgreSQL instead of SQLite.")
@click.option("--restore-url", default="", help="Restore into this empty PostgreSQL.")
@output.json_option
def record(*, entries: int, seed: int, database_url: str, restore_url: str, as_json: bool) -> None:
    """Seal a journal of reports, verify the vault, restore from it, prove single entries.

    In a temporary folder. Beside it the same database is copied and checked as without a vault.
    """
    from tourniquet.cli.bench_record import measure, tell

    figures = measure(
        entries=entries, seed=seed, database_url=database_url, restore_url=restore_url
    )
    _give(figures, tell, as_json=as_json)


@command.command(name="reads", epilog=output.example("tourniquet bench reads --weeks 520 --seed 3"))
@click.option(
    "--weeks",
    type=click.IntRange(1, 1040),
    default=52,
    show_default=True,
    help="How many weeks are simulated.",
)
@click.option(
    "--incidents",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="How many incidents begin in them; each is felt for seven weeks.",
)
@click.option(
    "--busier",
    type=click.FloatRange(0.1, 10),
    default=1.0,
    show_default=True,
    help="Multiplies what everybody reads, to see what the outcome rests on.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Makes the same weeks again.")
@output.json_option
def reads(*, weeks: int, incidents: int, busier: float, seed: int, as_json: bool) -> None:
    """Let 2,000 simulated people read records, and count the alarms that the ceilings raise.

    The ceilings and limits are those of this installation's settings. What is assumed of people
    stands in exercise/readers.py; it is a proposal, not a measurement of anybody.
    """
    from tourniquet.cli.bench_reads import run

    figures = run(weeks=weeks, incidents=incidents, busier=busier, seed=seed, echo=not as_json)
    if as_json:
        output.emit_json(figures)


@command.command(name="replica", epilog=output.example("tourniquet bench replica --seconds 30"))
@click.option(
    "--seconds",
    type=click.IntRange(1, 600),
    default=SECONDS,
    show_default=True,
    help="How long to measure at each level.",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 5000),
    default=REPLICA_RATE,
    show_default=True,
    help="Reports a second.",
)
@output.json_option
def replica(*, seconds: int, rate: int, as_json: bool) -> None:
    """Time to AA without and with a replica that has to countersign first.

    In a temporary folder, with the real server, its sealer, and a replica that follows it.
    """
    from tourniquet.cli.bench_replica import measure, tell

    figures = measure(seconds=seconds, rate=rate)
    _give(figures, tell, as_json=as_json)


@command.command(name="desk", epilog=output.example("tourniquet bench desk --people 25000"))
@click.option(
    "--people",
    type=click.IntRange(10, 1_000_000),
    default=DESK_PEOPLE,
    show_default=True,
    help="People, with 20 reports of 20 results each.",
)
@output.json_option
def desk(*, people: int, as_json: bool) -> None:
    """Time until the downtime desk is ready, and for one patient's history.

    Seals such a region into a temporary folder. No database is there at any time.
    """
    from tourniquet.cli.bench_desk import measure, tell

    figures = measure(people=people)
    _give(asdict(figures), lambda _: tell(figures), as_json=as_json)
