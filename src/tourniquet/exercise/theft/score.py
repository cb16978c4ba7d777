"""How good an answer to `review` is, held against the hidden truth.

Invariants:
- Nothing is read of an answer but the interface's files; a missing file counts as an empty one.
- A notify of somebody of whom there is no true fragment is false, whoever resembles them.
- Memory does not grow with fragments or people: both sides lie in a database file that is
  thrown away. Files and members are held by name.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from tourniquet.exercise.theft.places import agrees, outer_path, parse_place, path_key
from tourniquet.exercise.theft.truth import CLASSES, IDENTIFIABLE, INTACT, NOT
from tourniquet.kernel.errors import UserError

LONGEST_FIELD_BYTES = 16 << 20
BATCH_ROWS = 5_000
_TABLES = """
CREATE TABLE fragment (
    number INTEGER PRIMARY KEY, person TEXT, outsider TEXT, path TEXT, place TEXT, class INTEGER,
    controller TEXT, decoy TEXT, shape TEXT, found INTEGER DEFAULT 0
);
CREATE TABLE known (person TEXT, category TEXT, class INTEGER);
CREATE TABLE affected (person TEXT PRIMARY KEY, decision TEXT);
CREATE TABLE claimed (person TEXT, category TEXT);
"""
_INDEXES = """
CREATE INDEX fragment_place ON fragment (path, person);
CREATE INDEX fragment_person ON fragment (person, class);
CREATE INDEX known_person ON known (person, category);
CREATE INDEX claimed_person ON claimed (person, category);
"""


@dataclass(frozen=True)
class Share:
    """A part of a whole."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share, or None of nothing."""
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True)
class Bin:
    """Rows of evidence whose probability lies in one tenth, and how often they were right."""

    rows: int
    mean_probability: float
    right_share: float


@dataclass(frozen=True)
class Score:
    """The figures of one answer.

    Recall of people by class: `intact` must be notified, all identifiable ones notified or
    reviewed. `evidence_unjudged` rows have a place that cannot be compared and count in no share.
    """

    recall_intact_notified: Share
    recall_identifiable: Share
    notify_precision: Share
    notified_falsely: tuple[str, ...]
    notified_without_ground: int
    review_share: Share
    files_accounted: Share
    members_accounted: Share
    bytes_accounted: Share
    evidence_right: Share
    evidence_of_another: int
    evidence_on_decoys: int
    evidence_unjudged: int
    fragments_found: Share
    outsiders_unresolved: Share
    sensitive_right: Share
    sensitive_false: int
    controllers_right: Share
    controllers_wrong: int
    controllers_absent: int
    found_by_shape: dict[str, Share]
    missed_people: tuple[str, ...]
    hashes_right: Share
    states: dict[str, int]
    calibration: tuple[Bin, ...]
    summary_lacks: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The figures for a file; each share with its value."""
        out: dict[str, object] = {}
        for name, value in vars(self).items():
            if isinstance(value, Share):
                out[name] = _share_json(value)
            elif name == "found_by_shape":
                out[name] = {key: _share_json(part) for key, part in sorted(value.items())}
            elif name == "calibration":
                out[name] = [asdict(one) for one in value]
            else:
                out[name] = list(value) if isinstance(value, tuple) else value
        return out


BINS = 10
SUMMARY_KEYS = (
    "files", "bytes", "people_notify", "people_review", "unresolved", "seconds",
    "megabytes_per_second", "version",
)  # fmt: skip
NAMED_MOST = 50  # how many wrong or missed people a score names
EXPLAINED_MOST = 2_000  # rows of evidence of which it is asked whose fragment they point to


def _share_json(share: Share) -> dict[str, object]:
    return {**asdict(share), "value": share.value}


def score_review(truth: Path, answer: Path) -> Score:
    """Hold an answer against the truth of a theft (its TRUTH folder).

    Raises: UserError where there is no truth; the developer named the wrong folder.
    """
    if not (truth / "truth.jsonl").is_file():
        raise UserError("There is no truth.jsonl in this folder.", where=str(truth))
    with (
        tempfile.TemporaryDirectory() as scratch,
        closing(sqlite3.connect(Path(scratch) / "score.db")) as base,
    ):
        base.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        base.executescript(_TABLES)
        _load_truth(base, truth / "truth.jsonl")
        _load_affected(base, answer / "affected.csv")
        base.executescript(_INDEXES)
        summary = json.loads((truth / "truth.json").read_text(encoding="utf-8"))
        evidence = _Evidence(base, _known_paths(summary))
        evidence.read(answer / "evidence.csv")
        evidence.read_unresolved(answer / "unresolved.csv")
        return _score(base, summary, answer, evidence)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """An answer's rows; none where there is no such file."""
    if not path.is_file():
        return
    csv.field_size_limit(LONGEST_FIELD_BYTES)
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: text or "" for name, text in row.items() if isinstance(name, str)}


