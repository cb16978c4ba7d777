"""A record's results, samples and requests, from rows to what the page shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tourniquet.pathology.models import Observation, ServiceRequest, SpecimenEvent
from tourniquet.pathology.page_queries import EarlierLine
from tourniquet.pathology.queries import ReportPage, SpecimenPath
from tourniquet.web import addresses
from tourniquet.web.presenters.patients import (
    EarlierVersion,
    ReportCard,
    RequestRow,
    ResultRow,
    SpecimenCard,
    SpecimenStep,
)

TEXT_MOST = 4000  # characters of one value that the page shows
_STEPS = (
    ("collected", "Taken"),
    ("dispatched", "Sent"),
    ("received", "Received"),
    ("processed", "Tested"),
)
_TROUBLE = {"rejected": "Rejected", "discarded": "Discarded", "lost": "Lost"}
_PRIORITIES = {
    "routine": "Routine",
    "urgent": "Urgent",
    "asap": "As soon as possible",
    "stat": "At once",
}
_REQUEST_STATES = {
    "active": "Waiting for the sample or the result",
    "draft": "Not sent",
    "on-hold": "On hold",
    "revoked": "Cancelled",
    "completed": "Done",
    "entered-in-error": "Entered in error",
}
_NO_FLAG = frozenset({"", "N"})


def describe_reports(
    reports: Sequence[ReportPage],
    earlier: Mapping[str, Sequence[EarlierLine]],
    names: Mapping[str, str],
    *,
    links: bool,
) -> tuple[ReportCard, ...]:
    """Reports with their lines; `links` where the viewer may open entries."""
    return tuple(
        ReportCard(
            report_id=each.report.id,
            title=each.report.code_display or each.report.code,
            laboratory=_name(names, each.report.performing_organisation),
            requested_by=_name(names, each.report.requesting_organisation),
            collected_at=each.report.effective_at,
            reported_at=each.report.issued_at,
            status=each.report.status,
            results=tuple(_result(line, earlier.get(each.report.id, ())) for line in each.lines),
            narrative=each.report.conclusion,
            href=addresses.entry(each.report.position) if links else "",
        )
        for each in reports
    )


def _result(line: Observation, earlier: Sequence[EarlierLine]) -> ResultRow:
    flags = [flag for flag in line.flags.split() if flag not in _NO_FLAG]
    before = tuple(
        EarlierVersion(old.at, value_words(old.value_text), old.unit, old.status)
        for old in earlier
        if (old.code, old.sub_id) == (line.code, line.sub_id)
    )
    return ResultRow(
        test=line.code_display or line.code,
        value=value_words(line.value_text),
        unit=line.unit,
        reference_range=line.reference_range,
        flag=flags[0] if flags else "",
        status=line.status,
        comment=line.note,
        earlier=before,
    )


def value_words(text: str) -> str:
    """A value as people read it; a file is named by its kind and size, never poured out."""
    if text.startswith("data:"):
        head, _, data = text.partition(",")
        kind = head.removeprefix("data:").partition(";")[0]
        return f"A file ({kind}), {len(data) * 3 // 4 // 1024 + 1:,} kB"
    return text if len(text) <= TEXT_MOST else f"{text[:TEXT_MOST]}…"


def _name(names: Mapping[str, str], code: str) -> str:
    return names.get(code, code)


def describe_specimens(
    paths: Sequence[SpecimenPath],
    tests: Mapping[str, Sequence[str]],
    names: Mapping[str, str],
) -> tuple[SpecimenCard, ...]:
    """Where each sample was, and is."""
    return tuple(_specimen(path, tests.get(path.specimen.id, ()), names) for path in paths)


def _specimen(path: SpecimenPath, tests: Sequence[str], names: Mapping[str, str]) -> SpecimenCard:
    specimen = path.specimen
    by_kind = {event.kind: event for event in path.events}
    fallback = {"collected": specimen.collected_at, "received": specimen.received_at}
    steps = [_step(label, by_kind.get(kind), fallback.get(kind), names) for kind, label in _STEPS]
    troubles = [event for event in path.events if event.kind in _TROUBLE]
    steps += [
        SpecimenStep(
            _TROUBLE[event.kind],
            event.at,
            _name(names, event.organisation),
            done=True,
            trouble=True,
        )
        for event in troubles
    ]
    warning = "; ".join(
        f"{_TROUBLE[event.kind]}: {event.note or 'no reason was given'}" for event in troubles
    )
    return SpecimenCard(
        accession=specimen.accession or specimen.placer_number,
        kind=specimen.type_display or specimen.type_code or "Sample",
        tests=", ".join(tests),
        where_now=_where_now(path, steps, names),
        steps=tuple(steps),
        warning=warning,
    )


def _step(
    label: str, event: SpecimenEvent | None, otherwise: datetime | None, names: Mapping[str, str]
) -> SpecimenStep:
    if event is not None:
        return SpecimenStep(label, event.at, _name(names, event.organisation), done=True)
    return SpecimenStep(label, otherwise, "", done=otherwise is not None)


def _where_now(path: SpecimenPath, steps: Sequence[SpecimenStep], names: Mapping[str, str]) -> str:
    done = [step for step in steps if step.done]
    if not done:
        return "Not taken yet"
    last = done[-1]
    where = last.where or _name(names, path.specimen.performing_organisation)
    return f"{last.label}, {where}" if where else last.label


def describe_requests(
    requests: Sequence[ServiceRequest], names: Mapping[str, str]
) -> tuple[RequestRow, ...]:
    """What was asked for."""
    return tuple(
        RequestRow(
            requisition=one.requisition,
            test=one.code_display or one.code,
            priority=_PRIORITIES.get(one.priority, one.priority),
            requested_at=one.authored_at,
            requested_by=one.requester or _name(names, one.requesting_organisation),
            status=_REQUEST_STATES.get(one.status, one.status),
        )
        for one in requests
    )
