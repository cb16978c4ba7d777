"""What the downtime desk takes: ready after the database is lost, and one patient's history.

The vault is made here, sealed as the sealer seals, from synthetic people and reports; no database
is involved at any point.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tourniquet.cli import output
from tourniquet.cli.bench_intake import machine

if TYPE_CHECKING:
    from tourniquet.flows.downtime_desk import DowntimeDesk
    from tourniquet.record.bodies import Body as SealedBody
    from tourniquet.record.notes import VerifierKey
    from tourniquet.record.registry import Body
    from tourniquet.record.ring import KeyRing

BEGAN = datetime(2024, 6, 3, 7, 0, tzinfo=UTC)
ENTRIES_AT_ONCE = 5000
LINES = 20
REPORTS_EACH = 20
OPENED_MOST = 400
OPENED_EACH = 4
_LABORATORY = "RJ100"


@dataclass(frozen=True)
class DeskFigures:
    """What was measured. Seconds and milliseconds as named."""

    entries: int
    observations: int
    people: int
    cold_seconds: float
    warm_seconds: float
    opening_ms_p50: float
    opening_ms_p99: float
    page_ms_p50: float
    page_ms_p99: float
    page_ms_most: float
    index_bytes: int
    machine: dict[str, Any]  # Any: as it goes to JSON


def entries(people: int, reports_each: int) -> Iterator[tuple[str | None, Body]]:
    """A region's entries: its laboratory, each person, then their reports in turn."""
    from tourniquet.directory.entries import OrganisationListed
    from tourniquet.kernel.identifiers import derived_id, synthetic_nhs_numbers
    from tourniquet.patients.entries import Demographics, IdentifierFact, PatientRegistered

    yield (
        None,
        OrganisationListed(code=_LABORATORY, name="Hub Laboratory", organisation_kind="laboratory"),
    )
    numbers = (number.digits for number in islice(synthetic_nhs_numbers(), people))
    ids = [derived_id(BEGAN, "desk", str(at)) for at in range(people)]
    for at, number in enumerate(numbers):
        yield (
            ids[at],
            PatientRegistered(
                person=Demographics(
                    family_name=f"Family{at % 5000}",
                    given_names=f"Given{at % 700}",
                    birth_date=date(1930, 1, 1) + timedelta(days=at % 33_000),
                    sex="F" if at % 2 else "M",
                ),
                identifiers=(IdentifierFact(system="NHS", value=number),),
            ),
        )
    for turn in range(reports_each):
        for at, patient in enumerate(ids):
            yield patient, _report(at, turn)


def _report(at: int, turn: int) -> Body:
    from tourniquet.pathology.entries import ObservationFact, ReportFact, ReportFiled

    moment = BEGAN + timedelta(hours=turn, seconds=at)
    group = turn == 0
    lines = tuple(
        ObservationFact(
            sequence=number + 1,
            code="ABORH" if group and not number else f"T{number:02d}",
            code_display="ABO and RhD group" if group and not number else f"Test {number}",
            value_type="ST" if group and not number else "NM",
            value_text="O RhD positive" if group and not number else f"{40 + (at + number) % 90}",
            value_number=None if group and not number else float(40 + (at + number) % 90),
            unit="" if group and not number else "mmol/L",
            reference_range="" if group and not number else "35-120",
            effective_at=moment,
        )
        for number in range(LINES)
    )
    return ReportFiled(
        sender="LAB|RJ1",
        performing=_LABORATORY,
        reports=(
            ReportFact(
                id=f"r{at:07d}-{turn:03d}",
                version=1,
                code="GS" if group else "PANEL",
                code_display="Group and antibody screen" if group else "Panel of twenty",
                status="final",
                change="new",
                content="",
                filler_number=f"L{at}-{turn}",
                effective_at=moment,
                issued_at=moment + timedelta(hours=2),
                observations=lines,
            ),
        ),
    )


def make_vault(folder: Path, people: int, reports_each: int) -> int:
    """Seal such a region into `folder/vault`, its keys into `folder/keys`; how many entries."""
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.keys import begin_keys
    from tourniquet.record.vault import Vault

    (folder / "vault").mkdir(parents=True)
    keys = begin_keys(folder / "keys", site="bench", exercise="bench", now=BEGAN)
    vault = Vault.begin(Disk(LocalFiles(folder / "vault")), keys.signer)
    rows = entries(people, reports_each)
    position = 0
    while batch := list(islice(rows, ENTRIES_AT_ONCE)):
        vault.publish(_sealed(batch, position, keys.ring))
        position += len(batch)
    keys.ring.close()
    return position


def _sealed(batch: list[tuple[str | None, Body]], before: int, ring: KeyRing) -> list[SealedBody]:
    from tourniquet.record import bodies, sealing
    from tourniquet.record.registry import encode, kind_of

    subjects = [subject for subject, _ in batch if subject is not None]
    made = iter(ring.provide(subjects, own=0, now=BEGAN))
    out: list[SealedBody] = []
    for position, (subject, body) in enumerate(batch, before + 1):
        kind, content = kind_of(body), encode(body)
        moment = BEGAN + timedelta(milliseconds=position)
        salt = os.urandom(sealing.SALT_BYTES)
        commitment = sealing.commit(salt, subject, content)
        header = sealing.Header(
            position, kind.name, kind.version, moment, moment, "bench", "", "bench", position, None
        )
        key = ring.site if subject is None else next(made)
        out.append(
            bodies.seal(
                position,
                bodies.Header(
                    content=sealing.header_bytes(header),
                    chain=sealing.GENESIS,
                    key_id=key.id,
                    salt=os.urandom(bodies.SALT_BYTES),
                ),
                bodies.Content(subject, content, salt),
                content_commitment=commitment,
                site_key=ring.site.key,
                content_key=key.key,
                seal_salt=os.urandom(bodies.SEAL_SALT_BYTES),
            )
        )
    return out


