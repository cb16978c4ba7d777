"""Why a record is read, and from where: the words that entries and pages use. Pure.

Invariants:
- Every reading has a ground. Who has no tie to the patient says why first (decision 0015).
- Reasons are a short list, with room for words; a code that is in the journal never changes its
  meaning.
"""

from __future__ import annotations

from dataclasses import dataclass

from tourniquet.directory.roles import Role, Task, Viewer
from tourniquet.kernel.errors import UserError

CONSOLE = "console"
FHIR = "fhir"
COMMAND = "command"
CHANNEL_WORDS = {CONSOLE: "Console", FHIR: "FHIR", COMMAND: "Command line"}

# What of a record was opened, where no more may be said of it.
RECORD, PROOF, BUNDLE, PAPER_PACK = "record", "proof", "bundle", "paper pack"

CARE = "care"
GLASS = "glass"
WORKLIST = "worklist"
REGION = "region"
GROUND_WORDS = {
    CARE: "In the course of care",
    GLASS: "Without a tie, for a reason",
    WORKLIST: "Work on a worklist",
    REGION: "A system's account for the whole region",
    "": "Not written down",
}

OTHER = "other"
WORDS_LONGEST = 500


@dataclass(frozen=True)
class Reason:
    """One reason of the list; `oversight`: for those who watch over records, else for care."""

    code: str
    label: str
    oversight: bool


# [P] The list needs sign-off by the organisations' data protection officers.
REASONS = (
    Reason("emergency", "Emergency: this patient needs care now", oversight=False),
    Reason("urgent", "To find or phone an urgent result or sample", oversight=False),
    Reason("incident", "Work of the incident: a plan, a notice, a list", oversight=False),
    Reason("asked", "The patient, or who cares for them, asked", oversight=False),
    Reason("complaint", "A complaint, or a patient asks about their data", oversight=True),
    Reason("inquiry", "An inquiry into who read what", oversight=True),
    Reason("fault", "A fault in the record is being put right", oversight=True),
)
_OTHER = Reason(OTHER, "Something else: say what below", oversight=False)
_BY_CODE = {reason.code: reason for reason in (*REASONS, _OTHER)}


@dataclass(frozen=True)
class Why:
    """On what ground a record is read; with broken glass also the reason and the reader's words."""

    ground: str
    reason: str = ""
    words: str = ""


def list_reasons(role: Role) -> tuple[Reason, ...]:
    """The reasons that a role may give."""
    oversight = Viewer("", role).may(Task.SEE_ACCESS)
    return (*(reason for reason in REASONS if reason.oversight == oversight), _OTHER)


def read_reason(role: Role, code: str, words: str) -> Why:
    """What somebody without a tie gave as their reason.

    Raises: UserError naming the field ("reason" or "words") that is missing or too long.
    """
    words = words.strip()
    if code not in {reason.code for reason in list_reasons(role)}:
        raise UserError("Choose why you open this record.", where="reason")
    if code == OTHER and not words:
        raise UserError("Say in a few words why you open this record.", where="words")
    if len(words) > WORDS_LONGEST:
        raise UserError(f"Too long: at most {WORDS_LONGEST} characters.", where="words")
    return Why(GLASS, code, words)


def reason_words(code: str) -> str:
    """A reason in words; one that this release does not know by its code."""
    found = _BY_CODE.get(code)
    if found is None:
        return code
    return "Something else" if code == OTHER else found.label


def word_of(what: str) -> str:
    """What was opened, as one of four words: nothing that somebody wrote, no position."""
    return next((word for word in (PROOF, BUNDLE, PAPER_PACK) if what.startswith(word)), RECORD)
