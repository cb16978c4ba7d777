"""Every number accounted for: what became of each form that a desk gave out. Pure.

Invariants:
- An issued number is exactly one of: keyed, void, unused, or not accounted for. Keyed wins over
  void and unused: a result exists.
- A number that another desk gave out and that was keyed here is told apart, and not counted.
- A range is issued from its beginning to its end, without gaps, and no number twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tourniquet.kernel.errors import UserError
from tourniquet.pathology.desk_lines import (
    AnyLine,
    NumbersIssued,
    NumbersUnused,
    NumberVoided,
    ResultKeyed,
)
from tourniquet.pathology.desk_numbers import SERIAL_MOST, Block, FormNumber, blocks_of


@dataclass(frozen=True)
class Account:
    """What became of the numbers of one desk."""

    issued: tuple[Block, ...] = ()
    keyed: frozenset[FormNumber] = frozenset()
    void: dict[FormNumber, str] = field(default_factory=dict)
    unused: frozenset[FormNumber] = frozenset()
    elsewhere: frozenset[FormNumber] = frozenset()

    @property
    def total(self) -> int:
        """How many numbers were issued."""
        return sum(len(block) for block in self.issued)

    @property
    def open(self) -> list[FormNumber]:
        """Numbers that were issued and are not accounted for, in order."""
        return [
            number
            for block in self.issued
            for number in block.numbers()
            if number not in self.keyed and number not in self.void and number not in self.unused
        ]

    def is_issued(self, number: FormNumber) -> bool:
        """Whether this desk gave the number out."""
        return any(block.has(number) for block in self.issued)

    def describe_open(self) -> list[str]:
        """The numbers that are not accounted for, as blocks, in words."""
        return [str(block) for block in blocks_of(self.open)]

    def describe_elsewhere(self) -> list[str]:
        """The numbers of other desks that were keyed here, as blocks, in words."""
        return [str(block) for block in blocks_of(self.elsewhere)]


def account(lines: Sequence[AnyLine]) -> Account:
    """What the lines of a book say of its numbers."""
    issued = tuple(
        Block(line.code, line.first, line.last) for line in lines if isinstance(line, NumbersIssued)
    )
    results = {FormNumber.parse(line.number) for line in lines if isinstance(line, ResultKeyed)}
    keyed = {number for number in results if any(block.has(number) for block in issued)}
    void = {
        number: line.why
        for line in lines
        if isinstance(line, NumberVoided) and (number := FormNumber.parse(line.number)) not in keyed
    }
    unused = {
        number
        for line in lines
        if isinstance(line, NumbersUnused)
        for number in Block(line.code, line.first, line.last).numbers()
        if number not in keyed and number not in void
    }
    return Account(issued, frozenset(keyed), void, frozenset(unused), frozenset(results - keyed))


def next_block(ranges: Sequence[Block], lines: Sequence[AnyLine], count: int) -> Block:
    """The next numbers of the first range that has so many left; the last range has no end.

    Raises: UserError when none has.
    """
    for one in ranges:
        used = [
            line.last for line in lines if isinstance(line, NumbersIssued) and line.code == one.code
        ]
        first = max(used, default=one.first - 1) + 1
        if first + count - 1 <= min(one.last, SERIAL_MOST):
            return Block(one.code, first, first + count - 1)
    raise UserError("No range has so many numbers left.", remedy="Ask for fewer.")
