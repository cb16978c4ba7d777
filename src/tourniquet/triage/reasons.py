"""Say in plain words why a need is kept, moved, booked or deferred.

Invariants:
- Every need has a reason; a deferred one's names what binds it, a late one's says that it is late.
- A P1 that is not served by its safe day has a reason that begins "emergency route".
- No reason names a patient.
"""

from __future__ import annotations

from tourniquet.triage import rules
from tourniquet.triage.network import Network
from tourniquet.triage.placement import Placement
from tourniquet.triage.problem import BOOK, DEFER, KEEP, Need, Problem


class Reasons:
    """Explains one placement. Answers are kept by group, because thousands share one."""

    def __init__(self, problem: Problem, network: Network, placement: Placement) -> None:
        self._problem = problem
        self._network = network
        self._placement = placement
        self._blocks: dict[tuple[int, int, int], str] = {}

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

    def _why_not_as_booked(self, at: int, need: Need, day: int) -> str:
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
        if not (
            network.lab_days(network.kind_of[at : at + 1])[0, :, booked]
            & network.links[kind, clinic]
        ).any():
            return "no laboratory in reach can take these tubes on the booked day"
        if day < booked:
            return "an earlier day does less harm"
        return "the places of the booked day went to needs for whom waiting does more harm"

    def _why_deferred(self, at: int) -> str:
        network = self._network
        if self._problem.needs[at].released >= network.days:
            return "may not be served before the plan ends"
        key = (int(network.reach_of[at]), int(network.kind_of[at]), int(network.first_day[at]))
        if key not in self._blocks:
            self._blocks[key] = self._find_block(at, *key)
        return self._blocks[key]

    def _find_block(self, at: int, reach: int, kind: int, first: int) -> str:
        network = self._network
        clinics = list(network.reaches[reach])
        last = network.days - 1
        if not clinics:
            return "there is no clinic"
        links = network.links[kind][clinics]
        if not links.any():
            return "no courier from a clinic within travel reaches a laboratory in time"
        clinics = [clinic for clinic, row in zip(clinics, links.tolist(), strict=True) if any(row)]
        labs = [lab for lab, used in enumerate(links.any(axis=0).tolist()) if used]
        if not (network.seats[clinics, first:] > 0).any():
            return f"no clinic within travel has a seat from day {first} to day {last}"
        never = self._disciplines_without(kind, labs, first)
        if never:
            return (
                f"no laboratory in reach can take its {never} tubes from day {first} to day {last}"
            )
        table = network.lab_days(network.kind_of[at : at + 1])[0]
        together = network.links[kind][clinics][:, labs].astype(int) @ table[labs, first:].astype(
            int
        )
        if not ((together > 0) & (network.seats[clinics, first:] > 0)).any():
            return "no day has both a seat within travel and a laboratory for all of its tubes"
        return self._what_is_full(kind, clinics, labs, first)

    def _disciplines_without(self, kind: int, labs: list[int], first: int) -> str:
        network = self._network
        names = [
            name
            for at, name in enumerate(self._problem.disciplines)
            if network.kinds[kind, at]
            and not (network.capacity[labs, at, first:] >= network.kinds[kind, at]).any()
        ]
        return " and ".join(names)

    def _what_is_full(self, kind: int, clinics: list[int], labs: list[int], first: int) -> str:
        """Say what the plan has used up on the days when this need could have been served."""
        placement, network = self._placement, self._network
        asked = network.kinds[kind].tolist()
        short: dict[str, int] = {}
        no_seat = 0
        for day in range(first, network.days):
            if all(placement.seats_left[clinic][day] <= 0 for clinic in clinics):
                no_seat += 1
                continue
            for at, name in enumerate(self._problem.disciplines):
                if asked[at] and all(
                    placement.tubes_left[lab][day][at] < asked[at] for lab in labs
                ):
                    short[name] = short.get(name, 0) + 1
        last = network.days - 1
        rest = "the places went to needs for whom waiting does more harm"
        if no_seat and no_seat >= max(short.values(), default=0):
            return f"every seat within travel is taken to day {last}; {rest}"
        if short:
            worst = max(short.values())
            names = " and ".join(name for name, count in short.items() if count == worst)
            return f"{names} capacity of the laboratories in reach is full to day {last}; {rest}"
        return f"no seat and laboratory are free together to day {last}; {rest}"
