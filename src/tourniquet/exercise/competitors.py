"""Two other policies on the same people, needs and truth, simulated day by day.

`what_happened` is a stylised 2024: routine cancelled until a week of the scenario, then first come
first served; urgent first come first served on what capacity there was, a modelled share of those
for whom there was none drawn all the same. `strict_priority` is a fair competitor: it knows what
the planner knows, has the same seats, couriers, gate, luck and morning confirmation, and serves by
priority, then due day; it may call people in the same morning, which flatters it.

Invariants:
- Both draw only within seats, couriers, stability and confirmed capacity, but for the share above.
- A missed appointment uses its seat and its tubes that day.
- A P1 need not served before its harm has run its course leaves by the emergency route.
- Needs booked in the warm-up week are seen then, within what laboratories take on a normal day;
  those who miss it, or for whom nothing is left, wait on, under either policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from tourniquet.diary.harm import NEVER
from tourniquet.exercise.demand import (
    NO_BOOKING,
    Needs,
    Seats,
    clinics_in_reach,
    needs_per_open_day,
    zone_clinics,
)
from tourniquet.exercise.keyed import uniform
from tourniquet.exercise.outcome import Outcome, OutcomeNotes
from tourniquet.exercise.region import Region
from tourniquet.exercise.truth import Truth, carried
from tourniquet.pathology.catalogue import DISCIPLINES

BOOK_AHEAD_DAYS = 28
SAFE_SHARE_OF_FORECAST = 0.95
EXPECTED_URGENT_RESERVE = 1.0
COURIER_MARGIN_HOURS = 1.0


class Gate:
    """What is left of seats and confirmed tubes on one day; places needs where they fit."""

    def __init__(self, region: Region, needs: Needs, seats: Seats, truth: Truth) -> None:
        self._region, self._seats, self._truth = region, seats, truth
        self.zones = len(region.zones)
        self.reasons = needs.indications
        by_zone = zone_clinics(region)
        self._reach = [
            [clinics_in_reach(by_zone, zone, reason.travel_km) for zone in range(self.zones)]
            for reason in self.reasons
        ]
        self.tubes = [
            [(d, reason.tubes_in(name)) for d, name in enumerate(DISCIPLINES)]
            for reason in self.reasons
        ]
        self.tubes = [[(d, count) for d, count in row if count] for row in self.tubes]
        self._labs = self._labs_in_time()
        self._aid_from = [
            truth.scenario.mutual_aid_from(clinic.borough) for clinic in region.clinics
        ]
        self._own = [lab.own for lab in region.laboratories]
        self.day = 0
        self.left: list[list[int]] = []
        self.seats_left: list[int] = []
        self.dead = bytearray()

    def _labs_in_time(self) -> list[list[list[int]]]:
        """For each indication and clinic the laboratories in time, own before mutual aid."""
        place = {clinic.code: row for row, clinic in enumerate(self._region.clinics)}
        labs = {lab.code: row for row, lab in enumerate(self._region.laboratories)}
        couriers = sorted(self._region.couriers, key=lambda row: (row.mutual_aid, row.hours))
        table: list[list[list[int]]] = []
        for reason in self.reasons:
            rows: list[list[int]] = [[] for _ in self._region.clinics]
            for courier in couriers:
                if courier.hours <= reason.hours_to_laboratory - COURIER_MARGIN_HOURS:
                    rows[place[courier.clinic]].append(labs[courier.laboratory])
            table.append(rows)
        return table

    def open(self, day: int, tubes: NDArray[np.int32] | None = None) -> None:
        """Begin a day with what was confirmed that morning, or with these tubes."""
        self.day = day
        table = self._truth.capacity.confirmed_on(day) if tubes is None else tubes
        self.left = table.tolist()
        self.seats_left = self._seats.on(day).tolist()
        self.dead = bytearray(len(self.reasons) * self.zones)

    def place(self, kind: int, zone: int) -> int:
        """Reserve seat, courier and tubes; the laboratory's row, or -1 where nothing fits."""
        wanted = self.tubes[kind]
        able = [all(row[d] >= count for d, count in wanted) for row in self.left]
        if any(able):
            for clinic in self._reach[kind][zone]:
                if self.seats_left[clinic] <= 0:
                    continue
                aid_from = self._aid_from[clinic]
                for lab in self._labs[kind][clinic]:
                    if able[lab] and (
                        self._own[lab] or (aid_from is not None and self.day >= aid_from)
                    ):
                        self.seats_left[clinic] -= 1
                        for d, count in wanted:
                            self.left[lab][d] -= count
                        return lab
        self.dead[kind * self.zones + zone] = 1
        return -1


