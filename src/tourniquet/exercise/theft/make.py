"""Make a theft: a folder of stolen files, the index to hold against it, and the hidden truth.

Invariants:
- The same arguments make the same bytes, on any day.
- The stolen files lie in `FILES`; the truth lies beside them in `TRUTH`, which no engine is given.
- Every shape of the family is made at least once; after that the commoner ones, until there are
  as many megabytes as were asked for. Content is made one file at a time.
- No file is written outside the folder that was given, which must be new or empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tourniquet.exercise.people import Person
from tourniquet.exercise.region import Region
from tourniquet.exercise.theft import second
from tourniquet.exercise.theft.cases import Deal, TestKind, make_tests, write_tests
from tourniquet.exercise.theft.cast import Cast, make_cast
from tourniquet.exercise.theft.chance import Chance
from tourniquet.exercise.theft.content import Content
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first import (
    archives,
    bulk,
    databases,
    letters,
    mail,
    messages,
    nothing,
    pages,
    sheets,
    tables,
)
from tourniquet.exercise.theft.institutions import make_institutions, write_organisations
from tourniquet.exercise.theft.pen import Pen
from tourniquet.exercise.theft.truth import Truth, TruthFile
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.catalogue import load_catalogue

FILES, TRUTH = "FILES", "TRUTH"
FAMILIES: Mapping[str, Mapping[str, Maker]] = {
    "first": {
        **tables.SHAPES, **sheets.SHAPES, **messages.SHAPES, **letters.SHAPES, **pages.SHAPES,
        **mail.SHAPES, **databases.SHAPES, **nothing.SHAPES, **archives.SHAPES,
        **bulk.SHAPES,
    },
    "second": {**second.SHAPES, **bulk.SHAPES},
}  # fmt: skip
RARE = ("scan-image", "scan-pdf", "protected-zip", "protected-office", "noise", "empty", "manual")
FREQUENT = ("docx-letter", "rtf", "pdf-letters", "eml", "mbox", "xlsx", "saved-mail", "key-values")
FREQUENT_TIMES = 3  # as often as another shape
ROWS_LEAST, ROWS_MOST = 40, 4_000
ROWS_PER_MEGABYTE = 20
FAINT_SHARE = 0.06  # of homes: they occur only where little is said of anybody
FAINT_SHAPES = (
    "csv-short", "csv-spoiled", "csv-titled", "ids-alone", "docx-bare", "docx-minutes",
    "audit-log", "chat", "calendar", "board", "mainframe-report",
)  # fmt: skip
PERSONAL_BYTES_SHARE = 0.3  # the rest of a working drive is machines' and manuals'
COPY_SHARE, NEAR_COPY_SHARE = 0.06, 0.03
MENTIONED_SHARE = 0.2
MEGABYTES_MOST = 100_000
FOLDERS = (
    "Users/lab07/Desktop/New folder (2)", "Users/jsmith/Documents", "Shared/Quality",
    "Shared/IT/exports", "Shared/Reception", "PST and archive/2022", "temp", "Scans",
)  # fmt: skip


@dataclass
class _Drive:
    """Puts contents under free names and notes the truth."""

    root: Path
    truth: TruthFile
    chance: Chance
    seen: dict[str, int]

    def put(self, content: Content, shape: str, *, copy_of: str = "") -> str:
        """Write one file; its path in the folder."""
        folder = content.folder or self.chance.pick(FOLDERS)
        path = f"{folder}/{content.name}"
        count = self.seen.get(path, 0)
        self.seen[path] = count + 1
        if count:
            stem, dot, ending = content.name.partition(".")
            path = f"{folder}/{stem} ({count}){dot}{ending}"
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.data)
        self.truth.note(path, content, shape, copy_of=copy_of)
        return path

    def put_copies(self, content: Content, shape: str, path: str) -> None:
        """Sometimes the same bytes again elsewhere, sometimes nearly the same."""
        again = replace(content, name=f"Copy of {content.name}", folder="")
        if self.chance.happens(COPY_SHARE):
            self.put(again, shape, copy_of=path)
        elif self.chance.happens(NEAR_COPY_SHARE) and shape.startswith(("csv", "tsv", "hl7")):
            more = content.data + (b"\n" if content.data.endswith(b"\n") else b"\r\n")
            self.put(replace(again, data=more, name=f"v2 {content.name}"), shape, copy_of=path)


def make_theft(
    region: Region,
    people: Iterable[Person],
    out: Path,
    *,
    seed: int,
    megabytes: float,
    family: str = "first",
    mentioned_share: float = MENTIONED_SHARE,
) -> Truth:
    """Make the folder, the index and the truth in `out`.

    Raises: UserError where the folder is not empty, the family unknown, or the size out of bounds.
    """
    if family not in FAMILIES:
        raise UserError("A family of shapes is first or second.", where="--family")
    if not 0 < megabytes <= MEGABYTES_MOST:
        raise UserError(f"From above 0 to {MEGABYTES_MOST:,} MB can be made.", where="--megabytes")
    if out.exists() and any(out.iterdir()):
        raise UserError("A theft is made in a new or empty folder.", where=str(out))
    (out / FILES).mkdir(parents=True)
    (out / TRUTH).mkdir()
    institutions, tests = make_institutions(region), make_tests(load_catalogue())
    write_organisations(out / "organisations.csv", (*institutions.trusts, *institutions.practices))
    write_tests(out / "tests.csv", tests)
    cast = make_cast(
        people, institutions, out / "people.csv", seed=seed, mentioned_share=mentioned_share
    )
    if not cast.mentioned:
        raise UserError("Nobody would be mentioned; ask for more people.", where="--people")
    fragments = out / TRUTH / "truth.jsonl"
    with fragments.open("w", encoding="utf-8") as file:
        truth = TruthFile(out / TRUTH, cast, file)
        chance = Chance(seed, f"theft/{family}")
        deals = _deals(cast, tests, chance)
        drive = _Drive(out / FILES, truth, chance.child("drive"), {})
        _fill_drive(drive, deals, chance, family=family, megabytes=megabytes)
        return truth.finish(settings={"seed": seed, "family": family, "megabytes": megabytes})


def _deals(cast: Cast, tests: Sequence[TestKind], chance: Chance) -> tuple[Deal, Deal]:
    """Two decks: those of whom much is said, and those who only occur faintly."""
    homes = sorted({one.household for one in cast.mentioned})
    luck = chance.child("faint")
    faint = {home for home in homes if luck.happens(FAINT_SHARE)}
    few = [one for one in cast.mentioned if one.household in faint]
    many = [one for one in cast.mentioned if one.household not in faint]
    deal = Deal(cast, tests, chance.child("deal"), many or few)
    return deal, Deal(cast, tests, chance.child("faint deal"), few, after=deal)


def _fill_drive(
    drive: _Drive, deals: tuple[Deal, Deal], chance: Chance, *, family: str, megabytes: float
) -> None:
    """Every shape once, then the commoner ones until there is enough."""
    shapes = FAMILIES[family]
    most = min(ROWS_MOST, max(ROWS_LEAST, int(megabytes * ROWS_PER_MEGABYTE)))
    wanted = int(megabytes * 1_000_000)
    often = [name for name in shapes if name not in (*RARE, *bulk.SHAPES)]
    often += [name for name in FREQUENT if name in shapes] * (FREQUENT_TIMES - 1)
    queue, number, personal = list(shapes), 0, 0
    while queue or drive.truth.bytes < wanted:
        if queue:
            shape = queue.pop(0)
        elif personal > PERSONAL_BYTES_SHARE * drive.truth.bytes:
            shape = chance.pick(list(bulk.SHAPES))
        else:
            shape = chance.pick(list(shapes) if number % 12 == 0 else often)
        mine = chance.child(f"file/{number}")
        rows = ROWS_LEAST if number < len(shapes) else mine.number(ROWS_LEAST // 2, most)
        deal = deals[shape in FAINT_SHAPES]
        content = shapes[shape](Desk(mine, Pen(mine.child("pen")), deal, rows))
        personal += len(content.data) * bool(content.drafts)
        drive.put_copies(content, shape, drive.put(content, shape))
        number += 1
