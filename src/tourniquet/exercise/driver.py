"""The days of an exercise: what practices, clinics, laboratories, the gateway and the lead do.

A service day, in order:
1. Early: the laboratories confirm what they can take today; on Mondays the lead declares the
   weeks to come. On the day of the attack the incident is declared first.
2. Practices send the day's orders (MLLP), known since the morning.
3. On Mondays the urgent are booked, then the lead asks for a plan, acknowledges what is urgent
   and unserved, and adopts it.
4. The morning's work: new dates, the gate, notices. The message gateway answers for each.
5. Clinics read their list and take specimens from those who come and whom the gate passed (MLLP).
6. A laboratory that failed at midday says so; the system says which specimens that overtakes.
   Laboratories process the others and report (MLLP).
7. The evening's work: who did not come, follow-ups.

Invariants:
- The server learns of the truth only by these messages, forms and receipts.
- What is sent depends on the day and the people, not on the order in which answers arrive.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from tourniquet.exercise import messages
from tourniquet.exercise.demand import Need
from tourniquet.exercise.gateway import Gateway
from tourniquet.exercise.known import result_lines
from tourniquet.exercise.partners import Console, MessageSender
from tourniquet.exercise.stopwatch import Stopwatch
from tourniquet.exercise.world import World
from tourniquet.kernel.clock import london_time
from tourniquet.kernel.errors import OperatorError
from tourniquet.pathology.catalogue import DISCIPLINES

FORECAST_WEEKS = 5
MORNING = (6, 30)
MIDDAY = (12, 0)
AFTERNOON = (15, 0)
EVENING = (18, 0)
LAB_FAILED = "The laboratory failed after the specimen was taken; it could not be processed."


@dataclass
class People:
    """Who acts at the console in an exercise, each signed in as a named account."""

    lead: Console
    clinician: Console
    feed: Console
    gateway: Console
    control: Console


@dataclass
class Tally:
    """What the driver itself saw; the audit compares it with the tables."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    collected: int = 0
    overtaken: int = 0
    wrongly_passed: int = 0
    missed: int = 0
    confirmed_by_day: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Visit:
    """Specimens taken today."""

    need: Need
    clinic: str
    laboratory: str
    ordinal: int


