"""The hidden truth of a theft: every fragment with its place, and how well it identifies anybody.

Invariants:
- The truth lies outside the stolen files; the engine never sees it.
- The class of a fragment is a function of what is written and of what the index says of the
  person; nothing that the engine does enters it.
- Fragments stream to truth.jsonl as they are made; truth.json holds files, members and counts.

A line of truth.jsonl: `fragment` (number), `person` (the index's key) or `outsider`, `path` (with
`!/`), `locator` and `where` (every coordinate that is known: sheet, row, line, last_line, page,
message, start and end in bytes of the innermost content, whole), `fields` (kind, part, text,
distortions), `sensitive`, `controller` and `conflict` (the path says another), `class`, `decoy`
(why it may mislead), `shape`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from tourniquet.exercise.theft.cast import (
    DEFAULT_BIRTH_DATE,
    Cast,
    IndexRow,
    Subject,
    name_key,
)
from tourniquet.exercise.theft.content import Content, Draft, Written

INTACT, IDENTIFIABLE, NOT = "intact", "identifiable", "not"
CLASSES = (INTACT, IDENTIFIABLE, NOT)
# How many bits of surprise an agreement carries, by the synthetic region's own frequencies: about
# 240 surnames and 120 given names of each sex, a birth date of some 25,000, households of two.
BITS = {
    "nhs": 30.0, "near_nhs": 20.0, "local": 20.0, "bare_local": 17.0, "family": 7.0,
    "near_family": 5.0, "given": 6.0, "initial": 3.5, "birth": 13.5, "near_birth": 9.0,
    "postcode": 13.0, "line": 13.0, "phone": 8.0, "email": 20.0,
}  # fmt: skip
CAREFUL_PEOPLE_LEAST = 100_000  # a careful person thinks of a city, not of a small index
CAREFUL_MARGIN_BITS = 5.0


@dataclass(frozen=True)
class Truth:
    """What was made: counts, and where the truth lies."""

    folder: Path
    files: int
    members: int
    bytes: int
    fragments: int
    people_by_class: dict[str, int]
    shapes: tuple[str, ...]


def agreements(written: Iterable[Written], row: IndexRow, context: str) -> dict[str, bool]:
    """Which of BITS agree with the index row."""
    found: dict[str, bool] = {}
    for one in written:
        for name in _agreement(one, row, context):
            found[name] = True
    return found


def _agreement(one: Written, row: IndexRow, context: str) -> list[str]:
    if one.kind == "name":
        return _name_agreement(one, row)
    if one.kind == "birth_date":
        return _birth_agreement(one, row)
    if one.kind == "nhs_number":
        near = {"wrong_digit", "transposed", "short"} & set(one.distortions)
        found = "nhs" if one.value in row.nhs_numbers else "near_nhs" if near else ""
        return [found] if found and row.nhs_numbers else []
    if one.kind == "local_number":
        hit = (one.part, one.value) in row.local_numbers
        return ["local" if one.part == context else "bare_local"] if hit else []
    known = {"postcode": row.postcode, "line": row.address, "phone": row.phone, "email": row.email}
    return [one.part] if known.get(one.part) == one.value else []


def _birth_agreement(one: Written, row: IndexRow) -> list[str]:
    if not row.birth_date or row.birth_date == DEFAULT_BIRTH_DATE.isoformat():
        return []
    slipped = {"swapped_day_month", "us_order"} & set(one.distortions)
    if one.value == row.birth_date:
        return ["birth"]
    return ["near_birth"] if slipped else []


def _name_agreement(one: Written, row: IndexRow) -> list[str]:
    families = {name.upper() for name in row.families}
    first = row.given.split(" ")[0].upper()
    family, _, given = one.value.partition("|")
    if one.part == "given":
        return ["given"] if one.value == first else []
    if one.part == "initial":
        return ["initial"] if one.value == first[:1] else []
    out = ["family"] if family in families else []
    if not out and any(_one_letter_less(name, family) for name in families):
        out = ["near_family"]
    if one.part == "full" and given == first:
        out.append("given")
    if one.part == "family_initial" and given == first[:1]:
        out.append("initial")
    return out


def _one_letter_less(name: str, text: str) -> bool:
    """Whether a text is a name that lost a letter."""
    return any(name[:n] + name[n + 1 :] == text for n in range(len(name)))


def identify(draft: Draft, cast: Cast) -> str:
    """The fragment's class: `intact`, `identifiable` or `not`."""
    subject = draft.subject
    if subject is None or subject.index is None:
        return NOT
    row = subject.index
    agree = agreements(draft.written, row, draft.context)
    if "local" in agree or ("nhs" in agree and len(agree) > 1):
        return INTACT
    if {"family", "given", "birth"} <= set(agree):
        keys = {name_key(family, row.given, row.birth_date) for family in row.families}
        if not keys & cast.shared_names:
            return INTACT
    return IDENTIFIABLE if _nearly_unique(agree, subject, cast.people) else NOT