class _Run:
    """One policy's state while its days pass."""

    def __init__(self, region: Region, needs: Needs, seats: Seats, truth: Truth) -> None:
        self.needs, self.truth, self.scenario = needs, truth, truth.scenario
        self.gate = Gate(region, needs, seats, truth)
        self.served = np.full(len(needs), NEVER, dtype=np.int32)
        self.notes = OutcomeNotes(needs=len(needs), days=self.scenario.days)
        self.kind: list[int] = needs.indication.tolist()
        self.zone: list[int] = needs.zone.tolist()
        self.booked: list[int] = needs.booked_day.tolist()
        self.tube_count = needs.tubes.sum(axis=1)
        self.waiting = np.zeros(len(needs), dtype=bool)
        self._warm_up()

    def _warm_up(self) -> None:
        """Before the attack everybody comes as booked, but for those who do not come.

        Laboratories take what they take on a normal day, the more urgent first, as the gate of the
        running system does: what one policy can't do in that week, no other can.
        """
        needs, usual = self.needs, carried(self.truth.capacity.normal)
        for day in self.scenario.open_days(-self.scenario.warm_up_days, -1):
            self.gate.open(day, usual[:, :, day - self.truth.capacity.first_day])
            today = self.ordered(needs.booked_day == day, needs.priority, needs.due)
            for number, comes in zip(
                today.tolist(), self.truth.attends(needs, today, day).tolist(), strict=True
            ):
                if self.gate.place(self.kind[number], self.zone[number]) >= 0 and comes:
                    self.served[number] = day
        self.waiting = (needs.released < 0) & (self.served == NEVER)
        for number in np.flatnonzero(self.waiting & (needs.booked_day < 0)):
            self.booked[number] = NO_BOOKING

    def arrive(self, day: int) -> NDArray[np.int64]:
        """Needs released today join; P1 whose harm has run its course leave."""
        new = self.needs.by_release_day.get(day, np.zeros(0, dtype=np.int64))
        self.waiting[new] = True
        gone = self.waiting & (self.needs.priority == 1) & (self.needs.escalates_on <= day)
        self.waiting[gone] = False
        return new

    def try_all(self, order: NDArray[np.int64], day: int) -> tuple[list[int], list[int]]:
        """Place needs in order. Returns those seen (drawn and not overtaken) and those who missed.

        What a midday failure overtakes is drawn, not processed: the last ones at that laboratory.
        """
        come = self.truth.attends(self.needs, order, day).tolist()
        gate, zones = self.gate, self.gate.zones
        drawn: list[tuple[int, int]] = []
        missed: list[int] = []
        for number, comes in zip(order.tolist(), come, strict=True):
            kind, zone = self.kind[number], self.zone[number]
            if gate.dead[kind * zones + zone]:
                continue
            lab = gate.place(kind, zone)
            if lab < 0:
                continue
            if comes:
                drawn.append((number, lab))
            else:
                missed.append(number)
        return self._process(drawn, day), missed

    def _process(self, drawn: list[tuple[int, int]], day: int) -> list[int]:
        left = self.truth.capacity.actual_on(day).tolist()
        seen: list[int] = []
        for number, lab in drawn:
            wanted = self.gate.tubes[self.kind[number]]
            if all(left[lab][d] >= count for d, count in wanted):
                for d, count in wanted:
                    left[lab][d] -= count
                seen.append(number)
            else:
                self.notes.overtaken += int(self.tube_count[number])
        self.served[seen] = day
        self.waiting[seen] = False
        self.notes.tubes[day] += int(self.tube_count[seen].sum())
        return seen

    def ordered(self, mask: NDArray[np.bool_], *keys: NDArray[np.generic]) -> NDArray[np.int64]:
        """Numbers under a mask, sorted by the keys, first key first, then by number."""
        numbers = np.flatnonzero(mask)
        return numbers[np.lexsort(tuple(key[numbers] for key in reversed(keys)))]


