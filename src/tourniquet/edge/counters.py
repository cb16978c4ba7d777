"""Counters of this process, for /metrics. They say how much, never about whom."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass
class MllpCounters:
    """What the listener has done since it began. Each is changed by one thread alone."""

    connections: int = 0
    connections_refused: int = 0
    received: int = 0
    aa: int = 0
    ae: int = 0
    ar: int = 0
    groups: int = 0
    groups_failed: int = 0
    too_large: int = 0
    noise_bytes: int = 0
    idle_closed: int = 0
    slow_closed: int = 0
    queued: int = 0
    open: int = 0
    held: int = 0
    unprotected: int = 0
    journal_went_back: int = 0

    def count_answer(self, code: str) -> None:
        """Count one answer."""
        if code == "AA":
            self.aa += 1
        elif code == "AR":
            self.ar += 1
        else:
            self.ae += 1


_GAUGES = frozenset({"queued", "open", "held"})
MLLP = MllpCounters()


def prometheus_lines(counters: MllpCounters) -> list[str]:
    """The counters in Prometheus' text format."""
    lines = []
    for field in fields(counters):
        gauge = field.name in _GAUGES
        name = f"tourniquet_mllp_{field.name}" + ("" if gauge else "_total")
        kind = "gauge" if gauge else "counter"
        lines += [f"# TYPE {name} {kind}", f"{name} {getattr(counters, field.name)}"]
    return lines
