"""Replay gives the same tables: any sequence of entries of every kind, on both databases.

Bodies are made from their declared types, with ids from a small pool so that entries meet. An
entry that the tables refuse (a row twice, say) is undone by its savepoint, as in a flow.
"""

from __future__ import annotations

import random
import string
import types
import typing
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec
import pytest
from django.db import DatabaseError

from tests.support.database import Database, Databases
from tests.support.replaying import assert_replay_equal
from tourniquet.kernel.errors import TourniquetError
from tourniquet.record.journal import Act, read_head, writing
from tourniquet.record.models import JournalEntry
from tourniquet.record.registry import Body, list_kinds

START = datetime(2024, 6, 3, 7, 0, tzinfo=UTC)
ENTRIES = 1500
POOL = [f"{number:02}" for number in range(12)]  # as short as the shortest column, see below
_SHORT = {"priority": 2, "decision": 6}  # columns narrower than other text, which SQLite ignores
_TEXT = string.ascii_letters + "åß€'\\\" "


def _text(name: str, chance: random.Random) -> str:
    if chance.random() < 0.5 or name.endswith("_id"):
        return chance.choice(POOL)
    if "tubes" in name:
        return f"chemistry={chance.randrange(3)};haematology={chance.randrange(3)}"
    longest = _SHORT.get(name, 8)
    return "".join(chance.choices(_TEXT, k=chance.randrange(0, longest + 1))).strip()


def _union(options: tuple[Any, ...], name: str, chance: random.Random) -> Any:
    return _value(chance.choice(options), name, chance)


def _value(kind: Any, name: str, chance: random.Random) -> Any:  # noqa: PLR0911 (one line a type)
    """A value of a declared type."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        return _union(typing.get_args(kind), name, chance)
    if origin is tuple:
        item, *rest = typing.get_args(kind)
        if rest and rest != [Ellipsis]:
            return tuple(_value(part, name, chance) for part in (item, *rest))
        return tuple(_value(item, name, chance) for _ in range(chance.randrange(0, 4)))
    if origin is list:
        (item,) = typing.get_args(kind)
        return [_value(item, name, chance) for _ in range(chance.randrange(0, 4))]
    if origin is dict:
        _, item = typing.get_args(kind)
        return {chance.choice(POOL): _value(item, name, chance) for _ in range(2)}
    if origin is typing.Literal:
        return chance.choice(typing.get_args(kind))
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _body(kind, chance)
    moment = START + timedelta(minutes=chance.randrange(200_000))
    simple: dict[Any, Any] = {
        type(None): None,
        str: lambda: _text(name, chance),
        bytes: lambda: chance.randbytes(chance.randrange(20)),
        bool: lambda: chance.random() < 0.5,
        int: lambda: chance.randrange(0, 40),
        float: lambda: chance.randrange(0, 4000) / 8,
        datetime: lambda: moment,
        date: moment.date,
        time: lambda: time(chance.randrange(24), chance.randrange(60)),
    }
    made = simple[kind]
    return made() if callable(made) else made


def _body(kind: type[msgspec.Struct], chance: random.Random) -> msgspec.Struct:
    hints = typing.get_type_hints(kind)
    return kind(**{name: _value(hint, name, chance) for name, hint in hints.items()})


def write_any_entries(chance: random.Random, count: int) -> dict[str, int]:
    """Append up to `count` entries of every kind in turn; how many of each were taken."""
    taken: dict[str, int] = {}
    kinds = list_kinds()
    done = 0
    while done < count:
        act = Act(actor="tester", moment=START + timedelta(seconds=done))
        with writing(act) as journal:
            for _ in range(100):
                kind = kinds[done % len(kinds)]
                done += 1
                body = _body(kind.body, chance)
                assert isinstance(body, Body)
                subject = chance.choice(POOL) if kind.names_patient else None
                try:
                    with journal.savepoint():
                        journal.append(body, subject=subject, happened_at=START)
                except (DatabaseError, TourniquetError):
                    continue
                taken[kind.name] = taken.get(kind.name, 0) + 1
    return taken


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_replay_gives_the_same_tables(
    databases: Databases, database: Database, target: str, seed: int
) -> None:
    chance = random.Random(seed)
    taken = write_any_entries(chance, ENTRIES)
    missing = {kind.name for kind in list_kinds()} - set(taken)
    assert not missing, f"no entry of these kinds could be applied: {missing}"
    assert JournalEntry.objects.count() == read_head().position == sum(taken.values())
    assert_replay_equal(databases, database, target)
