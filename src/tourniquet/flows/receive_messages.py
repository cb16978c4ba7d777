"""Messages come in, a group at a time, and each gets its answer.

1. Read every message of the group: header, kind, content. Nothing is written yet.
2. In one transaction read what the group refers to: control ids, people, reports, requests.
3. For each message, in order: the same control id from the same sender is a repeat or a clash.
4. Otherwise keep its bytes and apply it inside a savepoint of its own: AA.
5. One that cannot be taken is kept and refused: AR. One that fails through a fault of ours is AE
   twice, then AR with an alarm, so that one poisonous message cannot block a feed.
6. Commit. Only then do the answers leave this function.

Disk or database failing: StorageUnavailable escapes, nothing is kept, nothing is acknowledged.
"""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from django.db import InterfaceError, OperationalError

from tourniquet.flows.intake import (
    Desk,
    FollowUp,
    Meant,
    Origin,
    append_registration,
    find_out,
)
from tourniquet.flows.raise_alarm import raise_alarm
from tourniquet.flows.receive_order import Step, receive_order
from tourniquet.flows.receive_patient import PreparedPatient, read_patient, receive_patient
from tourniquet.flows.receive_report import receive_report
from tourniquet.kernel import settings
from tourniquet.kernel.errors import SenderError, StorageUnavailable, TourniquetError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.pathology.orders import PatientOrders, read_orders
from tourniquet.pathology.reading import PatientReports, find_ods, read_reports
from tourniquet.pathology.shelf import read_shelf
from tourniquet.patients.index import read_index
from tourniquet.patients.reading import PersonDraft
from tourniquet.patients.rules import SentIdentifier
from tourniquet.record.entries import MessageApplied, MessageReceived
from tourniquet.record.journal import Act, Writer, writing
from tourniquet.record.queries import EarlierMessage, list_earlier
from tourniquet.wire.acknowledgement import AckCode, ErrorCode, ErrorDetail, acknowledge
from tourniquet.wire.hl7v2 import HeaderPeek, Message, parse, peek_header

ATTEMPTS_MAX = 2  # a fault of ours is AE so often for one message, then AR (DESIGN: one poison)
SENDER_LONGEST = 400
CONTROL_ID_LONGEST = 199  # HL7 v2.7; earlier versions say 20 and senders do not keep to it
TYPE_LONGEST = 40
ACTOR_LONGEST = 150
PLACES_LOGGED = 6
OUR_FAULT = "The message could not be taken because of a fault here."

log = logging.getLogger(__name__)
Content = tuple[PatientReports, ...] | PatientOrders | PreparedPatient


class Received(msgspec.Struct, frozen=True):
    """A message as it arrived: its bytes, the way it came, and who handed it over."""

    raw: bytes
    channel: str
    peer: str


class Answer(msgspec.Struct, frozen=True):
    """AA, AE or AR, its bytes, and where the message is kept; None where it was not.

    `through` is the last position that its group wrote: what the answer vouches for.
    """

    code: str
    acknowledgement: bytes
    position: int | None
    reason: str = ""
    through: int = 0


@dataclass(slots=True, eq=False)
class _Letter:
    """One message of a group on its way."""

    received: Received
    header: Message | HeaderPeek | None = None
    sender: str = ""
    facility: str = ""
    control_id: str = ""
    digest: str = ""
    message_type: str = ""
    content: Content | None = None
    refusal: TourniquetError | None = None
    refusal_code: ErrorCode = ErrorCode.DATA_TYPE
    fault: Exception | None = None
    repeatable: bool = True


def receive_group(
    messages: Sequence[Received], *, now: datetime, ids: IdSource | None = None
) -> list[Answer]:
    """Take a group of messages in one transaction; one answer for each, in order.

    Raises: StorageUnavailable when disk or database fail; then none of the group was taken.
    """
    return _receive(messages, now=now, ids=ids or RandomIds(), again=False)


def receive_again(raw: bytes, *, now: datetime, channel: str, actor: str) -> Answer:
    """Process a kept message once more, though its control id is known. See review_message."""
    received = Received(raw, channel, actor)
    return _receive([received], now=now, ids=RandomIds(), again=True)[0]


