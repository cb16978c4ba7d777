"""NHS numbers, ODS codes and the ids that we make ourselves.

Invariants:
- A value of one of these types is valid; text from outside becomes one once, at the edge.
- An id of ours tells nothing of a patient and sorts by the time at which it was made.

Source: NHS Data Dictionary, NHS NUMBER (modulus 11) and ORGANISATION CODE, read November 2026.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import b32encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from tourniquet.kernel.errors import SenderError

_NHS_SEPARATORS = re.compile(r"[\s\-]")
_ODS = re.compile(r"[A-Z0-9]{3,10}\Z")
_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
_TO_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD.encode())
NHS_NUMBER_DIGITS = 10
ID_LENGTH = 26


@dataclass(frozen=True, order=True)
class NhsNumber:
    """Ten digits whose last is the modulus-11 check digit. A pass proves nothing about whose."""

    digits: str

    @classmethod
    def parse(cls, text: str) -> NhsNumber:
        """Read a number, with or without spaces or hyphens.

        Raises: SenderError when it is not ten digits or the check digit is wrong.
        """
        digits = _NHS_SEPARATORS.sub("", text)
        if len(digits) != NHS_NUMBER_DIGITS or not (digits.isascii() and digits.isdigit()):
            raise SenderError("An NHS number has ten digits.", remedy="Send the number as issued.")
        if check_digit(digits[:9]) != digits[9]:
            raise SenderError(
                "An NHS number has a wrong check digit.", remedy="Compare it with the source."
            )
        return cls(digits)

    @classmethod
    def find(cls, text: str) -> NhsNumber | None:
        """The number, or None where the text is not a valid one."""
        try:
            return cls.parse(text)
        except SenderError:
            return None

    def spaced(self) -> str:
        """As shown to people: 3-3-4."""
        return f"{self.digits[:3]} {self.digits[3:6]} {self.digits[6:]}"

    def __str__(self) -> str:
        return self.digits


def check_digit(first_nine: str) -> str:
    """The modulus-11 check digit of nine digits; empty where no number with them is valid."""
    weights = range(10, 1, -1)
    total = sum(int(digit) * weight for digit, weight in zip(first_nine, weights, strict=True))
    digit = 11 - total % 11
    if digit == 10:
        return ""
    return "0" if digit == 11 else str(digit)


def synthetic_nhs_numbers() -> Iterator[NhsNumber]:
    """Every valid number of the range kept for tests, those that begin with 999, in order.

    There are about 909,000; a larger synthetic region gives the rest local numbers only.
    """
    for stem in range(999_000_000, 1_000_000_000):
        digit = check_digit(str(stem))
        if digit:
            yield NhsNumber(f"{stem}{digit}")


@dataclass(frozen=True, order=True)
class OdsCode:
    """An organisation's code as the Organisation Data Service gives it, in capitals."""

    code: str

    @classmethod
    def parse(cls, text: str) -> OdsCode:
        """Read a code.

        Raises: SenderError when it is not three to ten letters and digits.
        """
        code = text.strip().upper()
        if not _ODS.match(code):
            raise SenderError("An ODS code has three to ten letters and digits.")
        return cls(code)

    def __str__(self) -> str:
        return self.code


class IdSource(Protocol):
    """Makes ids. Handed to the code that decides, so that tests and exercises can repeat them."""

    def new(self, moment: datetime) -> str:
        """A new id, 26 characters, sorting by moment."""
        ...


@lru_cache(maxsize=1024)  # ids made together share their moment
def _base32(number: int, length: int) -> str:
    out = []
    for _ in range(length):
        out.append(_CROCKFORD[number & 31])
        number >>= 5
    return "".join(reversed(out))


class RandomIds:
    """Ids from the operating system's randomness: 48 bits of milliseconds and 80 random bits.

    Source: the ULID specification's layout, in small letters.
    """

    def new(self, moment: datetime) -> str:
        milliseconds = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
        random_part = b32encode(secrets.token_bytes(10)).translate(_TO_CROCKFORD).decode()
        return _base32(milliseconds, 10) + random_part


def derived_id(moment: datetime, *parts: str) -> str:
    """An id that the same facts always give: the moment, and 80 bits of the parts' SHA-256.

    For what is made from messages in whatever order they arrive, so that an exercise repeats.
    The parts must tell things apart that are made at one moment.
    """
    digest = hashlib.sha256("\x00".join(parts).encode()).digest()
    milliseconds = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
    return _base32(milliseconds, 10) + _base32(int.from_bytes(digest[:10], "big"), 16)


class CountedIds:
    """Repeatable ids for tests: the moment and a counter."""

    def __init__(self, start: int = 0) -> None:
        self._next = start

    def new(self, moment: datetime) -> str:
        milliseconds = int(moment.timestamp() * 1000) & ((1 << 48) - 1)
        self._next += 1
        return _base32(milliseconds, 10) + _base32(self._next, 16)
