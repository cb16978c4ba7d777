"""Fast writing and reading of many rows through Django's own connection, without model instances.

Invariants:
- Used by apply modules and by the journal; values are Python values as the models declare them.
- The same call on SQLite and PostgreSQL leaves rows that read back equal.
- Errors are Django's, and a transaction that must be undone takes no more statements, as through
  Django's own cursor.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

COPY_LEAST = 20  # below that a COPY's own round trips cost more

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


@dataclass(frozen=True, slots=True)
class _Statement:
    sql: str
    converters: tuple[tuple[int, Converter], ...]


def _fields(model: type[models.Model], names: Iterable[str]) -> list[models.Field[Any, Any]]:
    by_name = {field.name: field for field in model._meta.concrete_fields}  # noqa: SLF001 (Django's documented API)
    return [by_name[name] for name in names]


def _quoted(fields: Iterable[models.Field[Any, Any]]) -> list[str]:
    return [connection.ops.quote_name(field.column or "") for field in fields]


def _converters(
    fields: Iterable[models.Field[Any, Any]], vendor: str
) -> tuple[tuple[int, Converter], ...]:
    return tuple(
        (index, converter)
        for index, field in enumerate(fields)
        if (converter := _field_converter(field, vendor)) is not None
    )


@lru_cache(maxsize=512)
def _insertion(
    model: type[models.Model], names: tuple[str, ...], key: tuple[str, ...], vendor: str
) -> _Statement:
    """INSERT; with a key, what is there already is overwritten."""
    fields = _fields(model, names)
    columns = _quoted(fields)
    into = f"INSERT INTO {connection.ops.quote_name(model._meta.db_table)} "  # noqa: SLF001 (Django's documented API)
    into += f"({', '.join(columns)}) VALUES "
    row = f"({', '.join(['%s'] * len(columns))})"
    after = ""
    if key:
        sets = [
            f"{column} = excluded.{column}"
            for name, column in zip(names, columns, strict=True)
            if name not in key
        ]
        action = f"DO UPDATE SET {', '.join(sets)}" if sets else "DO NOTHING"
        after = f" ON CONFLICT ({', '.join(_quoted(_fields(model, key)))}) {action}"
    return _Statement(into + row + after, _converters(fields, vendor))


@lru_cache(maxsize=512)
def _update(
    model: type[models.Model], names: tuple[str, ...], key: tuple[str, ...], vendor: str
) -> _Statement:
    fields = _fields(model, (*names, *key))
    columns = _quoted(fields)
    sets = ", ".join(f"{column} = %s" for column in columns[: len(names)])
    where = " AND ".join(f"{column} = %s" for column in columns[len(names) :])
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 (Django's documented API)
    sql = f"UPDATE {table} SET {sets} WHERE {where}"  # noqa: S608 (names come from models)
    return _Statement(sql, _converters(fields, vendor))


def _converted(rows: Iterable[Row], converters: tuple[tuple[int, Converter], ...]) -> list[Row]:
    if not converters:
        return list(rows)
    out: list[Row] = []
    for row in rows:
        values = list(row)
        for index, converter in converters:
            values[index] = converter(values[index])
        out.append(values)
    return out


# Under Django's cursor ----------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _plain_sql(sql: str) -> str:
    """As SQLite's driver marks values; Django does this anew at every call."""
    return sql.replace("%s", "?")


def _plain_connection() -> tuple[BaseDatabaseWrapper, sqlite3.Connection | None]:
    """Django's connection, and SQLite's own beneath it; None where Django's cursor must be used.

    Django's cursor costs as much as a small statement. Where somebody listens to statements
    (tests, the debug log), and on PostgreSQL, whose cursor Django sets up, it is used all the same.
    """
    django = connections[DEFAULT_DB_ALIAS]
    if django.vendor != "sqlite" or django.execute_wrappers or django.queries_logged:
        return django, None
    if django.connection is None:
        django.ensure_connection()
    if django.needs_rollback:
        django.validate_no_broken_transaction()
    plain: sqlite3.Connection = django.connection
    return django, plain