def _receive(
    messages: Sequence[Received], *, now: datetime, ids: IdSource, again: bool
) -> list[Answer]:
    letters = [_open(received) for received in messages]  # 1.
    since = now - timedelta(
        days=settings.read_number("TOURNIQUET_REPEAT_WINDOW_DAYS", least=1, most=3650)
    )
    group = Act(actor="listener", moment=now)
    with writing(group) as journal:
        office = _Office(journal, letters, now=now, ids=ids, since=since, again=again)  # 2.
        answers = office.take_all()  # 3. to 5.
        through = journal.next_position - 1
    return [
        _answer(letter, code, position, reason, now=now, through=through)
        for letter, (code, position, reason) in zip(letters, answers, strict=True)
    ]  # 6.


# 1. Reading ---------------------------------------------------------------------------------------


def _open(received: Received) -> _Letter:
    letter = _Letter(received, digest=hashlib.sha256(received.raw).hexdigest())
    try:
        _read_letter(letter)
    except SenderError as error:
        letter.refusal = error
    except Exception as error:  # noqa: BLE001 (one bad message must not take its group down)
        letter.fault = error
    return letter


def _read_letter(letter: _Letter) -> None:
    raw = letter.received.raw
    try:
        message = parse(raw)
    except SenderError:
        peek = peek_header(raw)
        letter.header = peek
        if peek is not None:
            _set_header(
                letter,
                (peek.sending_application, peek.sending_facility),
                peek.control_id,
                f"{peek.message_code}^{peek.trigger}".rstrip("^"),
            )
        raise
    letter.header = message
    kind = message.message_type
    _set_header(letter, message.sender, message.header.raw(10), str(kind))
    letter.facility = find_ods(message.sending_facility)
    if not letter.repeatable:
        raise SenderError(
            f"A sender or control id is longer than {SENDER_LONGEST} or {CONTROL_ID_LONGEST} "
            "characters.",
            where="MSH-10",
            remedy="Send a shorter one.",
        )
    if not letter.control_id:
        letter.refusal_code = ErrorCode.REQUIRED_FIELD_MISSING
        raise SenderError("The control id is empty.", where="MSH-10", remedy="Send one.")
    letter.content = _read_content(letter, message, kind.code.upper(), kind.trigger.upper())


def _set_header(
    letter: _Letter, sender: tuple[str, str], control_id: str, message_type: str
) -> None:
    letter.sender = "|".join(sender).replace("\x00", "")
    letter.control_id = control_id.strip().replace("\x00", "")
    letter.message_type = message_type.replace("\x00", "")[:TYPE_LONGEST]
    if len(letter.sender) > SENDER_LONGEST or len(letter.control_id) > CONTROL_ID_LONGEST:
        letter.repeatable = False
        letter.sender = letter.sender[:SENDER_LONGEST]
        letter.control_id = letter.control_id[:CONTROL_ID_LONGEST]


def _read_content(letter: _Letter, message: Message, code: str, trigger: str) -> Content:
    if code == "ORU" and trigger in ("R01", "R30", "R31", "R32", ""):
        return read_reports(message)
    if (code, trigger) in (("OML", "O21"), ("ORM", "O01"), ("ORM", "")):
        return read_orders(message)
    if code == "ADT":
        found = read_patient(message, trigger)
        if found is not None:
            return found
    letter.refusal_code = ErrorCode.UNSUPPORTED_MESSAGE_TYPE
    raise SenderError(
        "This type of message is not taken here.",
        where="MSH-9",
        remedy="Send ORU^R01, OML^O21, ORM^O01 or ADT A01 A02 A03 A04 A08 A28 A31 A40.",
    )


def _people(letters: Sequence[_Letter]) -> Iterator[SentIdentifier]:
    for letter in letters:
        content = letter.content
        if isinstance(content, tuple):
            for run in content:
                yield from run.person.identifiers
        elif content is not None:
            yield from content.person.identifiers
            if isinstance(content, PreparedPatient):
                yield from content.merged