def _nearly_unique(agree: dict[str, bool], subject: Subject, people: int) -> bool:
    """Whether a careful person with the index would end at one, or nearly one, person."""
    names = set(agree)
    if "postcode" in names and "line" in names:
        names.discard("line")  # an address counts once
    if "given" in names:
        names.discard("initial")
    if (
        not names & {"family", "near_family", "given", "initial", "birth", "near_birth"}
        or len(names) < 2
    ):
        return False
    own = {"nhs", "near_nhs", "bare_local", "email", "given", "birth"}
    if subject.kin == "twin":
        own -= {"birth"}
    if subject.kin == "namesake":
        own -= {"given"}
    if not names & own:
        return False  # somebody of the household, but who?
    bits = sum(BITS[name] for name in names)
    return bits >= math.log2(max(people, CAREFUL_PEOPLE_LEAST)) + CAREFUL_MARGIN_BITS


@dataclass
class TruthFile:
    """Writes the truth while files are put into the folder."""

    folder: Path
    cast: Cast
    fragments: TextIO
    files: list[dict[str, object]] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    members: int = 0
    best: dict[str, str] = field(default_factory=dict)
    shapes: set[str] = field(default_factory=set)

    def note(self, path: str, content: Content, shape: str, *, copy_of: str = "") -> None:
        """One file with its members and fragments."""
        self.files.append(
            {
                "path": path,
                "bytes": len(content.data),
                "sha256": hashlib.sha256(content.data).hexdigest(),
                "shape": shape,
                "copy_of": copy_of,
                "members": [[m.path, m.size, m.readable, m.sha256] for m in content.members],
            }
        )
        self.bytes += len(content.data)
        self.members += len(content.members)
        self.shapes.add(shape)
        for draft in content.drafts:
            self._note_fragment(path, draft, shape)

    def _note_fragment(self, path: str, draft: Draft, shape: str) -> None:
        kind = identify(draft, self.cast)
        subject = draft.subject
        person = subject.key if subject and subject.index else ""
        outsider = subject.key if subject and not subject.index else ""
        where = draft.where
        row = {
            "fragment": self.count,
            "person": person,
            "outsider": outsider,
            "path": f"{path}!/{draft.member}" if draft.member else path,
            "locator": where.locator(),
            "where": {k: v for k, v in vars(where).items() if v},
            "fields": [
                {
                    "kind": one.kind,
                    "part": one.part,
                    "text": one.text,
                    "distortions": list(one.distortions),
                }
                for one in draft.written
            ],
            "sensitive": list(draft.sensitive),
            "controller": draft.controller,
            "conflict": draft.conflict,
            "class": kind,
            "decoy": draft.decoy,
            "shape": draft.shape or shape,
        }
        self.fragments.write(json.dumps(row) + "\n")
        self.count += 1
        if person:
            before = self.best.get(person, NOT)
            self.best[person] = min(before, kind, key=CLASSES.index)

    def finish(self, *, settings: dict[str, object]) -> Truth:
        """Write truth.json and give the summary."""
        counts = dict.fromkeys(CLASSES, 0)
        for kind in self.best.values():
            counts[kind] += 1
        shapes = tuple(sorted(self.shapes))
        summary = {
            **settings,
            "people_in_index": self.cast.people,
            "fragments": self.count,
            "bytes": self.bytes,
            "people_by_class": counts,
            "shapes": list(shapes),
            "files": self.files,
        }
        text = json.dumps(summary, indent=1) + "\n"
        (self.folder / "truth.json").write_text(text, encoding="utf-8")
        return Truth(
            self.folder, len(self.files), self.members, self.bytes, self.count, counts, shapes
        )
