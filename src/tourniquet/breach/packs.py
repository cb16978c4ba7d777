"""What goes out to each controller: its affected people and its unresolved fragments, encrypted.

A controller may read what is its own and nothing else: of a person, what its own fragments tell. A
pack is a zip archive of CSV files, encrypted with age to the recipient that the controller gave
(https://age-encryption.org/v1).

1. From the database of an answer, write each controller's affected.csv, evidence.csv and
   unresolved.csv, archive and encrypt them; keep the encrypted file alone.
2. Write index.csv: for each controller the counts, and whether there is a pack.

Invariants:
- Without a recipient no pack is written, and index.csv says so: nothing goes out in the clear.
- What names no controller is in no pack; it is counted under "".
- Categories, files and counts in a pack come from that controller's fragments alone.
"""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyrage
from pyrage import x25519

from tourniquet.breach.answers import BASE
from tourniquet.kernel.errors import UserError

PACKS = "packs"
INDEX = "index.csv"
CONTROLLERS_MOST = 5_000  # England has some 6,300 practices and 200 trusts; a region has fewer
_WHEN = (1980, 1, 1, 0, 0, 0)  # of every file in an archive
_FOLDER_MODE = 0o700
_OWN = {
    "affected": """
        SELECT e.person, d.decision, round(max(e.probability), 4) AS probability,
            count(DISTINCT e.path) AS files, count(*) AS fragments,
            array_to_string(list_sort(list_distinct(flatten(
                list(string_split(e.categories, ';'))))), ';') AS categories,
            array_to_string(list_sort(list_distinct(flatten(list(e.sensitive)))), ';') AS sensitive
        FROM evidence e JOIN affected d ON d.person = e.person
        WHERE e.controller = $controller GROUP BY e.person, d.decision ORDER BY e.person""",
    "evidence": """
        SELECT person, path, locator, fields, round(probability, 4) AS probability, categories
        FROM evidence WHERE controller = $controller ORDER BY person, path, content, number""",
    "unresolved": """
        SELECT fragment, path, locator, fields, why
        FROM unresolved WHERE controller = $controller ORDER BY path, content, number""",
}


@dataclass(frozen=True)
class Pack:
    """One controller's: counts, and the encrypted file where there is one."""

    controller: str
    people: int
    evidence: int
    unresolved: int
    file: Path | None


def read_recipient(text: str, *, where: str) -> x25519.Recipient:
    """A recipient as age writes it. Raises: UserError."""
    try:
        return x25519.Recipient.from_str(text.strip())
    except pyrage.RecipientError:
        raise UserError(
            "This is no recipient of age.",
            where=where,
            remedy="Ask the controller for the line that begins with age1.",
        ) from None


def write_packs(
    work: Path, out: Path, recipients: Mapping[str, x25519.Recipient]
) -> tuple[Pack, ...]:
    """Write a pack for each controller that an answer names; sorted by controller.

    `work` has the answer's database; `recipients` are by the controller's code. Raises: UserError:
    too many controllers; OSError.
    """
    target = out / PACKS
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(mode=_FOLDER_MODE)
    with duckdb.connect(work / BASE, read_only=True) as base:
        # 1.
        packs = tuple(
            _write_pack(base, target, f"controller-{number}", code, recipients.get(code))
            for number, code in enumerate(_list_controllers(base))
        )
    # 2.
    _write_index(target / INDEX, packs)
    return packs


def _list_controllers(base: duckdb.DuckDBPyConnection) -> list[str]:
    rows = base.execute(
        "SELECT controller FROM evidence UNION SELECT controller FROM unresolved ORDER BY 1"
    ).fetchall()
    if len(rows) > CONTROLLERS_MOST:
        raise UserError(
            f"The answer names {len(rows)} controllers, more than {CONTROLLERS_MOST}.",
            where="controllers",
            remedy="Look whether codes were read that are none; name them with --organisations.",
        )
    return [str(code or "") for (code,) in rows]


def _write_pack(
    base: duckdb.DuckDBPyConnection,
    target: Path,
    name: str,
    code: str,
    recipient: x25519.Recipient | None,
) -> Pack:
    with TemporaryDirectory(dir=target, prefix="plain.") as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        counts = {one: _write_rows(base, query, code, folder / f"{one}.csv")
                  for one, query in _OWN.items()}  # fmt: skip
        file = None
        if recipient is not None and code:
            file = target / f"{code if code.isascii() and code.isalnum() else name}.zip.age"
            plain = Path(scratch) / "pack.zip"
            _archive(folder, plain)
            pyrage.encrypt_file(str(plain), str(file), [recipient])
    return Pack(code, counts["affected"], counts["evidence"], counts["unresolved"], file)


def _write_rows(base: duckdb.DuckDBPyConnection, query: str, code: str, file: Path) -> int:
    found = base.execute(query, {"controller": code})
    count = 0
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow([column[0] for column in found.description or ()])
        while rows := found.fetchmany(10_000):
            writer.writerows(rows)
            count += len(rows)
    return count


def _archive(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(file.name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink)


def _write_index(file: Path, packs: tuple[Pack, ...]) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(["controller", "people", "evidence", "unresolved", "pack", "why"])
        for one in packs:
            why = "" if one.file else "no recipient was given"
            if not one.controller:
                why = "no controller was found for these"
            name = one.file.name if one.file else ""
            writer.writerow([one.controller, one.people, one.evidence, one.unresolved, name, why])
