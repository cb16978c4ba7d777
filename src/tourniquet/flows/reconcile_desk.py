"""What a downtime desk wrote down while the main system was away becomes entries of the journal.

1. The export is of this record, and begins with what was taken in before; else nothing is done.
2. Read the lines in order. Each new line that says something of a patient becomes entries whose
   origin is the desk and the line: records opened, results keyed, corrections, calls.
3. A patient whom the desk knew is that patient, or who they were merged into. Anybody else becomes
   provisional, with the form's words: the worklist of unknown people has them (nobody is matched
   by guess, HAZ-001).
   Somebody whom the desk knew and who is not in the index any more was erased meanwhile: a result
   or a call of theirs is not taken in, and its number is told, in an alarm too; that a record was
   opened says by whom and when, not whose.
4. A critical value opens a call. Where the desk phoned it, the call is closed with who was told.
5. Count the numbers: keyed, void, unused; those of which nobody has said what became raise an alarm
   until a later export accounts for them. A number that was keyed at another desk is keyed; one
   that two desks gave out, or keyed for two people, raises an alarm (flows.account_desks).

Invariants:
- Lines up to the last one that was taken in change nothing, so the same export may come again.
- Ids are made from desk and line: whoever takes the lines in, the entries name the same rows.
- Nothing is written about somebody who is not in the index: who is, is read anew in each
  transaction, because an erasure may come between two.
- One transaction for each BATCH lines; `desk.reconciled` ends each, so an interrupted run goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from tourniquet.directory.roles import Task, Viewer
from tourniquet.flows.account_desks import (
    SENDER,
    TOLD_MOST,
    Clash,
    list_clashes,
    settle_others,
    with_elsewhere,
)
from tourniquet.flows.desk_export import DeskExport, digest_of
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import IntegrityError, UserError
from tourniquet.kernel.identifiers import NhsNumber, derived_id
from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.pathology.desk_account import Account, account
from tourniquet.pathology.desk_lines import AnyLine, CallMade, RecordOpened, ResultKeyed
from tourniquet.pathology.entries import (
    CallClosed,
    CallOpened,
    DeskReconciled,
    ObservationFact,
    Organisations,
    ReportFact,
    ReportFiled,
    ReportMoved,
)
from tourniquet.pathology.keyed_values import Limits, find_critical_keyed, observation_of
from tourniquet.pathology.models import CriticalCall, DeskBook, Observation
from tourniquet.pathology.rules import (
    CALL_WITHIN,
    CriticalValue,
    age_on,
    critical_tables,
)
from tourniquet.patients.entries import (
    Demographics,
    IdentifierFact,
    PatientRegistered,
    ReadingUnnamed,
    RecordRead,
)
from tourniquet.patients.grounds import word_of
from tourniquet.patients.index import Index
from tourniquet.patients.readings import list_erased
from tourniquet.patients.rules import DOUBTFUL, NHS, PROVISIONAL, Known
from tourniquet.record.entries import AlarmCleared, AlarmRaised
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.record.models import Alarm
from tourniquet.record.registry import Body

BATCH = 200
WHY_PROVISIONAL = "Keyed at a downtime desk, which knew nobody so."
ERASED_ALARM = "desk-erased"
PHONED = "Phoned at the downtime desk."


@dataclass(frozen=True)
class Reconciled:
    """What came of it: lines taken in now, entries by what they say, and the numbers."""

    desk: str
    lines: int
    new: int
    readings: int
    results: int
    corrections: int
    provisional: int
    calls: int
    account: Account
    erased: tuple[str, ...] = ()
    clashes: tuple[Clash, ...] = ()


@dataclass
class _Filed:
    """A report that a line filed, as corrections of it need it."""

    report: str
    version: int
    patient: str
    collected: datetime


@dataclass
class _Work:
    """What one run knows: the desk, who reconciles, what was filed by which line."""

    desk: str
    act: Act
    index: Index
    filed: dict[int, _Filed] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    erased_now: set[str] = field(default_factory=set)  # in this transaction

    def count(self, what: str) -> None:
        """One more of these."""
        self.counts[what] = self.counts.get(what, 0) + 1


@dataclass(frozen=True)
class _Pen:
    """Writes what one line says: by whom, when, and that it comes from that line of the desk."""

    journal: Writer
    act: Act
    at: int
    desk: str
    happened_at: datetime

    def append(self, body: Body, subject: str | None, cause: int | None = None) -> int:
        """Append an entry about a patient, or about nobody; its position."""
        return self.journal.append(
            body,
            subject=subject,
            cause=cause,
            happened_at=self.happened_at,
            act=self.act,
            origin=(f"desk:{self.desk}", self.at),
        )


def reconcile_desk(
    export: DeskExport,
    *,
    record: str,
    viewer: Viewer,
    now: datetime,
    progress: Callable[[int], None] = lambda _: None,
) -> Reconciled:
    """Take in what is new of a desk's book; what came of it and of every number.

    Raises: PermissionRefused; UserError when the export is of another record; IntegrityError when
    it does not begin with what was taken in before.
    """
    viewer.demand(Task.RECORD_CLINICAL)
    # 1.
    if export.record != record:
        raise UserError(
            "The export is of a desk of another record.", where=export.name, remedy="Look for ours."
        )
    lines = export.decoded()
    known = _known_lines(export)
    act = Act(viewer.account, now, viewer.organisation)
    work = _Work(export.desk, act, Index())
    for at, line in enumerate(lines[:known], 1):
        _remember(work, at, line)
    # 2.
    for first in range(known, len(lines), BATCH):
        last = min(first + BATCH, len(lines))
        with writing(act) as journal:
            work.index = Index()
            for at in range(first + 1, last + 1):
                _take(journal, work, at, lines[at - 1])
            _close(journal, export, lines[:last], work, is_last=last == len(lines))
        progress(last)
    return Reconciled(
        desk=export.desk,
        lines=len(lines),
        new=len(lines) - known,
        readings=work.counts.get("reading", 0),
        results=work.counts.get("result", 0),
        corrections=work.counts.get("correction", 0),
        provisional=work.counts.get("provisional", 0),
        calls=work.counts.get("call", 0),
        account=with_elsewhere(account(lines), export.desk),
        erased=tuple(sorted(work.erased)),
        clashes=tuple(list_clashes(export.desk, account(lines))),
    )


def _known_lines(export: DeskExport) -> int:
    """How many lines were taken in before. Raises: IntegrityError when they were others."""
    before = DeskBook.objects.filter(desk=export.desk).first()
    if before is None:
        return 0
    beginning = export.lines[: before.lines]
    if len(beginning) < before.lines or digest_of(beginning) != before.digest:
        raise IntegrityError(
            f"The export does not begin with the {before.lines} lines that were taken in before.",
            where=export.name,
            remedy="It is older, was changed, or the desk's folder was copied and used on two "
            "machines. Export the desk's book again; keep both.",
        )
    return int(before.lines)


def _remember(work: _Work, at: int, line: AnyLine) -> None:
    """What a line did that was taken in by an earlier run."""
    if not isinstance(line, ResultKeyed):
        return
    patient = line.patient or _provisional_id(work, at, line)
    earlier = work.filed.get(line.corrects)
    if earlier is not None and _same(work, earlier.patient, patient):
        work.filed[at] = _Filed(
            earlier.report, earlier.version + 1, earlier.patient, earlier.collected
        )
    else:
        work.filed[at] = _Filed(
            _report_id(work, at, line), 1, patient, line.collected_at or line.at
        )


def _take(journal: Writer, work: _Work, at: int, line: AnyLine) -> None:
    act = Act(line.who, work.act.moment, work.act.organisation)
    pen = _Pen(journal, act, at, work.desk, line.at)
    if isinstance(line, RecordOpened):
        _take_reading(work, line, pen)
    elif isinstance(line, ResultKeyed):
        _take_result(work, line, pen)
    elif isinstance(line, CallMade):
        _take_call(work, line, pen)


def _take_reading(work: _Work, line: RecordOpened, pen: _Pen) -> None:
    work.count("reading")
    what = f"{line.what} at the downtime desk: {line.why}"
    if list_erased([line.patient]):
        pen.append(ReadingUnnamed(what=word_of(what), late_by=work.act.actor), None)
        return
    pen.append(RecordRead(what=what, late_by=work.act.actor), line.patient)


# 3: whose it is -----------------------------------------------------------------------------------


def _provisional_id(work: _Work, at: int, line: ResultKeyed) -> str:
    return derived_id(line.at, "desk person", work.desk, str(at))


def _report_id(work: _Work, at: int, line: ResultKeyed) -> str:
    return derived_id(line.at, "desk report", work.desk, str(at))


def _survivor(work: _Work, patient: str) -> Known | None:
    work.index.read_patients([patient])
    return work.index.survivor(patient)


def _same(work: _Work, one: str, other: str) -> bool:
    """Whether two ids stand for one person today."""
    left, right = _survivor(work, one), _survivor(work, other)
    return one == other or (left is not None and right is not None and left.id == right.id)


def _find_patient(work: _Work, line: ResultKeyed, pen: _Pen) -> Known | None:
    """Whose a result is; None where the desk knew somebody who was erased meanwhile."""
    found = _survivor(work, line.patient) if line.patient else None
    if found is not None:
        return found
    if line.patient and list_erased([line.patient]):
        return None
    patient = _provisional_id(work, pen.at, line)
    written = line.written
    nhs = NhsNumber.find(written.nhs_number) if written.nhs_number else None
    number = nhs.digits if nhs else written.nhs_number
    # A number as written is shown and never matched on: a person decides (HAZ-001).
    numbers = (IdentifierFact(system=NHS, value=number, state=DOUBTFUL),) if number else ()
    person = Demographics(
        family_name=written.family_name or written.other,
        given_names=written.given_names,
        birth_date=written.birth_date,
    )
    body = PatientRegistered(
        person=person, identifiers=numbers, state=PROVISIONAL, why_provisional=WHY_PROVISIONAL
    )
    pen.append(body, patient)
    pen.journal.flush()
    work.count("provisional")
    known = _survivor(work, patient)
    assert known is not None, "a patient that was just registered is there"
    return known


def _take_result(work: _Work, line: ResultKeyed, pen: _Pen) -> None:
    earlier = work.filed.get(line.corrects)
    patient = _find_patient(work, line, pen)
    if patient is None:
        work.erased_now.add(line.number)
        if earlier is not None:
            _take_back(work, earlier, pen)
        return
    filed = _Filed(_report_id(work, pen.at, line), 1, patient.id, line.collected_at or line.at)
    if earlier is not None:
        work.count("correction")
        if _same(work, earlier.patient, patient.id):
            filed = _Filed(earlier.report, earlier.version + 1, patient.id, earlier.collected)
        else:
            _take_back(work, earlier, pen)
    work.filed[pen.at] = filed
    fact = _report(line, filed)
    report = ReportFiled(
        sender=f"{SENDER}{work.desk}",
        registered=patient.registered_organisation,
        reports=(fact,),
    )
    position = pen.append(report, patient.id)
    work.count("result")
    # 4.
    age = age_on(patient.birth_date, service_day(filed.collected))
    limits = Limits(*critical_tables(load_catalogue()), age)
    for value in find_critical_keyed(line.values, limits):
        call = _call_id(work, pen.at, value.line.code)
        _open_call(work, pen, filed, value, call=call, cause=position)


def _take_back(work: _Work, earlier: _Filed, pen: _Pen) -> None:
    """The report that a line filed before was another person's; gone where that one was erased."""
    subject = _survivor(work, earlier.patient)
    if subject is None:
        return
    body = ReportMoved(
        report=earlier.report,
        version=earlier.version + 1,
        reason="Keyed for another person at the downtime desk.",
    )
    pen.append(body, subject.id)