def fetch_all(sql: str, values: Sequence[Any] = ()) -> list[Row]:
    """The rows of a SELECT of ours, its values marked %s; no other % may stand in it."""
    django, plain = _plain_connection()
    if plain is not None:
        with django.wrap_database_errors:
            found: list[Row] = plain.execute(_plain_sql(sql), values).fetchall()
            return found
    with django.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def fetch_one(sql: str, values: Sequence[Any] = ()) -> Row | None:
    """The first row of such a SELECT, or None."""
    rows = fetch_all(sql, values)
    return rows[0] if rows else None


def _run(statement: _Statement, rows: list[Row]) -> None:
    if not rows:
        return
    django, plain = _plain_connection()
    if plain is not None:
        with django.wrap_database_errors:
            _run_plain(plain, statement, rows)
        return
    with django.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(statement.sql, rows[0])
        else:
            cursor.executemany(statement.sql, rows)


def _run_plain(plain: sqlite3.Connection, statement: _Statement, rows: list[Row]) -> None:
    if len(rows) == 1:
        plain.execute(_plain_sql(statement.sql), rows[0])
    else:
        plain.executemany(_plain_sql(statement.sql), rows)


# What apply modules call --------------------------------------------------------------------------


def insert_rows(model: type[models.Model], names: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Insert rows; a row that exists already is an error of the database's."""
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    statement = _insertion(model, names, (), vendor)
    converted = _converted(rows, statement.converters)
    if vendor == "postgresql" and len(converted) >= COPY_LEAST:
        _copy(model, names, converted)
    else:
        _run(statement, converted)


def _copy(model: type[models.Model], names: tuple[str, ...], rows: list[Row]) -> None:
    """Insert many rows into PostgreSQL at once: a fifth of the time of as many statements."""
    django = connections[DEFAULT_DB_ALIAS]
    columns = ", ".join(_quoted(_fields(model, names)))
    table = django.ops.quote_name(model._meta.db_table)  # noqa: SLF001 (Django's documented API)
    into = f"COPY {table} ({columns}) FROM STDIN"
    with django.cursor() as cursor, django.wrap_database_errors, cursor.copy(into) as copy:
        for row in rows:
            copy.write_row(row)


def put_rows(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Iterable[Row],
    *,
    key: tuple[str, ...],
) -> None:
    """Insert rows, or overwrite the named columns of the row with the same key."""
    statement = _insertion(model, names, key, connections[DEFAULT_DB_ALIAS].vendor)
    _run(statement, _converted(rows, statement.converters))


def update_rows(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Iterable[Row],
    *,
    key: tuple[str, ...],
) -> None:
    """Set the named columns of the rows with these keys. Each row: the values, then the key."""
    statement = _update(model, names, key, connections[DEFAULT_DB_ALIAS].vendor)
    _run(statement, _converted(rows, statement.converters))


IN_MOST = 900  # SQLite may have been built to take no more than 999 values in one statement


def _in_utc(value: datetime | None) -> datetime | None:
    """What SQLite's driver, as Django sets it up, gives for a moment: UTC without saying so."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


@lru_cache(maxsize=512)
def _reading(
    model: type[models.Model], names: tuple[str, ...], column: str, also: str, vendor: str
) -> tuple[str, str, tuple[tuple[int, Converter], ...]]:
    """What stands before and after the list of values, and what is done to the columns read."""
    fields = _fields(model, names)
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 (Django's documented API)
    (where,) = _quoted(_fields(model, (column,)))
    converters: tuple[tuple[int, Converter], ...] = tuple(
        (index, _in_utc)
        for index, field in enumerate(fields)
        if vendor == "sqlite" and isinstance(field, models.DateTimeField)
    )
    before = f"SELECT {', '.join(_quoted(fields))} FROM {table} WHERE {where} IN "  # noqa: S608 (names come from models)
    after = f" AND {connection.ops.quote_name(also)} = %s" if also else ""
    return before, after, converters


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
    wanted = list(values)
    if not wanted:
        return []
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    before, after, converters = _reading(model, names, column, also[0] if also else "", vendor)
    out: list[Row] = []
    for start in range(0, len(wanted), IN_MOST):
        part = wanted[start : start + IN_MOST]
        # Few lengths, so that the database has prepared nearly every statement that comes.
        length = min(1 << (len(part) - 1).bit_length(), IN_MOST)
        part += part[-1:] * (length - len(part))
        if also is not None:
            part.append(also[1])
        marks = ", ".join(["%s"] * length)
        out += fetch_all(f"{before}({marks}){after}", part)
    return _converted(out, converters) if converters else out
