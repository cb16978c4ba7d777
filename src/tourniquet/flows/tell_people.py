"""Everybody whom a change concerns is told once: the date, or the day on which they will hear.

1. Take the needs that changed since the last telling, in the order of their changes.
2. Decide for each what its patient must be told, from how it stands now and what was told last:
   many changes since then make one notice.
3. Choose the channel, and whether it goes now or, where something was sent today already, tomorrow.
   A held notice about the same need is superseded.
4. Append one `notice.written` a patient and cause, and how far the telling has come.
5. After the commit write the files of the outbox.

Invariants:
- A batch is one transaction that also says how far it came: a kill loses nothing, doubles nothing.
- A notice cites the entry that made it necessary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from tourniquet.diary.entries import WorkDone
from tourniquet.diary.models import Appointment, Need, Work
from tourniquet.directory.models import Organisation
from tourniquet.directory.roles import SYSTEM_VIEWER, Viewer
from tourniquet.incident.entries import TimelineNoted
from tourniquet.incident.queries import find_running
from tourniquet.kernel import settings
from tourniquet.kernel.clock import LONDON, london_midnight, service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.notices.entries import NoticeSent, NoticeSuperseded, NoticeWritten
from tourniquet.notices.models import Notice
from tourniquet.notices.outbox import Outgoing, find_missing, write_outbox
from tourniquet.notices.rendering import DEFAULT_REASON, NoticeFacts, render_text
from tourniquet.notices.rules import (
    CALL_LIST,
    Recipient,
    Told,
    ToTell,
    Visit,
    choose_channel,
    decide,
    may_wait,
)
from tourniquet.patients.models import Patient
from tourniquet.record.home import exercise_name
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.record.registry import Body
from tourniquet.record.tables import select_in

NEEDS_AT_ONCE = 900  # needs of one transaction, and parameters of one statement
NORMAL_REASON = "Your practice asked for this test."
JOB = "tell"
MEND_AFTER = timedelta(minutes=10)


class PatientRow(NamedTuple):
    """A patient as telling sees them."""

    id: str
    state: str
    given_names: str
    family_name: str
    title: str
    birth_date: date | None
    address: str
    postcode: str
    phone: str
    registered_organisation: str
    recorded_dead: bool
    sensitive: bool
    unsafe_contact: bool

    def recipient(self) -> Recipient:
        """What decides how they are told."""
        return Recipient(
            self.recorded_dead,
            self.sensitive,
            self.unsafe_contact,
            self.state == "active",
            self.birth_date,
            self.phone,
            self.address,
        )


class NeedChange(NamedTuple):
    """A need that changed, as it now stands."""

    id: str
    patient: str
    status: str
    reason: str
    review_on: date | None
    appointment: str | None
    registered_organisation: str
    position: int


@dataclass(frozen=True)
class Telling:
    """What came of it, in notices."""

    written: int
    held: int
    superseded: int


@dataclass
class Known:
    """What a batch needs to know to tell."""

    patients: dict[str, PatientRow]
    visits: dict[str, list[tuple[Visit, datetime, str]]]
    last_told: dict[str, tuple[str, Told, str]]
    told_today: set[str]
    organisations: dict[str, tuple[str, str, str]]
    has_incident: bool
    exercise: bool
    today: date


def tell_people(
    *,
    now: datetime,
    viewer: Viewer = SYSTEM_VIEWER,
    ids: IdSource | None = None,
    between: Callable[[int], None] = lambda _: None,
) -> Telling:
    """Write the notices that are due, and their files; what came of it."""
    act = Act(viewer.account, now, viewer.organisation)
    today = service_day(now)
    ids = ids or RandomIds()
    written = held = superseded = 0
    while True:
        leaving: list[Outgoing] = []
        with writing(act) as journal:
            # 1. What changed.
            changes = _read_changes()
            if not changes:
                break
            known = read_known(changes, now=now)
            # 2., 3. and 4. One notice each.
            done: list[tuple[str, int, Body]] = []
            for change in changes:
                for body in _notices(change, known, now=now, ids=ids):
                    done.append((change.patient, change.position, body))
                    if isinstance(body, NoticeWritten):
                        written += 1
                        held += body.status == "written"
                    superseded += isinstance(body, NoticeSuperseded)
            done.sort(key=lambda one: type(one[2]).__name__)
            for patient, cause, one in done:
                position = journal.append(one, subject=patient, cause=cause)
                if isinstance(one, NoticeWritten) and one.status != "written":
                    leaving.append(_outgoing(one, patient, position, known))
            _come_so_far(journal, today, changes[-1].position, written)
        # 5. The outbox.
        write_outbox(outbox_folder(), leaving)
        between(written)
    if written:
        _note(act, written)
    return Telling(written, held, superseded)


def send_held(*, now: datetime, viewer: Viewer = SYSTEM_VIEWER) -> int:
    """Send notices whose day has come; how many."""
    today = service_day(now)
    act = Act(viewer.account, now, viewer.organisation)
    sent = 0
    while True:
        with writing(act) as journal:
            rows = list(
                Notice.objects.filter(status="written", send_on__lte=today)
                .order_by("id")
                .values_list("id", "patient_id")[:NEEDS_AT_ONCE]
            )
            for notice, patient in rows:
                journal.append(NoticeSent(notice=notice), subject=patient)
        write_files([notice for notice, _ in rows])
        sent += len(rows)
        if len(rows) < NEEDS_AT_ONCE:
            return sent


def write_files(notices: Sequence[str]) -> int:
    """Write what one transaction let leave, from the tables; how many notices were written."""
    exercise = bool(exercise_name())
    found = sorted(select_in(Notice, _LEAVING, "id", notices), key=itemgetter(0))
    patients = _read_patients(row[2] for row in found)
    practices = _read_organisations(
        patients[row[2]].registered_organisation for row in found if row[2] in patients
    )
    return write_outbox(
        outbox_folder(),
        [
            _leave(
                (notice, kind, channel, text),
                position,
                patients[patient],
                practices,
                written_on=service_day(written_at),
                exercise=exercise,
            )
            for position, notice, patient, kind, channel, text, written_at in found
            if patient in patients
        ],
    )


_LEAVING = ("position", "id", "patient_id", "kind", "channel", "text", "written_at")


def mend_outbox(*, now: datetime) -> int:
    """Write the files that a crash after a commit left out; how many notices.

    Each becomes a lot of its own, so that lots do not overlap. What another thread may be about to
    write is left for the next time.
    """
    waiting = Notice.objects.filter(
        status__in=("sending", "call_list"), updated_at__lte=now - MEND_AFTER
    ).order_by("id")
    missing = find_missing(outbox_folder(), waiting.values_list("id", "channel", "position"))
    return sum(write_files([notice]) for notice in missing)


def outbox_folder() -> Path:
    """Where gateways, printers and practices find what leaves."""
    return settings.home() / "outbox"


def _read_changes() -> list[NeedChange]:
    last = (
        Work.objects.filter(job=JOB).order_by("-position").values_list("up_to", flat=True).first()
    )
    rows = (
        Need.objects.filter(position__gt=last or 0)
        .order_by("position")
        .values_list(
            "id",
            "patient_id",
            "status",
            "reason",
            "review_on",
            "appointment_id",
            "registered_organisation",
            "position",
        )[:NEEDS_AT_ONCE]
    )
    return [NeedChange(*row) for row in rows]


def read_known(changes: Sequence[NeedChange], *, now: datetime) -> Known:
    """Patients, appointments, what was told last, and whom something was sent today."""
    today = service_day(now)
    told = _read_last_told([change.id for change in changes])
    patients = _read_patients(change.patient for change in changes)
    visits = _read_visits([change.id for change in changes])
    codes = {row.registered_organisation for row in patients.values()}
    codes |= {clinic for found in visits.values() for _, _, clinic in found}
    told_today = Notice.objects.filter(
        patient_id__in=list(patients), written_at__gte=london_midnight(today)
    ).exclude(status="superseded")
    return Known(
        patients=patients,
        visits=visits,
        last_told=told,
        told_today=set(told_today.values_list("patient_id", flat=True)),
        organisations=_read_organisations(codes),
        has_incident=find_running() is not None,
        exercise=bool(exercise_name()),
        today=today,
    )


_TOLD = ("position", "need_id", "id", "kind", "appointment_id", "review_on", "status")
_VISIT = ("booked_at", "id", "need_id", "day", "at", "status", "reason", "clinic")


def _read_last_told(needs: list[str]) -> dict[str, tuple[str, Told, str]]:
    """By need, the newest notice that no later one replaced: its id, what it said, its status."""
    told: dict[str, tuple[str, Told, str]] = {}
    rows = [row for row in select_in(Notice, _TOLD, "need_id", needs) if row[6] != "superseded"]
    for _, need, notice, kind, appointment, review_on, status in sorted(rows, key=itemgetter(0)):
        told[need] = (notice, Told(kind, appointment, review_on), status)
    return told


def _read_visits(needs: list[str]) -> dict[str, list[tuple[Visit, datetime, str]]]:
    """Appointments of needs in the order in which they were made: visit, start and clinic."""
    found: dict[str, list[tuple[Visit, datetime, str]]] = defaultdict(list)
    rows = select_in(Appointment, _VISIT, "need_id", needs)
    for _, appointment, need, day, at, status, reason, clinic in sorted(rows, key=itemgetter(0, 1)):
        start = datetime.combine(day, at, LONDON)
        found[need].append((Visit(appointment, day, status, reason), start, clinic))
    return dict(found)


def _read_patients(ids: Iterable[str]) -> dict[str, PatientRow]:
    rows = select_in(Patient, PatientRow._fields, "id", sorted(set(ids)))
    return {row[0]: PatientRow(*row) for row in rows}


def _read_organisations(codes: Iterable[str]) -> dict[str, tuple[str, str, str]]:
    """Name, phone and address by code."""
    rows = Organisation.objects.filter(code__in=sorted(set(codes))).values_list(
        "code", "name", "phone", "address"
    )
    return {code: (name, phone, address) for code, name, phone, address in rows}


def _notices(
    change: NeedChange, known: Known, *, now: datetime, ids: IdSource
) -> list[NoticeWritten | NoticeSuperseded]:
    """The notice that a change makes necessary, and the held one that it supersedes."""
    patient = known.patients.get(change.patient)
    if patient is None:
        return []
    visits = known.visits.get(change.id, [])
    current = next((one for one in visits if one[0].id == change.appointment), None)
    earlier = [one[0] for one in visits if one[0].id != change.appointment]
    before = known.last_told.get(change.id)
    found = decide(
        status=change.status,
        reason=change.reason,
        review_on=change.review_on,
        current=current[0] if current else None,
        last=earlier[-1] if earlier else None,
        told=before[1] if before else None,
    )
    if found is None:
        return []
    notice = ids.new(now)
    out: list[NoticeWritten | NoticeSuperseded] = []
    if before and before[2] == "written":
        out.append(NoticeSuperseded(notice=before[0], by=notice))
    day = current[0].day if current else None
    waits = change.patient in known.told_today and may_wait(found, day, today=known.today)
    channel = choose_channel(patient.recipient(), found.kind, today=known.today)
    status = "call_list" if channel == CALL_LIST else "written" if waits else "sending"
    known.told_today.add(change.patient)
    out.append(
        NoticeWritten(
            notice=notice,
            notice_kind=found.kind,
            channel=channel,
            status=status,
            caused_by=change.position,
            send_on=known.today + timedelta(days=1) if status == "written" else known.today,
            text=render_text(_facts(found, patient, current, known)),
            need=change.id,
            appointment=found.appointment,
            review_on=found.review_on,
            registered_organisation=change.registered_organisation,
        )
    )
    return out


def _facts(
    found: ToTell,
    patient: PatientRow,
    current: tuple[Visit, datetime, str] | None,
    known: Known,
) -> NoticeFacts:
    practice, phone, _ = known.organisations.get(patient.registered_organisation, ("", "", ""))
    clinic, _, address = known.organisations.get(current[2] if current else "", ("", "", ""))
    return NoticeFacts(
        kind=found.kind,
        given_name=patient.given_names.split(" ", 1)[0],
        old_day=found.fell.day if found.fell else None,
        new_start=current[1] if current else None,
        clinic=clinic or (current[2] if current else ""),
        clinic_address=address if address != clinic else "",
        hear_by=found.review_on,
        reason=DEFAULT_REASON if known.has_incident else NORMAL_REASON,
        practice=practice,
        practice_phone=phone,
        exercise=known.exercise,
    )


def _outgoing(body: NoticeWritten, patient: str, position: int, known: Known) -> Outgoing:
    return _leave(
        (body.notice, body.notice_kind, body.channel, body.text),
        position,
        known.patients[patient],
        known.organisations,
        written_on=known.today,
        exercise=known.exercise,
    )


def _leave(
    what: tuple[str, str, str, str],
    position: int,
    patient: PatientRow,
    organisations: dict[str, tuple[str, str, str]],
    *,
    written_on: date,
    exercise: bool,
) -> Outgoing:
    notice, kind, channel, text = what
    name = " ".join((patient.title, patient.given_names, patient.family_name)).strip()
    code = patient.registered_organisation
    lines = (*patient.address.replace(", ", "\n").splitlines(), patient.postcode)
    return Outgoing(
        notice=notice,
        position=position,
        kind=kind,
        channel=channel,
        text=text,
        name=name,
        phone=patient.phone,
        address_lines=lines,
        practice=f"{code} {organisations.get(code, ('', '', ''))[0]}".strip(),
        written_on=written_on,
        exercise=exercise,
    )


def _come_so_far(journal: Writer, today: date, position: int, count: int) -> None:
    journal.append(WorkDone(job=JOB, day=today, up_to=position, count=count))


def _note(act: Act, written: int) -> None:
    running = find_running()
    if running is None:
        return
    with writing(act) as journal:
        journal.append(
            TimelineNoted(incident=running.id, event="notice", text=f"{written} notices written")
        )