def _report(line: ResultKeyed, filed: _Filed) -> ReportFact:
    """The report that a keyed result is; it says in words that it was keyed by hand."""
    said = [f"Keyed by hand at the downtime desk from form {line.number}.", line.note]
    said += [f"Given by {line.reported_by}."] if line.reported_by else []
    return ReportFact(
        id=filed.report,
        version=filed.version,
        code=line.test,
        code_display=line.test_name,
        status="final" if filed.version == 1 else "corrected",
        change="new" if filed.version == 1 else "corrected",
        content="",
        placer_number=line.number,
        effective_at=line.collected_at,
        issued_at=line.at,
        conclusion=" ".join(part for part in said if part),
        observations=tuple(
            msgspec.structs.replace(observation_of(number, value), effective_at=filed.collected)
            for number, value in enumerate(line.values, 1)
        ),
    )


# 4: critical values -------------------------------------------------------------------------------


def _call_id(work: _Work, at: int, code: str) -> str:
    return derived_id(work.filed[at].collected, "desk call", work.desk, str(at), code)


def _open_call(
    work: _Work, pen: _Pen, filed: _Filed, value: CriticalValue, *, call: str, cause: int | None
) -> None:
    body = CallOpened(
        call=call,
        report=filed.report,
        version=filed.version,
        sequence=value.line.sequence,
        code=value.line.code,
        display=value.line.code_display,
        value_text=value.line.value_text,
        unit=value.line.unit,
        rule=value.rule,
        call_by=work.act.moment + CALL_WITHIN,
        organisations=Organisations(),
    )
    pen.append(body, filed.patient, cause)
    work.count("call")


