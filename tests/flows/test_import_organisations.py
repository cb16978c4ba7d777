"""A list of the Organisation Data Service is imported, whole or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.database import Database
from tourniquet.kernel.errors import UserError

NOW = datetime(2024, 6, 3, 9, 0, tzinfo=UTC)


def _row(code: str = "G83001", **changes: str) -> str:
    cells = [""] * 27
    values = {
        0: code,
        1: '"HILL, THE SURGERY"',
        4: "1 HIGH STREET",
        7: "LONDON",
        9: "SE1 1AA",
        10: "19740401",
        12: "A",
        14: "72Q",
        17: "020 79460001",
    }
    for at, value in values.items():
        cells[at] = value
    for name, value in changes.items():
        cells[int(name[1:])] = value
    return ",".join(cells)


def _import(folder: Path, *rows: str):
    from tourniquet.flows.import_organisations import import_ods

    path = folder / "list.csv"
    path.write_text("\r\n".join(rows) + "\r\n")
    return import_ods(path, now=NOW, actor="test")


def test_practices_are_listed_and_closed_ones_marked(database: Database, tmp_path: Path) -> None:
    from tourniquet.directory.models import Organisation

    done = _import(
        tmp_path, _row(), _row("G83002", c11="20200101", c12="C"), _row("G83003", c12="P")
    )
    assert (done.read, done.open, done.closed, done.listed) == (3, 1, 2, 3)
    first = Organisation.objects.get(pk="G83001")
    assert (first.name, first.address) == ("HILL, THE SURGERY", "1 HIGH STREET, LONDON")
    assert (first.phone, first.parent, first.open) == ("020 79460001", "72Q", True)
    assert not Organisation.objects.get(pk="G83002").open


def test_importing_again_changes_nothing_and_keeps_what_was_added(
    database: Database, tmp_path: Path
) -> None:
    from tourniquet.directory.entries import OrganisationListed
    from tourniquet.directory.models import Organisation
    from tourniquet.record.journal import Act, writing
    from tourniquet.record.models import JournalEntry

    _import(tmp_path, _row())
    with writing(Act("test", NOW)) as journal:
        journal.append(
            OrganisationListed(code="G83001", name="old", organisation_kind="practice", zone="Z1")
        )
    assert _import(tmp_path, _row()).listed == 1
    assert Organisation.objects.get().zone == "Z1"
    before = JournalEntry.objects.count()
    assert _import(tmp_path, _row()).unchanged == 1
    assert JournalEntry.objects.count() == before


@pytest.mark.parametrize(
    ("bad", "where"),
    [
        (_row("G8"), "line 2, column 1"),
        (_row("G83002", c1=""), "line 2, column 2"),
        (_row("G83002", c10="1974"), "line 2, column 11"),
        (_row("G83002", c12="X"), "line 2, column 13"),
        ("G83002,two columns", "line 2"),
        (_row(), "line 2, column 1"),
        ('"open', "line 2"),
    ],
)
def test_a_fault_is_named_and_nothing_is_imported(
    database: Database, tmp_path: Path, bad: str, where: str
) -> None:
    from tourniquet.directory.models import Organisation

    with pytest.raises(UserError) as caught:
        _import(tmp_path, _row(), bad)
    assert caught.value.where.endswith(where)
    assert not Organisation.objects.exists()


def test_a_file_that_is_none_is_refused(database: Database, tmp_path: Path) -> None:
    from tourniquet.flows.import_organisations import import_ods

    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("nosuch", "binary", "empty"):
        with pytest.raises(UserError):
            import_ods(tmp_path / name, now=NOW, actor="test")


def test_the_real_list_of_the_region_imports(database: Database, material: Path) -> None:
    from tourniquet.directory.models import Organisation
    from tourniquet.flows.import_organisations import import_ods

    done = import_ods(material / "ods" / "sel_gp_practices.csv", now=NOW, actor="test")
    assert done.read == Organisation.objects.count() == 197
