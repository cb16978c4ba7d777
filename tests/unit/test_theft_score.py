"""The score of an answer: all right where it is perfect, less where it is spoilt."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.theft_answers import fragments, perfect, write_answer
from tourniquet.exercise.people import people
from tourniquet.exercise.region import make_region
from tourniquet.exercise.theft.make import make_theft
from tourniquet.exercise.theft.places import agrees, parse_place, path_key
from tourniquet.exercise.theft.score import Score, Share, score_review
from tourniquet.kernel.errors import UserError

Row = dict[str, Any]
ROW = re.compile(r"R(\d+)")


@pytest.fixture(scope="module", params=["first", "second"])
def theft(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(request.param)
    region = make_region(5)
    make_theft(region, people(region, 2_500, 5), out, seed=5, megabytes=0.2, family=request.param)
    return out


def scored(theft: Path, out: Path, spoil: Any = None) -> Score:
    return score_review(theft / "TRUTH", write_answer(out, perfect(theft), spoil))


def full(share: Share) -> bool:
    return share.whole > 0 and share.part == share.whole


class TestPerfect:
    def test_everything_is_right(self, theft: Path, tmp_path: Path) -> None:
        score = scored(theft, tmp_path)
        assert full(score.recall_intact_notified)
        assert full(score.recall_identifiable)
        assert score.recall_identifiable.whole > score.recall_intact_notified.whole
        assert full(score.notify_precision)
        assert score.notified_falsely == score.missed_people == ()
        assert score.notified_without_ground == 0
        assert full(score.files_accounted)
        assert full(score.members_accounted)
        assert full(score.bytes_accounted)
        assert full(score.evidence_right)
        assert full(score.fragments_found)
        assert full(score.outsiders_unresolved)
        assert full(score.sensitive_right)
        assert full(score.controllers_right)
        assert full(score.hashes_right)
        assert score.states["parsed"] == score.files_accounted.whole
        assert score.summary_lacks == ()
        (tenth,) = score.calibration
        assert (tenth.rows, tenth.right_share) == (score.evidence_right.whole, 1.0)
        assert tenth.mean_probability == pytest.approx(0.97)
        assert score.sensitive_false == score.evidence_unjudged == score.evidence_of_another == 0
        assert all(full(share) for share in score.found_by_shape.values())
        assert score.to_json()["notify_precision"] == {
            "part": score.notify_precision.part,
            "whole": score.notify_precision.whole,
            "value": 1.0,
        }

    def test_the_same_answer_by_bytes_is_right_too(self, theft: Path, tmp_path: Path) -> None:
        where = {(f["path"], f["locator"]): f["where"] for f in fragments(theft)}

        def by_bytes(name: str, row: Row) -> Row:
            if name == "evidence.csv":
                found = where[row["path"], row["locator"]]
                if found.get("end"):
                    row["locator"] = f"bytes {found.get('start', 0)}-{found['end']}"
            return row

        assert full(scored(theft, tmp_path, by_bytes).evidence_right)


class TestSpoilt:
    def test_people_left_out(self, theft: Path, tmp_path: Path) -> None:
        gone = perfect(theft)["affected.csv"][:7]
        keys = {row["person"] for row in gone}

        def spoil(name: str, row: Row) -> Row | None:
            return None if name == "affected.csv" and row["person"] in keys else row

        score = scored(theft, tmp_path, spoil)
        assert score.recall_identifiable.whole - score.recall_identifiable.part == 7
        assert set(score.missed_people) == keys

    def test_everybody_to_review(self, theft: Path, tmp_path: Path) -> None:
        def spoil(name: str, row: Row) -> Row:
            return {**row, "decision": "review"} if name == "affected.csv" else row

        score = scored(theft, tmp_path, spoil)
        assert score.recall_intact_notified.part == 0
        assert full(score.recall_identifiable)
        assert full(score.review_share)
        assert score.notify_precision.value is None

    def test_notifying_strangers_and_outsiders(self, theft: Path, tmp_path: Path) -> None:
        tables = perfect(theft)
        true = len([r for r in tables["affected.csv"] if r["decision"] == "notify"])
        stranger = {"person": "P9999999", "decision": "notify"}
        outsider = next(f["outsider"] for f in fragments(theft) if f["outsider"])
        tables["affected.csv"] += [stranger, {"person": outsider, "decision": "notify"}]
        score = score_review(theft / "TRUTH", write_answer(tmp_path, tables))
        assert score.notify_precision == Share(true, true + 2)
        assert score.notified_falsely == ("P9999999", outsider)

    def test_places_one_row_off(self, theft: Path, tmp_path: Path) -> None:
        def spoil(name: str, row: Row) -> Row:
            if name == "evidence.csv" and (row_of := ROW.fullmatch(row["locator"])):
                row["locator"] = f"R{int(row_of[1]) + 1}"
            return row

        score = scored(theft, tmp_path, spoil)
        assert score.evidence_right.part < score.evidence_right.whole
        assert score.evidence_of_another > 0
        assert 0 < score.calibration[0].right_share < 1

    def test_sensitive_and_controllers(self, theft: Path, tmp_path: Path) -> None:
        def spoil(name: str, row: Row) -> Row:
            if name == "affected.csv":
                row["sensitive"] = "astrology"
            if name == "evidence.csv":
                row["controller"] = "X0000" if row["controller"].endswith("1") else ""
            return row

        score = scored(theft, tmp_path, spoil)
        assert score.sensitive_right.part == 0
        assert score.sensitive_false == len(perfect(theft)["affected.csv"])
        assert score.controllers_right.part == 0
        assert score.controllers_wrong > 0
        assert score.controllers_absent > 0

    def test_files_left_out_or_of_another_size(self, theft: Path, tmp_path: Path) -> None:
        first = perfect(theft)["files.csv"][0]
        second = next(r for r in perfect(theft)["files.csv"][1:] if "!/" not in r["path"])

        def spoil(name: str, row: Row) -> Row | None:
            if name == "files.csv" and row["path"] == first["path"]:
                return None
            if name == "files.csv" and row["path"] == second["path"]:
                row["bytes"] = 1 + int(row["bytes"])
                row["sha256"] = "0" * 64
            return row

        score = scored(theft, tmp_path, spoil)
        assert score.files_accounted.whole - score.files_accounted.part == 2
        assert score.hashes_right.whole - score.hashes_right.part == 2

    def test_no_answer_at_all(self, theft: Path, tmp_path: Path) -> None:
        score = score_review(theft / "TRUTH", tmp_path)
        assert score.recall_identifiable.part == score.files_accounted.part == 0
        assert score.notify_precision.value is None
        assert "version" in score.summary_lacks

    def test_no_truth(self, tmp_path: Path) -> None:
        with pytest.raises(UserError):
            score_review(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("locator", "where", "right"),
    [
        ("Requests!R12", {"sheet": "Requests", "row": 12}, True),
        ("requests!B12", {"sheet": "Requests", "row": 12}, True),
        ("Recall!R12", {"sheet": "Requests", "row": 12}, False),
        ("row 12", {"row": 12, "line": 12}, True),
        ("R13", {"row": 12, "line": 12}, False),
        ("R12", {"line": 10, "last_line": 14}, True),
        ("line 12", {"line": 10, "last_line": 14}, True),
        ("lines 1-5000", {"line": 10, "last_line": 14}, False),
        ("bytes 0-100", {"start": 90, "end": 120}, True),
        ("bytes 0-90", {"start": 90, "end": 120}, False),
        ("bytes 0-900000", {"start": 90, "end": 120}, False),
        ("page 3, bytes 1-2", {"page": 3, "whole": True}, True),
        ("page 2", {"page": 3, "whole": True}, False),
        ("message 7", {"message": 7, "start": 5, "end": 9}, True),
        ("paragraph 4", {"line": 4}, True),
        ("", {"whole": True}, True),
        ("", {"row": 3}, False),
        ("entry[3]", {"start": 5, "end": 9}, False),
        ("page 2", {"start": 5, "end": 9}, None),
    ],
)
def test_places(locator: str, where: Row, *, right: bool | None) -> None:
    assert agrees(parse_place(locator), where) is right


def test_paths_are_compared_by_file_and_innermost_member() -> None:
    assert path_key("a/b.tar.gz!/b.tar!/c/d.csv") == path_key("a/b.tar.gz!/d.csv")
    assert path_key("a/b.zip!/r\xe9.csv") == path_key("a/b.zip!/r\udce9.csv")
    assert path_key("a/b.zip!/r\\xe9.csv") == path_key("a/b.zip!/r\xe9.csv")
    assert path_key("a/b.zip") != path_key("a/c.zip")
