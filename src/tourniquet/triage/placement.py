"""Place needs in clinics, days and laboratories, one by one, never beyond a seat or a tube.

Invariants:
- After every public call each seat and each tube in use is counted once, and none is used twice:
  only `put` and `take_away` change that, and `put` asserts that there is room.
- Each change of `improve` lowers total harm; each change of `prefer` does not raise it.
- Work is bounded by counts, never by seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tourniquet.triage.network import Network

NOWHERE = -1
CANDIDATES_MAX = 80  # needs on a day that are looked at as ones to give way
IMPROVE_CHECKS = 400_000
PREFER_ROUNDS = 3
SWAPS_MAX = 40  # holders of a booked place that are asked to exchange


class Placement:
    """Who is where. Lists along the needs; day, clinic and lab are -1 where not served."""

    def __init__(
        self,
        network: Network,
        *,
        seat_prices: Sequence[Sequence[float]] | None = None,
        lab_prices: Sequence[Sequence[Sequence[float]]] | None = None,
    ) -> None:
        """Begin with nobody placed. `lab_prices` is [L][T][K], `seat_prices` [C][T]: advice."""
        self.network = network
        count = network.need_count
        self.day = [NOWHERE] * count
        self.clinic = [NOWHERE] * count
        self.lab = [NOWHERE] * count
        self.seats_left: list[list[int]] = network.seats.tolist()
        self.tubes_left: list[list[list[int]]] = network.capacity.transpose(0, 2, 1).tolist()
        self.harm: list[list[int]] = network.harm.tolist()
        self.profile: list[int] = network.profile_of.tolist()
        self.kind: list[int] = network.kind_of.tolist()
        self.first_day: list[int] = network.first_day.tolist()
        self.booked_clinic: list[int] = network.booked_clinic.tolist()
        self.booked_day: list[int] = network.booked_day.tolist()
        self._asked = [
            [(at, tubes) for at, tubes in enumerate(row) if tubes] for row in network.kinds.tolist()
        ]
        self._routes = _list_routes(network)
        self._group, self._walks = _list_walks(network)
        self._seat_prices, self._lab_prices = seat_prices, lab_prices
        self._freed = [0] * network.days  # how often something was given back on a day
        self._full: dict[tuple[int, int], int] = {}  # (group, day) -> freed count when found full
        self._no_lab: dict[tuple[int, int], int] = {}
        self._freed_total = 0
        self._open_days: dict[int, tuple[int, list[int]]] = {}  # kind -> freed count, days
        self._nothing: dict[int, tuple[int, int]] = {}  # group -> freed count, first day looked at

    def copy_decisions(self) -> tuple[list[int], list[int], list[int]]:
        """Give day, clinic and lab of each need."""
        return self.day[:], self.clinic[:], self.lab[:]

    def total_harm(self) -> int:
        """Sum the harm of all needs, in units. A day of -1 picks the last column: not served."""
        harm = self.harm
        return sum(harm[p][d] for p, d in zip(self.profile, self.day, strict=True))

    def fits(self, need: int, clinic: int, lab: int, day: int) -> bool:
        """Say whether there is a seat and there are tubes left; not whether it is in reach."""
        if self.seats_left[clinic][day] <= 0:
            return False
        return self._lab_fits(self.kind[need], lab, day)

    def put(self, need: int, clinic: int, lab: int, day: int) -> None:
        """Place a need that is nowhere."""
        assert self.day[need] == NOWHERE
        self.seats_left[clinic][day] -= 1
        assert self.seats_left[clinic][day] >= 0
        left = self.tubes_left[lab][day]
        for at, tubes in self._asked[self.kind[need]]:
            left[at] -= tubes
            assert left[at] >= 0
        self.day[need], self.clinic[need], self.lab[need] = day, clinic, lab

    def take_away(self, need: int) -> tuple[int, int, int]:
        """Take a need from its place; gives clinic, lab and day."""
        day, clinic, lab = self.day[need], self.clinic[need], self.lab[need]
        self.seats_left[clinic][day] += 1
        left = self.tubes_left[lab][day]
        for at, tubes in self._asked[self.kind[need]]:
            left[at] += tubes
        self.day[need] = self.clinic[need] = self.lab[need] = NOWHERE
        self._freed[day] += 1
        self._freed_total += 1
        return clinic, lab, day

    def find_place(self, need: int, day: int) -> tuple[int, int] | None:
        """Find clinic and laboratory with room: the cheapest by the advice, then the nearest."""
        group = self._group[need]
        stamp = self._freed[day]
        if self._full.get((group, day)) == stamp:
            return None
        kind = self.kind[need]
        if self._no_lab.get((kind, day)) == stamp:
            return None
        labs = self._open_labs(kind, day)
        if not labs:
            self._no_lab[kind, day] = stamp
            return None
        found = self._search(group, kind, day, labs)
        if found is None:
            self._full[group, day] = stamp
        return found

    def put_in_lab(self, need: int, lab: int, day: int) -> bool:
        """Place a need at a laboratory on a day, as booked or else at the nearest clinic."""
        kind = self.kind[need]
        if not self._lab_fits(kind, lab, day):
            return False
        routes = self._routes[kind]
        walk = self._walks[self._group[need]]
        booked = self.booked_clinic[need]
        for clinic in (booked, *walk) if self.booked_day[need] == day and booked in walk else walk:
            if self.seats_left[clinic][day] > 0 and lab in routes[clinic]:
                self.put(need, clinic, lab, day)
                return True
        return False

    def has_nothing(self, need: int) -> bool:
        """Say whether it is known that no day has room for this need; no search is made."""
        known = self._nothing.get(self._group[need])
        return (
            known is not None and known[0] == self._freed_total and known[1] <= self.first_day[need]
        )

    def put_earliest(self, need: int) -> bool:
        """Place a need that is nowhere on the first day with room. Gives whether there was one."""
        if self.has_nothing(need):
            return False
        first = self.first_day[need]
        for day in self._list_open_days(self.kind[need]):
            place = self.find_place(need, day) if day >= first else None
            if place is not None:
                self.put(need, place[0], place[1], day)
                return True
        self._nothing[self._group[need]] = (self._freed_total, first)
        return False

    def _list_open_days(self, kind: int) -> list[int]:
        """List the days on which a kind may have room; what was taken since may be in it still."""
        known = self._open_days.get(kind)
        if known is None or known[0] != self._freed_total:
            days = [
                day
                for day in range(self.network.days)
                if any(seats[day] > 0 for seats in self.seats_left) and self._open_labs(kind, day)
            ]
            known = self._open_days[kind] = (self._freed_total, days)
        return known[1]

    def find_clinic_place(self, need: int, clinic: int, day: int) -> int | None:
        """Find a laboratory with room for this need at this clinic on this day."""
        if self.seats_left[clinic][day] <= 0 or clinic not in self._walks[self._group[need]]:
            return None
        kind = self.kind[need]
        for lab in self._routes[kind][clinic]:
            if self._lab_fits(kind, lab, day):
                return lab
        return None

    def _lab_fits(self, kind: int, lab: int, day: int) -> bool:
        left = self.tubes_left[lab][day]
        return all(left[at] >= tubes for at, tubes in self._asked[kind])

    def _open_labs(self, kind: int, day: int) -> dict[int, float]:
        """List the laboratories with room, and their price."""
        asked = self._asked[kind]
        prices = self._lab_prices
        found: dict[int, float] = {}
        for lab, by_day in enumerate(self.tubes_left):
            left = by_day[day]
            if all(left[at] >= tubes for at, tubes in asked):
                found[lab] = (
                    sum(prices[lab][day][at] * tubes for at, tubes in asked) if prices else 0.0
                )
        return found

    def _search(
        self, group: int, kind: int, day: int, labs: dict[int, float]
    ) -> tuple[int, int] | None:
        found: tuple[int, int] | None = None
        best = float("inf")
        cheapest_lab = min(labs.values())
        routes = self._routes[kind]
        for clinic in self._walks[group]:
            if self.seats_left[clinic][day] <= 0:
                continue
            seat = self._seat_prices[clinic][day] if self._seat_prices else 0.0
            if seat + cheapest_lab >= best:
                continue
            for lab in routes[clinic]:
                price = labs.get(lab)
                if price is not None and seat + price < best:
                    best, found = seat + price, (clinic, lab)
            if best <= cheapest_lab:
                break
        return found

    def improve(self, *, checks: int = IMPROVE_CHECKS) -> None:
        """Lower harm: serve sooner where there is room, or where one who loses less gives way."""
        budget = checks
        on_day: list[list[int]] = [[] for _ in range(self.network.days)]
        for need, day in enumerate(self.day):
            if day != NOWHERE:
                on_day[day].append(need)
        class_of: list[int] = self.network.class_of.tolist()
        changed = True
        rounds = 0
        while changed and budget > 0 and rounds < PREFER_ROUNDS:
            changed = False
            rounds += 1
            failed: dict[tuple[int, int], int] = {}
            changes = 0
            for need in self._list_avoidable():
                key = (class_of[need], self.day[need])
                if failed.get(key) == changes:
                    continue
                if budget <= 0:
                    break
                done, used = self._improve_one(need, on_day)
                budget -= used
                if done:
                    changes += 1
                    changed = True
                else:
                    failed[key] = changes

    def _list_avoidable(self) -> list[int]:
        """List the needs whose harm a sooner day would lower, the most to gain first."""
        gains: list[tuple[int, int]] = []
        for need, day in enumerate(self.day):
            first = self.first_day[need]
            if first < self.network.days:
                curve = self.harm[self.profile[need]]
                gain = curve[day] - curve[first]
                if gain > 0:
                    gains.append((-gain, need))
        gains.sort()
        return [need for _, need in gains]

    def _improve_one(self, need: int, on_day: list[list[int]]) -> tuple[bool, int]:
        """Make the change for one need that lowers harm most. Gives whether, and checks used."""
        curve = self.harm[self.profile[need]]
        now = curve[self.day[need]]
        used = 1
        best_gain = 0
        best: tuple[int, int, int, int, tuple[int, int, int] | None] | None = None
        for day in range(self.first_day[need], self.network.days):
            gain = now - curve[day]
            if gain <= best_gain:
                break
            used += 1
            place = self.find_place(need, day)
            if place is not None:
                best_gain, best = gain, (day, place[0], place[1], NOWHERE, None)
                break
            for other in self._candidates(on_day[day], day, gain):
                used += 1
                spot = self._spot_instead(need, other, day)
                if spot is None:
                    continue
                loss, target = self._second_home(other, day, gain - best_gain)
                used += 3
                if gain - loss > best_gain:
                    best_gain = gain - loss
                    best = (day, spot[0], spot[1], other, target)
        if best is None:
            return False, used
        self._carry_out(need, best, on_day)
        return True, used

    def _carry_out(
        self,
        need: int,
        move: tuple[int, int, int, int, tuple[int, int, int] | None],
        on_day: list[list[int]],
    ) -> None:
        day, clinic, lab, other, target = move
        if self.day[need] != NOWHERE:
            on_day[self.day[need]].remove(need)
            self.take_away(need)
        if other != NOWHERE:
            on_day[day].remove(other)
            self.take_away(other)
        self.put(need, clinic, lab, day)
        on_day[day].append(need)
        if target is not None:
            self.put(other, *target)
            on_day[target[2]].append(other)

    def _candidates(self, needs: list[int], day: int, gain: int) -> list[int]:
        """List who on this day might give way, the least harmed by it first."""
        scored: list[tuple[int, int]] = []
        for other in needs:
            curve = self.harm[self.profile[other]]
            first = self.first_day[other]
            if first < day or curve[-1] - curve[day] < gain:
                scored.append((curve[-1] - curve[day], other))
        scored.sort()
        return [other for _, other in scored[:CANDIDATES_MAX]]

    def _spot_instead(self, need: int, other: int, day: int) -> tuple[int, int] | None:
        """Find a place for `need` on `day` that opens when `other` leaves that day."""
        clinic, lab = self.clinic[other], self.lab[other]
        kind = self.kind[need]
        walk = self._walks[self._group[need]]
        given_back = dict(self._asked[self.kind[other]])
        left = self.tubes_left[lab][day]
        opens = all(left[at] + given_back.get(at, 0) >= tubes for at, tubes in self._asked[kind])
        routes = self._routes[kind]
        if clinic in walk:  # take the seat of the other
            if opens and lab in routes[clinic]:
                return clinic, lab
            for elsewhere in routes[clinic]:
                if elsewhere != lab and self._lab_fits(kind, elsewhere, day):
                    return clinic, elsewhere
        if opens:  # take only the tubes of the other
            for near in walk:
                if self.seats_left[near][day] > 0 and lab in routes[near]:
                    return near, lab
        return None

    def _second_home(
        self, other: int, day: int, worth: int
    ) -> tuple[int, tuple[int, int, int] | None]:
        """Find where `other` goes instead, and what it loses; not served if nothing is better."""
        curve = self.harm[self.profile[other]]
        unserved = curve[-1] - curve[day]
        for target in range(self.first_day[other], self.network.days):
            loss = curve[target] - curve[day]
            if loss >= worth or loss > unserved:
                break
            if target == day:
                continue
            place = self.find_place(other, target)
            if place is not None:
                return loss, (place[0], place[1], target)
        return unserved, None

    def prefer(self) -> None:
        """Without raising harm: serve more, keep bookings, then serve earlier, then nearer."""
        for _ in range(PREFER_ROUNDS):
            changes = self._restore_bookings() + self._fill(range(len(self.day)))
            changes += self._swap_for_bookings()
            changes += self._bring_forward()
            if not changes:
                break
        self._bring_nearer()

    def _is_kept(self, need: int) -> bool:
        return (
            self.booked_day[need] != NOWHERE
            and self.day[need] == self.booked_day[need]
            and self.clinic[need] == self.booked_clinic[need]
        )

    def _restore_bookings(self) -> int:
        changes = 0
        for need, booked in enumerate(self.booked_day):
            if booked == NOWHERE or self._is_kept(need) or booked < self.first_day[need]:
                continue
            curve = self.harm[self.profile[need]]
            if curve[booked] > curve[self.day[need]]:
                continue
            changes += self._try_move(need, self.booked_clinic[need], booked)
        return changes

    def _swap_for_bookings(self) -> int:
        """Give needs their booked place back by exchanging places with another of the same kind."""
        holders: dict[tuple[int, int, int], list[int]] = {}
        for need, day in enumerate(self.day):
            if day != NOWHERE and not self._is_kept(need):
                key = (self.clinic[need], day, self.kind[need])
                holders.setdefault(key, []).append(need)
        changes = 0
        for need, booked in enumerate(self.booked_day):
            if booked == NOWHERE or self.day[need] == NOWHERE or booked < self.first_day[need]:
                continue
            clinic = self.booked_clinic[need]
            if self._is_kept(need) or clinic not in self._walks[self._group[need]]:
                continue
            waiting = holders.get((clinic, booked, self.kind[need]), [])
            for at, other in enumerate(waiting[-SWAPS_MAX:], max(0, len(waiting) - SWAPS_MAX)):
                if self._may_swap(need, other):
                    mine, theirs = self.take_away(need), self.take_away(other)
                    self.put(need, *theirs)
                    self.put(other, *mine)
                    del waiting[at]
                    holders.get((mine[0], mine[2], self.kind[other]), []).append(other)
                    changes += 1
                    break
        return changes

    def _may_swap(self, need: int, other: int) -> bool:
        """Say whether exchanging places is allowed to both, undoes no booking and does no harm."""
        mine, theirs = self.day[need], self.day[other]
        if other == need or self._is_kept(other) or self.first_day[other] > mine:
            return False
        if self.clinic[need] not in self._walks[self._group[other]]:
            return False
        ours, others = self.harm[self.profile[need]], self.harm[self.profile[other]]
        return ours[theirs] + others[mine] <= ours[mine] + others[theirs]

    def _try_move(self, need: int, clinic: int, day: int) -> int:
        """Move a need to a clinic and day if there is room once it has left its own place."""
        back = self.take_away(need) if self.day[need] != NOWHERE else None
        lab = self.find_clinic_place(need, clinic, day)
        if lab is not None:
            self.put(need, clinic, lab, day)
            return 1
        if back is not None:
            self.put(need, *back)
        return 0

    def _fill(self, needs: Iterable[int]) -> int:
        """Serve whoever can be served with what is left, each on the earliest day."""
        return sum(self.put_earliest(need) for need in needs if self.day[need] == NOWHERE)

    def _bring_forward(self) -> int:
        changes = 0
        for need, now in enumerate(self.day):
            if now == NOWHERE or self._is_kept(need):
                continue
            for day in range(self.first_day[need], now):
                place = self.find_place(need, day)
                if place is not None:
                    self.take_away(need)
                    self.put(need, place[0], place[1], day)
                    changes += 1
                    break
        return changes

    def _bring_nearer(self) -> None:
        for need, day in enumerate(self.day):
            if day == NOWHERE or self._is_kept(need):
                continue
            for clinic in self._walks[self._group[need]]:
                if clinic == self.clinic[need]:
                    break
                if self.seats_left[clinic][day] > 0 and self._try_move(need, clinic, day):
                    break


def _list_routes(network: Network) -> list[list[list[int]]]:
    """List the laboratories that a kind can go to from each clinic: [kind][clinic]."""
    known: dict[bytes, list[list[int]]] = {}
    routes: list[list[list[int]]] = []
    for table in network.links:
        key = table.tobytes()
        if key not in known:
            known[key] = [
                [at for at, is_linked in enumerate(row) if is_linked] for row in table.tolist()
            ]
        routes.append(known[key])
    return routes


def _list_walks(network: Network) -> tuple[list[int], list[tuple[int, ...]]]:
    """Number the (zone, reach, kind) of needs; list each one's usable clinics, nearest first."""
    found: dict[tuple[int, int, int], int] = {}
    walks: list[tuple[int, ...]] = []
    nearest: dict[tuple[int, int], list[int]] = {}
    usable = np.asarray(network.links.any(axis=2))
    group_of: list[int] = []
    rows = zip(
        network.zone_of.tolist(), network.reach_of.tolist(), network.kind_of.tolist(), strict=True
    )
    for key in rows:
        group = found.get(key)
        if group is None:
            zone, reach, kind = key
            order = nearest.get((zone, reach))
            if order is None:
                rank = network.rank[zone].tolist()
                order = sorted(network.reaches[reach], key=rank.__getitem__)
                nearest[zone, reach] = order
            group = found[key] = len(found)
            allowed = usable[kind].tolist()
            walks.append(tuple([clinic for clinic in order if allowed[clinic]]))
        group_of.append(group)
    return group_of, walks
