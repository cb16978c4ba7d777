"""The benchmark of the alarms about reading: false ones a week, and who is caught."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click


def run(
    *, weeks: int = 52, incidents: int = 1, busier: float = 1.0, seed: int = 7, echo: bool = True
) -> dict[str, Any]:
    """Simulate and give (and print) the figures."""
    from tourniquet.exercise.readers import simulate
    from tourniquet.kernel import settings
    from tourniquet.patients.ceilings import (
        CEILINGS,
        LIMITS,
        REASONS,
        read_ceilings,
        read_limits,
        read_reasons,
    )

    ceilings, limits = read_ceilings(settings.read(CEILINGS)), read_limits(settings.read(LIMITS))
    reasons = read_reasons(settings.read(REASONS))
    outcome = simulate(
        seed=seed,
        weeks=weeks,
        incidents=incidents,
        busier=busier,
        ceilings=ceilings,
        reasons=reasons,
        limits=limits,
    )
    figures = asdict(outcome) | {
        "false_alarms_a_week": round(outcome.false_alarms_a_week, 3),
        "busier": busier,
        "ceilings": dict(ceilings.by_role),
        "reason_ceilings": dict(reasons.by_role),
    }
    if echo:
        click.echo(
            f"{outcome.people} people, {weeks} weeks, {outcome.incident_weeks} of them in an "
            f"incident, seed {seed}: {outcome.false_alarms_a_week:.2f} false alarms a week, "
            f"{outcome.worst_week} in the worst"
        )
        for one in outcome.caught:
            when = f", at the median on day {one.day_median:g}" if one.day_median else ""
            click.echo(f"{one.name}: caught {one.caught} of {one.runs}{when}")
        click.echo(
            f"bulk export with a stolen token: stopped after {outcome.export_taken} people "
            f"(limit {outcome.export_limit})"
        )
    return figures