def _load_truth(base: sqlite3.Connection, path: Path) -> None:
    """Fragments, and what is sensitive of whom."""
    rows: list[tuple[object, ...]] = []
    known: list[tuple[str, str, int]] = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            kind = CLASSES.index(one["class"])
            rows.append(
                (one["fragment"], one["person"], one["outsider"], path_key(one["path"]),
                 json.dumps(one["where"]), kind, one["controller"], one["decoy"], one["shape"])
            )  # fmt: skip
            known += [(one["person"], name, kind) for name in one["sensitive"] if one["person"]]
            if len(rows) >= BATCH_ROWS:
                _insert(base, rows, known)
    _insert(base, rows, known)


def _insert(
    base: sqlite3.Connection, rows: list[tuple[object, ...]], known: list[tuple[str, str, int]]
) -> None:
    base.executemany("INSERT INTO fragment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)", rows)
    base.executemany("INSERT INTO known VALUES (?, ?, ?)", known)
    rows.clear()
    known.clear()


def _load_affected(base: sqlite3.Connection, path: Path) -> None:
    for row in _rows(path):
        person = row.get("person", "")
        base.execute(
            "INSERT OR REPLACE INTO affected VALUES (?, ?)", (person, row.get("decision", ""))
        )
        names = [name.strip() for name in row.get("sensitive", "").split(";") if name.strip()]
        base.executemany("INSERT INTO claimed VALUES (?, ?)", [(person, n) for n in names])


def _known_paths(summary: dict[str, list[dict[str, object]]]) -> set[str]:
    """Every path of the truth, as compared."""
    out: set[str] = set()
    for one in summary["files"]:
        out.add(path_key(str(one["path"])))
        out |= {path_key(f"{one['path']}!/{name}") for name in _member_names(one)}
    return out


def _member_names(one: dict[str, object]) -> list[str]:
    members = one["members"]
    return [row[0] for row in members] if isinstance(members, list) else []


