"""`tourniquet plan`: plan appointments and laboratory work under reduced capacity."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    name="plan",
    epilog="Example: tourniquet plan region/ --out answer/",
)
@click.argument("problem", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for plan.csv and summary.json; made where it is missing.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def command(problem: Path, out: Path, *, as_json: bool) -> None:
    """Plan the needs in PROBLEM, a folder of CSV files, and write the plan to OUT.

    Each need is kept, moved, booked or deferred, with a reason; no laboratory, clinic or courier
    is asked for more than it has. The lower bound on harm is proven.
    """
    # Imported here: --help must not wait for numpy and the solver.
    import json
    import time

    from tourniquet.triage.reading import read_problem
    from tourniquet.triage.solver import solve
    from tourniquet.triage.writing import (
        check_out,
        summarise,
        write_plan,
    )

    started = time.perf_counter()
    region = read_problem(problem)
    check_out(out)
    plan = solve(region)
    seconds = time.perf_counter() - started
    write_plan(region, plan, out, seconds=seconds)
    figures = summarise(plan, seconds=seconds)
    if as_json:
        click.echo(json.dumps(figures))
        return
    gap = figures["gap"]
    click.echo(
        f"{figures['needs']} needs: {figures['kept']} kept, {figures['moved']} moved, "
        f"{figures['booked']} booked, {figures['deferred']} deferred"
    )
    click.echo(
        f"harm {figures['harm']:g}, proven lower bound {figures['lower_bound']:g}"
        + ("" if gap is None else f", gap {gap:.2%}")
    )
    click.echo(f"P1 and P2 not served by their safe day: {figures['urgent_unserved']}")
    click.echo(f"written to {out} in {seconds:.1f} s")
