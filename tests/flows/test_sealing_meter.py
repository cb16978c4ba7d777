"""How far sealing is behind, and a journal that is not the one sealed; on both databases."""

from __future__ import annotations

from datetime import timedelta
from html import unescape

import pytest

from tests.flows.test_machines import client
from tests.support.console import NOW, client_of, seed_region, stranger
from tests.support.database import Database
from tests.support.sealing import seal
from tourniquet.flows.note_sealer import PUT_BACK, STOPPED, watch_sealing
from tourniquet.record.entries import AlarmRaised
from tourniquet.record.journal import Act, read_head, writing
from tourniquet.record.models import Alarm, JournalEntry
from tourniquet.record.sealer import vault_folder
from tourniquet.record.sealing_meter import (
    LATE_SECONDS,
    SEALER,
    SEALING,
    SealerState,
    Sealing,
    SealingMeter,
)


class Bench:
    """A meter with its time, and a sealer that was said to run."""

    def __init__(self) -> None:
        self.time = 100.0
        self.sealer = SealerState()
        self.sealer.tell(running=True)
        self.meter = SealingMeter(now=lambda: self.time, sealer=self.sealer)

    def look(self, *, after: float = 0.0) -> Sealing:
        """What it says some seconds later."""
        self.time += after
        found = self.meter.look()
        assert found is not None
        return found


def append(*names: str) -> int:
    """Append an entry of each name; the last position."""
    with writing(Act("tester", NOW)) as journal:
        for name in names:
            journal.append(AlarmRaised(name, "test", "A test."))
    return read_head().position


def put_back(to: int) -> None:
    """Let the journal end there, as on a standby that lacks the newest."""
    JournalEntry.objects.filter(position__gt=to).delete()


def test_where_nobody_seals_yet_nothing_is_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    append("one")
    assert SealingMeter(sealer=SealerState()).read() is None
    monkeypatch.setenv("TOURNIQUET_SEALER", "apart")
    found = SealingMeter(sealer=SealerState()).read()
    assert found is not None
    assert (found.sealed, found.unsealed, found.running) == (0, 1, None)


def test_it_is_late_once_the_vault_has_not_grown_for_a_minute(database: Database) -> None:
    bench = Bench()
    head = append("one", "two")
    found = bench.look()
    assert (found.unsealed, found.since, found.late, found.fits) == (head, NOW, False, True)
    assert not bench.look(after=LATE_SECONDS - 0.01).late
    assert bench.look(after=0.01).late
    seal()
    found = bench.look()
    assert (found.sealed, found.unsealed, found.since, found.late) == (head, 0, None, False)


def test_what_is_sealed_a_moment_later_is_not_late_however_long_nothing_came(
    database: Database,
) -> None:
    bench = Bench()
    append("one")
    seal()
    assert bench.look().unsealed == 0
    append("two")
    assert not bench.look(after=10 * LATE_SECONDS).late
    seal()
    append("three")  # another one waits, and nobody looked meanwhile
    assert not bench.look(after=10 * LATE_SECONDS).late


def test_a_journal_that_went_back_does_not_fit_until_it_is_back(database: Database) -> None:
    bench = Bench()
    append("one", "two", "three")
    seal()
    kept = list(JournalEntry.objects.filter(position=3).values())
    put_back(2)
    found = bench.look()
    assert (found.fits, found.unsealed) == (False, 0)
    append("four", "five")  # and it grew beyond
    assert not bench.look().fits
    put_back(2)
    JournalEntry.objects.create(**kept[0])
    assert bench.look().fits


def test_a_vault_that_cannot_be_read_is_not_a_journal_that_went_back(database: Database) -> None:
    bench = Bench()
    append("one")
    seal()
    checkpoint = vault_folder() / "checkpoint"
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(b"nonsense")
    found = bench.look()
    assert (found.sealed, found.fits) == (0, True)
    assert bench.look(after=LATE_SECONDS).late
    checkpoint.write_bytes(content)
    bundle = next(vault_folder().glob("tile/entries/**/*.p/1"))
    bundle.rename(bundle.with_name("away"))
    found = bench.look()
    assert (found.sealed, found.fits) == (1, True)
    bundle.with_name("away").rename(bundle)
    put_back(0)
    assert not bench.look().fits