def measure(*, people: int, reports_each: int = REPORTS_EACH) -> DeskFigures:
    """Seal a region into a temporary folder, and take every figure there; no database is touched.

    Opening: the patient's entries read from the vault, checked, decrypted and applied. Page: from
    the HTTP request to the whole answer, in this process, the opening in it; who opens it and why
    was written down before.
    """
    with tempfile.TemporaryDirectory() as name:
        output.configure_django(
            home=Path(name), database_url="", settings_module=output.DESK_SETTINGS
        )
        return _measure(Path(name), people, reports_each, min(OPENED_EACH * people, OPENED_MOST))


def tell(figures: DeskFigures) -> None:
    """Print them for a person."""
    output.say(
        f"{figures.entries:,} entries of {figures.people:,} people, "
        f"{figures.observations:,} results, no database."
    )
    output.say(
        f"The desk is ready {figures.cold_seconds} s after its unlocking without an index, "
        f"{figures.warm_seconds} s with its index of {figures.index_bytes / 1e6:.1f} MB."
    )
    output.say(
        f"One patient's history: opened in p50 {figures.opening_ms_p50} ms, p99 "
        f"{figures.opening_ms_p99} ms; its page in p50 {figures.page_ms_p50} ms, p99 "
        f"{figures.page_ms_p99} ms, worst {figures.page_ms_most} ms."
    )
    output.say("Machine: " + ", ".join(f"{k} {v}" for k, v in figures.machine.items()) + ".")


def _measure(folder: Path, people: int, reports_each: int, opened: int) -> DeskFigures:
    from tourniquet.kernel.clock import SystemClock
    from tourniquet.record.keys import read_root, read_signer

    with output.progress("Measuring the desk", None):
        total = make_vault(folder, people, reports_each)
        key, root = read_signer(folder / "keys").verifier, read_root(folder / "keys")
        seconds = []
        for _ in ("cold", "warm"):
            desk = _desk(folder, key, SystemClock().now)
            begun = time.perf_counter()
            desk.unlock_with_root(root, ("bench",))
            desk.demand().reading.follow()
            seconds.append(time.perf_counter() - begun)
        pairs = list(_histories(desk, opened))
        openings, pages = sorted(one for one, _ in pairs), sorted(one for _, one in pairs)
        index = sum(file.stat().st_size for file in (folder / "desk").glob("index/*"))
    return DeskFigures(
        entries=total,
        observations=people * reports_each * LINES,
        people=people,
        cold_seconds=round(seconds[0], 1),
        warm_seconds=round(seconds[1], 1),
        opening_ms_p50=round(openings[len(openings) // 2], 1),
        opening_ms_p99=round(openings[int(len(openings) * 0.99)], 1),
        page_ms_p50=round(pages[len(pages) // 2], 1),
        page_ms_p99=round(pages[int(len(pages) * 0.99)], 1),
        page_ms_most=round(pages[-1], 1),
        index_bytes=index,
        machine=machine(folder),
    )


def _desk(folder: Path, key: VerifierKey, now: Callable[[], datetime]) -> DowntimeDesk:
    from tourniquet.flows.downtime_desk import DeskPlaces, DowntimeDesk

    places = DeskPlaces(folder / "vault", folder / "keys/ring.sqlite3", folder / "desk")
    return DowntimeDesk(places, key, key_pinned=True, now=now)


def _histories(desk: DowntimeDesk, count: int) -> Iterator[tuple[float, float]]:
    """Milliseconds of so many histories, each opened and as a page; patients at random."""
    from django.test import Client

    from tourniquet.directory.desk_roles import DeskRole
    from tourniquet.site.memory import YOUNG_BY_PAGES, settle_memory
    from tourniquet.web.desk.access import run_desk

    password = "figures of a bench"  # noqa: S105 (of a desk that lives for a minute)
    desk.accounts.put("bench", DeskRole.READER, password, holder=False)
    run_desk(desk)
    client = Client(SERVER_NAME="127.0.0.1")
    client.post("/sign-in/", {"username": "bench", "password": password})
    ids = desk.demand().reading.index.people_of("", limit=1_000_000)
    settle_memory(young=YOUNG_BY_PAGES)
    for patient in random.Random(7).choices(ids, k=count):  # noqa: S311 (which patients, no secret)
        client.post(f"/patients/{patient}/open/", {"reason": "treating"})
        begun = time.perf_counter()
        desk.open_history(patient)
        between = time.perf_counter()
        answer = client.get(f"/patients/{patient}/")
        ended = time.perf_counter()
        assert answer.status_code == 200, "a history is shown"
        yield (between - begun) * 1000, (ended - between) * 1000
    run_desk(None)
