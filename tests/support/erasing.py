"""For tests of erasure: who is there, emptying somebody, and what a database's bytes still hold."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connection

from tests.support.database import Database
from tests.support.messages import NOW

if TYPE_CHECKING:
    from tourniquet.record.emptying import Emptied


def list_persons() -> list[tuple[str, ...]]:
    """Everybody in the index, each as the ids that merges have made one."""
    from tourniquet.patients.models import Patient
    from tourniquet.record.emptying import people_of

    ids = Patient.objects.order_by("pk").values_list("pk", flat=True)
    return sorted({people_of(one) for one in ids})


def empty_somebody(subject: str) -> Emptied:
    """Empty the person in one transaction of the journal, as an erasure does."""
    from tourniquet.record.emptying import empty_patient
    from tourniquet.record.journal import Act, writing

    with writing(Act("test", NOW)):
        return empty_patient(subject)


def read_everything(database: Database) -> bytes:
    """All bytes that the database holds: SQLite's files, PostgreSQL's rows as text."""
    if database.vendor == "sqlite":
        files = sorted(database.home.glob("tourniquet.sqlite3*"))
        return b"\n".join(Path(file).read_bytes() for file in files)
    out: list[bytes] = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            name = connection.ops.quote_name(table)
            with cursor.copy(f"COPY {name} TO STDOUT") as copy:
                out.extend(bytes(part) for part in copy)
            # Binary columns are in hexadecimal: what they hold, as it is.
            for field in connection.introspection.get_table_description(cursor, table):
                if field.type_code == BYTEA:
                    column = connection.ops.quote_name(field.name)
                    cursor.execute(f"SELECT {column} FROM {name} WHERE {column} IS NOT NULL")
                    out.extend(bytes(row[0]) for row in cursor.fetchall())
    return b"\n".join(out)


def read_outbox(database: Database) -> bytes:
    """All bytes of the files that lie there for printers and gateways."""
    files = sorted(path for path in (database.home / "outbox").glob("**/*") if path.is_file())
    return b"\n".join(path.read_bytes() for path in files)


BYTEA = 17  # PostgreSQL's number of the type


def list_found(everything: bytes, marks: Iterable[str]) -> list[str]:
    """Those marks that stand in these bytes, plain or within something written in base 64."""
    return [mark for mark in sorted(marks) if any(form in everything for form in _forms(mark))]


def _forms(mark: str) -> list[bytes]:
    content = mark.encode()
    forms = [content]
    for before in range(3):
        # Where the mark begins within a group of three; the characters that its neighbours change
        # are left out at both ends.
        whole = base64.b64encode(bytes(before) + content)
        first = (before * 8 + 5) // 6
        forms.append(whole[first : (before + len(content)) * 8 // 6])
    return forms
