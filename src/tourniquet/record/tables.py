"""Fast writing and reading of many rows through Django's own connection, without model instances.

Invariants:
- Used by apply modules and by the journal; values are Python values as the models declare them.
- The same call on SQLite and PostgreSQL leaves rows that read back equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db import connection, models

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


@lru_cache(maxsize=512)
def _columns(
    model: type[models.Model], names: tuple[str, ...], vendor: str
) -> tuple[str, str, str, tuple[tuple[int, Converter], ...]]:
    quote = connection.ops.quote_name
    by_name = {field.name: field for field in model._meta.concrete_fields}  # noqa: SLF001 (Django's documented API)
    fields = [by_name[name] for name in names]
    columns = ", ".join(quote(field.column or "") for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    converters = tuple(
        (index, converter)
        for index, field in enumerate(fields)
        if (converter := _field_converter(field, vendor)) is not None
    )
    return quote(model._meta.db_table), columns, marks, converters  # noqa: SLF001


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


def _run(sql: str, rows: list[Row]) -> None:
    with connection.cursor() as cursor:
        if len(rows) == 1:
            cursor.execute(sql, rows[0])
        elif rows:
            cursor.executemany(sql, rows)


def insert_rows(model: type[models.Model], names: tuple[str, ...], rows: Iterable[Row]) -> None:
    """Insert rows; a row that exists already is an error of the database's."""
    table, columns, marks, converters = _columns(model, names, connection.vendor)
    _run(f"INSERT INTO {table} ({columns}) VALUES ({marks})", _converted(rows, converters))  # noqa: S608 (names come from models)


def put_rows(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Iterable[Row],
    *,
    key: tuple[str, ...],
) -> None:
    """Insert rows, or overwrite the named columns of the row with the same key."""
    table, columns, marks, converters = _columns(model, names, connection.vendor)
    quote = connection.ops.quote_name
    keys = ", ".join(quote(name) for name in key)
    sets = ", ".join(f"{quote(n)} = excluded.{quote(n)}" for n in names if n not in key)
    action = f"DO UPDATE SET {sets}" if sets else "DO NOTHING"
    _run(
        f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({keys}) {action}",  # noqa: S608 (names come from models)
        _converted(rows, converters),
    )


def update_rows(
    model: type[models.Model],
    names: tuple[str, ...],
    rows: Iterable[Row],
    *,
    key: tuple[str, ...],
) -> None:
    """Set the named columns of the rows with these keys. Each row: the values, then the key."""
    quote = connection.ops.quote_name
    table, _, _, converters = _columns(model, (*names, *key), connection.vendor)
    sets = ", ".join(f"{quote(name)} = %s" for name in names)
    where = " AND ".join(f"{quote(name)} = %s" for name in key)
    _run(f"UPDATE {table} SET {sets} WHERE {where}", _converted(rows, converters))  # noqa: S608 (names come from models)


IN_MOST = 900  # SQLite may have been built to take no more than 999 values in one statement


def _in_utc(value: datetime | None) -> datetime | None:
    """What SQLite's driver, as Django sets it up, gives for a moment: UTC without saying so."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


@lru_cache(maxsize=512)
def _reading(
    model: type[models.Model], names: tuple[str, ...], column: str, vendor: str
) -> tuple[str, tuple[tuple[int, Converter], ...]]:
    table, columns, _, _ = _columns(model, names, vendor)
    _, where, _, _ = _columns(model, (column,), vendor)
    by_name = {field.name: field for field in model._meta.concrete_fields}  # noqa: SLF001 (Django's documented API)
    converters: tuple[tuple[int, Converter], ...] = tuple(
        (index, _in_utc)
        for index, name in enumerate(names)
        if vendor == "sqlite" and isinstance(by_name[name], models.DateTimeField)
    )
    return f"SELECT {columns} FROM {table} WHERE {where} IN ", converters  # noqa: S608 (names come from models)


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
        statement = f"{sql}({', '.join(['%s'] * len(part))})"
        if also is not None:
            statement += f" AND {connection.ops.quote_name(also[0])} = %s"
            part = [*part, also[1]]
        with connection.cursor() as cursor:
            cursor.execute(statement, part)
            out += cursor.fetchall()
    return _converted(out, converters)
