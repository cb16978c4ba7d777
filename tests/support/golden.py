"""Golden journals: entries of every kind, written once by a release, replayed by later ones."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from tests.support.messages import NOW, TOM, adt, oml, oru, pid, send
from tourniquet.record.journal import COLUMNS
from tourniquet.record.models import JournalEntry
from tourniquet.record.replay import _rows_of, replayed_models
from tourniquet.record.tables import insert_rows

TAKEN = "20240603080000+0000"


def tell_intake() -> None:
    """Stories of patients and pathology that make every kind of entry of theirs."""
    from tourniquet.directory.roles import Role, Viewer
    from tourniquet.flows.close_call import attempt_call, close_call
    from tourniquet.flows.identify_patient import confirm_as_new, merge_into
    from tourniquet.flows.reserve_numbers import reserve_numbers
    from tourniquet.flows.review_message import review_message
    from tourniquet.pathology.entries import ReportWithdrawn
    from tourniquet.pathology.models import CriticalCall, DiagnosticReport
    from tourniquet.patients.models import Patient
    from tourniquet.record.journal import Act, writing
    from tourniquet.record.queries import list_refused_messages

    ann = Viewer("ann", Role.LABORATORY)
    send(adt("A28", "D1"), adt("A28", "D2", TOM), adt("A31", "D3", pid(extra="|||1 St^^^^SE1 1AA")))
    send(oml("O1"), oml("O2", TOM, placer="O2^PRAC", requisition="G2"))
    send(oml("O3", order="SC", collected=TAKEN, specimen="S1", sender="PHLEBOTOMY|CL01"))
    send(oml("O4", TOM, order="CA", placer="O2^PRAC", requisition="G2"))
    send(oru("C1", placer="O1^PRAC", status="P"))
    send(oru("C2", placer="O1^PRAC", issued="20240603120000+0000"))
    send(oru("C3", number="L2", lines=["NM|K^Potassium^L||7.1|mmol/L||HH|||F"]))
    send(oru("C4", number="L3"))
    send(oru("C5", TOM, number="L3", status="C", issued="20240603120000+0000"))
    call = CriticalCall.objects.get()
    attempt_call(call.pk, viewer=ann, outcome="no answer", now=NOW)
    close_call(call.pk, viewer=ann, told="Dr A", read_back=True, comment="Told.", now=NOW)
    send(oru("C6", pid(family="OTHER", born="19500101"), number="L4"))
    send(oru("C7", pid("", local="Z1^^^RJ9", family="QUIRK"), number="L5"))
    other, quirk = Patient.objects.filter(state="provisional").order_by("family_name")
    mary = Patient.objects.get(family_name="AXTON")
    confirm_as_new(quirk.pk, viewer=ann, comment="New.", now=NOW)
    merge_into(other.pk, mary.pk, viewer=ann, comment="The same.", now=NOW)
    send(b"not a message", oru("C7", number="L9"))
    review_message(list_refused_messages()[0].position, viewer=ann, note="Seen.", now=NOW)
    reserve_numbers(
        10, desk="EAST0000", purpose="", viewer=Viewer("adm", Role.ADMINISTRATOR), now=NOW
    )
    _tell_of_a_desk(ann)
    report = DiagnosticReport.objects.get(filler_number="L5")
    with writing(Act("ann", NOW)) as journal:
        body = ReportWithdrawn(report=report.pk, version=2, reason="Withdrawn by telephone.")
        journal.append(body, subject=report.patient_id)


def _tell_of_a_desk(viewer: Any) -> None:
    """A downtime desk gave out two numbers, and its book is taken in."""
    from tourniquet.flows.desk_export import DeskExport
    from tourniquet.flows.reconcile_desk import reconcile_desk
    from tourniquet.pathology.desk_lines import NumbersIssued, encode_line

    line = NumbersIssued(at=NOW, who="desk:rec", code="R0001", first=1, last=2)
    export = DeskExport("AAAAAAAA", "east", "a-record", [encode_line(line)])
    reconcile_desk(export, record="a-record", viewer=viewer, now=NOW)


def _to_json(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"bytes": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, datetime):
        return {"at": value.astimezone(UTC).isoformat()}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        if "bytes" in value:
            return base64.b64decode(value["bytes"])
        return datetime.fromisoformat(value["at"])
    return value


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return repr(value)


def table_digests() -> dict[str, str]:
    """The digest of every replayed table's rows, empty tables left out."""
    out = {}
    for model in replayed_models():
        if model is JournalEntry:
            continue
        rows = ["\x1f".join(map(_plain, row)) for row in _rows_of(model, "default")]
        if rows:
            out[model._meta.label] = hashlib.sha256("\x1e".join(rows).encode()).hexdigest()
    return out


def write_journal(out: Path) -> int:
    """Write the journal of "default", an entry a line, and the tables' digests as the last line."""
    rows = JournalEntry.objects.order_by("position").values_list(*COLUMNS)
    lines = [json.dumps([_to_json(value) for value in row]) for row in rows]
    out.write_text("\n".join([*lines, json.dumps(table_digests(), sort_keys=True)]) + "\n")
    return len(lines)


def read_journal(path: Path) -> tuple[list[list[Any]], dict[str, str]]:
    """The rows of a golden journal, and the digests that its tables must have."""
    *lines, last = path.read_text().splitlines()
    return [[_from_json(value) for value in json.loads(line)] for line in lines], json.loads(last)


def load_journal(path: Path) -> dict[str, str]:
    """Put a golden journal's rows into "default" without applying them; the digests."""
    rows, digests = read_journal(path)
    insert_rows(JournalEntry, COLUMNS, rows)
    return digests