def what_happened(region: Region, needs: Needs, seats: Seats, truth: Truth) -> Outcome:
    """The stylised policy of 2024."""
    run = _Run(region, needs, seats, truth)
    scenario, notes = run.scenario, run.notes
    terms = scenario.competitors
    restart = (terms.routine_restarts_in_week - 1) * 7
    marked = needs.urgent | (
        uniform(truth.seed, "remarked", np.arange(len(needs))) < terms.repeated_and_remarked_share
    )
    booked = needs.booked_day
    from_day = np.where(
        needs.urgent,
        np.where(booked >= 0, booked, needs.released),
        np.maximum(needs.due, needs.released),
    )
    _cancel_routine(run, restart)
    for day in scenario.open_days(0, scenario.days - 1):
        new = run.arrive(day)
        run.gate.open(day)
        due_now = run.waiting & marked & (from_day <= day)
        urgent = run.ordered(due_now, from_day)
        seen, missed = run.try_all(urgent, day)
        _keep_promises(run, seen + missed, urgent, day)
        week = day // 7
        share = terms.drawn_though_full_share
        if week < len(share):
            _draw_though_full(run, urgent, missed, day=day, first_day=from_day, share=share[week])
        if day >= restart:
            routine = run.ordered(run.waiting & ~marked, needs.released)
            for number in run.try_all(routine, day)[0]:
                notes.rebook(number, day=day, new_day=day, notice=True)
        notes.notices += len(new) if day < restart else 0  # each is told: not for now
    return notes.finish("what_happened", run.served, end=scenario.days + scenario.tail_days)


def _cancel_routine(run: _Run, restart: int) -> None:
    """On day 0 every routine appointment before the restart is cancelled, with no next date."""
    booked = run.needs.booked_day
    for number in np.flatnonzero(run.waiting & (booked >= 0)):
        run.notes.made += 1
        if not run.needs.urgent[number] and booked[number] < restart:
            run.notes.lose(int(number), day=0, lost_day=int(booked[number]), dated=False)
            run.booked[number] = NO_BOOKING


def _keep_promises(run: _Run, met: list[int], tried: NDArray[np.int64], day: int) -> None:
    """Count appointments of today that were met; turn the others away without a date."""
    done = set(met)
    for number in tried.tolist():
        if number in done:
            if run.booked[number] == day:
                run.notes.kept += 1
                run.booked[number] = NO_BOOKING
            else:
                run.notes.rebook(number, day=day, new_day=day, notice=False)
        elif run.booked[number] == day:
            run.notes.lose(number, day=day, lost_day=day, dated=False)
            run.booked[number] = NO_BOOKING


def _draw_though_full(
    run: _Run,
    urgent: NDArray[np.int64],
    missed: Sequence[int],
    *,
    day: int,
    first_day: NDArray[np.int32],
    share: float,
) -> None:
    """Specimens drawn on the first day though no laboratory could process them."""
    absent = np.isin(urgent, np.array(missed, dtype=np.int64))
    left = urgent[run.waiting[urgent] & (first_day[urgent] == day) & ~absent]
    drawn = left[uniform(run.truth.seed, "drawn though full", left, day) < share]
    run.notes.unprocessable += int(run.tube_count[drawn].sum())


class _Ahead:
    """What a booking clerk believes is left on coming days, for the whole region."""

    def __init__(self, run: _Run, seats: Seats, people: int) -> None:
        self._run, self._seats = run, seats
        scenario, catalogue = run.scenario, run.truth.catalogue
        daily = needs_per_open_day(scenario, catalogue, people) * EXPECTED_URGENT_RESERVE
        urgent = [
            row for row in scenario.mix if catalogue.indications[row.indication].priority < "P3"
        ]
        self._reserve = [
            daily
            * sum(row.share * catalogue.indications[row.indication].tubes_in(d) for row in urgent)
            for d in DISCIPLINES
        ]
        self.days: list[int] = []
        self._left: dict[int, list[float]] = {}
        self._seats_left: dict[int, float] = {}
        self._from: list[int] = []

    def renew(self, today: int) -> None:
        """Take the newest forecast; nothing is booked in it yet."""
        scenario, capacity = self._run.scenario, self._run.truth.capacity
        last = min(today + BOOK_AHEAD_DAYS, scenario.days - 1)
        self.days = list(scenario.open_days(today, last))
        self._left = {
            day: (
                capacity.forecast(known_on=today, day=day).sum(axis=0) * SAFE_SHARE_OF_FORECAST
            ).tolist()
            for day in self.days
        }
        self._seats_left = {day: float(self._seats.on(day).sum()) * 0.95 for day in self.days}
        self._from = [0] * len(self._run.gate.reasons)

    def fits(self, number: int, day: int) -> bool:
        """Whether a need fits a day; routine leaves room for urgent needs not yet known."""
        left = self._left.get(day)
        if left is None or self._seats_left[day] < 1:
            return False
        kind = self._run.kind[number]
        if self._run.needs.priority[number] <= 2:
            return all(left[d] >= count for d, count in self._run.gate.tubes[kind])
        return all(left[d] - self._reserve[d] >= count for d, count in self._run.gate.tubes[kind])

    def take(self, number: int, day: int, times: int = 1) -> None:
        """Book (or, times -1, give back) a need's tubes and seat on a day."""
        left = self._left.get(day)
        if left is None:
            return
        for d, count in self._run.gate.tubes[self._run.kind[number]]:
            left[d] -= count * times
        self._seats_left[day] -= times

    def find_day(self, number: int, after: int) -> int | None:
        """The earliest day after `after` on which a need fits; None in the whole window."""
        kind = self._run.kind[number]
        place = self._from[kind]
        while place < len(self.days):
            day = self.days[place]
            if day > after and self.fits(number, day):
                return day
            place += 1
            self._from[kind] = place
        return None


