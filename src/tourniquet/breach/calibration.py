"""Are probabilities true? Predicted bands of links against a truth.

Invariants:
- A band's `right` is a count of links, so that copies count as often as they lie there.
- What was judged `none` is in no band: missed people are counted elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq

BOUNDS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99, 0.999, 1.0)


@dataclass(frozen=True)
class Band:
    """Links whose probability is from `low` on and below `high` (the last: up to 1)."""

    low: float
    high: float
    links: int
    right: int
    predicted: float  # mean probability

    @property
    def share(self) -> float:
        """Of its links, those that are right."""
        return self.right / self.links if self.links else 0.0


def make_bands(judged: Iterable[tuple[float, bool]]) -> tuple[Band, ...]:
    """One band for each two BOUNDS that follow each other, from probabilities and the truth."""
    found: list[list[tuple[float, bool]]] = [[] for _ in BOUNDS[1:]]
    for probability, right in judged:
        place = sum(probability >= bound for bound in BOUNDS[1:-1])
        found[place].append((probability, right))
    return tuple(
        Band(
            low=low,
            high=high,
            links=len(some),
            right=sum(right for _, right in some),
            predicted=sum(one for one, _ in some) / len(some) if some else 0.0,
        )
        for (low, high), some in zip(pairwise(BOUNDS), found, strict=True)
    )


def calibrate(links: Path, truth: Mapping[tuple[str, int], Collection[int]]) -> tuple[Band, ...]:
    """The bands of a file of links. truth: the rows of whom each (content, number) is about."""

    def judged() -> Iterable[tuple[float, bool]]:
        with pq.ParquetFile(links) as opened:
            columns = ["content", "number", "row", "probability"]
            for batch in opened.iter_batches(columns=columns):
                for one in batch.to_pylist():
                    about = truth.get((one["content"], one["number"]), ())
                    yield one["probability"], one["row"] in about

    return make_bands(judged())


def write_bands(bands: Iterable[Band]) -> str:
    """The bands as a table in Markdown, those without links left out."""
    rows = [
        f"| {one.low:g} to {one.high:g} | {one.links:,} | {one.predicted:.4f} | {one.share:.4f} |"
        for one in bands
        if one.links
    ]
    return "\n".join(
        ["| probability | links | predicted | right |", "| --- | ---: | ---: | ---: |", *rows]
    )