def _take_call(work: _Work, line: CallMade, pen: _Pen) -> None:
    """Close the call of a value; one that no limit asked for is opened first."""
    pen.journal.flush()
    filed = work.filed.get(line.result)
    subject = _survivor(work, filed.patient) if filed is not None else None
    if filed is None or subject is None:
        return  # erased meanwhile: the result's number is told
    filed = replace(filed, patient=subject.id)
    call_id = _call_id(work, line.result, line.code)
    call = CriticalCall.objects.filter(id=call_id).first()
    if call is not None and call.state != "open":
        return
    if call is None:
        value = Observation.objects.filter(
            report_id=filed.report, version=filed.version, code=line.code
        ).first()
        fact = ObservationFact(
            sequence=value.sequence if value else 1,
            code=line.code,
            code_display=value.code_display if value else line.code,
            value_text=value.value_text if value else "",
            unit=value.unit if value else "",
        )
        _open_call(work, pen, filed, CriticalValue(fact, PHONED), call=call_id, cause=None)
    comment = line.comment or PHONED
    body = CallClosed(call=call_id, at=line.at, told=line.told, read_back=True, comment=comment)
    pen.append(body, filed.patient)


# 5: numbers ---------------------------------------------------------------------------------------


def _close(
    journal: Writer,
    export: DeskExport,
    lines: Sequence[AnyLine],
    work: _Work,
    *,
    is_last: bool,
) -> None:
    if is_last:
        journal.flush()
    kept = account(lines)
    if is_last:
        kept = with_elsewhere(kept, export.desk)
    erased = tuple(sorted(work.erased_now))
    work.erased |= work.erased_now
    work.erased_now = set()
    body = DeskReconciled(
        desk=export.desk,
        lines=len(lines),
        digest=digest_of(export.lines[: len(lines)]),
        issued=kept.total,
        keyed=len(kept.keyed),
        void=len(kept.void),
        unused=len(kept.unused),
        not_accounted=tuple(kept.describe_open()),
        erased=erased,
        issued_blocks=tuple((block.code, block.first, block.last) for block in kept.issued),
    )
    position = journal.append(body)
    if erased:
        _alarm_erased(journal, f"desk-erased-{export.desk}-{len(lines)}", erased)
    if not is_last:
        return
    journal.flush()
    clashes = list_clashes(export.desk, kept)
    _tell(journal, body, work.act, position, [str(clash) for clash in clashes])
    for other in list(settle_others(export.desk, kept.elsewhere)):
        _tell(journal, other, work.act, journal.append(other, cause=position), None)


