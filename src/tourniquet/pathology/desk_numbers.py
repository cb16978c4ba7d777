"""Numbers of paper forms: ranges that cannot collide, and a check sign against slips. Pure.

Two kinds of range, told apart by their first letter:
- `R` and a number that the main system's journal gave out in order: reserved beforehand.
- `X` and eight signs of a desk's own, drawn when the desk was begun: always there, whatever was
  reserved.
A number is range, six digits, check sign: `R0007-000123-K`. The check sign finds every single wrong
sign, and nearly every exchange of neighbours.

Source: ISO/IEC 7064:2003, MOD 37,36.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from tourniquet.kernel.errors import UserError

DESK_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # of a desk's id: none that is taken for another
DESK_ID_SIGNS = 8
DESK_ID = re.compile(rf"[{DESK_SIGNS}]{{{DESK_ID_SIGNS}}}")
SERIAL_DIGITS = 6
SERIAL_MOST = 10**SERIAL_DIGITS - 1
RANGE_MOST = 100_000
_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE = 36
_NUMBER = re.compile(r"(R[0-9]{4,8}|X[0-9A-Z]{8})([0-9]{6})([0-9A-Z])\Z")


@dataclass(frozen=True, order=True)
class FormNumber:
    """A number with a right check sign."""

    code: str
    serial: int

    @property
    def plain(self) -> str:
        """As the barcode has it."""
        body = f"{self.code}{self.serial:0{SERIAL_DIGITS}d}"
        return body + check_sign(body)

    def __str__(self) -> str:
        plain = self.plain
        return f"{self.code}-{self.serial:0{SERIAL_DIGITS}d}-{plain[-1]}"

    @classmethod
    def parse(cls, text: str) -> FormNumber:
        """Read a number, typed or scanned. Raises: UserError when a sign is wrong."""
        plain = re.sub(r"[\s-]", "", text[:60]).upper()
        found = _NUMBER.match(plain)
        if found is None or check_sign(plain[:-1]) != plain[-1]:
            raise UserError(
                "This is not the number of a form.",
                remedy="Compare it with the paper, sign by sign; a nought is 0, never O.",
            )
        return cls(found[1], int(found[2]))


def check_sign(body: str) -> str:
    """The check sign of digits and capital letters."""
    total = _BASE
    for sign in body:
        total = (total + _SIGNS.index(sign)) % _BASE or _BASE
        total = total * 2 % (_BASE + 1)
    return _SIGNS[(_BASE + 1 - total) % _BASE]


def reserved_code(ordinal: int) -> str:
    """The code of the range that the journal gave out as its n-th."""
    return f"R{ordinal:04d}"


@dataclass(frozen=True)
class Block:
    """Numbers of one range, both ends included."""

    code: str
    first: int
    last: int

    def numbers(self) -> list[FormNumber]:
        """Every one of them."""
        return [FormNumber(self.code, serial) for serial in range(self.first, self.last + 1)]

    def has(self, number: FormNumber) -> bool:
        """Whether it is one of them."""
        return number.code == self.code and self.first <= number.serial <= self.last

    def __len__(self) -> int:
        return self.last - self.first + 1

    def __str__(self) -> str:
        first, last = FormNumber(self.code, self.first), FormNumber(self.code, self.last)
        return str(first) if self.first == self.last else f"{first} to {last}"


def blocks_of(numbers: Iterable[FormNumber]) -> list[Block]:
    """Numbers as blocks of neighbours, in order."""
    found: list[Block] = []
    for number in sorted(set(numbers)):
        last = found[-1] if found else None
        if last and last.code == number.code and last.last + 1 == number.serial:
            found[-1] = Block(last.code, last.first, number.serial)
        else:
            found.append(Block(number.code, number.serial, number.serial))
    return found
