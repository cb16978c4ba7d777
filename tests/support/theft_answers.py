"""A perfect answer to a theft, written from its truth; stories spoil it on purpose."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
COLUMNS = {
    "affected.csv": "person,decision,probability,files,fragments,categories,sensitive,controllers",
    "evidence.csv": "person,path,locator,fields,probability,categories,controller",
    "unresolved.csv": "fragment,path,locator,fields,controller,why",
    "files.csv": "path,sha256,bytes,type,state,why",
}


def fragments(theft: Path) -> list[Row]:
    """Every line of the truth."""
    text = (theft / "TRUTH" / "truth.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def summary(theft: Path) -> Row:
    """truth.json."""
    return json.loads((theft / "TRUTH" / "truth.json").read_text(encoding="utf-8"))


def perfect(theft: Path) -> dict[str, list[Row]]:
    """The tables of an answer that is right everywhere."""
    people: dict[str, Row] = {}
    evidence, unresolved = [], []
    for one in fragments(theft):
        place: Row = {
            "path": one["path"],
            "locator": one["locator"],
            "controller": one["controller"],
        }
        if one["outsider"]:
            unresolved.append({"fragment": str(one["fragment"]), **place})
        if not one["person"] or one["class"] == "not":
            continue
        evidence.append({"person": one["person"], "probability": "0.97", **place})
        row = people.setdefault(one["person"], {"decision": "review", "sensitive": set()})
        row["sensitive"] |= set(one["sensitive"])
        if one["class"] == "intact":
            row["decision"] = "notify"
    affected = [
        {
            "person": key,
            "decision": row["decision"],
            "sensitive": ";".join(sorted(row["sensitive"])),
        }
        for key, row in people.items()
    ]
    files = []
    for one in summary(theft)["files"]:
        files.append(
            {
                "path": one["path"],
                "bytes": one["bytes"],
                "sha256": one["sha256"],
                "state": "parsed",
            }
        )
        files += [
            {"path": f"{one['path']}!/{name}", "bytes": size} for name, size, *_ in one["members"]
        ]
    return {
        "affected.csv": affected,
        "evidence.csv": evidence,
        "unresolved.csv": unresolved,
        "files.csv": files,
    }


def write_answer(
    out: Path, tables: dict[str, list[Row]], spoil: Callable[[str, Row], Row | None] | None = None
) -> Path:
    """Write an answer; `spoil` changes a row or takes it away."""
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        with (out / name).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS[name].split(","), restval="")
            writer.writeheader()
            for row in rows:
                kept = spoil(name, dict(row)) if spoil else row
                if kept is not None:
                    writer.writerow(kept)
    keys = ("files", "bytes", "people_notify", "people_review", "unresolved", "seconds")
    more = {"megabytes_per_second": 1, "version": "0"}
    (out / "summary.json").write_text(json.dumps({**dict.fromkeys(keys, 0), **more}))
    return out