def _tell(
    journal: Writer, body: DeskReconciled, act: Act, position: int, clashes: list[str] | None
) -> None:
    """Clear the alarms about a desk's numbers, and raise those that hold; None leaves clashes."""
    numbers, two = f"desk-{body.desk}-", f"desks-{body.desk}-"
    begins = (numbers,) if clashes is None else (numbers, two)
    for begin in begins:
        open_ones = Alarm.objects.filter(id__startswith=begin, cleared_at__isnull=True)
        for one in open_ones.values_list("id", flat=True):
            note = "A desk's book was taken in again."
            journal.append(AlarmCleared(one, act.moment, note), cause=position)
    if body.not_accounted:
        count = body.issued - body.keyed - body.void - body.unused
        left = "; ".join(body.not_accounted)
        text = f"{count} numbers of paper forms are not accounted for: {left}."
        journal.append(AlarmRaised(f"{numbers}{position}", "downtime desk", text[:1000]))
    if clashes:
        told = "; ".join(clashes[:TOLD_MOST])
        text = (
            "Numbers of paper forms are at two desks: two people's results may be under one "
            f"number. Look at each form: {told}."
        )
        journal.append(AlarmRaised(f"{two}{position}", "downtime desk", text[:1000]))


def _alarm_erased(journal: Writer, alarm: str, erased: Sequence[str]) -> None:
    text = (
        f"{len(erased)} results of the downtime desk were not taken in: their people are not in "
        "the record any more, erased meanwhile. Find the paper forms. Look whether a value must be "
        f"phoned, and whether it is somebody else's; then destroy them: {'; '.join(erased)}."
    )
    journal.append(AlarmRaised(alarm, ERASED_ALARM, text[:1000]))