# 2. to 5. The office ------------------------------------------------------------------------------

_Outcome = tuple[str, int | None, str]


class _Office:
    """Works through one group inside its transaction."""

    def __init__(
        self,
        journal: Writer,
        letters: Sequence[_Letter],
        *,
        now: datetime,
        ids: IdSource,
        since: datetime,
        again: bool,
    ) -> None:
        self._journal = journal
        self._letters = letters
        self._now = now
        self._ids = ids
        self._again = again
        keys = {
            (letter.sender, letter.control_id)
            for letter in letters
            if letter.control_id and letter.repeatable
        }
        self._earlier = list_earlier(keys, since=since) if keys else {}
        self._desk = self._read_desk(letters)

    def _read_desk(self, letters: Sequence[_Letter]) -> Desk:
        """What is known that these messages refer to."""
        senders: set[str] = set()
        placers: set[str] = set()
        fillers: set[str] = set()
        accessions: set[str] = set()
        for letter in letters:
            content = letter.content
            if isinstance(content, tuple):
                senders.add(letter.sender)
                for run in content:
                    for report in run.reports:
                        placers.add(report.placer_number)
                        fillers.add(report.filler_number)
                        accessions.update(sent.accession for sent in report.specimens)
            elif isinstance(content, PatientOrders):
                placers.update(content.placer_numbers())
                fillers.update(content.filler_numbers())
                accessions.update(content.accessions())
        return Desk(
            index=read_index(_people(letters)),
            shelf=read_shelf(
                senders=senders,
                placers=placers,
                fillers=fillers,
                accessions=accessions,
                reported=bool(senders),
            ),
            ids=self._ids,
            laboratory=settings.read("TOURNIQUET_LABORATORY"),
        )

    def take_all(self) -> list[_Outcome]:
        """Take the whole group at once; where any message fails, each in its own savepoint.

        Both ways leave the same: the first saves two statements and many small writes a message.
        """
        if len(self._letters) > 1:
            earlier = {key: list(found) for key, found in self._earlier.items()}
            try:
                with self._journal.savepoint():
                    return self._take_together()
            except (StorageUnavailable, OperationalError, InterfaceError):
                raise
            except Exception:  # noqa: BLE001 (found again below, where it is answered)
                self._earlier = earlier
                self._desk = self._read_desk(self._letters)
        return [self._take(letter) for letter in self._letters]

    def _take_together(self) -> list[_Outcome]:
        """Keep the bytes of all, then apply all. Orders and patients are applied one by one.

        Only where all are reports, or all are orders, does nobody's content change who another
        message is about, or what it means.
        """
        kinds = {type(letter.content) for letter in self._letters} - {type(None)}
        alike = len(kinds) == 1 and PreparedPatient not in kinds
        outcomes: list[_Outcome] = []
        work: list[tuple[_Letter, list[Meant], Origin]] = []
        for letter in self._letters:
            act = self._act(letter)
            outcome, attempts = self._settle(letter, act)
            if outcome is None:
                one = self._keep_and_find_out(letter, act, attempts)
                if alike:
                    work.append(one)
                else:
                    self._apply(*one)
                outcome = ("AA", one[2].position, "")
                self._remember(letter, one[2].position, "AA", "", attempts)
            outcomes.append(outcome)
        for _, meant, origin in work:
            for person in meant:
                append_registration(self._journal, person, origin)
        about = [person.patient.id for _, meant, _ in work for person in meant]
        if len(set(about)) == len(about):
            self._apply_side_by_side(work)
        else:
            later = [follow for one in work for follow in self._apply_content(*one)]
            for follow in later:
                follow.append_to(self._journal)
        return outcomes

    def _apply_side_by_side(self, work: Sequence[tuple[_Letter, list[Meant], Origin]]) -> None:
        """Apply messages about different patients so that entries of one kind stand together."""
        stories: list[tuple[Step, ...]] = []
        later: list[FollowUp] = []
        for letter, meant, origin in work:
            if isinstance(letter.content, PatientOrders):
                stories.append(receive_order(self._desk, letter.content, origin, meant[0].patient))
            else:
                later += self._apply_content(letter, meant, origin)
        for steps in zip(*stories, strict=True):
            for step in steps:
                step(self._journal)
        kinds = list(dict.fromkeys(type(follow.body) for follow in later))
        for follow in sorted(later, key=lambda one: kinds.index(type(one.body))):
            follow.append_to(self._journal)

    def _take(self, letter: _Letter) -> _Outcome:
        """Decide on one message, keep it, apply it; its answer."""
        act = self._act(letter)
        outcome, attempts = self._settle(letter, act)
        if outcome is not None:
            return outcome
        try:
            with self._journal.savepoint():
                one = self._keep_and_find_out(letter, act, attempts)
                self._apply(*one)
        except SenderError as error:
            self._forget(letter)
            letter.refusal = error
            return self._keep(letter, act, "AR", str(error), attempts)
        except (StorageUnavailable, OperationalError, InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 (the listener's promise: one message cannot take others down)
            self._forget(letter)
            return self._poison(letter, act, error, attempts)
        self._remember(letter, one[2].position, "AA", "", attempts)
        return "AA", one[2].position, ""

    def _act(self, letter: _Letter) -> Act:
        return Act(
            actor=f"message:{letter.sender}"[:ACTOR_LONGEST],
            moment=self._now,
            organisation=letter.facility,
        )

    def _settle(self, letter: _Letter, act: Act) -> tuple[_Outcome | None, int]:
        """The answer of a message that changes nothing, else None; and which attempt this is."""
        earlier: list[EarlierMessage] = []
        if letter.control_id and letter.repeatable and not self._again:
            earlier = self._earlier.get((letter.sender, letter.control_id), [])
        for one in earlier:
            if one.digest == letter.digest and one.code != AckCode.ERROR.value:
                return (one.code, one.position, one.reason), one.attempts
        if any(one.digest != letter.digest and one.code != "AE" for one in earlier):
            return self._clash(letter, act), 1
        attempts = 1 + max(
            (one.attempts for one in earlier if one.digest == letter.digest), default=0
        )
        if letter.refusal is not None:
            return self._keep(letter, act, "AR", str(letter.refusal), attempts), attempts
        if letter.fault is not None:
            return self._poison(letter, act, letter.fault, attempts), attempts
        return None, attempts

    def _keep_and_find_out(
        self, letter: _Letter, act: Act, attempts: int
    ) -> tuple[_Letter, list[Meant], Origin]:
        """Find out who the message is about and keep its bytes."""
        content = letter.content
        assert content is not None
        if isinstance(content, tuple):
            people: list[PersonDraft] = [run.person for run in content]
        else:
            people = [content.person]
        register = isinstance(content, PreparedPatient)
        meant = [find_out(self._desk, person, act, register=register) for person in people]
        subjects = {one.patient.id for one in meant}
        position = self._keep_applied(
            letter, act, attempts, subject=subjects.pop() if len(subjects) == 1 else None
        )
        return letter, meant, Origin(letter.sender, position, act)

    def _apply(self, letter: _Letter, meant: list[Meant], origin: Origin) -> None:
        """Apply what a message says: one patient an entry."""
        for person in meant:
            append_registration(self._journal, person, origin)
        for follow in self._apply_content(letter, meant, origin):
            follow.append_to(self._journal)

    def _apply_content(self, letter: _Letter, meant: list[Meant], origin: Origin) -> list[FollowUp]:
        content, desk, journal = letter.content, self._desk, self._journal
        later: list[FollowUp] = []
        if isinstance(content, tuple):
            for run, one in zip(content, meant, strict=True):
                later += receive_report(journal, desk, run, origin, one.patient)
        elif isinstance(content, PatientOrders):
            for step in receive_order(desk, content, origin, meant[0].patient):
                step(journal)
        elif content is not None:
            receive_patient(journal, desk, content, origin, meant[0])
        return later

    def _keep_applied(
        self, letter: _Letter, act: Act, attempts: int, *, subject: str | None
    ) -> int:
        """The entry that holds the bytes; without a subject where the message names several."""
        body = MessageApplied if subject is not None else MessageReceived
        return self._journal.append(
            body(
                sender=letter.sender,
                control_id=letter.control_id,
                digest=letter.digest,
                message_type=letter.message_type,
                code="AA",
                raw=letter.received.raw,
                channel=letter.received.channel,
                attempts=attempts,
            ),
            subject=subject,
            act=act,
        )

    def _keep(self, letter: _Letter, act: Act, code: str, reason: str, attempts: int) -> _Outcome:
        position = self._journal.append(
            MessageReceived(
                sender=letter.sender,
                control_id=letter.control_id,
                digest=letter.digest,
                message_type=letter.message_type,
                code=code,
                raw=letter.received.raw,
                channel=letter.received.channel,
                reason=reason,
                attempts=attempts,
            ),
            act=act,
        )
        self._remember(letter, position, code, reason, attempts)
        return code, position, reason

    def _clash(self, letter: _Letter, act: Act) -> _Outcome:
        """The same control id came with other bytes."""
        letter.refusal_code = ErrorCode.DUPLICATE_KEY
        error = SenderError(
            "The control id was used before for another message.",
            where="MSH-10",
            remedy="Send it with a control id of its own.",
        )
        letter.refusal = error
        outcome = self._keep(letter, act, "AR", str(error), 1)
        self._alarm(
            "control-id-reused",
            "A sender used one control id for two different messages. The second was refused and "
            "kept; look at it under messages refused.",
            outcome[1],
            act,
        )
        return outcome

    def _poison(self, letter: _Letter, act: Act, error: Exception, attempts: int) -> _Outcome:
        """A fault of ours: the sender may try again, but not for ever."""
        # Without the error's own words: a database's may quote a patient's data.
        places = "".join(traceback.format_tb(error.__traceback__)[-PLACES_LOGGED:])
        log.error("a message could not be applied: %s\n%s", type(error).__name__, places)
        letter.refusal_code = ErrorCode.INTERNAL
        if attempts <= ATTEMPTS_MAX:
            return self._keep(letter, act, "AE", OUR_FAULT, attempts)
        outcome = self._keep(letter, act, "AR", f"{OUR_FAULT} It is kept.", attempts)
        self._alarm(
            "message-not-applied",
            "A message could not be applied after several attempts. It was refused and kept; look "
            "at it under messages refused.",
            outcome[1],
            act,
        )
        return outcome

    def _alarm(self, kind: str, text: str, about: int | None, act: Act) -> None:
        raise_alarm(self._journal, kind, text, about=about, act=act, ids=self._ids)

    def _remember(
        self, letter: _Letter, position: int, code: str, reason: str, attempts: int
    ) -> None:
        """So that a repeat later in the same group is seen."""
        if letter.control_id and letter.repeatable:
            self._earlier.setdefault((letter.sender, letter.control_id), []).insert(
                0, EarlierMessage(position, letter.digest, code, attempts, reason)
            )

    def _forget(self, letter: _Letter) -> None:
        """A message was undone, so what it told the desk is wrong: read the rest anew."""
        rest = self._letters[self._letters.index(letter) + 1 :]
        self._desk = self._read_desk(rest)


# 6. Answering -------------------------------------------------------------------------------------

_CODES = {code.value: code for code in AckCode}


def _answer(
    letter: _Letter, code: str, position: int | None, reason: str, *, now: datetime, through: int
) -> Answer:
    error = None
    if code != "AA":
        if letter.refusal is not None and str(letter.refusal) == reason:
            error = ErrorDetail.from_error(letter.refusal, code=letter.refusal_code)
        else:
            error = ErrorDetail(code=letter.refusal_code, message=reason)
    acknowledgement = acknowledge(
        letter.header,
        code=_CODES[code],
        control_id=f"T{position or 0}",
        moment=now,
        text=reason,
        error=error,
    )
    return Answer(code, acknowledgement, position, reason, through)
