"""Erasures of people's data: the list, the form that asks, and one with what may be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tourniquet.web import addresses
from tourniquet.web.presenters.people import PatientLink
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, Form

STATE_WORDS = {
    "asked": ("Waits for approval", "yellow"),
    "approved": ("Approved, waits", "orange"),
    "withdrawn": ("Withdrawn", "grey"),
    "refused": ("Refused", "grey"),
    "carried_out": ("Keys still to go", "orange"),
    "finished": ("Finished", "green"),
}


@dataclass(frozen=True)
class ErasureRow:
    """One erasure. `due` is None where none is set yet; no name is in a list."""

    erasure_id: str
    state: str
    ground: str
    asked_by: str
    asked_at: datetime
    approved_by: str = ""
    due: datetime | None = None
    waits_for_witness: bool = False

    @property
    def href(self) -> str:
        """Its page."""
        return addresses.erasure(self.erasure_id)

    @property
    def state_words(self) -> str:
        """The state in words."""
        return STATE_WORDS.get(self.state, (self.state, "grey"))[0]

    @property
    def state_tag(self) -> str:
        """The colour of the state's tag."""
        return STATE_WORDS.get(self.state, (self.state, "grey"))[1]


@dataclass(frozen=True)
class ErasuresPage:
    """The list, and the number of somebody for whom an erasure is asked."""

    rows: tuple[ErasureRow, ...] = ()
    form: Form = BLANK_FORM


@dataclass(frozen=True)
class Exemption:
    """One exemption to be answered, with what was answered."""

    name: str
    text: str
    answer: str = ""
    error: str = ""


@dataclass(frozen=True)
class AskErasurePage:
    """The form that asks. `warnings` stand against it, and are acknowledged one by one."""

    patient: PatientLink
    records: int
    grounds: tuple[Choice, ...]
    asked_for: tuple[Choice, ...]
    identities: tuple[Choice, ...]
    exemptions: tuple[Exemption, ...]
    warnings: tuple[Choice, ...] = ()
    form: Form = BLANK_FORM

    @property
    def action(self) -> str:
        """Where it is posted to."""
        return addresses.erasure_ask(self.patient.patient_id)


@dataclass(frozen=True)
class ErasurePage:
    """One erasure: facts as (name, value), and the forms that this viewer may use."""

    row: ErasureRow
    facts: tuple[tuple[str, str], ...]
    patients: tuple[PatientLink, ...] = ()
    words: str = ""
    warnings: tuple[Choice, ...] = ()
    may_approve: bool = False
    may_refuse: bool = False
    may_withdraw: bool = False
    why_not: str = ""
    withdrawals: tuple[Choice, ...] = ()
    exemptions: tuple[Choice, ...] = ()
    mentions: tuple[int, ...] = ()
    handed_out: tuple[int, ...] = ()
    form: Form = BLANK_FORM

    @property
    def mention_hrefs(self) -> tuple[tuple[int, str], ...]:
        """Entries that a person must look at."""
        return tuple((position, addresses.entry(position)) for position in self.mentions)

    @property
    def handed_out_hrefs(self) -> tuple[tuple[int, str], ...]:
        """Entries whose headers say by whom and when data was handed out."""
        return tuple((position, addresses.entry(position)) for position in self.handed_out)
