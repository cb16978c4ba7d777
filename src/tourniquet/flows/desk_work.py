"""What is done at the downtime desk meanwhile: numbers given out, results keyed, calls noted.

1. Check what was typed against what the book says so far.
2. Write one line, flushed. Only then does it count, and is a form printed or a result shown.

Invariants:
- No number is given out twice: the line is in the book before the paper is made.
- A result is keyed for a number that this desk gave out, or one reserved for another desk; every
  value was keyed twice (the page compares). A second result for the same number and test must say
  which line it corrects.
- Calls are noted with who was told, and that the value was read back.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence

from tourniquet.directory.desk_roles import DeskTask, DeskUser
from tourniquet.flows.desk_id import keep_id
from tourniquet.flows.downtime_desk import DowntimeDesk
from tourniquet.kernel.errors import NotFound, UserError
from tourniquet.pathology.desk_account import Account, account, next_block
from tourniquet.pathology.desk_lines import (
    AnyLine,
    CallMade,
    DeskBegun,
    NumbersIssued,
    NumbersUnused,
    NumberVoided,
    ResultKeyed,
)
from tourniquet.pathology.desk_numbers import (
    DESK_ID_SIGNS,
    DESK_SIGNS,
    SERIAL_MOST,
    Block,
    FormNumber,
)
from tourniquet.pathology.entries import NumbersReserved

AT_ONCE_MOST = 500  # forms of one printing
TEXT_LONGEST = 1000
_lock = threading.RLock()


def desk_signs(desk: DowntimeDesk) -> str:
    """The id of this desk, which its book says; else that of its folder, written into the book."""
    opened = desk.demand()
    with _lock:
        found = next((line for line in opened.lines() if isinstance(line, DeskBegun)), None)
        if found is None:
            own = desk.id or "".join(secrets.choice(DESK_SIGNS) for _ in range(DESK_ID_SIGNS))
            found = DeskBegun(at=desk.now(), who="desk", desk=own)
            opened.write(found)
        if desk.id != found.desk and keep_id(desk.places.folder, found.desk):
            desk.id = found.desk
        return found.desk


def list_ranges(desk: DowntimeDesk) -> list[Block]:
    """The ranges that this desk may give out: those reserved for it, then its own without end.

    Reserved for its id: a range of its folder's name might be another machine's, too.
    """
    own = desk_signs(desk)
    found = [
        Block(body.code, body.first, body.last) for body in _reserved(desk) if body.desk == own
    ]
    return [*found, Block(f"X{own}", 1, SERIAL_MOST)]


def issue_numbers(desk: DowntimeDesk, user: DeskUser, count: int, *, note: str = "") -> int:
    """Give out the next numbers; the book's line, by which the forms are printed.

    Raises: UserError, StorageUnavailable: then no number was given out.
    """
    user.demand(DeskTask.RECORD)
    if not 1 <= count <= AT_ONCE_MOST:
        raise UserError(f"From 1 to {AT_ONCE_MOST} at once.", where="count")
    ranges = list_ranges(desk)
    opened = desk.demand()
    with _lock:
        block = next_block(ranges, opened.lines(), count)
        return opened.write(
            NumbersIssued(
                at=desk.now(),
                who=user.account,
                code=block.code,
                first=block.first,
                last=block.last,
                note=note[:TEXT_LONGEST],
            )
        )


def get_block(desk: DowntimeDesk, line: int) -> Block:
    """The numbers that a line of the book gave out. Raises: NotFound."""
    lines = desk.demand().lines()
    found = lines[line - 1] if 0 < line <= len(lines) else None
    if not isinstance(found, NumbersIssued):
        raise NotFound("No numbers were given out there.")
    return Block(found.code, found.first, found.last)


def void_number(desk: DowntimeDesk, user: DeskUser, text: str, why: str) -> None:
    """Say that a form was spoiled or lost. Raises: UserError."""
    user.demand(DeskTask.RECORD)
    number = _issued(desk, text)
    if not why.strip():
        raise UserError("Say why, in a few words.", where="why")
    if number in account(desk.demand().lines()).keyed:
        raise UserError("A result was keyed for this number.", where="number")
    desk.demand().write(
        NumberVoided(
            at=desk.now(), who=user.account, number=str(number), why=why.strip()[:TEXT_LONGEST]
        )
    )


def count_unused(desk: DowntimeDesk, user: DeskUser, first: str, last: str) -> int:
    """Say that the forms from one number to another are blank; how many. Raises: UserError."""
    user.demand(DeskTask.RECORD)
    begin, end = _issued(desk, first), _issued(desk, last or first)
    if begin.code != end.code or begin.serial > end.serial:
        raise UserError("The first number comes before the last, in one range.", where="last")
    block = Block(begin.code, begin.serial, end.serial)
    kept = account(desk.demand().lines())
    for number in block.numbers():
        if not kept.is_issued(number):
            raise UserError(f"{number} was never given out.", where="last")
        if number in kept.keyed or number in kept.void:
            raise UserError(f"{number} is not blank: it was keyed or is void.", where="last")
    desk.demand().write(
        NumbersUnused(
            at=desk.now(), who=user.account, code=block.code, first=block.first, last=block.last
        )
    )
    return len(block)


def _issued(desk: DowntimeDesk, text: str) -> FormNumber:
    number = FormNumber.parse(text)
    if not account(desk.demand().lines()).is_issued(number):
        raise UserError("This desk has not given that number out.", where="number")
    return number


def key_result(desk: DowntimeDesk, result: ResultKeyed) -> int:
    """Keep a keyed result; its line. Raises: UserError, StorageUnavailable."""
    opened = desk.demand()
    number = FormNumber.parse(result.number)
    if not (result.patient or result.written.family_name or result.written.other):
        raise UserError("Say whom the form names.", where="family")
    if result.patient and opened.reading.index.find(result.patient) is None:
        raise NotFound("The desk knows no such patient.")
    if not result.values:
        raise UserError("Key at least one value, twice.", where="values")
    with _lock:
        lines = opened.lines()
        kept = account(lines)
        if not kept.is_issued(number) and not _is_reserved(desk, number):
            raise UserError("No desk of ours has given that number out.", where="number")
        if number in kept.void:
            raise UserError(f"This number is void: {kept.void[number]}.", where="number")
        _demand_correction(lines, result)
        return opened.write(result)


def _is_reserved(desk: DowntimeDesk, number: FormNumber) -> bool:
    """Whether the main system reserved the number for another desk: its forms come here, too."""
    own = desk_signs(desk)
    return any(
        Block(body.code, body.first, body.last).has(number)
        for body in _reserved(desk)
        if body.desk != own
    )


def _reserved(desk: DowntimeDesk) -> list[NumbersReserved]:
    """The ranges that the main system's journal gave out, in order."""
    reading = desk.demand().reading
    entries, _ = reading.read_entries(reading.index.common(["numbers.reserved"]))
    return [entry.body for _, entry in entries if isinstance(entry.body, NumbersReserved)]


