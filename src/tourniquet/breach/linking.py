"""Whose is a fragment? All fragments against the index, with probabilities and limits.

1. Bring the index into the form that comparing needs, with how rare each name and place is.
2. Put copies together: what was written once, however often, is one unit.
3. Find numbers that are near to those in no index.
4. Partition by partition: candidates by blocks, levels, weights, limits.
5. Estimate the share of fragments whose person is in the index, and make probabilities.
6. Write links, people, and what is tied to nobody.

SQL does the work (linking.sql); what it must answer says breach/scoring.py.

Invariants:
- A number alone notifies nobody; test patients are nobody; staff are not found by name alone.
- Copies are one piece of evidence.
- The answer does not depend on the number of partitions, threads, or the order of files: ties are
  broken by content, number and row, and floats are added in one order or counted in bins.
- Memory is bounded by MEMORY and UNITS_AT_ONCE; more goes to a file in `work`, deleted at the end.
- What it writes is a proposal: `notify` and `review` follow weights.toml, which needs sign-off.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from tourniquet.breach.index import Index
from tourniquet.breach.near import find_near
from tourniquet.breach.scoring import (
    COMPARISONS,
    SCALE,
    Ranges,
    Weights,
    load_weights,
    nicknames,
)

MEMORY = "1500MB"
UNITS_AT_ONCE = 250_000
NEAR_AT_ONCE = 200_000
TITLES = ("MR", "MRS", "MISS", "MS", "MX", "DR", "PROF", "REV", "SIR", "LADY", "DAME", "MASTER",
          "LORD", "BABY", "INFANT", "TWIN", "SISTER")  # fmt: skip  # as canonical.name_words
BLOCKS = (
    "nhs number", "near nhs number", "local number in context", "local number",
    "birth date and family name", "birth date and given name", "name and postcode",
    "name and address", "contact and name", "birth date and postcode", "name and birth year",
    "name and practice", "mail address", "contact and full name",
    "begin of nhs number and family name",
)  # fmt: skip
NUMBERS_PER_BIT_BIN = 16
ROUNDS = 50
_VALID = 10 / 11 / 10  # of ten-digit numbers, those with their check digit right


@dataclass(frozen=True)
class Linked:
    """What came out: where it lies, and counts."""

    folder: Path
    fragments: int
    units: int
    known: float  # estimated share of fragments whose person is in the index
    notify: int
    review: int
    nobody: int

    @property
    def links(self) -> Path:
        """`content, number, row, probability, second, decision, agreed, block`."""
        return self.folder / "links.parquet"

    @property
    def people(self) -> Path:
        """`row, decision, probability, fragments, files`: those to notify or review."""
        return self.folder / "people.parquet"

    @property
    def nobody_file(self) -> Path:
        """`content, number, why`: fragments with personal data that are tied to nobody."""
        return self.folder / "nobody.parquet"


def link(
    fragments: Sequence[Path],
    index: Index,
    into: Path,
    *,
    weights: Weights | None = None,
    units_at_once: int = UNITS_AT_ONCE,
    threads: int = 0,
) -> Linked:
    """Link all fragments of these files with the people of an index; write three tables.

    threads: 0 is as many as there are processors. Raises: OSError where the disk is full.
    """
    weights = weights or load_weights()
    work = into / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        with duckdb.connect(str(work / "linking.duckdb")) as base:
            base.execute(f"SET memory_limit = '{MEMORY}'")
            base.execute(f"SET temp_directory = '{_quoted(str(work / 'spill'))}'")
            base.execute("SET preserve_insertion_order = false")
            if threads:
                base.execute(f"SET threads = {threads}")
            return _Linking(base, weights, index).run(fragments, into, units_at_once)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class _Linking:
    """One run, on a base of its own."""

    def __init__(self, base: duckdb.DuckDBPyConnection, weights: Weights, index: Index) -> None:
        self.base = base
        self.weights = weights
        self.index = index
        self.sections = _sections()

    def run(self, fragments: Sequence[Path], into: Path, at_once: int) -> Linked:
        self._tell(fragments)
        # 1.
        self._execute("words")
        self._execute("people")
        ranges = find_ranges(self.base, self.weights)
        # 2.
        self._tell_columns()
        self._execute("mentions")
        units = self._count("leaders")
        parts = max(1, math.ceil(units / at_once))
        self._set(parts=str(parts))
        self._execute("units")
        # 3.
        self._find_near()
        # 4.
        self.base.execute(
            "CREATE TABLE sums (unit UBIGINT, bin INTEGER, evidence DOUBLE);"
            "CREATE TABLE candidates (unit UBIGINT, row INTEGER, total INTEGER, block UTINYINT,"
            " ceiling VARCHAR, floor BOOLEAN, mask INTEGER, agreed VARCHAR[])"
        )
        query = self.sections["part"]
        for word, expression in _expressions(self.weights, ranges).items():
            query = query.replace(f"{{{word}}}", expression)
        for part in range(parts):
            self._set(part=str(part))
            self.base.execute(query)
        # 5.
        known = self._estimate()
        self._set(odds=repr(known / (1 - known) / max(1, self._count("people"))))
        self._execute("links")
        # 6.
        self._execute("answers")
        return self._write(into, units, known)

    def _execute(self, section: str) -> None:
        self.base.execute(self.sections[section])

    def _set(self, **values: str) -> None:
        for name, expression in values.items():
            self.base.execute(f"SET VARIABLE {name} = {expression}")

    def _count(self, table: str, where: str = "true") -> int:
        found = self.base.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()
        assert found is not None  # a count always is
        return int(found[0])

    def _tell(self, fragments: Sequence[Path]) -> None:
        """All that the sections ask for by name."""
        weights, index = self.weights, self.index
        short = nicknames()
        self._set(
            fragments=_texts([str(file) for file in fragments]),
            people=_text(str(index.people)),
            people_count=str(index.summary.people),
            numbers=_text(str(index.numbers)),
            local_numbers=_text(str(index.local_numbers)),
            names=_text(str(index.names)),
            titles=_texts(TITLES),
            blocks=_texts(BLOCKS),
            defaults=_texts(weights.meaning.default_births),
            corroborators=_texts(weights.meaning.corroborators),
            nicknames="MAP {"
            + ", ".join(f"{_text(name)}: {_texts(some)}" for name, some in short.items())
            + "}",
            contact_holders_most=str(weights.limit.contact_holders_most),
            holders_most=str(weights.limit.holders_most),
            bare_holders_most=str(weights.limit.bare_holders_most),
            candidates_most=str(weights.limit.candidates_most),
            location_most=str(round(SCALE * weights.limit.location_most_bits)),
            household_most=str(round(SCALE * weights.limit.household_most_bits)),
            total_least=str(self._total_least()),
            notify=repr(weights.decision.notify),
            review=repr(weights.decision.review),
            gain=repr(weights.decision.gain),
        )

    def _total_least(self) -> int:
        """A total below which a candidate stays below review, whoever else is there."""
        decision, prior = self.weights.decision, self.weights.prior
        odds = prior.known_most / (1 - prior.known_most) / max(1, self.index.summary.people)
        return math.floor(SCALE * math.log2(decision.review / 10 / odds))

    def _tell_columns(self) -> None:
        """From which share on a column is one of patients' numbers."""
        decision = self.weights.decision
        lift = decision.column_lift * number_density(self.base)
        share = max(decision.column_share, min(decision.column_share_most, lift))
        self._set(column_share=repr(share), column_least=str(decision.column_numbers_least))

    def _find_near(self) -> None:
        known = self.index.known_numbers()
        self.base.execute("CREATE TABLE near (number VARCHAR, nhs BIGINT)")
        asked = self.base.cursor().execute(self.sections["near"])
        while rows := asked.fetchmany(NEAR_AT_ONCE):
            written = np.array([number for (number,) in rows], dtype=np.str_)
            for places, numbers in find_near(written.tolist(), known):
                table = pa.table({"number": written[places].tolist(), "nhs": numbers})
                self.base.register("found_near", table)
                self.base.execute("INSERT INTO near SELECT number, nhs FROM found_near")
                self.base.unregister("found_near")

    def _estimate(self) -> float:
        """The share of fragments whose person is in the index, by expectation and maximisation.

        Evidence is counted in bins, so that the order of adding changes nothing. Fragments with
        a number or a name alone say nothing of the share, and are left out.
        """
        bins = self.base.execute(
            "SELECT s.bin, count(*) FROM sums s JOIN units u USING (unit) WHERE u.kinds > 1"
            " GROUP BY s.bin ORDER BY s.bin"
        ).fetchnumpy()
        all_of_them = self._count("units", "kinds > 1 AND NOT is_test")
        evidence = np.exp2(np.asarray(bins["bin"], np.float64) / NUMBERS_PER_BIT_BIN)
        evidence /= max(1, self._count("people"))
        counts = np.asarray(bins["count_star()"], np.float64)
        prior = self.weights.prior
        known = prior.known
        for _ in range(ROUNDS if all_of_them else 0):
            expected = counts @ (known * evidence / (1 - known + known * evidence))
            known = float(np.clip(expected / all_of_them, prior.known_least, prior.known_most))
        return round(known, 4)

    def _write(self, into: Path, units: int, known: float) -> Linked:
        for view, name in (("links", "links"), ("told", "people"), ("nobody", "nobody")):
            target = into / f"{name}.parquet"
            part = into / f"{name}.parquet.part"
            self.base.execute(
                f"COPY (SELECT * FROM {view}) TO '{_quoted(str(part))}'"
                " (FORMAT parquet, COMPRESSION zstd)"
            )
            part.replace(target)
        people = f"read_parquet('{_quoted(str(into / 'people.parquet'))}')"
        nobody = f"read_parquet('{_quoted(str(into / 'nobody.parquet'))}')"
        return Linked(
            folder=into,
            fragments=self._count("mentions"),
            units=units,
            known=known,
            notify=self._count(people, "decision = 'notify'"),
            review=self._count(people, "decision = 'review'"),
            nobody=self._count(nobody),
        )


