"""One entry of the journal.

Invariants:
- The body of an entry about a patient, and a message's bytes, are shown only to who may see
  clinical records, and of these only to who may see that patient.
- Looking into the body of a patient's entry is journalled like opening the record.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from tourniquet.diary.page_queries import named_patients as named_in_diary
from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.read_record import read_record
from tourniquet.kernel.errors import NotFound
from tourniquet.pathology.queries import named_patients
from tourniquet.patients.page_queries import list_people
from tourniquet.patients.queries import get_patient
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
from tourniquet.web import addresses
from tourniquet.web.access import page
from tourniquet.web.errors import note_fault
from tourniquet.web.presenters.entry import EntryLink, EntryPage
from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.views.bodies import body_words
from tourniquet.web.views.kinds import kind_words
from tourniquet.web.views.people import Names, link
from tourniquet.web.views.rendering import render

EFFECTS_SHOWN = 20
CAUSES_SHOWN = 10
_MAY_NAME_PATIENTS = ("message.received",)


@page(Task.READ_JOURNAL)
def show(http_request: HttpRequest, viewer: Viewer, position: int) -> HttpResponse:
    """Header, body, causes and effects, proof."""
    entry = get_entry(position)
    may_see = _may_see(viewer, entry)
    if may_see and entry.subject is not None and entry.body is not None:
        try:
            read_record(entry.subject, viewer=viewer, now=clock().now(), what=f"entry {position}")
        except OSError as error:
            note_fault(error)
    return render(
        http_request,
        "entry.html",
        _describe(viewer, entry, may_see=may_see),
        title=f"Entry {position:,}",
    )


def _may_see(viewer: Viewer, entry: JournalEntry) -> bool:
    if entry.subject is None:
        hides = entry.kind in _MAY_NAME_PATIENTS
        return not hides or (viewer.may(Task.SEE_CLINICAL) and not viewer.organisation)
    if not viewer.may(Task.SEE_CLINICAL):
        return False
    try:
        get_patient(
            entry.subject, viewer=viewer, named=named_patients(viewer) | named_in_diary(viewer)
        )
    except NotFound:
        return False
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
