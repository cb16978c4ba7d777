"""The night of an outage at the downtime desk: its pages, used as people use them.

1. Start the desk beside the replica; two holders type the words of their sheets.
2. Find a patient whose results were reported, say why, read the history with those results and
   nothing missing: from here on there is history again.
3. Give out numbers; print forms and labels. Key results, phone critical ones, void what is spoiled,
   count the rest as blank.
4. Stop the desk and export its book.

Invariants:
- Who is treated and what is measured depend on the world alone: a run can be repeated.
- The desk reads the replica and its copy of the ring; nothing of the home is there any more.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from tourniquet.exercise.away import HOLDERS, RECORDER, Away
from tourniquet.exercise.commands import Commands, end, first_line
from tourniquet.exercise.desk_book import Night
from tourniquet.exercise.known import Known, demand_history
from tourniquet.exercise.partners import Console
from tourniquet.exercise.people import Person
from tourniquet.exercise.scenario import Loss
from tourniquet.exercise.world import World
from tourniquet.kernel.clock import LONDON
from tourniquet.kernel.errors import OperatorError
from tourniquet.pathology.desk_numbers import Block, FormNumber

READING_SECONDS = 600
LOOK_SECONDS = 0.1
EXPORT = "desk.export"
CRITICAL_EVERY = 8
MINUTES_LATE_MOST = 60
TEST = "UE"
USUAL = ("140", "4.2", "5.1", "78", "88")  # sodium, potassium, urea, creatinine, filtration rate
CRITICAL = ("139", "7.2", "21.4", "412", "11")
_PATIENT = re.compile(r'href="(/patients/[^/"]+/)"')
_BLOCK = re.compile(r"(R\d{4}-\d{6}-[0-9A-Z]) to (R\d{4}-\d{6}-[0-9A-Z])")


class Outage:
    """The desk of an exercise while its home is gone."""

    def __init__(self, away: Away, run: Commands, world: World, *, at: datetime) -> None:
        """`at`: the exercise's time when the desk is started."""
        self._away, self._run, self._world, self._at = away, run, world, at
        self._passwords = away.passwords()

    @contextmanager
    def desk(self) -> Iterator[Console]:
        """The desk, started and unlocked by two holders; who records there, signed in."""
        process = self._run.start(
            *("record", "history", *self._places(), "--serve", "--port", "0", "--json"),
            *("--exercise-clock", self._at.isoformat()),
            log=self._away.folder / "desk.log",
        )
        try:
            yield self._unlock(process)
        finally:
            end(process)

    def _places(self) -> tuple[object, ...]:
        away = self._away
        return ("--vault", away.vault, "--keys", away.ring, "--key", away.pinned,
                "--desk", away.desk)  # fmt: skip

    def _unlock(self, process: subprocess.Popen[str]) -> Console:
        # 1.
        line = first_line(process)
        if not line:
            raise OperatorError(
                "The downtime desk did not start.", where=str(self._away.folder / "desk.log")
            )
        address = urlsplit(json.loads(line)["url"])
        for number in (1, 2):
            holder = self._sign_in(address.port or 0, HOLDERS[number - 1])
            onward = holder.submit("/unlock/", {"words": self._away.words(number)}, page="/unlock/")
        if onward != "/":
            raise OperatorError("Two sheets do not unlock the desk.", where=str(self._away.desk))
        return self._sign_in(address.port or 0, RECORDER)

    def _sign_in(self, port: int, name: str) -> Console:
        console = Console("127.0.0.1", port)
        console.sign_in(name, self._passwords[name])
        return console

    def find_history(self, console: Console, known: Known) -> None:
        """Read a patient's history, in which what is known must be.

        While the desk still reads the vault, somebody may not be found yet: then it is asked again.
        Raises: OperatorError when the desk does not know the person, or shows less.
        """
        # 2.
        person = known.person
        deadline = time.monotonic() + READING_SECONDS
        while True:
            page = console.get(f"/?number={person.nhs_number}").decode()
            if (found := _PATIENT.search(page)) and "Still reading" not in page:
                break
            if "Still reading" not in page or time.monotonic() > deadline:
                raise OperatorError(
                    "The downtime desk does not find a patient.", where=str(self._away.desk)
                )
            time.sleep(LOOK_SECONDS)
        console.submit(f"{found[1]}open/", {"reason": "treating", "words": ""})
        demand_history(console.get(f"{found[1]}?all=1").decode(), known)

    def work(self, console: Console, terms: Loss) -> Night:
        """A night's work on paper and at the desk; its book is exported by `export`."""
        # 3.
        console.submit("/forms/", {"count": str(terms.forms), "note": "Exercise"})
        shown = console.get("/forms/").decode()
        block = _BLOCK.search(shown)
        line = re.search(r"/forms/(\d+)/requests\.pdf", shown)
        if block is None or line is None:
            raise OperatorError("The desk gave no reserved numbers out.", where="/forms/")
        for paper in ("requests", "labels"):
            if not console.get(f"/forms/{line[1]}/{paper}.pdf").startswith(b"%PDF"):
                raise OperatorError("The desk prints no paper.", where=paper)
        numbers = _numbers(block[1], terms.forms)
        keyed, rest = numbers[: terms.forms_keyed], numbers[terms.forms_keyed :]
        people = [*islice(self._people(), len(keyed) - 1), None]
        called = sum(
            self._key(console, number, person, place)
            for place, (number, person) in enumerate(zip(keyed, people, strict=True), 1)
        )
        for number in rest[: terms.forms_void]:
            console.submit("/forms/void/", {"number": number, "why": "Spoiled"}, page="/forms/")
        if blank := rest[terms.forms_void :]:
            console.submit("/forms/unused/", {"first": blank[0], "last": blank[-1]}, page="/forms/")
        void = tuple(rest[: terms.forms_void])
        export = self._away.folder / EXPORT
        return Night(export, len(numbers), len(keyed), void, len(blank), called)

    def export(self, root_key: Path) -> None:
        """Carry the book away, with the root key that two sheets gave; the desk is stopped."""
        # 4.
        self._run.json(
            *("record", "history", *self._places(), "--root-key", root_key),
            *("--export", self._away.folder / EXPORT),
        )

    def _people(self) -> Iterator[Person]:
        """People whom a ward may have before it, in the region's order."""
        alive = (one for one in self._world.all_people() if not one.died_on)
        return (one for one in alive if one.nhs_number)

    def _key(self, console: Console, number: str, person: Person | None, place: int) -> int:
        """Key one result, of somebody unknown where `person` is None; how many calls it needed."""
        taken = self._at - timedelta(minutes=place % MINUTES_LATE_MOST)
        values: dict[str, str | list[str]] = {
            "number": number,
            "test": TEST,
            "save": "1",
            "patient": "unknown",
            "details": "Brought in without papers, resuscitation 2",
            "collected": taken.astimezone(LONDON).strftime("%d-%b-%Y %H:%M"),
            "reported_by": "Exercise laboratory",
        }
        if person is not None:
            found = console.get(f"/?number={person.nhs_number}").decode()
            patient = _PATIENT.search(found)
            if patient is None:
                raise OperatorError("The desk does not find a patient.", where=number)
            values |= {
                "patient": patient[1].split("/")[2],
                "family": person.family_name,
                "nhs": person.nhs_number,
            }
        measured = USUAL if place % CRITICAL_EVERY else CRITICAL
        for at, value in enumerate(measured, 1):
            values |= {f"value{at}": value, f"again{at}": value}
        onward = console.submit("/results/key/", values, page="/forms/")
        if onward.endswith("/call/"):
            return self._phone(console, onward)
        if measured is CRITICAL:
            raise OperatorError("The desk asks for no call about a critical result.", where=number)
        return 0

    def _phone(self, console: Console, page: str) -> int:
        """Phone each value of a result that the page marks as critical; how many."""
        shown = console.get(page).decode()
        codes = re.findall(r'name="code"[^>]*value="([^"]+)"[^>]*\bchecked', shown)
        for code in codes:
            console.submit(
                page, {"code": code, "told": "Sister Mbeki, ward 3", "read_back": "yes"}, page=page
            )
        if not codes:
            raise OperatorError("The desk names no critical value to phone.", where=page)
        return len(codes)


def _numbers(first: str, count: int) -> list[str]:
    begin = FormNumber.parse(first)
    last = begin.serial + count - 1
    return [str(one) for one in Block(begin.code, begin.serial, last).numbers()]