def test_the_alarm_is_raised_once_for_each_end_of_the_vault(database: Database) -> None:
    bench = Bench()
    append("one", "two")
    seal()
    assert watch_sealing(now=NOW, meter=bench.meter) == ""
    append("three")
    bench.look()
    bench.time += LATE_SECONDS
    for _ in range(3):
        assert watch_sealing(now=NOW, meter=bench.meter) == STOPPED
    assert Alarm.objects.filter(kind=STOPPED).count() == 1
    bench.sealer.tell(running=False, gave_up=True)
    assert watch_sealing(now=NOW, meter=bench.meter) == "", "who saw it end raises that alarm"
    put_back(1)
    for _ in range(3):
        assert watch_sealing(now=NOW, meter=bench.meter) == PUT_BACK
    assert Alarm.objects.filter(kind=PUT_BACK).count() == 1


def test_the_worker_looks_at_it(database: Database) -> None:
    from tourniquet.edge.worker import Worker
    from tourniquet.kernel.clock import SettableClock

    append("one", "two")
    seal()
    put_back(1)
    SEALING._until = 0.0
    clock = SettableClock(NOW)
    worker = Worker(clock=lambda: clock)
    worker._look("sealing")
    assert Alarm.objects.filter(kind=PUT_BACK).count() == 1
    assert worker._not_before["sealing"] == NOW + timedelta(seconds=30)


# Metrics and pages --------------------------------------------------------------------------------


@pytest.fixture
def sealer(monkeypatch: pytest.MonkeyPatch) -> SealerState:
    """This process's sealer, as if it had been started."""
    monkeypatch.setattr(SEALER, "running", True)
    monkeypatch.setattr(SEALER, "gave_up", False)
    return SEALER


def metrics() -> list[str]:
    SEALING._until = 0.0
    lines: list[str] = client().get("/metrics").content.decode().splitlines()
    return lines


def test_metrics_say_it_without_a_witness(database: Database, sealer: SealerState) -> None:
    append("one", "two")
    seal()
    append("three")
    lines = metrics()
    for line in ("sealed_position 2", "unsealed_entries 1", "sealer_running 1", "sealing_late 0"):
        assert f"tourniquet_{line}" in lines
    assert f"tourniquet_unsealed_since_seconds {NOW.timestamp():.0f}" in lines
    assert "tourniquet_sealing_fits 1" in lines
    sealer.tell(running=False)
    put_back(1)
    lines = metrics()
    assert "tourniquet_sealer_running 0" in lines
    assert "tourniquet_sealing_fits 0" in lines


def shown(role: str) -> str:
    """What a page says about sealing; empty where nothing."""
    SEALING._until = 0.0
    page = (client_of(role) if role else stranger()).get("/" if role else "/sign-in/")
    _, found, rest = page.content.decode().partition('aria-label="Sealing of the record">')
    return unescape(rest.partition("</p>")[0].rpartition("<p>")[2]) if found else ""


def test_every_page_says_that_the_sealer_stands_still(
    sqlite_database: Database, sealer: SealerState
) -> None:
    seed_region(people=2)
    seal()
    append("one")
    assert shown("practice") == ""
    sealer.tell(running=False, gave_up=True)
    quiet, admin = shown("practice"), shown("admin")
    assert quiet.startswith("<strong>The sealer stands still: ")
    assert "in this database alone.</strong> Call whoever runs" in quiet
    assert "logs/sealer.log" in admin
    assert shown("") == ""


def test_every_page_says_that_the_database_went_back(
    sqlite_database: Database, sealer: SealerState
) -> None:
    seed_region(people=2)
    seal()
    client_of("practice")
    put_back(read_head().position - 3)
    quiet, admin = shown("practice"), shown("admin")
    assert quiet.startswith("<strong>This database is not the one that was sealed")
    assert quiet.endswith("Call whoever runs Tourniquet for you.")
    assert "docs/how-to/restore.md" in admin
