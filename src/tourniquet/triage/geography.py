"""Who can go where, and which laboratories a clinic reaches: what first fit asks of the map.

Pure. A region's map hardly changes, and mornings ask for it many times: `geography_of` gives the
same map again for the same places, with what was worked out on it before.
"""

from __future__ import annotations

import math
from collections import defaultdict
from functools import lru_cache

from tourniquet.triage.network import COURIER_MARGIN_HOURS
from tourniquet.triage.problem import Clinic, Courier, Number, Zone

NEAR_KM = 1e-9  # distances are compared in floating point here; equality counts as within
MAPS_KEPT = 8
Breadth = tuple[tuple[str, int], ...]
Walk = tuple[tuple[str, tuple[str, ...]], ...]


class Geography:
    """Zones, clinics and couriers, and the walks that were asked for."""

    def __init__(
        self, zones: tuple[Zone, ...], clinics: tuple[Clinic, ...], couriers: tuple[Courier, ...]
    ) -> None:
        self._zones = {zone.zone: zone for zone in zones}
        self._clinics = clinics
        self._couriers: dict[str, list[tuple[Number, str]]] = defaultdict(list)
        for courier in couriers:
            self._couriers[courier.clinic].append((courier.hours, courier.lab))
        for routes in self._couriers.values():
            routes.sort()
        self._near: dict[tuple[str, Number], tuple[str, ...]] = {}

    @lru_cache(maxsize=65536)  # noqa: B019 (maps are few and kept on purpose; see MAPS_KEPT)
    def walk(self, zone: str, travel_km: Number, stability_hours: Number, breadth: Breadth) -> Walk:
        """Clinics in reach, the nearest first, each with its laboratories in time.

        Laboratories that do few disciplines come first (`breadth`, by laboratory), so that those
        that do what nobody else does keep room for it; then the nearest.
        """
        pairs = (
            (clinic, self._in_time(clinic, stability_hours, breadth))
            for clinic in self._clinics_near(zone, travel_km)
        )
        return tuple(pair for pair in pairs if pair[1])

    @lru_cache(maxsize=65536)  # noqa: B019 (as above)
    def _in_time(self, clinic: str, stability_hours: Number, breadth: Breadth) -> tuple[str, ...]:
        limit = stability_hours - COURIER_MARGIN_HOURS
        width = dict(breadth)
        routes = [(hours, lab) for hours, lab in self._couriers[clinic] if hours <= limit]
        return tuple(lab for _, lab in sorted(routes, key=lambda route: (width[route[1]], route)))

    def _clinics_near(self, zone: str, travel_km: Number) -> tuple[str, ...]:
        key = (zone, travel_km)
        if key not in self._near:
            start = self._zones[zone]
            apart = sorted(
                (
                    math.dist(
                        (float(start.x_km), float(start.y_km)),
                        (float(clinic.x_km), float(clinic.y_km)),
                    ),
                    clinic.clinic,
                )
                for clinic in self._clinics
            )
            limit = max(float(travel_km), apart[0][0] if apart else 0.0) + NEAR_KM
            self._near[key] = tuple(clinic for km, clinic in apart if km <= limit)
        return self._near[key]


@lru_cache(maxsize=MAPS_KEPT)
def geography_of(
    zones: tuple[Zone, ...], clinics: tuple[Clinic, ...], couriers: tuple[Courier, ...]
) -> Geography:
    """The map of these places; the same one where it was asked for before."""
    return Geography(zones, clinics, couriers)