def strict_priority(
    region: Region, needs: Needs, seats: Seats, truth: Truth, *, people: int
) -> Outcome:
    """The fair competitor."""
    run = _Run(region, needs, seats, truth)
    ahead = _Ahead(run, seats, people)
    scenario, notes = run.scenario, run.notes
    notes.made += sum(1 for n in np.flatnonzero(run.waiting) if run.booked[n] >= 0)
    for day in scenario.open_days(0, scenario.days - 1):
        new = run.arrive(day)
        if not ahead.days or day // 7 != ahead.days[0] // 7:
            ahead.renew(day)
            _rebook_all(run, ahead, day)
        run.gate.open(day)
        booked = np.array(run.booked)
        first = run.waiting & (needs.urgent | (booked == day))
        promised = [int(n) for n in np.flatnonzero(run.waiting & (booked == day))]
        met: list[int] = []
        for mask in (first, run.waiting & ~first):
            seen, missed = run.try_all(run.ordered(mask, needs.priority, needs.due), day)
            met += seen + missed
            _settle(run, ahead, seen, day)
            _book(run, ahead, missed, day)
        done = set(met)
        lost = [number for number in promised if number not in done]
        for number in lost:
            notes.lose(number, day=day, lost_day=day, dated=True)
            run.booked[number] = NO_BOOKING
        _book(run, ahead, [*lost, *(int(n) for n in new if run.waiting[n])], day)
    return notes.finish("strict_priority", run.served, end=scenario.days + scenario.tail_days)


def _settle(run: _Run, ahead: _Ahead, seen: Iterable[int], day: int) -> None:
    """Who was seen as promised kept the date; who was called in was told today."""
    for number in seen:
        if run.booked[number] == day:
            run.notes.kept += 1
        else:
            if run.booked[number] > day:
                ahead.take(number, run.booked[number], -1)
                run.notes.kept += 1  # brought forward by agreement
            run.notes.rebook(number, day=day, new_day=day, notice=True)
        run.booked[number] = NO_BOOKING


def _rebook_all(run: _Run, ahead: _Ahead, day: int) -> None:
    """With a new forecast: everybody in strict order keeps the day, or gets another."""
    loose: list[int] = []
    for number in run.ordered(run.waiting, run.needs.priority, run.needs.due).tolist():
        booked = run.booked[number]
        if booked < day:
            loose.append(number)
        elif ahead.fits(number, booked):
            ahead.take(number, booked)
        else:
            run.notes.lose(number, day=day, lost_day=booked, dated=True)
            run.booked[number] = NO_BOOKING
            loose.append(number)
    _book(run, ahead, loose, day)


def _book(run: _Run, ahead: _Ahead, numbers: Iterable[int], day: int) -> None:
    """Give each the earliest day that fits; those for whom none does hear on a review day."""
    for number in numbers:
        if run.booked[number] == day:  # came today and was missed by its patient
            run.notes.kept += 1
        if run.booked[number] > day:
            continue
        found = ahead.find_day(number, day)
        run.booked[number] = NO_BOOKING if found is None else found
        if found is not None:
            ahead.take(number, found)
            run.notes.made += 1
            run.notes.rebook(number, day=day, new_day=found, notice=True)