def _demand_correction(lines: Sequence[AnyLine], result: ResultKeyed) -> None:
    newest = find_keyed(lines, result.number, result.test)
    if newest and result.corrects != newest:
        raise UserError(
            f"A result of this test was keyed for this number already, in line {newest}.",
            where="corrects",
            remedy="If this one is right, say that it corrects the other.",
        )
    if not newest and result.corrects:
        raise UserError("There is no earlier result to correct.", where="corrects")


def find_keyed(lines: Sequence[AnyLine], number: str, test: str) -> int:
    """The newest line with a result of this test for this number; 0 where there is none."""
    wanted = FormNumber.parse(number)
    return max(
        (
            at
            for at, line in enumerate(lines, 1)
            if isinstance(line, ResultKeyed)
            and line.test == test
            and FormNumber.parse(line.number) == wanted
        ),
        default=0,
    )


def note_call(
    desk: DowntimeDesk,
    user: DeskUser,
    line: int,
    code: str,
    *,
    told: str,
    read_back: bool,
    comment: str,
) -> None:
    """Note that a value was phoned and read back. Raises: UserError, NotFound."""
    user.demand(DeskTask.RECORD)
    lines = desk.demand().lines()
    found = lines[line - 1] if 0 < line <= len(lines) else None
    if not isinstance(found, ResultKeyed) or code not in {one.code for one in found.values}:
        raise NotFound("There is no such result here.")
    if not told.strip():
        raise UserError("Say who was told, by name.", where="told")
    if not read_back:
        raise UserError("A call is done only when the figure was read back.", where="read_back")
    desk.demand().write(
        CallMade(
            at=desk.now(),
            who=user.account,
            result=line,
            code=code,
            told=told.strip()[:TEXT_LONGEST],
            comment=comment.strip()[:TEXT_LONGEST],
        )
    )


def read_account(desk: DowntimeDesk) -> Account:
    """What became of this desk's numbers."""
    return account(desk.demand().lines())
