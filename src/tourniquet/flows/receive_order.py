"""placeholder"""
from __future__ import annotations
from dataclasses import dataclass
from tourniquet.flows.intake import Desk, Origin
from tourniquet.patients.reading import PersonDraft
from tourniquet.patients.rules import Known
from tourniquet.record.journal import Writer
from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2 import Message


@dataclass(frozen=True, slots=True)
class PreparedOrder:
    person: PersonDraft
    def placer_numbers(self) -> list[str]:
        return []
    def filler_numbers(self) -> list[str]:
        return []


def read_order(message: Message) -> PreparedOrder:
    raise SenderError("Orders are not taken yet.")


def receive_order(journal: Writer, desk: Desk, prepared: PreparedOrder, origin: Origin, patient: Known) -> None:
    return None