def find_ranges(base: duckdb.DuckDBPyConnection, weights: Weights) -> Ranges:
    """How rare numbers are that agree by chance, from the tables of the index."""
    numbers = round(SCALE * math.log2(max(1.0, _valid_numbers(base))))
    found = base.execute("SELECT count(*) FROM local_numbers").fetchone()
    assert found is not None  # a count always is
    given = weights.range
    near = round(SCALE * math.log2(given.near_to_each * _VALID))
    return Ranges(
        numbers=numbers,
        near_numbers=max(0, numbers - near),
        begun_numbers=max(0, numbers - round(SCALE * math.log2(10_000 * _VALID))),
        locals=round(SCALE * math.log2(max(1, found[0] * given.locals_in_context))),
        bare_locals=round(SCALE * math.log2(max(1, found[0] * given.locals_bare))),
    )


def number_density(base: duckdb.DuckDBPyConnection) -> float:
    """The share of valid numbers in the index's range that are in the index."""
    found = base.execute("SELECT count(DISTINCT nhs) FROM numbers").fetchone()
    assert found is not None  # a count always is
    return int(found[0]) / max(1.0, _valid_numbers(base))


def _valid_numbers(base: duckdb.DuckDBPyConnection) -> float:
    """How many valid numbers lie in the index's range, without its outermost hundredths."""
    low, high = base.execute(
        "SELECT quantile_disc(nhs, 0.01), quantile_disc(nhs, 0.99) FROM numbers"
    ).fetchone() or (None, None)
    return 0.0 if low is None or high is None else (high - low + 10) * _VALID / 0.98


