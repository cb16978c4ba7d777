"""The scorecard in lines for a screen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

NAMES = (
    ("tourniquet", "Tourniquet"),
    ("strict_priority", "strict priority"),
    ("what_happened", "what happened"),
)


def _share(value: object) -> str:
    return f"{value:.1%}" if isinstance(value, int | float) else "none"


def _number(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "none"


def _row(label: str, values: object, show: str) -> str:
    assert isinstance(values, Mapping)
    cells = [
        (_share if show == "share" else _number)(values.get(name)).rjust(16) for name, _ in NAMES
    ]
    return label.ljust(38) + "".join(cells)


def summary_lines(card: Mapping[str, object], out: Path) -> list[str]:
    """The scorecard as a table, the figures that must be nought, and where the page is."""
    harm = card["harm"]
    assert isinstance(harm, Mapping)
    return [
        (
            f"{card['scenario']}: {_number(card['people'])} people, {card['days']} days, "
            f"{_number(card['needs'])} visits needed, seed {card['seed']}"
        ),
        "".ljust(38) + "".join(title.rjust(16) for _, title in NAMES),
        _row("Urgent tests within their safe time", card["urgent_on_time"], "share"),
        _row("Harm (modelled)", harm, "number"),
        f"  no policy can be below {_number(harm['lower_bound'])}",
        _row("Postponed, with a next or review day", card["dated"], "share"),
        _row("Specimens nobody could process", card["unprocessable_specimens"], "number"),
        _row("  overtaken by a later failure", card["overtaken_specimens"], "number"),
        (
            f"Told: {_share(card['told'])} of those concerned, nine in ten within "
            f"{card['hours_to_tell_p90']} hours; {card['notices_per_person']} notices a person"
        ),
        (
            f"Appointments kept: {_share(card['kept'])}; days to the next date, nine in ten: "
            f"{card['days_to_next_date_p90']}"
        ),
        (
            f"Messages acknowledged {_number(card['messages_acknowledged'])}, "
            f"refused {_number(card['messages_refused'])}, "
            f"lost {_number(card['messages_lost'])}, doubled {_number(card['messages_doubled'])}"
        ),
        "Replaying the journal gives the same tables: "
        + ("yes" if card["replay_equals_tables"] else "NO"),
        (
            "Database, vault and keys were destroyed and restored from the replica in "
            f"{_number(card['restore_seconds'])} s: records lost {_number(card['records_lost'])}, "
            f"minutes without history {card['history_dark_minutes']}"
        ),
        (
            f"Numbers that the downtime desk gave out {_number(card['numbers_given_out'])}, "
            f"accounted for {_number(card['numbers_accounted_for'])}; results keyed there "
            f"{_number(card['results_keyed'])}, taken in {_number(card['results_taken_in'])}; "
            f"calls {_number(card['calls_made'])}, taken in {_number(card['calls_taken_in'])}"
        ),
        (
            f"Took {_number(card['seconds'])} s. Demand, capacity between anchors, noise and harm "
            "weights are modelled, not measured."
        ),
        f"Scorecard: {out / 'index.html'} and scorecard.json",
    ]
