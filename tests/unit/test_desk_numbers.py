"""Numbers of forms: no two alike, every slip of the pen found, every one accounted for."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from tourniquet.kernel.errors import UserError
from tourniquet.pathology.desk_account import account, next_block
from tourniquet.pathology.desk_lines import (
    AnyLine,
    KeyedValue,
    NumbersIssued,
    NumbersUnused,
    NumberVoided,
    ResultKeyed,
    decode_line,
    encode_line,
)
from tourniquet.pathology.desk_numbers import (
    SERIAL_MOST,
    Block,
    FormNumber,
    blocks_of,
    check_sign,
    reserved_code,
)

NOW = datetime(2024, 6, 3, 7, 30, tzinfo=UTC)
SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_the_check_sign_is_that_of_the_standard() -> None:
    # ISO/IEC 7064 MOD 37,36: the standard's own example, an ISAN root and episode.
    assert check_sign("A12425GABC1234002") == "M"


def test_a_number_is_read_as_it_is_written_typed_and_scanned() -> None:
    number = FormNumber("R0007", 123)
    for text in (
        str(number),
        number.plain,
        number.plain.lower(),
        f" {str(number)[:8]} {str(number)[8:]}",
    ):
        assert FormNumber.parse(text) == number


def test_every_wrong_sign_and_nearly_every_exchange_of_neighbours_is_found(seed: int) -> None:
    chance = random.Random(seed)
    exchanged = missed = 0
    for _ in range(60):
        code = chance.choice(["R0001", "R9999", "X" + "".join(chance.choices(SIGNS, k=8))])
        plain = FormNumber(code, chance.randrange(1, SERIAL_MOST)).plain
        for at in range(len(plain)):
            for sign in set(SIGNS) - {plain[at]}:
                assert not is_number(plain[:at] + sign + plain[at + 1 :])
        for at in range(len(plain) - 1):
            text = plain[:at] + plain[at + 1] + plain[at] + plain[at + 2 :]
            exchanged += text != plain
            missed += text != plain and is_number(text)
    assert missed < exchanged * 0.03


def is_number(text: str) -> bool:
    try:
        FormNumber.parse(text)
    except UserError:
        return False
    return True


def test_what_is_no_number_is_refused() -> None:
    for text in ("", "R0001", "Q0001000001A", "R0001-000001", "9990000018", "x" * 500):
        with pytest.raises(UserError, match="not the number of a form"):
            FormNumber.parse(text)


def test_ranges_never_meet() -> None:
    codes = {reserved_code(ordinal) for ordinal in (1, 9999, 10000, 99999999)}
    assert len(codes) == 4
    seen = {FormNumber(code, serial).plain for code in [*codes, "X0000000R"] for serial in (1, 2)}
    assert len(seen) == 10


def issued(code: str, first: int, last: int) -> NumbersIssued:
    return NumbersIssued(at=NOW, who="desk:rec", code=code, first=first, last=last)


def keyed(number: FormNumber) -> ResultKeyed:
    values = (KeyedValue("K", "Potassium", "4.1", "mmol/L"),)
    return ResultKeyed(
        at=NOW, who="desk:rec", number=str(number), test="UE", test_name="U&E", values=values
    )


def test_blocks_follow_one_another_and_go_over_to_the_next_range() -> None:
    ranges = [Block("R0001", 1, 10), Block("R0002", 1, 3), Block("XAAAAAAAA", 1, SERIAL_MOST)]
    lines: list[AnyLine] = []
    given: list[FormNumber] = []
    for count in (4, 6, 1, 3, 2, 500):
        block = next_block(ranges, lines, count)
        given += block.numbers()
        lines.append(issued(block.code, block.first, block.last))
    assert len(set(given)) == len(given) == 516
    assert account(lines).total == 516
    with pytest.raises(UserError, match="so many numbers left"):
        next_block([Block("R0001", 1, 10)], lines, 1)


def some_line(number: FormNumber, chance: random.Random) -> AnyLine:
    serial = number.serial
    return chance.choice(
        [
            keyed(number),
            NumberVoided(at=NOW, who="x", number=str(number), why="spoiled"),
            NumbersUnused(at=NOW, who="x", code=number.code, first=serial, last=serial),
        ]
    )


def test_every_number_is_accounted_for_once(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        lines: list[AnyLine] = [issued("R0001", 1, 30), issued("XAAAAAAAA", 1, 12)]
        everything = [number for block in account(lines).issued for number in block.numbers()]
        for number in everything:
            lines += [some_line(number, chance) for _ in range(chance.randrange(3))]
        lines.append(keyed(FormNumber("R0002", 7)))  # another desk's form came here
        found = account(lines)
        parts = [set(found.keyed), set(found.void), set(found.unused), set(found.open)]
        assert sum(map(len, parts)) == found.total == len(everything)
        assert set.union(*parts) == set(everything)
        told = {number for block in blocks_of(found.open) for number in block.numbers()}
        assert told == set(found.open)
        assert found.elsewhere == {FormNumber("R0002", 7)}


def test_lines_are_read_as_they_were_written() -> None:
    for line in (issued("R0001", 1, 2), keyed(FormNumber("R0001", 1))):
        assert decode_line(encode_line(line)) == line
