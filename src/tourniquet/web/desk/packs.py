"""Histories on paper: what a pack says of each patient, blood group first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tourniquet.directory.desk_roles import DeskUser
from tourniquet.kernel.errors import UserError
from tourniquet.web.desk.access import desk
from tourniquet.web.desk.forms import mark
from tourniquet.web.desk.paper import PackPatient, paper_pack, wrapped
from tourniquet.web.desk.patients import describe
from tourniquet.web.desk.presenters import DeskRecord
from tourniquet.web.filters import known, nhs_number, person_name, staff_date, staff_datetime
from tourniquet.web.presenters.patients import ReportCard, ResultRow

PACK_MOST = 500
REPORTS_EACH = 10


def make_pack(user: DeskUser, people: Sequence[str], *, title: str, why: str) -> bytes:
    """A PDF of these people's histories, each noted as taken away on paper.

    Raises: UserError when there are too many, or the book does not take it.
    """
    if not 0 < len(people) <= PACK_MOST:
        raise UserError(f"A paper pack holds from 1 to {PACK_MOST} people.", where="--patients")
    return paper_pack([_patient(user, one, why) for one in people], title, mark())


def _patient(user: DeskUser, patient: str, why: str) -> PackPatient:
    if not desk().note_opening(user, patient, why=why, what="paper pack"):
        raise UserError("The book does not take it, so nothing was printed.")
    opened = desk().open_history(patient)
    found = describe(user, patient, opened, why=why, kept=True, reports_most=REPORTS_EACH)
    banner = found.banner
    return PackPatient(
        name=person_name(banner.name),
        born=f"{staff_date(banner.birth_date)} ({banner.age})",
        nhs_number=nhs_number(banner.nhs_number),
        lines=tuple(line for text in _lines(found) for line in wrapped(text)),
    )


def _lines(found: DeskRecord) -> Iterator[str]:
    yield from _transfusion(found)
    yield from _heading("Critical results")
    for row in found.criticals:
        told = "nobody told when the data ends" if row.is_open else f"told: {row.told}"
        yield f"{row.test} {row.value} {row.unit}, {staff_datetime(row.at)}, {told}"
    if not found.criticals:
        yield "None on record."
    if found.missing:
        yield f"*{found.missing} entries do not open: the history is not complete."
    for keyed in found.keyed:
        yield from _heading(
            f"Keyed at the desk {staff_datetime(keyed.at)}: {keyed.test}, form {keyed.number}"
            f"{' (CORRECTED LATER: NOT VALID)' if keyed.replaced else ''}"
        )
        for name, value, unit, critical in keyed.values:
            text = f"{name} {value} {unit}".strip()
            if keyed.replaced:
                yield f"{text} (corrected later)"
            else:
                yield f"*{text} CRITICAL, NOT PHONED" if critical else text
    for report in found.reports:
        yield from _report(report)
    if found.is_short:
        yield f"{found.total_reports - len(found.reports)} older reports are not printed."


def _heading(text: str) -> Iterator[str]:
    """A blank line and a bold one: sections are told apart by torchlight."""
    yield ""
    yield f"*{text}"


def _transfusion(found: DeskRecord) -> Iterator[str]:
    blood = found.transfusion
    yield "*Blood group and antibodies (to compare with, never to transfuse by)"
    if blood.groups_differ:
        yield "*THE GROUPS ON RECORD ARE NOT THE SAME. BELIEVE NONE OF THEM."
    for line in blood.groups:
        yield f"*{line.value}, {staff_datetime(line.at)}, {known(line.laboratory)}"
    if not blood.groups:
        yield "No blood group is on record."
    for line in blood.found:
        yield f"*{line.name}: {line.value}, {staff_datetime(line.at)} {line.note}"
    screens = len(blood.antibodies)
    if screens and not blood.found:
        yield f"{screens} antibody screens on record, none positive."
    elif not screens:
        yield "No antibody screen is on record."


def _report(report: ReportCard) -> Iterator[str]:
    yield from _heading(
        f"{report.title}, {staff_datetime(report.collected_at)} ({report.status_words})"
    )
    lines = [_result(row) for row in report.results if not row.is_withdrawn]
    if lines:
        yield "; ".join(lines)
    if report.narrative:
        yield report.narrative


def _result(row: ResultRow) -> str:
    """A value with its unit, its flag, and the range that it is judged by."""
    flag = f" [{row.flag_words}]" if row.flag else ""
    usual = f" ({row.reference_range})" if row.reference_range else ""
    return f"{row.test} {row.value} {row.unit}{flag}{usual}"