class Driver:
    """Plays a world against a running server."""

    def __init__(
        self,
        world: World,
        people: People,
        sender: MessageSender,
        gateway: Gateway,
        *,
        progress: Callable[[int], None],
        watch: Stopwatch,
        lose: Callable[[Tally], People] | None = None,
    ) -> None:
        """`lose` destroys the database in the night of the scenario's loss, and brings it back.

        It is told what was seen until then.
        """
        self._world = world
        self._lose = lose
        self._watch = watch
        self._people = people
        self._sender = sender
        self._gateway = gateway
        self._progress = progress
        self._visits: dict[int, int] = {}
        self._laboratory = {lab.code: row for row, lab in enumerate(world.region.laboratories)}
        self.tally = Tally()

    def run(self) -> None:
        """Play every day, from the warm-up to the end."""
        scenario = self._world.scenario
        for day in range(-scenario.warm_up_days, scenario.days):
            self._day(day)
            if self._lose is not None and day == scenario.loss_day:
                self._people = self._lose(self.tally)
            self._progress(day)
        self._set_clock(self._at(scenario.days - 1, (19, 0)))
        self._people.lead.submit(
            "/incident/stand-down/",
            {"reason": "Capacity is back. Who still waits keeps the day by which they hear."},
            page="/incident/",
        )

    # The steps of a day ------------------------------------------------------------------------

    def _day(self, day: int) -> None:
        scenario, part = self._world.scenario, self._watch.part
        is_monday = day >= 0 and day % 7 == 0
        self._set_clock(self._at(day, MORNING))
        with part("declarations"):
            if day == 0:
                self._declare_incident()
            if scenario.is_open(day):
                self._declare_capacity(day)
        if scenario.is_open(day):
            with part("orders"):
                self._send_orders(day)
        if is_monday:
            with part("plans"):
                self._job("urgent")
                self._adopt_plan()
        with part("mornings"):
            self._job("morning")
        with part("gateway"):
            self._gateway.deliver(self._people.gateway, self._at(day, (8, 0)))
        if is_monday:
            with part("declarations"):
                self._job("publish")
        if scenario.is_open(day):
            self._clinics_and_laboratories(day)
        with part("evenings"):
            self._job("evening")

    def _clinics_and_laboratories(self, day: int) -> None:
        """Steps 5. and 6. of an open day."""
        part = self._watch.part
        self._set_clock(self._at(day, MIDDAY))
        with part("collections"):
            visits = self._collect(day)
        self._set_clock(self._at(day, AFTERNOON))
        with part("declarations"):
            overtaken = self._tell_of_failures(day)
        self._set_clock(self._at(day, EVENING))
        with part("results"):
            self._report(day, visits, overtaken)

    def _declare_incident(self) -> None:
        what = self._world.scenario.declaration
        self._people.lead.submit(
            "/incident/declare/",
            {
                "title": what.title,
                "level": "3",
                "major_incident": what.major_incident,
                "exact_location": what.exact_location,
                "incident_type": what.incident_type,
                "hazards": what.hazards,
                "access": what.access,
                "number": what.number_and_severity,
                "emergency_services": what.emergency_services,
                "public_text": what.public_text,
                "next_update_due": "",
            },
            page="/incident/",
        )

    def _declare_capacity(self, day: int) -> None:
        """Today as confirmed; on Mondays from the attack on, also the weeks to come."""
        if day < 0:
            return
        rows = self._capacity_rows(day, day, flag="confirmed")
        if day % 7 == 0:
            rows += self._capacity_rows(day + 1, day + FORECAST_WEEKS * 7, flag="forecast")
        self._post_capacity(rows)
        self.tally.confirmed_by_day[day] = int(self._world.truth.capacity.confirmed_on(day).sum())

    def _post_capacity(self, rows: Sequence[tuple[object, ...]]) -> None:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("laboratory", "discipline", "day", "tubes", "flag", "source"))
        writer.writerows(rows)
        self._people.lead.submit(
            "/incident/capacity/table/", {"rows": text.getvalue()}, page="/incident/"
        )

    def _capacity_rows(self, first: int, last: int, *, flag: str) -> list[tuple[object, ...]]:
        world, capacity = self._world, self._world.truth.capacity
        rows: list[tuple[object, ...]] = []
        for day in world.scenario.open_days(first, min(last, world.scenario.days - 1)):
            week = world.scenario.capacity_week(day)
            table = (
                capacity.confirmed_on(day)
                if flag == "confirmed"
                else capacity.forecast(known_on=first - 1, day=day)
            )
            shown = flag if flag == "confirmed" else week.flag
            on = world.scenario.date_of(day).isoformat()
            for row, lab in enumerate(world.region.laboratories):
                served = {name for name, _ in lab.weights}
                for column, name in enumerate(DISCIPLINES):
                    if name in served:
                        tubes = int(table[row, column])
                        rows.append((lab.code, name, on, tubes, shown, week.source))
        return rows

    def _send_orders(self, day: int) -> None:
        world = self._world
        if day < 0:
            return  # orders from before the attack came with the diary's extract
        at = self._at(day, MORNING)
        needs = (world.needs.row(int(n)) for n in world.needs.by_release_day.get(day, ()))
        self._send(
            messages.order_message(
                need,
                world.person_of(need.number),
                world.catalogue,
                at=at,
                wanted_on=world.scenario.date_of(need.due),
            )
            for need in needs
        )

    def _adopt_plan(self) -> None:
        """The lead asks for a plan; a clinician takes on what is urgent and unserved; adopted."""
        where = self._people.lead.submit("/plan/propose/", {}, page="/plan/")
        while urgent := self._shown_urgent(where):
            self._people.clinician.submit(f"{where}acknowledge/", {"need": urgent}, page=where)
        self._people.lead.submit(
            f"{where}adopt/", {"adopted_by": "Exercise lead", "adopt_note": ""}, page=where
        )

    def _shown_urgent(self, where: str) -> list[str]:
        """The urgent needs whose boxes the plan's page shows: those still to be taken on."""
        return messages.checkbox_values(self._people.clinician.get(where).decode(), "need")

    def _collect(self, day: int) -> list[Visit]:
        """Clinics take specimens from those who come and whom the gate passed."""
        world = self._world
        passed = [row for row in self._listed(day) if row["gate"] == "reserved"]
        numbers = np.array([_number(row["requisition"]) for row in passed], dtype=np.int64)
        come = world.truth.attends(world.needs, numbers, day)
        visits = []
        for row, number, comes in zip(passed, numbers, come, strict=True):
            if not comes:
                self.tally.missed += 1
                continue
            need = world.needs.row(int(number))
            ordinal = self._visits.get(need.number, 0) + 1
            self._visits[need.number] = ordinal
            visits.append(Visit(need, row["clinic"], row["laboratory"], ordinal))
        self.tally.collected += len(visits)
        self._send(self._collection(day, visit) for visit in visits)
        return visits

    def _collection(self, day: int, visit: Visit) -> tuple[str, bytes]:
        world, need = self._world, visit.need
        return messages.collection_message(
            need,
            world.person_of(need.number),
            world.catalogue,
            clinic=visit.clinic,
            laboratory=visit.laboratory,
            at=self._at(day, (9, 0)) + timedelta(seconds=need.number % 7200),
            wanted_on=world.scenario.date_of(need.due),
            visit=visit.ordinal,
        )

    def _tell_of_failures(self, day: int) -> set[int]:
        """Laboratories that failed at midday say so; the needs whose specimens that overtakes."""
        world, capacity = self._world, self._world.truth.capacity
        if day < 0:
            return set()
        failed = np.flatnonzero(capacity.failed[:, day - capacity.first_day])
        if not len(failed):
            return set()
        on = world.scenario.date_of(day).isoformat()
        table = capacity.actual_on(day)
        rows = [
            (world.region.laboratories[row].code, name, on, int(table[row, column]), "confirmed",
             "failed at midday")
            for row in failed
            for column, name in enumerate(DISCIPLINES)
            if name in {served for served, _ in world.region.laboratories[row].weights}
        ]  # fmt: skip
        self._post_capacity(rows)
        return {
            _number(row["requisition"]) for row in self._listed(day) if row["gate"] == "overtaken"
        }

    def _report(self, day: int, visits: list[Visit], overtaken: set[int]) -> None:
        """Laboratories process what was not overtaken, and report on everything."""
        self._send(self._reports(day, visits, overtaken))

    def _reports(
        self, day: int, visits: list[Visit], overtaken: set[int]
    ) -> Iterator[tuple[str, bytes]]:
        left = self._world.truth.capacity.actual_on(day).astype(int).copy()
        for visit in sorted(visits, key=lambda one: (one.need.priority, one.need.number)):
            if visit.need.number in overtaken:
                self.tally.overtaken += 1
                yield self._unprocessed(day, visit)
                continue
            row = self._laboratory[visit.laboratory]
            tubes = [(DISCIPLINES.index(name), count) for name, count in visit.need.tubes]
            if any(left[row, column] < count for column, count in tubes):
                self.tally.wrongly_passed += sum(count for _, count in tubes)
                yield self._unprocessed(day, visit)
                continue
            for column, count in tubes:
                left[row, column] -= count
            yield self._result(day, visit)

    def _result(self, day: int, visit: Visit) -> tuple[str, bytes]:
        world, need = self._world, visit.need
        return messages.result_message(
            need,
            world.person_of(need.number),
            world.catalogue,
            result_lines(world, need),
            laboratory=visit.laboratory,
            collected_at=self._at(day, (9, 0)),
            at=self._at(day, (17, 0)),
            visit=visit.ordinal,
        )

    def _unprocessed(self, day: int, visit: Visit) -> tuple[str, bytes]:
        return messages.unprocessed_message(
            visit.need,
            self._world.person_of(visit.need.number),
            self._world.catalogue,
            laboratory=visit.laboratory,
            collected_at=self._at(day, (9, 0)),
            at=self._at(day, (17, 0)),
            visit=visit.ordinal,
            reason=LAB_FAILED,
        )

    def _listed(self, day: int) -> list[dict[str, str]]:
        on = self._world.scenario.date_of(day)
        listed = self._people.feed.get_json(f"/diary/{on.isoformat()}.json")
        if not isinstance(listed, list):
            raise OperatorError("The day list is not a list.", where="/diary/")
        return listed

    # Tools -------------------------------------------------------------------------------------

    def _at(self, day: int, time: tuple[int, int]) -> datetime:
        return london_time(self._world.scenario.date_of(day), *time)

    def _set_clock(self, moment: datetime) -> None:
        self._people.control.post_json("/exercise/clock", {"to": moment.isoformat()})

    def _job(self, name: str) -> None:
        self._people.control.post_json("/exercise/jobs", {"job": name})

    def _send(self, out: Iterable[tuple[str, bytes]]) -> None:
        for sent in self._sender.send(out):
            kept = self.tally.acknowledged if sent.code == "AA" else self.tally.refused
            kept[sent.control_id] = sent.code


def _number(requisition: str) -> int:
    return int(requisition.removeprefix("EX")) - 1
