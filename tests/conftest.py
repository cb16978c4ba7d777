"""Fixtures that every kind of test may use.

`database` gives a test an empty, migrated database, once on SQLite and once on PostgreSQL;
`sqlite_database` and `postgresql_database` one of them; `databases` makes several in one test.
A test that asks for none has none.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support import run as test_run
from tests.support.database import Database, Databases, Vendor, detach
from tests.support.effort import LONG_VARIABLE
from tests.support.run import Run

MATERIAL_VARIABLE = "TOURNIQUET_TEST_MATERIAL"
SEED_VARIABLE = "TOURNIQUET_TEST_SEED"
_OURS = {MATERIAL_VARIABLE, SEED_VARIABLE, LONG_VARIABLE, test_run.FOLDER_VARIABLE}

_RUN = pytest.StashKey[Run]()
_SETUP_ERROR = pytest.StashKey[Exception | None]()

hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_configure(config: pytest.Config) -> None:
    """Begin or join the run, choose its seed, and make Django ready once for this process."""
    worker = getattr(config, "workerinput", None)
    run = test_run.begin() if worker is None else test_run.join(worker["workerid"])
    config.stash[_RUN] = run
    os.environ.setdefault(SEED_VARIABLE, str(random.SystemRandom().randrange(2**32)))
    for name in list(os.environ):
        if name.startswith("TOURNIQUET_") and name not in _OURS:
            del os.environ[name]  # the settings of an installation are not those of a test
    home = run.folder / f"home-{run.worker}"
    home.mkdir()
    os.environ["TOURNIQUET_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tourniquet.site.settings"
    config.stash[_SETUP_ERROR] = None
    try:
        import django

        django.setup()
        detach(run)
    except Exception as error:  # noqa: BLE001 # tests of pure modules run even when a model is broken
        config.stash[_SETUP_ERROR] = error


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the run, after every worker has ended."""
    if not hasattr(config, "workerinput") and _RUN in config.stash:
        test_run.end(config.stash[_RUN])


def pytest_report_header() -> str:
    """Name the seed, so that a failure can be repeated."""
    return f"seed: {os.environ[SEED_VARIABLE]} (repeat with {SEED_VARIABLE}=…)"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Trace nothing in a test marked `no_cover`.

    pytest-cov stops its own measuring; in a worker the one that began with the process goes on.
    """
    if item.get_closest_marker("no_cover") is None:
        yield
        return
    tracer, thread_tracer = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)  # type: ignore[arg-type] # None takes it away; typeshed wants a function
    try:
        yield
    finally:
        threading.settrace(thread_tracer)  # type: ignore[arg-type] # as it was, perhaps None
        sys.settrace(tracer)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The run's seed; printed with the test's output, which is shown when it fails."""
    number = int(os.environ[SEED_VARIABLE])
    print(f"{request.node.nodeid}: {SEED_VARIABLE}={number}")
    return number


@pytest.fixture
def databases(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Databases]:
    """Makes as many empty databases as a test wants, and switches Django between them."""
    error = request.config.stash[_SETUP_ERROR]
    if error is not None:
        raise error
    made = Databases(request.config.stash[_RUN], tmp_path, monkeypatch)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each kind of database in turn, for a test that makes its databases itself."""
    return "sqlite" if request.param == "sqlite" else "postgresql"


@pytest.fixture
def database(databases: Databases, vendor: Vendor) -> Database:
    """An empty, migrated database, the test being run on SQLite and on PostgreSQL."""
    return databases.new(vendor)


@pytest.fixture
def sqlite_database(databases: Databases) -> Database:
    """An empty, migrated SQLite database."""
    return databases.new("sqlite")


@pytest.fixture
def postgresql_database(databases: Databases) -> Database:
    """An empty, migrated PostgreSQL database."""
    return databases.new("postgresql")


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real files; without it the test is skipped and says why."""
    named = os.environ.get(MATERIAL_VARIABLE)
    if not named:
        pytest.skip(f"{MATERIAL_VARIABLE} is not set: no folder of real files to test with")
    folder = Path(named)
    if not folder.is_dir():
        pytest.fail(f"{MATERIAL_VARIABLE} names no folder: {folder}")
    return folder
