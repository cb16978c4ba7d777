"""Laboratories say what they can take, day by day; each morning they confirm the day itself.

1. A laboratory speaks for itself; whoever commands incidents speaks for all.
2. Append `capacity.declared` with the figures, beside what is normal; note it on the timeline.
3. Where a laboratory can take less today than the gate has reserved: who has not come yet is told
   not to come; specimens already taken that now exceed it are marked as overtaken, the least
   urgent first, and an alarm asks for another laboratory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tourniquet.diary.entries import (
    AppointmentTurnedAway,
    CapacityDeclared,
    CapacityRow,
    GateOvertaken,
)
from tourniquet.diary.models import GateReservation, Laboratory, LaboratoryDay, Need
from tourniquet.diary.rules import parse_tubes
from tourniquet.directory.roles import Role, Task, Viewer
from tourniquet.flows.raise_alarm import raise_alarm
from tourniquet.incident.entries import TimelineNoted
from tourniquet.incident.queries import find_running
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import PermissionRefused, UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.record.journal import Act, Writer, writing

FLAGS = ("normal", "declared", "confirmed", "anchor", "interpolated")
MOST_ROWS = 20_000
OVERTAKEN_ALARM = "specimens overtaken"


@dataclass(frozen=True)
class Declared:
    """Tubes of one discipline that a laboratory can take on a service day."""

    laboratory: str
    discipline: str
    day: date
    tubes: int
    flag: str = "declared"
    source: str = ""


def declare_capacity(
    rows: Sequence[Declared], *, viewer: Viewer, now: datetime, ids: IdSource | None = None
) -> int:
    """Declare capacity; how many appointments of today that turned away or overtook.

    Raises: PermissionRefused; UserError naming a laboratory or figure that is not known.
    """
    # 1. Who speaks for whom.
    _check(rows, viewer)
    today = service_day(now)
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        # 2. The figures.
        normal = _normal_tubes(rows)
        position = journal.append(
            CapacityDeclared(
                rows=tuple(
                    CapacityRow(
                        row.laboratory,
                        row.discipline,
                        row.day,
                        row.tubes,
                        row.tubes
                        if row.flag == "normal"
                        else normal.get((row.laboratory, row.discipline, row.day), 0),
                        row.flag,
                        row.source,
                    )
                    for row in rows
                )
            )
        )
        _note(journal, rows)
        # 3. What the gate has reserved today must still fit.
        affected = [row for row in rows if row.day == today]
        return _give_way(journal, affected, position, ids or RandomIds()) if affected else 0


def _check(rows: Sequence[Declared], viewer: Viewer) -> None:
    if viewer.role is Role.LABORATORY and viewer.organisation:
        if any(row.laboratory != viewer.organisation for row in rows):
            raise PermissionRefused("A laboratory declares its own capacity only.")
    else:
        viewer.demand(Task.COMMAND_INCIDENT)
    if len(rows) > MOST_ROWS:
        raise UserError("That is too much at once.", remedy=f"At most {MOST_ROWS} rows.")
    known = set(Laboratory.objects.values_list("code", flat=True))
    for number, row in enumerate(rows, 1):
        where = f"row {number}"
        if row.laboratory not in known:
            raise UserError("There is no laboratory with that code.", where=where)
        if row.tubes < 0:
            raise UserError("Tubes are nought or more.", where=where)
        if row.flag not in FLAGS:
            raise UserError("A flag is one of " + ", ".join(FLAGS) + ".", where=where)


def _normal_tubes(rows: Sequence[Declared]) -> dict[tuple[str, str, date], int]:
    days = {row.day for row in rows}
    if not days:
        return {}
    found = LaboratoryDay.objects.filter(day__gte=min(days), day__lte=max(days)).values_list(
        "laboratory", "discipline", "day", "normal_tubes"
    )
    return {(laboratory, name, day): tubes for laboratory, name, day, tubes in found}


def _note(journal: Writer, rows: Sequence[Declared]) -> None:
    running = find_running()
    told = [row for row in rows if row.flag != "confirmed"]
    if running is None or not told:
        return
    laboratories = sorted({row.laboratory for row in told})
    days = [row.day for row in told]
    journal.append(
        TimelineNoted(
            incident=running.id,
            event="capacity",
            text=f"Capacity of {len(laboratories)} laboratories declared, "
            f"{min(days):%d %b} to {max(days):%d %b}: {', '.join(laboratories)}",
        )
    )


def _give_way(journal: Writer, rows: Sequence[Declared], cause: int, ids: IdSource) -> int:
    """Undo reservations of today, least urgent first, until the rest fits the new figures."""
    journal.flush()
    today = rows[0].day
    limits = {(row.laboratory, row.discipline): row.tubes for row in rows}
    held = list(
        GateReservation.objects.filter(day=today, status__in=("reserved", "used")).values_list(
            "appointment_id",
            "need_id",
            "patient_id",
            "clinic",
            "laboratory",
            "tubes",
            "courier_hours",
            "stability_hours",
            "status",
        )
    )
    over = dict.fromkeys(limits, 0)
    for row in held:
        for name, count in parse_tubes(row[5]):
            if (row[4], name) in over:
                over[row[4], name] += count
    over = {key: used - limits[key] for key, used in over.items() if used > limits[key]}
    if not over:
        return 0
    priority = dict(
        Need.objects.filter(id__in=[row[1] for row in held]).values_list("id", "priority")
    )
    held.sort(key=lambda row: row[0])
    held.sort(key=lambda row: priority.get(row[1], ""), reverse=True)
    held.sort(key=lambda row: row[8] == "used")  # who has not come yet gives way first
    taken = 0
    gone = 0
    for row in held:
        tubes = [(row[4], name, count) for name, count in parse_tubes(row[5])]
        if not any(over.get((laboratory, name), 0) > 0 for laboratory, name, _ in tubes):
            continue
        for laboratory, name, count in tubes:
            if (laboratory, name) in over:
                over[laboratory, name] -= count
        gone += 1
        taken += row[8] == "used"
        _undo(journal, row, today, cause)
    if taken:
        raise_alarm(
            journal,
            OVERTAKEN_ALARM,
            f"{taken} visits' specimens were taken before the laboratory failed. "
            "Find another laboratory, or have them taken again.",
            about=cause,
            ids=ids,
        )
    return gone


def _undo(
    journal: Writer,
    row: tuple[str, str, str, str, str, str, float, float, str],
    today: date,
    cause: int,
) -> None:
    appointment, need, patient, clinic, laboratory, tubes, hours, stability, status = row
    reason = "the laboratory can take less today than it had confirmed"
    if status == "used":
        journal.append(
            GateOvertaken(
                appointment=appointment,
                need=need,
                review_on=today + timedelta(days=1),
                reason="the laboratory failed after the specimens were taken",
            ),
            subject=patient,
            cause=cause,
        )
        return
    journal.append(
        AppointmentTurnedAway(
            appointment=appointment,
            need=need,
            clinic=clinic,
            laboratory=laboratory,
            day=today,
            tubes=tubes,
            courier_hours=hours,
            stability_hours=stability,
            review_on=today + timedelta(days=1),
            reason=reason,
        ),
        subject=patient,
        cause=cause,
    )
