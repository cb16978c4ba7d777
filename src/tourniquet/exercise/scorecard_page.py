"""The scorecard as one page that anybody can open: charts, tables, plain words, nothing fetched.

Invariants:
- Self-contained: no script, no outside address, no font, no image file.
- Every chart has its figures as a table beside it; series differ by dash and label too.
- A figure that is missing is shown as missing and is not good; nothing counted of nothing is good.
- Figures come from the scorecard alone; what is modelled and not measured is said on the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from markupsafe import Markup

from tourniquet.web.charts import Chart, Series, bar, line, show, step

POLICIES = (
    ("tourniquet", "Tourniquet"),
    ("what_happened", "What happened (stylised)"),
    ("strict_priority", "Strict priority"),
)
Row = Mapping[str, object]
MISSING = "Missing"
_RUN_FIGURES = (
    *("messages_acknowledged", "messages_refused", "messages_lost", "messages_doubled"),
    *("records_lost", "restore_seconds", "history_dark_minutes"),
    *("numbers_given_out", "numbers_accounted_for", "results_keyed", "results_taken_in"),
    *("calls_made", "calls_taken_in"),
)

STYLE = """
:root{--ink:#212b32;--soft:#4c6272;--line:#d8dde0;--paper:#fff;--ground:#f0f4f5;--blue:#005eb8;
--red:#b3261e;--green:#006747;--purple:#5b3a8e}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);line-height:1.5;
font-family:system-ui,-apple-system,"Segoe UI",Arial,sans-serif;font-size:17px}
header{background:var(--blue);color:#fff;padding:20px 16px}
header p{margin:4px 0 0}
.mark{background:#ffeb3b;color:#212b32;font-weight:700;text-align:center;padding:6px 16px}
.wrap{max-width:1020px;margin:0 auto}
main{padding:16px}
h1{font-size:1.7rem;line-height:1.2;margin:0}
h2{font-size:1.35rem;margin:36px 0 8px}
h2:first-child{margin-top:8px}
section>p{max-width:44em}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(225px,1fr));gap:12px;margin:12px 0}
.card{background:var(--paper);border:1px solid var(--line);border-top:5px solid var(--blue);
padding:12px 14px}
.card.good{border-top-color:var(--green)}
.card.bad{border-top-color:var(--red)}
.card h3{font-size:1rem;margin:0;color:var(--soft);font-weight:600}
.card .big{font-size:1.9rem;font-weight:700;margin:2px 0}
.card p{margin:0;font-size:.95rem}
.scroll{overflow-x:auto;background:var(--paper);border:1px solid var(--line)}
table{border-collapse:collapse;width:100%;background:var(--paper);font-size:.95rem}
caption{text-align:left;font-weight:700;padding:10px 12px}
td:last-child:not(.n){min-width:12em}
th,td{padding:7px 12px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
thead th{border-bottom:2px solid var(--soft)}
.tq-number,td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.tag{display:inline-block;border:1px solid var(--soft);padding:0 6px;font-size:.85rem}
.tag.anchor{background:var(--ink);color:#fff;border-color:var(--ink)}
.tq-chart{margin:14px 0;background:var(--paper);border:1px solid var(--line);padding:12px}
.tq-chart figcaption{font-weight:700;margin-bottom:4px}
.tq-chart__svg{display:block;width:100%;height:auto}
.tq-chart__grid{stroke:#d8dde0;stroke-width:1}
.tq-chart__label{font-size:12px;fill:#4c6272}
.tq-chart__line{fill:none;stroke-width:2.5;stroke-linejoin:round}
.tq-chart__line--0{stroke:#005eb8;stroke-width:3.5}
.tq-chart__line--1{stroke:#b3261e}
.tq-chart__line--2{stroke:#006747}
.tq-chart__line--3{stroke:#5b3a8e}
.tq-chart__bar--0{fill:#005eb8}
.tq-chart__bar--1{fill:#d98880}
.tq-chart__bar--2{fill:#7fb89f}
.tq-chart__bar--3{fill:#b7a3d3}
.tq-chart__legend{list-style:none;margin:0 0 6px;padding:0;display:flex;flex-wrap:wrap;
gap:4px 18px;font-size:.95rem}
.nhsuk-u-visually-hidden{position:absolute;width:1px;height:1px;overflow:hidden;
clip-path:inset(50%)}
details{margin-top:6px}
summary{cursor:pointer;color:var(--blue);text-decoration:underline;padding:4px 0}
details .nhsuk-details__text{overflow-x:auto}
footer{color:var(--soft);padding:16px;font-size:.9rem}
th.n{white-space:normal}
@media (max-width:480px){th,td{padding:6px}body{font-size:16px}.tq-chart{padding:8px}
.tq-chart__label{font-size:20px}.card .big{font-size:1.6rem}}
@media print{body{background:#fff;font-size:11pt}header{background:#fff;color:#000;
border-bottom:3px solid #000}.tq-chart,.card,tr{break-inside:avoid}h2{break-after:avoid}
.scroll{overflow:visible}details::details-content{content-visibility:visible;display:block}}
"""


def render_page(card: Row) -> str:
    """One HTML page of a scorecard, as `scoring.scorecard` makes it or as read from its file."""
    body = Markup("").join(
        (
            _summary(card),
            _compare(card),
            _harm_chart(card),
            _urgent_chart(card),
            _capacity(card),
            _moves(card),
            _telling(card),
            _record(card),
            _modelled(card),
        )
    )
    return str(
        Markup(
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            '<meta name="referrer" content="no-referrer"><title>Scorecard: {title}</title>'
            "<style>{style}</style></head><body>"
            '<div class="mark">Exercise. Nobody on this page is real.</div>'
            '<header><div class="wrap"><h1>{title}</h1><p>Scorecard of an exercise: {people} '
            "synthetic people, {weeks} weeks, {needs} visits for specimens, seed {seed}.</p></div>"
            '</header><main class="wrap">{body}</main><footer class="wrap">Tourniquet {version}. '
            "The same scenario, seed and number of people give the same figures, but for the times."
            "</footer></body></html>"
        ).format(
            title=card.get("title", card["scenario"]),
            style=Markup(STYLE),  # noqa: S704 (a constant of this module)
            people=show(_find_number(card["people"])),
            weeks=len(_rows(card["weeks"])),
            needs=show(_find_number(card["needs"])),
            seed=card["seed"],
            body=body,
            version=card.get("version", ""),
        )
    )


def _find_number(value: object) -> float | None:
    """A figure; None where it is missing, which is never nought, and never good."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _figure(value: object) -> str:
    number = _find_number(value)
    return MISSING if number is None else show(number)


def _table_of(value: object) -> Row:
    return value if isinstance(value, dict) else {}


def _rows(value: object) -> Sequence[Row]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _percent(value: object) -> str:
    number = _find_number(value)
    if number is None:
        return "Nobody to count"
    text = f"{number * 100:.1f}"
    return f"{text.removesuffix('.0')} %"


def _card(title: str, figure: str, words: str, *, good: bool | None = None) -> Markup:
    kind = "" if good is None else " good" if good else " bad"
    return Markup('<div class="card{}"><h3>{}</h3><p class="big">{}</p><p>{}</p></div>').format(
        kind, title, figure, words
    )


def _section(title: str, words: str, *parts: Markup) -> Markup:
    return Markup("<section><h2>{}</h2><p>{}</p>{}</section>").format(
        title, words, Markup("").join(parts)
    )


def _summary(card: Row) -> Markup:
    cards = (*_waiting_cards(card), *_run_cards(card))
    return Markup('<h2>In short</h2><div class="cards">{}</div>').format(Markup("").join(cards))


def _waiting_cards(card: Row) -> tuple[Markup, ...]:
    """How people fared under the three policies."""
    harm, urgent = _policies(card, "harm"), _policies(card, "urgent_on_time")
    ours, theirs, strict = harm
    bound = _find_number(_table_of(card["harm"]).get("lower_bound"))
    less = MISSING if ours is None or theirs is None else "More"
    if ours is not None and theirs and ours <= theirs:
        less = f"{(1 - ours / theirs) * 100:.0f} % less"
    over = f"{(ours / bound - 1) * 100:.0f} % above" if ours is not None and bound else "beside"
    specimens = _policies(card, "unprocessable_specimens")
    overtaken = _find_number(_table_of(card.get("overtaken_specimens")).get("tourniquet"))
    dated = _table_of(card["dated"]).get("tourniquet")
    return (
        _card(
            "Harm of delay",
            less,
            f"than what happened; {over} a bound that no policy at all can go below.",
            good=_all_known(ours, theirs, strict, bound) and _known(ours) <= min(_knowns(harm)),
        ),
        _card(
            "Urgent tests within their safe time",
            _percent(urgent[0]),
            f"{_percent(urgent[1])} under what happened, {_percent(urgent[2])} under strict "
            "priority.",
            good=_all_known(*urgent) and _known(urgent[0]) >= max(_knowns(urgent)),
        ),
        _card(
            "Specimens taken that no one could process",
            _figure(specimens[0]),
            f"{_figure(specimens[1])} under what happened. Apart from these, {_figure(overtaken)} "
            "were overtaken by a laboratory that failed later that day.",
            good=specimens[0] == 0,
        ),
        _card(
            "Postponed with a next date or a day to hear by",
            _percent(dated),
            "of people who lost an appointment knew it when they were told.",
            good=_find_number(dated) == 1,
        ),
    )


def _run_cards(card: Row) -> tuple[Markup, ...]:
    """What the run itself showed. A figure that is missing, or of nothing, is not good."""
    find = {name: _find_number(card.get(name)) for name in _RUN_FIGURES}
    shown = {name: _figure(value) for name, value in find.items()}
    sent, given_out = find["messages_acknowledged"], find["numbers_given_out"]
    pairs = (
        ("numbers_given_out", "numbers_accounted_for"),
        ("results_keyed", "results_taken_in"),
        ("calls_made", "calls_taken_in"),
    )
    return (
        _card(
            "Acknowledged messages lost",
            shown["messages_lost"],
            f"of {shown['messages_acknowledged']}; {shown['messages_doubled']} doubled, "
            f"{shown['messages_refused']} refused.",
            good=bool(sent) and find["messages_lost"] == 0 and find["messages_doubled"] == 0,
        ),
        _card(
            "Replaying the journal gives the same tables",
            "Yes" if card.get("replay_equals_tables") is True else "No",
            "The record can be rebuilt from its own history.",
            good=card.get("replay_equals_tables") is True,
        ),
        _card(
            "Records lost when database, vault and keys were destroyed",
            shown["records_lost"],
            f"Restored from the replica in {shown['restore_seconds']} seconds; "
            f"{shown['history_dark_minutes']} minutes until the downtime desk showed a history "
            "with the results that had been reported.",
            good=find["records_lost"] == 0
            and _all_known(find["restore_seconds"], find["history_dark_minutes"]),
        ),
        _card(
            "Numbers of paper forms accounted for",
            shown["numbers_accounted_for"],
            f"Of {shown['numbers_given_out']} that the exercise took at the downtime desk: keyed, "
            "void or counted as blank. Taken in afterwards: "
            f"{shown['results_taken_in']} of {shown['results_keyed']} results and "
            f"{shown['calls_taken_in']} of {shown['calls_made']} calls.",
            good=bool(given_out)
            and all(find[one] is not None and find[one] == find[other] for one, other in pairs),
        ),
    )


def _policies(card: Row, key: str) -> tuple[float | None, float | None, float | None]:
    """A figure under the three policies, in the order of POLICIES."""
    table = _table_of(card.get(key))
    ours, happened, strict = (_find_number(table.get(name)) for name, _ in POLICIES)
    return ours, happened, strict


def _all_known(*values: float | None) -> bool:
    return all(value is not None for value in values)


def _known(value: float | None) -> float:
    assert value is not None, "asked for only where all are known"
    return value


def _knowns(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _compare(card: Row) -> Markup:
    alongside = _table_of(card.get("alongside"))
    services = {"tourniquet": card, **{name: _table_of(row) for name, row in alongside.items()}}

    def from_table(key: str, name: str) -> object:
        return _table_of(card.get(key)).get(name)

    lines: list[tuple[str, list[str]]] = [
        ("Urgent tests on time", [_percent(from_table("urgent_on_time", n)) for n, _ in POLICIES]),
        ("Harm", [show(_find_number(from_table("harm", n))) for n, _ in POLICIES]),
        (
            "Specimens no one could process",
            [show(_find_number(from_table("unprocessable_specimens", n))) for n, _ in POLICIES],
        ),
        (
            "Specimens overtaken by a later failure",
            [show(_find_number(from_table("overtaken_specimens", n))) for n, _ in POLICIES],
        ),
        ("Postponed and dated", [_percent(from_table("dated", n)) for n, _ in POLICIES]),
        (
            "Appointments kept",
            [_percent(_table_of(services.get(n)).get("kept")) for n, _ in POLICIES],
        ),
        (
            "Notices a person",
            [
                show(_find_number(_table_of(services.get(n)).get("notices_per_person")))
                for n, _ in POLICIES
            ],
        ),
        (
            "Days to the next date, nine in ten within",
            [
                show(_find_number(_table_of(services.get(n)).get("days_to_next_date_p90")))
                for n, _ in POLICIES
            ],
        ),
    ]
    return _section(
        "Three ways through the same weeks",
        "The same people, needs, laboratories and luck under three policies. What happened is a "
        "stylised 2024: routine tests cancelled until week 11, then first come first served. "
        "Strict priority is a fair competitor that knows what Tourniquet knows.",
        _plain_table(
            "Figures by policy", ["Figure", *(label for _, label in POLICIES)],
            [[name, *values] for name, values in lines],
        ),
    )  # fmt: skip


def _plain_table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Markup:
    top = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(Markup(' class="n"') if place else "", text)
        for place, text in enumerate(head)
    )
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0],
            Markup("").join(
                value
                if isinstance(value, Markup) and value.startswith("<td")
                else Markup('<td class="n">{}</td>').format(value)
                for value in row[1:]
            ),
        )
        for row in rows
    )
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}"><table><caption>{}'
        "</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption, caption, top, body)


def _labels(card: Row) -> tuple[str, ...]:
    return tuple(str(row["week"]) for row in _rows(card["weeks"]))


def _policy_series(card: Row, key: str, *, times: float = 1.0) -> tuple[Series, ...]:
    weeks = _rows(card["weeks"])
    found: list[Series] = []
    for name, label in POLICIES:
        values: list[float | None] = []
        for row in weeks:
            value = _find_number(_table_of(_table_of(row["policies"]).get(name)).get(key))
            values.append(None if value is None else value * times)
        found.append(Series(label, tuple(values)))
    return tuple(found)


def _harm_chart(card: Row) -> Markup:
    bound = _find_number(_table_of(card["harm"]).get("lower_bound"))
    level = None if bound is None else bound / 1000
    weeks = len(_rows(card["weeks"]))
    final = [(label, _find_number(_table_of(card["harm"]).get(name))) for name, label in POLICIES]
    chart = Chart(
        "harm",
        "Harm gathered so far, thousands, by week",
        "Lines rise as people wait beyond their safe day. The dashed level line is the bound on "
        "the whole exercise: no policy can end below it.",
        _labels(card),
        (
            *_policy_series(card, "harm_to_date", times=0.001),
            Series("Bound on the final figure", (level,) * weeks),
        ),
    )
    ends = "; ".join(f"{label} {show(value)}" for label, value in final)
    return _section(
        "Harm",
        "Harm is a weight for each day beyond the safe day, larger for more urgent needs. The "
        "weights are proposed and need clinical sign-off. Counted to the end, with four more weeks "
        f"for what is still undone: {ends}; the bound {show(bound)}.",
        line(chart),
    )


def _urgent_chart(card: Row) -> Markup:
    chart = Chart(
        "urgent",
        "Urgent tests done within their safe time, by the week of the safe day",
        "Share of urgent needs (P1 and P2) served by the last safe day, per cent.",
        _labels(card),
        _policy_series(card, "urgent_on_time", times=100),
        unit=" %",
    )
    return _section(
        "Urgent tests",
        "In the first weeks capacity was less than the urgent tests alone. No policy could serve "
        "them all.",
        line(chart),
    )


def _capacity(card: Row) -> Markup:
    weeks = _rows(card["weeks"])
    used = [
        _find_number(_table_of(_table_of(row["policies"]).get("tourniquet")).get("used_tubes"))
        for row in weeks
    ]
    chart = Chart(
        "capacity",
        "Laboratory capacity and its use, tubes by week",
        "Declared each Monday, what the laboratories could do in truth, and what was used.",
        _labels(card),
        (
            Series(
                "Declared on Monday", tuple(_find_number(row["declared_tubes"]) for row in weeks)
            ),
            Series("In truth", tuple(_find_number(row["actual_tubes"]) for row in weeks)),
            Series("Used by Tourniquet", tuple(used)),
        ),
    )
    rows = [
        [
            f"{row['week']} ({row['starts_on']})",
            f"{row['percent']:g} %",
            Markup('<td><span class="tag {}">{}</span></td>').format(row["flag"], row["flag"]),
            show(_find_number(row["declared_tubes"])),
            show(_find_number(row["actual_tubes"])),
            show(value),
            Markup("<td>{}</td>").format(row["source"]),
        ]
        for row, value in zip(weeks, used, strict=True)
    ]
    return _section(
        "Capacity",
        "An anchor is a published figure; what lies between anchors is interpolated.",
        step(chart),
        _plain_table(
            "Capacity by week",
            ["Week", "Of normal", "Rests on", "Declared", "In truth", "Used", "Source"],
            rows,
        ),
    )


def _moves(card: Row) -> Markup:
    weeks = _rows(card["weeks"])

    def ours(key: str) -> tuple[float | None, ...]:
        return tuple(
            _find_number(_table_of(_table_of(row["policies"]).get("tourniquet")).get(key))
            for row in weeks
        )

    chart = Chart(
        "moves",
        "Appointments postponed, and postponed ones rebooked, by week",
        "Two bars a week: appointments taken away, and next dates given to those who lost one.",
        _labels(card),
        (Series("Postponed", ours("postponed")), Series("Rebooked", ours("rebooked"))),
    )
    return _section(
        "Postponed and rebooked",
        "Under Tourniquet. Whoever lost an appointment had a next date, or a day by which to hear, "
        "in the same notice.",
        bar(chart),
    )


def _telling(card: Row) -> Markup:
    rows = _rows(card.get("hours_to_tell"))
    shares = [_find_number(row["share"]) for row in rows]
    chart = Chart(
        "telling",
        "Share of people told, by hours since their appointment changed",
        "Failed messages are followed up by letter or by a call from the practice.",
        tuple(f"{row['within_hours']:g} h" for row in rows),
        (Series("Told", tuple(None if one is None else one * 100 for one in shares)),),
        unit=" %",
    )
    return _section(
        "Telling people",
        f"Told in the end: {_percent(card['told'])}. Nine in ten within "
        f"{show(_find_number(card['hours_to_tell_p90']))} hours.",
        bar(chart),
    )


def _parts(card: Row) -> Row:
    parts = card.get("seconds_by_part")
    return parts if isinstance(parts, Mapping) else {}


def _record(card: Row) -> Markup:
    return _section(
        "The run itself",
        "These figures are measured on the running system, not modelled.",
        _plain_table(
            "Measured",
            ["Figure", "Value"],
            [
                ["Seconds", show(_find_number(card["seconds"]))],
                *(
                    [f"Seconds: {name}", show(_find_number(taken))]
                    for name, taken in _parts(card).items()
                ),
                ["Messages acknowledged", show(_find_number(card["messages_acknowledged"]))],
                ["Messages refused", show(_find_number(card.get("messages_refused")))],
                ["Acknowledged messages lost", show(_find_number(card["messages_lost"]))],
                ["Acknowledged messages doubled", show(_find_number(card["messages_doubled"]))],
                ["Records lost with the database", show(_find_number(card["records_lost"]))],
                [
                    "Minutes without history",
                    show(_find_number(card["history_dark_minutes"])),
                ],
                ["Seconds to restore", show(_find_number(card["restore_seconds"]))],
                ["Numbers given out at the desk", show(_find_number(card["numbers_given_out"]))],
                ["Numbers accounted for", show(_find_number(card["numbers_accounted_for"]))],
                ["Results keyed at the desk", show(_find_number(card.get("results_keyed")))],
                ["Results taken in", show(_find_number(card.get("results_taken_in")))],
                ["Critical calls at the desk", show(_find_number(card.get("calls_made")))],
                ["Calls taken in", show(_find_number(card.get("calls_taken_in")))],
                [
                    "Replay equals tables",
                    "Yes" if card["replay_equals_tables"] is True else "No",
                ],
            ],
        ),
    )


def _modelled(card: Row) -> Markup:
    items = Markup("").join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>").format(row["about"], row["source"])
        for row in _rows(card.get("notes"))
    )
    return Markup(
        "<section><h2>What is modelled and not measured</h2><p>People, needs, results, missed "
        "appointments, failing messages and the noise in capacity are made by chance from a seed. "
        "The policy of 2024 is a simple picture of what was reported, not a record of decisions "
        "about any person. The competitors are simulated beside the system; only Tourniquet ran "
        "in it. A model says how policies compare under its assumptions, not what would "
        "have happened to anybody.</p>"
        "<p>[R] read in a public source. [D] computed from such. "
        "[P] proposed or modelled here.</p>"
        '<div class="scroll" tabindex="0" role="region" aria-label="Sources"><table>'
        "<caption>What the figures rest on</caption><tbody>{}</tbody></table></div></section>"
    ).format(items)
