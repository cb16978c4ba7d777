"""Who is responsible: trusts and practices with the codes by which a laboratory knows them.

Invariants:
- ODS codes, names and postcodes are the region's; client codes, SAP codes and mail domains are
  made up and unique.
- Numbers of two trusts look alike on purpose (seven digits): which trust's it is must come from
  context.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tourniquet.exercise.region import Region

ORGANISATION_COLUMNS = ("ods_code", "name", "postcode", "client_codes", "email_domains")
PROVIDER_DOMAIN = "pathpartners.example"
UNCODED_EVERY = 17  # one organisation in so many has no client code in the list


@dataclass(frozen=True)
class Institution:
    """A controller. `prefix` marks the local numbers of a trust; practices have none."""

    ods_code: str
    name: str
    postcode: str
    client_code: str
    sap_code: str
    domain: str
    trust: bool
    place: int


@dataclass(frozen=True)
class Institutions:
    """All controllers of the region."""

    trusts: tuple[Institution, ...]
    practices: tuple[Institution, ...]
    by_code: dict[str, Institution]


def make_institutions(region: Region) -> Institutions:
    """The region's hospitals and practices as controllers."""
    trusts = tuple(
        Institution(
            row.code, row.name, "", f"{row.name[:3].upper()}H", f"4{number:06d}",
            f"{row.name.split(' ')[0].lower()}hospital.example", trust=True, place=number,
        )
        for number, row in enumerate(region.hospitals)
    )  # fmt: skip
    practices = tuple(
        Institution(
            row.code, row.name, row.postcode, f"{row.name[:3].upper()}{number:03d}",
            f"7{number:06d}", f"{row.name.split(' ')[0].lower()}{number}.gp.example",
            trust=False, place=number,
        )
        for number, row in enumerate(region.practices)
    )  # fmt: skip
    return Institutions(trusts, practices, {row.ods_code: row for row in (*trusts, *practices)})


def local_number(trust: Institution, person: int) -> str:
    """The number by which a trust knows a person; each trust has a form of its own."""
    forms = (
        str(1_000_000 + person),
        f"K{person:06d}",
        str(1_000_000 + (person * 7919 + 13) % 9_000_000),
        f"{person:07d}A",
        f"R{(person * 31 + 7) % 10_000_000:07d}",
        str(30_000_000 + person),
    )
    return forms[trust.place % len(forms)]


def write_organisations(path: Path, rows: Sequence[Institution]) -> None:
    """organisations.csv as the interface has it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(ORGANISATION_COLUMNS)
        for number, row in enumerate(rows):
            codes = "" if number % UNCODED_EVERY == 16 else f"{row.client_code};{row.sap_code}"
            out.writerow((row.ods_code, row.name, row.postcode, codes, row.domain))