class _Evidence:
    """Reads what the answer says of places, and counts."""

    def __init__(self, base: sqlite3.Connection, paths: set[str]) -> None:
        self._base, self._paths = base, paths
        self.right = self.wrong = self.another = self.decoys = self.unjudged = 0
        self._bins = [[0, 0.0, 0] for _ in range(BINS)]
        self.controllers = {"right": 0, "wrong": 0, "absent": 0}

    def _key(self, path: str) -> str:
        """The path as the truth knows it: a mail's body is the mail's."""
        while path and path_key(path) not in self._paths:
            path = outer_path(path)
        return path_key(path)

    def read(self, path: Path) -> None:
        """evidence.csv."""
        for row in _rows(path):
            self._judge(row)

    def _judge(self, row: dict[str, str]) -> None:
        key, place = self._key(row.get("path", "")), parse_place(row.get("locator", ""))
        judged = [
            (number, agrees(place, json.loads(where)), controller)
            for number, where, controller in self._base.execute(
                "SELECT number, place, controller FROM fragment WHERE path = ? AND person = ?",
                (key, row.get("person", "")),
            )
        ]
        hits = [(number, controller) for number, same, controller in judged if same]
        if hits:  # a person may be on a page twice
            self.right += 1
            self._note_probability(row, right=True)
            self._base.executemany(
                "UPDATE fragment SET found = 1 WHERE number = ?", [(number,) for number, _ in hits]
            )
            self._judge_controller(row.get("controller", ""), {true for _, true in hits if true})
        elif any(same is None for _, same, _ in judged):
            self.unjudged += 1
        else:
            self.wrong += 1
            self._note_probability(row, right=False)
            if self.wrong <= EXPLAINED_MOST:
                self._whose(key, row)

    def _note_probability(self, row: dict[str, str], *, right: bool) -> None:
        try:
            probability = float(row.get("probability", ""))
        except ValueError:
            return
        if 0 <= probability <= 1:
            one = self._bins[min(BINS - 1, int(probability * BINS))]
            one[0] += 1
            one[1] += probability
            one[2] += right

    def calibration(self) -> tuple[Bin, ...]:
        """The tenths in which there are rows."""
        return tuple(
            Bin(int(rows), round(total / rows, 4), round(right / rows, 4))
            for rows, total, right in self._bins
            if rows
        )

    def _judge_controller(self, claimed: str, true: set[str]) -> None:
        if true:
            kind = "right" if claimed in true else "wrong" if claimed else "absent"
            self.controllers[kind] += 1

    def _whose(self, key: str, row: dict[str, str]) -> None:
        """Whose fragment is at a place that is not this person's."""
        place = parse_place(row.get("locator", ""))
        for where, decoy in self._base.execute(
            "SELECT place, decoy FROM fragment WHERE path = ?", (key,)
        ):
            if agrees(place, json.loads(where)):
                self.decoys += bool(decoy)
                self.another += not decoy
                return

    def read_unresolved(self, path: Path) -> None:
        """unresolved.csv: which outsiders' fragments are there."""
        for row in _rows(path):
            key, place = self._key(row.get("path", "")), parse_place(row.get("locator", ""))
            for number, where in self._base.execute(
                "SELECT number, place FROM fragment WHERE path = ? AND person = ''", (key,)
            ).fetchall():
                if agrees(place, json.loads(where)):
                    self._base.execute("UPDATE fragment SET found = 1 WHERE number = ?", (number,))


def _count(base: sqlite3.Connection, question: str, *values: object) -> int:
    return int(base.execute(question, values).fetchone()[0])


def _names(base: sqlite3.Connection, question: str, *values: object) -> tuple[str, ...]:
    return tuple(row[0] for row in base.execute(f"{question} LIMIT {NAMED_MOST}", values))


_BEST = "SELECT person, min(class) AS best FROM fragment WHERE person != '' GROUP BY person"
_REACHED = "SELECT count(*) FROM ({best}) JOIN affected USING (person) WHERE best <= ? AND {more}"
_FALSE = "decision = 'notify' AND person NOT IN (SELECT person FROM fragment)"


def _score(
    base: sqlite3.Connection, summary: dict[str, object], answer: Path, evidence: _Evidence
) -> Score:
    """All figures together."""
    intact, some, none = (CLASSES.index(name) for name in (INTACT, IDENTIFIABLE, NOT))
    people = f"SELECT count(*) FROM ({_BEST}) WHERE best <= ?"  # noqa: S608 # our own text
    affected = "SELECT count(*) FROM affected"
    notified = _count(base, f"{affected} WHERE decision = 'notify'")
    false = _count(base, f"{affected} WHERE {_FALSE}")
    notify, any_of = "decision = 'notify'", "decision IN ('notify', 'review')"
    ground = f"SELECT count(*) FROM ({_BEST}) JOIN affected USING (person) "  # noqa: S608 # same
    missed = (
        f"SELECT person FROM ({_BEST}) WHERE best <= ? AND person NOT IN "  # noqa: S608 # same
        f"(SELECT person FROM affected WHERE {any_of}) ORDER BY person"
    )
    accounted = _accounted(summary, answer)
    return Score(
        recall_intact_notified=Share(
            _count(base, _REACHED.format(best=_BEST, more=notify), intact),
            _count(base, people, intact),
        ),
        recall_identifiable=Share(
            _count(base, _REACHED.format(best=_BEST, more=any_of), some),
            _count(base, people, some),
        ),
        notify_precision=Share(notified - false, notified),
        notified_falsely=_names(
            base,
            f"SELECT person FROM affected WHERE {_FALSE} ORDER BY person",  # noqa: S608 # same
        ),
        notified_without_ground=_count(base, f"{ground} WHERE best = ? AND {notify}", none),
        review_share=Share(
            _count(base, f"{affected} WHERE decision = 'review'"), _count(base, affected)
        ),
        files_accounted=accounted.files,
        members_accounted=accounted.members,
        bytes_accounted=accounted.bytes,
        evidence_right=Share(evidence.right, evidence.right + evidence.wrong),
        evidence_of_another=evidence.another,
        evidence_on_decoys=evidence.decoys,
        evidence_unjudged=evidence.unjudged,
        fragments_found=_found(base, "person != '' AND class <= ?", some),
        outsiders_unresolved=_found(base, "outsider != ''"),
        sensitive_right=_sensitive(base, some),
        sensitive_false=_count(
            base,
            "SELECT count(*) FROM claimed AS c WHERE NOT EXISTS (SELECT 1 FROM known AS k "
            "WHERE k.person = c.person AND k.category = c.category)",
        ),
        controllers_right=Share(evidence.controllers["right"], sum(evidence.controllers.values())),
        controllers_wrong=evidence.controllers["wrong"],
        controllers_absent=evidence.controllers["absent"],
        found_by_shape=_by_shape(base, some),
        missed_people=_names(base, missed, some),
        hashes_right=accounted.hashes,
        states=accounted.states,
        calibration=evidence.calibration(),
        summary_lacks=_lacking(answer / "summary.json"),
    )


