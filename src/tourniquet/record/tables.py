"""Fast writing and reading of many rows through Django's own connection, without model instances.

Invariants:
- Used by apply modules and by the journal; values are Python values as the models declare them.
- The same call on SQLite and PostgreSQL leaves rows that read back equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

Row = Sequence[Any]
Converter = Callable[[Any], Any]


def _field_converter(field: models.Field[Any, Any], vendor: str) -> Converter | None:
    """What must be done to a value before the driver takes it; None where nothing."""
    if vendor != "sqlite":
        return None
    if isinstance(field, models.DateTimeField):
        return lambda value: None if value is None else _sqlite_instant(value)
    if isinstance(field, models.DateField | models.TimeField):
        return lambda value: None if value is None else value.isoformat()
    return None


@lru_cache(maxsize=4096)  # the rows of one message share most of their times
def _sqlite_instant(value: datetime) -> str:
    if value.tzinfo is not None and value.utcoffset():
        value = value.astimezone(UTC)
    return str(value.replace(tzinfo=None))


Converters = tuple[tuple[int, Converter], ...]


@lru_cache(maxsize=512)
def _columns(
    model: type[models.Model], names: tuple[str, ...], vendor: str
) -> tuple[str, tuple[str, ...], Converters]:
    """The table, the columns, both quoted, and which values must be converted."""
    quote = connection.ops.quote_name
    by_name = {field.name: field for field in model._meta.concrete_fields}  # noqa: SLF001 (Django's documented API)
    fields = [by_name[name] for name in names]
    converters = tuple(
        (index, converter)
        for index, field in enumerate(fields)
        if (converter := _field_converter(field, vendor)) is not None
    )
    table = quote(model._meta.db_table)  # noqa: SLF001 (Django's documented API)
    return table, tuple(quote(field.column or "") for field in fields), converters


def _converted(rows: Iterable[Row], converters: Converters) -> list[Row]:
    if not converters:
        return list(rows)
    out: list[Row] = []
    for row in rows:
        values = list(row)
        for index, converter in converters:
            values[index] = converter(values[index])
        out.append(values)
    return out


def _mark(vendor: str) -> str:
    """How the driver marks a value in a statement."""
    return "?" if vendor == "sqlite" else "%s"


def _run(sql: str, rows: list[Row]) -> None:
    """Run a statement in the driver's own marks for each row.

    On SQLite straight through the driver: Django's cursor would look at every statement anew.
    """
    if not rows:
        return
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "sqlite":
        with _driver(database) as driver:
            driver.executemany(sql, rows)
        return
    with database.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(sql, rows[0])
        else:
            cursor.executemany(sql, rows)


@contextmanager
def _driver(database: BaseDatabaseWrapper) -> Iterator[Any]:
    """SQLite's own connection, with Django's checks and its names for errors."""
    database.ensure_connection()
    database.validate_no_broken_transaction()
    with database.wrap_database_errors:
        yield database.connection


def fetch_all(sql: str, values: Sequence[Any]) -> list[Any]:
    """The rows of a plain statement, whose marks are `%s` and which holds no other per cent sign.

    For what is asked once a message: building a query would cost more than answering it.
    """
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor == "sqlite":
        with _driver(database) as driver:
            found: list[Any] = driver.execute(_in_sqlite_marks(sql), values).fetchall()
            return found
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


@lru_cache(maxsize=4096)
def _in_sqlite_marks(sql: str) -> str:
    return sql.replace("%s", "?")


@lru_cache(maxsize=512)
def _inserting(
    model: type[models.Model], names: tuple[str, ...], key: tuple[str, ...] | None, vendor: str
) -> tuple[str, Converters]:
    """Insert; with a key, overwrite the row that has the same."""
    table, columns, converters = _columns(model, names, vendor)
    marks = ", ".join([_mark(vendor)] * len(columns))
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 (names come from models)
    if key is not None:
        _, keys, _ = _columns(model, key, vendor)
        sets = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in keys)
        action = f"DO UPDATE SET {sets}" if sets else "DO NOTHING"
        sql += f" ON CONFLICT ({', '.join(keys)}) {action}"
    return sql, converters


def insert_rows(model: type[models.Model], names: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Insert rows; a row that exists already is an error of the database's."""
    sql, converters = _inserting(model, names, None, connection.vendor)
    _run(sql, _converted(rows, converters))


def put_rows(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Iterable[Row],
    *,
    key: tuple[str, ...],
) -> None:
    """Insert rows, or overwrite the named columns of the row with the same key."""
    sql, converters = _inserting(model, names, key, connection.vendor)
    _run(sql, _converted(rows, converters))


@lru_cache(maxsize=512)
def _updating(
    model: type[models.Model], names: tuple[str, ...], key: tuple[str, ...], vendor: str
) -> tuple[str, Converters]:
    table, columns, converters = _columns(model, (*names, *key), vendor)
    mark = _mark(vendor)
    sets = ", ".join(f"{name} = {mark}" for name in columns[: len(names)])
    where = " AND ".join(f"{name} = {mark}" for name in columns[len(names) :])
    return f"UPDATE {table} SET {sets} WHERE {where}", converters  # noqa: S608 (names come from models)


def update_rows(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Iterable[Row],
    *,
    key: tuple[str, ...],
) -> None:
    """Set the named columns of the rows with these keys. Each row: the values, then the key."""
    sql, converters = _updating(model, names, key, connection.vendor)
    _run(sql, _converted(rows, converters))


IN_MOST = 900  # SQLite may have been built to take no more than 999 values in one statement


def _in_utc(value: datetime | None) -> datetime | None:
    """What SQLite's driver, as Django sets it up, gives for a moment: UTC without saying so."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


@lru_cache(maxsize=512)
def _reading(
    model: type[models.Model], names: tuple[str, ...], column: str, vendor: str
) -> tuple[str, Converters]:
    table, columns, _ = _columns(model, names, vendor)
    _, (where,), _ = _columns(model, (column,), vendor)
    by_name = {field.name: field for field in model._meta.concrete_fields}  # noqa: SLF001 (Django's documented API)
    converters: Converters = tuple(
        (index, _in_utc)
        for index, name in enumerate(names)
        if vendor == "sqlite" and isinstance(by_name[name], models.DateTimeField)
    )
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where} IN ", converters  # noqa: S608 (names come from models)


@lru_cache(maxsize=2048)
def _list_of_marks(count: int) -> str:
    return f"({', '.join(['%s'] * count)})"


def select_in(
    model: type[models.Model],
    names: tuple[str, ...],
    column: str,
    values: Iterable[str],
    *,
    also: tuple[str, str] | None = None,
) -> list[Row]:
    """The named columns of the rows whose column has one of these values, in no order.

    `also` is another column and the one value that it must have.
    """
    sql, converters = _reading(model, names, column, connection.vendor)
    wanted = list(values)
    out: list[Row] = []
    for start in range(0, len(wanted), IN_MOST):
        part = wanted[start : start + IN_MOST]
        statement = sql + _list_of_marks(len(part))
        if also is not None:
            statement += f" AND {connection.ops.quote_name(also[0])} = %s"
            part = [*part, also[1]]
        out += fetch_all(statement, part)
    return _converted(out, converters)