def _expressions(weights: Weights, ranges: Ranges) -> dict[str, str]:
    """What of the section `part` follows from the weights."""
    cases = []
    for comparison in COMPARISONS:
        levels = [name for name in weights.level if name.partition("_")[0] == comparison]
        whens = " ".join(f"WHEN '{name}' THEN {_weight(weights, ranges, name)}" for name in levels)
        cases.append(f"CASE {comparison} {whens} ELSE 0 END AS w_{comparison}")
    masks = " + ".join(
        f"CASE WHEN w_{name} > 0 THEN {1 << bit} ELSE 0 END"
        for bit, name in enumerate(COMPARISONS)
        if name != "sex"
    )
    agreed = ", ".join(
        f"CASE WHEN {name} IS NOT NULL THEN {name} || printf(' %+.1f', w_{name} / {SCALE}.0) END"
        for name in COMPARISONS
    )
    return {
        "weights": ", ".join(cases),
        "masks": f"({masks})",
        "agreed": f"list_filter([{agreed}], lambda x: x IS NOT NULL)",
    }


def _weight(weights: Weights, ranges: Ranges, name: str) -> str:
    added = [
        str(getattr(ranges, column)) if hasattr(ranges, column) else column
        for column in weights.rarity(name)
    ]
    return f"least({weights.most(name)}, {' + '.join([str(weights.base(name)), *added])})"


def _sections() -> dict[str, str]:
    """The sections of linking.sql by their names."""
    text = files(__package__).joinpath("linking.sql").read_text(encoding="utf-8")
    found = {}
    for section in text.split("-- == ")[1:]:
        name, _, query = section.partition("\n")
        found[name.strip()] = query
    return found


def _quoted(text: str) -> str:
    """Text within the quotes of SQL."""
    return text.replace("'", "''")


def _text(text: str) -> str:
    return f"'{_quoted(text)}'"


def _texts(some: Sequence[str]) -> str:
    return f"[{', '.join(_text(one) for one in some)}]::VARCHAR[]"