def _found(base: sqlite3.Connection, which: str, *values: object) -> Share:
    question = f"SELECT sum(found), count(*) FROM fragment WHERE {which}"  # noqa: S608 # our own
    part, whole = base.execute(question, values).fetchone()
    return Share(int(part or 0), int(whole))


def _by_shape(base: sqlite3.Connection, worst: int) -> dict[str, Share]:
    rows = base.execute(
        "SELECT shape, sum(found), count(*) FROM fragment WHERE person != '' AND class <= ? "
        "GROUP BY shape ORDER BY shape",
        (worst,),
    )
    return {shape: Share(int(part), int(whole)) for shape, part, whole in rows}


def _sensitive(base: sqlite3.Connection, worst: int) -> Share:
    """Categories that identifiable fragments tell of people, and how many the answer has."""
    true = (
        "SELECT DISTINCT person, category FROM known WHERE class <= ? "
        "AND person IN (SELECT person FROM affected)"
    )
    whole = _count(base, f"SELECT count(*) FROM ({true})", worst)  # noqa: S608 # our own text
    part = _count(
        base,
        f"SELECT count(*) FROM ({true}) AS t WHERE EXISTS (SELECT 1 FROM claimed AS c "  # noqa: S608 # same
        "WHERE c.person = t.person AND c.category = t.category)",
        worst,
    )
    return Share(part, whole)


@dataclass(frozen=True)
class _Accounted:
    """What files.csv has of the theft."""

    files: Share
    members: Share
    bytes: Share
    hashes: Share
    states: dict[str, int]


def _accounted(summary: dict[str, object], answer: Path) -> _Accounted:
    """Files with their right size, members, bytes and hashes that files.csv has."""
    listed: dict[str, set[str]] = {}
    states: dict[str, int] = {}
    for row in _rows(answer / "files.csv"):
        known = listed.setdefault(path_key(row.get("path", "")), set())
        known |= {row.get("bytes", ""), row.get("sha256", "").lower()}
        state = row.get("state", "")
        states[state] = states.get(state, 0) + 1
    files = members = files_right = members_right = size = size_right = hashes = 0
    stolen = summary["files"]
    for one in stolen if isinstance(stolen, Sequence) else ():
        files, size = files + 1, size + int(one["bytes"])
        found = listed.get(path_key(one["path"]), set())
        hashes += one["sha256"] in found
        if str(one["bytes"]) in found:
            files_right, size_right = files_right + 1, size_right + int(one["bytes"])
        for name in _member_names(one):
            members += 1
            members_right += path_key(f"{one['path']}!/{name}") in listed
    return _Accounted(
        Share(files_right, files),
        Share(members_right, members),
        Share(size_right, size),
        Share(hashes, files),
        dict(sorted(states.items())),
    )


def _lacking(path: Path) -> tuple[str, ...]:
    """Keys that summary.json should have and has not."""
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return SUMMARY_KEYS
    return tuple(key for key in SUMMARY_KEYS if not isinstance(there, dict) or key not in there)
