"""Say in plain words why a need is kept, moved, booked or deferred.

Invariants:
- Every need has a reason; a deferred one's names what binds it, a late one's says that it is late.
- A P1 that is not served by its safe day has a reason that begins "emergency route".
- No reason names a patient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tourniquet.triage import rules
from tourniquet.triage.network import Array, Network
from tourniquet.triage.placement import Placement
from tourniquet.triage.problem import BOOK, DEFER, KEEP, Need, Problem


class Reasons:
    """Explains one placement. Answers are kept by group, because thousands share one."""

    def __init__(self, problem: Problem, network: Network, placement: Placement) -> None:
        self._problem = problem
        self._network = network
        self._placement = placement
        self._words: dict[tuple[int, int, int], str] = {}
        self._kind_days: dict[int, Array] = {}
        self._outlooks: dict[tuple[int, int], _Outlook] = {}
        self._seats_left = np.array(placement.seats_left, dtype=np.int64).reshape(
            network.seats.shape
        )
        labs, disciplines, days = network.capacity.shape
        left = np.array(placement.tubes_left, dtype=np.int64).reshape(labs, days, disciplines)
        self._tubes_left = left.transpose(0, 2, 1)

    def explain(self, at: int, decision: str) -> str:
        """Explain the decision on the need at place `at`."""
        need = self._problem.needs[at]
        day = None if decision == DEFER else self._placement.day[at]
        words = self._why_deferred(at) if day is None else self._why_served(at, decision, day)
        if rules.needs_emergency_route(need, day):
            return f"{rules.EMERGENCY_WORDS}: {words}"
        return words

    def _why_served(self, at: int, decision: str, day: int) -> str:
        need = self._problem.needs[at]
        if day > need.safe_until:
            when = (
                f"the earliest day left, after the safe day {need.safe_until}"
                if need.safe_until >= max(0, need.released)
                else "the earliest day left; the safe day had passed before it could be served"
            )
        else:
            when = f"day {day} is within the safe time, to day {need.safe_until}"
        if decision == KEEP:
            return f"kept as booked: seat and laboratory are there, {when}"
        if decision == BOOK:
            return f"booked for day {day}: {when}"
        return f"moved to day {day}: {self._why_not_as_booked(at, need, day)}; {when}"

    def _why_not_as_booked(self, at: int, need: Need, day: int) -> str:  # noqa: PLR0911 - one return a cause
        network = self._network
        booked, clinic = need.booked_day, int(network.booked_clinic[at])
        assert booked is not None
        if not 0 <= booked < network.days:
            return "the booked day is outside the plan"
        if booked < need.released:
            return "the booked day is before the need may be served"
        if clinic not in network.reaches[network.reach_of[at]]:
            return "the booked clinic is beyond this need's travel"
        kind = int(network.kind_of[at])
        if not network.links[kind, clinic].any():
            return "no courier from the booked clinic reaches a laboratory in time"
        if network.seats[clinic, booked] <= 0:
            return "the booked clinic has no seats that day"
        if not (self._lab_days(kind)[:, booked] & network.links[kind, clinic]).any():
            return "no laboratory in reach can take these tubes on the booked day"
        if day < booked:
            return "an earlier day does less harm"
        return "the places of the booked day went to needs for whom waiting does more harm"

    def _lab_days(self, kind: int) -> Array:
        if kind not in self._kind_days:
            self._kind_days[kind] = self._network.lab_days(np.array([kind]))[0]
        return self._kind_days[kind]

    def _why_deferred(self, at: int) -> str:
        network = self._network
        if self._problem.needs[at].released >= network.days:
            return "may not be served before the plan ends"
        group = (int(network.reach_of[at]), int(network.kind_of[at]))
        key = (*group, int(network.first_day[at]))
        words = self._words.get(key)
        if words is None:
            if group not in self._outlooks:
                self._outlooks[group] = self._look(*group)
            outlook = self._outlooks[group]
            words = self._words[key] = _name_block(outlook, self._problem, key[2])
        return words

    def _look(self, reach: int, kind: int) -> _Outlook:
        """Look at what a reach and kind had, and has left, on each day."""
        network = self._network
        clinics = np.array(network.reaches[reach], dtype=np.int64)
        links = network.links[kind][clinics]
        useful = clinics[links.any(axis=1)] if links.size else clinics[:0]
        labs = np.flatnonzero(links.any(axis=0)) if links.size else np.zeros(0, dtype=np.int64)
        asked = np.flatnonzero(network.kinds[kind])
        wanted = network.kinds[kind][asked][None, :, None]
        had = (network.capacity[labs][:, asked] >= wanted).any(axis=0)
        left = (self._tubes_left[labs][:, asked] >= wanted).any(axis=0)
        fits = network.lab_days(np.array([kind]))[0][labs].astype(int)
        by_clinic = network.links[kind][useful][:, labs].astype(int) @ fits
        return _Outlook(
            has_clinic=len(clinics) > 0,
            has_link=len(useful) > 0,
            asked=asked,
            seats=np.asarray((network.seats[useful] > 0).any(axis=0)),
            tubes=had,
            together=((by_clinic > 0) & (network.seats[useful] > 0)).any(axis=0),
            seats_left=np.asarray((self._seats_left[useful] > 0).any(axis=0)),
            tubes_left=left,
        )


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What a reach and kind had and has left, by day; disciplines run along `asked`."""

    has_clinic: bool
    has_link: bool
    asked: Array
    seats: Array  # [T]
    tubes: Array  # [asked, T]
    together: Array  # [T]
    seats_left: Array  # [T]
    tubes_left: Array  # [asked, T]


def _name_block(outlook: _Outlook, problem: Problem, first: int) -> str:
    """Name what binds from day `first` on: first what was never there, then what is used up."""
    last = problem.days - 1
    span = f"from day {first} to day {last}"
    never = _join(problem, outlook.asked[~outlook.tubes[:, first:].any(axis=1)])
    if not outlook.has_clinic:
        words = "there is no clinic"
    elif not outlook.has_link:
        words = "no courier from a clinic within travel reaches a laboratory in time"
    elif not outlook.seats[first:].any():
        words = f"no clinic within travel has a seat {span}"
    elif never:
        words = f"no laboratory in reach can take its {never} tubes {span}"
    elif not outlook.together[first:].any():
        words = f"no day {span} has a seat within travel and a laboratory for all of its tubes"
    else:
        words = _name_shortage(outlook, problem, first)
    return words


def _name_shortage(outlook: _Outlook, problem: Problem, first: int) -> str:
    """Name what the plan has used up on the days when this need could have been served."""
    last = problem.days - 1
    rest = "the places went to needs for whom waiting does more harm"
    no_seat = int((~outlook.seats_left[first:]).sum())
    short = (~outlook.tubes_left[:, first:] & outlook.seats_left[first:]).sum(axis=1)
    worst = int(short.max(initial=0))
    if no_seat and no_seat >= worst:
        return f"every seat within travel is taken to day {last}; {rest}"
    if worst:
        names = _join(problem, outlook.asked[short == worst])
        return f"{names} capacity of the laboratories in reach is full to day {last}; {rest}"
    return f"no seat and laboratory are free together to day {last}; {rest}"


def _join(problem: Problem, disciplines: Array) -> str:
    return " and ".join(problem.disciplines[at] for at in disciplines.tolist())
