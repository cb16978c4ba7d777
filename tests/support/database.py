"""Empty, migrated databases for tests, on SQLite and on PostgreSQL, through Django.

Django knows one database, "default". `Databases.use` makes it another one for every thread at
once: the handler's settings are replaced and every thread's old connection is forgotten, so that
the listener's threads, too, open the new one.

Emptying is quick because it touches only what was written: SQLite's file is a copy of a migrated
template; in PostgreSQL the tables that hold rows are deleted from, with triggers and foreign keys
asleep, which the append-only journal would otherwise forbid.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from tests.support import postgres
from tests.support.run import Run

Vendor = Literal["sqlite", "postgresql"]

_TEMPLATE = "tourniquet_template"
# Written by Django when it migrates, and the same ever after.
_KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission")
_EMPTY_POSTGRESQL = """
DO $$
DECLARE
    name text;
    has_rows boolean;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN
        SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> ALL (KEPT)
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT 1 FROM ' || name || ')' INTO has_rows;
        IF has_rows THEN
            EXECUTE 'DELETE FROM ' || name;
        END IF;
    END LOOP;
    PERFORM setval(format('%I.%I', schemaname, sequencename), start_value, false)
    FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL
        AND sequencename !~ '^(django_migrations|django_content_type|auth_permission)_';
END $$
""".replace("KEPT", "ARRAY[" + ", ".join(f"'{name}'" for name in _KEPT_TABLES) + "]")


@dataclass(frozen=True)
class Database:
    """One empty, migrated database and the home folder that goes with it."""

    vendor: Vendor
    url: str  # what TOURNIQUET_DATABASE_URL holds; "" for SQLite in the home
    home: Path

    def environment(self) -> dict[str, str]:
        """What a process started by the test needs to use this database."""
        return {"TOURNIQUET_HOME": str(self.home), "TOURNIQUET_DATABASE_URL": self.url}


class Databases:
    """Makes databases for one test and switches Django between them."""

    def __init__(self, run: Run, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._run = run
        self._folder = folder
        self._patch = patch
        self._made = 0  # databases in use: names the next one
        self._homes = 0

    def new(self, vendor: Vendor) -> Database:
        """An empty, migrated database that no other one of this test is; Django now uses it."""
        self._made += 1
        self._homes += 1
        home = self._folder / f"home-{self._homes}"
        home.mkdir(mode=0o700)
        if vendor == "sqlite":
            shutil.copyfile(_sqlite_template(self._run), home / "tourniquet.sqlite3")
            database = Database("sqlite", "", home)
        else:
            name = f"tourniquet_{self._run.worker}_{self._made}"
            database = Database("postgresql", _empty_postgresql(self._run, name), home)
        self.use(database)
        return database

    def start_over(self) -> None:
        """Let `new` hand out again, emptied, what it made: for the next generated example."""
        detach(self._run)
        self._made = 0

    def use(self, database: Database) -> None:
        """Make this database Django's, for every thread, and its home ours."""
        from django.conf import settings

        for name, value in database.environment().items():
            self._patch.setenv(name, value)
        self._patch.setattr(settings, "HOME", database.home)
        switch(_described(database.url, database.home))

    def close(self) -> None:
        """Leave Django without a database, so that a test that asked for none gets none."""
        detach(self._run)


def switch(description: dict[str, Any]) -> None:
    """Replace Django's database for every thread of this process."""
    from asgiref.local import Local
    from django.contrib.contenttypes.models import ContentType
    from django.db import connections

    connections.close_all()  # this thread's; those of others end with their threads
    connections.settings["default"] = connections.configure_settings({"default": description})[
        "default"
    ]
    connections._connections = Local(connections.thread_critical)
    ContentType.objects.clear_cache()
    _forget_clock()


def detach(run: Run) -> None:
    """Give Django a database that cannot be opened."""
    switch(_described("", run.folder / "no-database-without-the-fixture"))


def _described(url: str, home: Path) -> dict[str, Any]:
    from tourniquet.site.settings import database

    description = database(url, home)
    command = description["OPTIONS"].get("init_command")
    if command is not None:
        # Only the disk's part of durability is left out: no test cuts the power of this machine.
        description["OPTIONS"]["init_command"] = command.replace(
            "synchronous=FULL", "synchronous=OFF"
        )
    return description


def _forget_clock() -> None:
    """A process keeps the clock of its home; a new home has not been opened yet."""
    home = sys.modules.get("tourniquet.record.home")
    if home is not None:
        from tourniquet.kernel.clock import SystemClock

        home._clock = SystemClock()


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0, interactive=False)
    connections.close_all()


def _sqlite_template(run: Run) -> Path:
    """The migrated file that every SQLite test copies, made once in a run."""
    template = run.folder / "template.sqlite3"
    with run.lock():
        if not template.exists():
            home = run.folder / "template-home"
            home.mkdir(exist_ok=True)
            switch(_described("", home))
            _migrate()
            made = home / "tourniquet.sqlite3"
            with sqlite3.connect(made) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                _refuse_rows(
                    connection,
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                    " AND name NOT LIKE 'sqlite_%'",
                )
            connection.close()
            made.rename(template)
    return template


def _empty_postgresql(run: Run, name: str) -> str:
    """The address of the run's PostgreSQL database of this name, emptied."""
    with run.lock():
        server = postgres.start(run.folder)
        with server.connect() as connection:
            names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            if _TEMPLATE not in names:
                connection.execute(f"CREATE DATABASE {_TEMPLATE}")
                switch(_described(server.url(_TEMPLATE), run.folder))
                _migrate()
                with server.connect(_TEMPLATE) as template:
                    _refuse_rows(
                        template, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                    )
            if name not in names:
                connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
                return server.url(name)
    with server.connect(name) as connection:
        # A thread that a test left behind must not hold its locks against the next test.
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(_EMPTY_POSTGRESQL)
    return server.url(name)


def _refuse_rows(
    connection: sqlite3.Connection | psycopg.Connection[tuple[Any, ...]], list_tables: str
) -> None:
    """A migration that writes rows would be undone by emptying: this module must then learn it."""
    for (table,) in connection.execute(list_tables).fetchall():
        if table in _KEPT_TABLES:
            continue
        row = connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()
        if row is None or row[0] != 0:
            raise RuntimeError(f"migrations wrote rows into {table}; see tests/support/database.py")
