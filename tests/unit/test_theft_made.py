"""Thefts that are made: the same every time, every shape, and a truth that is true."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.theft_answers import fragments, summary
from tests.support.theft_readers import open_member, squeezed, text_at
from tourniquet.exercise.people import people
from tourniquet.exercise.region import make_region
from tourniquet.exercise.theft.cast import INDEX_COLUMNS
from tourniquet.exercise.theft.make import FAMILIES, FILES, make_theft
from tourniquet.exercise.theft.truth import Truth
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import NhsNumber

SEED, PEOPLE, MEGABYTES = 11, 3_000, 0.3
PICTURES = (".png", ".jpg", ".tif")


def make(out: Path, family: str, seed: int = SEED) -> Truth:
    region = make_region(seed)
    return make_theft(
        region, people(region, PEOPLE, seed), out, seed=seed, megabytes=MEGABYTES, family=family
    )


@pytest.fixture(scope="module", params=["first", "second"])
def theft(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(request.param)
    make(out, request.param)
    return out


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class TestMaking:
    def test_the_same_seed_makes_the_same_bytes(self, theft: Path, tmp_path: Path) -> None:
        make(tmp_path, summary(theft)["family"])
        assert digest(tmp_path) == digest(theft)

    def test_another_seed_makes_others(self, theft: Path, tmp_path: Path) -> None:
        make(tmp_path, summary(theft)["family"], SEED + 1)
        ours, theirs = digest(theft), digest(tmp_path)
        assert ours["people.csv"] != theirs["people.csv"]
        same = set(ours.values()) & set(theirs.values())
        assert len(same) < 5  # an empty file is like any other

    def test_every_shape_is_there(self, theft: Path) -> None:
        made = summary(theft)
        assert set(made["shapes"]) == set(FAMILIES[made["family"]])
        assert len(made["shapes"]) >= 20

    def test_the_truth_names_every_file(self, theft: Path) -> None:
        there = {
            str(path.relative_to(theft / FILES)): path.stat().st_size
            for path in (theft / FILES).rglob("*")
            if path.is_file()
        }
        assert {one["path"]: one["bytes"] for one in summary(theft)["files"]} == there
        assert sum(there.values()) >= MEGABYTES * 1_000_000

    def test_there_are_copies(self, theft: Path) -> None:
        counts = Counter(digest(theft / FILES).values())
        assert max(counts.values()) > 1

    @pytest.mark.parametrize(
        ("change", "where"),
        [({"family": "third"}, "--family"), ({"megabytes": 0.0}, "--megabytes")],
    )
    def test_what_cannot_be_made(self, tmp_path: Path, change: Any, where: str) -> None:
        region = make_region(1)
        settings = {"seed": 1, "megabytes": 1.0, **change}
        with pytest.raises(UserError) as refused:
            make_theft(region, people(region, 1_000, 1), tmp_path, **settings)
        assert refused.value.where == where

    def test_a_folder_that_is_not_empty(self, theft: Path) -> None:
        with pytest.raises(UserError):
            make(theft, "first")


class TestIndex:
    def test_columns_and_dirt(self, theft: Path) -> None:
        with (theft / "people.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == INDEX_COLUMNS
        assert len(rows) < PEOPLE  # some are missing
        assert len({row["person"] for row in rows}) == len(rows)
        assert any(row["superseded_nhs_numbers"] for row in rows)
        assert any(row["previous_family_name"] for row in rows)
        assert any(row["birth_date"] == "1900-01-01" for row in rows)
        assert any(not row["nhs_number"] for row in rows)
        assert any(row["given_names"] == "Baby" for row in rows)
        twins = Counter((r["family_name"], r["birth_date"], r["address"]) for r in rows)
        assert max(twins.values()) > 1
        namesakes = Counter((r["family_name"], r["given_names"], r["address"]) for r in rows)
        assert any(count > 1 and key[2] for key, count in namesakes.items())

    def test_every_nhs_number_is_of_the_test_range_and_of_one_person(self, theft: Path) -> None:
        with (theft / "people.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        numbers = [n for row in rows for n in (row["nhs_number"], row["superseded_nhs_numbers"])]
        numbers = [number for number in numbers if number]
        assert len(set(numbers)) == len(numbers)
        assert all(n.startswith("999") and NhsNumber.find(n) is not None for n in numbers)


class TestTruth:
    def test_every_fragment_is_where_the_truth_says(self, theft: Path) -> None:
        checked, missing = Counter[str](), []
        key = lambda one: one["path"]  # noqa: E731 # shorter than a function
        for path, group in itertools.groupby(fragments(theft), key=key):
            name = path.rpartition("!/")[2]
            data = open_member(theft / FILES, path)
            pictures = name.endswith(PICTURES) or (data.startswith(b"%PDF") and b"DCT" in data)
            if pictures:
                continue  # read by eye; letters on them are drawn from the same words
            for one in itertools.islice(group, 30):
                text = squeezed(text_at(name, data, one["where"]))
                checked[one["shape"]] += 1
                missing += [
                    (one["shape"], path, one["locator"], field["text"])
                    for field in one["fields"]
                    if squeezed(field["text"]) not in text
                ]
        assert missing == []
        assert len(checked) > 20

    def test_the_classes_are_all_there(self, theft: Path) -> None:
        kinds = Counter(one["class"] for one in fragments(theft) if one["person"])
        assert set(kinds) == {"intact", "identifiable", "not"}
        assert any(one["outsider"] for one in fragments(theft))
        assert all(one["class"] == "not" for one in fragments(theft) if not one["person"])

    def test_nobody_in_the_truth_is_missing_from_the_index(self, theft: Path) -> None:
        with (theft / "people.csv").open(encoding="utf-8", newline="") as file:
            index = {row["person"]: row for row in csv.DictReader(file)}
        for one in fragments(theft):
            assert not one["person"] or one["person"] in index
            assert one["outsider"] not in index

    def test_an_intact_number_is_the_index_person_s(self, theft: Path) -> None:
        with (theft / "people.csv").open(encoding="utf-8", newline="") as file:
            index = {row["person"]: row for row in csv.DictReader(file)}
        odd = {"wrong_digit", "transposed", "short", "scientific"}
        for one in fragments(theft):
            for field in one["fields"]:
                if not one["person"] or field["kind"] != "nhs_number":
                    continue
                row = index[one["person"]]
                digits = re.sub(r"\.0$|\D", "", field["text"])
                if not odd & set(field["distortions"]) and row["nhs_number"]:
                    assert digits in (row["nhs_number"], row["superseded_nhs_numbers"])

    def test_sensitive_things_and_decoys(self, theft: Path) -> None:
        found = {name for one in fragments(theft) for name in one["sensitive"]}
        assert found == {"hiv", "sexual_health", "fertility", "genetics", "cancer"}
        decoys = {one["decoy"] for one in fragments(theft)} - {""}
        assert len(decoys) >= 3
        assert json.dumps(summary(theft)["people_by_class"])
