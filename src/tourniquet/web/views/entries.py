"""One entry of the journal.

Invariants:
- The body of an entry about a patient, and a message's bytes, are shown only to who may see
  clinical records, and of these only to who may see that patient.
- Looking into the body of a patient's entry is journalled like opening the record, and asks for a
  reason where that does.
- What is about somebody's reading is shown to those who watch over it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.http import HttpRequest, HttpResponse

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.read_record import read_record
from tourniquet.kernel.errors import NotFound
from tourniquet.patients.page_queries import list_people
from tourniquet.record.entries import AlarmRaised
from tourniquet.record.home import clock
from tourniquet.record.models import JournalEntry
from tourniquet.record.queries import (
    EntryHead,
    count_consequences,
    find_chain,
    get_entry,
    list_cause_heads,
    list_consequence_heads,
)
from tourniquet.record.registry import get_kind
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.errors import note_fault
from tourniquet.web.presenters.entry import EntryLink, EntryPage
from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.views.bodies import body_words
from tourniquet.web.views.kinds import hidden_alarms, hidden_kinds, kind_words
from tourniquet.web.views.opening import Opening, open_patient
from tourniquet.web.views.people import Names, link
from tourniquet.web.views.rendering import render

EFFECTS_SHOWN = 20
CAUSES_SHOWN = 10
_MAY_NAME_PATIENTS = ("message.received",)
_ABOUT_ACCESS = ("access.listed", "reading.unnamed", "export.stopped", "export.allowed")


@page(Task.READ_JOURNAL)
def show(http_request: HttpRequest, viewer: Viewer, position: int) -> HttpResponse:
    """Header, body, causes and effects, proof."""
    entry = get_entry(position)
    now = clock().now()
    opening = _open(viewer, entry, now)
    may_see = opening.why is not None if opening else _may_see(viewer, entry)
    if opening and opening.why and entry.subject is not None and entry.body is not None:
        try:
            read_record(
                entry.subject, viewer=viewer, why=opening.why, now=now, what=f"entry {position}"
            )
        except OSError as error:
            note_fault(error)
    built = _describe(viewer, entry, may_see=may_see)
    if opening and opening.why is None:
        ask = addresses.break_glass(opening.patient.id, entry_position=position)
        built = replace(built, break_glass_href=ask)
    return render(http_request, "entry.html", built, title=f"Entry {position:,}")


def _open(viewer: Viewer, entry: JournalEntry, now: datetime) -> Opening | None:
    """How the patient's record that the entry belongs to is opened; None where it is not."""
    if entry.subject is None or not viewer.may(Task.SEE_CLINICAL):
        return None
    if entry.kind in hidden_kinds(viewer):
        return None
    try:
        return open_patient(entry.subject, viewer=viewer, now=now)
    except NotFound:
        return None


def _may_see(viewer: Viewer, entry: JournalEntry) -> bool:
    """Whether an entry that opens no record may be read."""
    if entry.subject is not None:
        return False
    if entry.kind in _MAY_NAME_PATIENTS:
        return viewer.may(Task.SEE_CLINICAL) and not viewer.organisation
    if entry.kind in _ABOUT_ACCESS:
        return viewer.may(Task.SEE_ACCESS)
    if entry.kind == "alarm.raised" and entry.body is not None:
        found = get_kind(entry.kind, entry.kind_version).decoder.decode(bytes(entry.body))
        assert isinstance(found, AlarmRaised), "the kind says what the body is"
        return found.alarm_kind not in hidden_alarms(viewer)
    return True


def _describe(viewer: Viewer, entry: JournalEntry, *, may_see: bool) -> EntryPage:
    position = entry.position
    before = find_chain(position - 1)
    is_last = find_chain(position + 1) is None
    body = body_words(bytes(entry.body)) if may_see and entry.body is not None else None
    return EntryPage(
        position=position,
        kind=entry.kind,
        kind_words=kind_words(entry.kind),
        kind_version=entry.kind_version,
        recorded_at=entry.recorded_at,
        happened_at=entry.happened_at,
        actor=entry.actor,
        organisation=entry.organisation,
        origin=entry.origin,
        origin_position=entry.origin_position,
        subject=_subject(viewer, entry) if may_see else None,
        body=body,
        withheld=not may_see and entry.body is not None,
        commitment=bytes(entry.commitment).hex(),
        chain=bytes(entry.chain).hex(),
        previous_chain=bytes(before).hex() if before is not None else "",
        causes=_links(list_cause_heads(entry.cause, limit=CAUSES_SHOWN)),
        effects=_links(list_consequence_heads(position, limit=EFFECTS_SHOWN)),
        effects_total=count_consequences(position),
        previous_href=addresses.entry(position - 1) if before is not None else "",
        next_href="" if is_last else addresses.entry(position + 1),
    )


def _subject(viewer: Viewer, entry: JournalEntry) -> PatientLink | None:
    if entry.subject is None:
        return None
    return link(Names(list_people(viewer, {entry.subject})), entry.subject)


def _links(heads: list[EntryHead]) -> tuple[EntryLink, ...]:
    return tuple(
        EntryLink(
            head.position,
            kind_words(head.kind),
            head.recorded_at,
            head.actor,
            addresses.entry(head.position),
        )
        for head in heads
    )
