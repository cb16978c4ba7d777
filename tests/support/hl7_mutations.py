"""Valid HL7 v2 messages, and seeded damage to them, for every test that feeds bytes to a reader.

`BASES` are synthetic. `mutations(seed, count)` yields the same bytes for the same seed.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import islice

from tourniquet.kernel.identifiers import synthetic_nhs_numbers

MESSAGES_A_PERSON = 70
_NHS_NUMBERS = [str(number).encode() for number in islice(synthetic_nhs_numbers(), 300)]
_ORDER = re.compile(rb"(?:ORD[129]|LAB1|GRP1|SP[12])(?=[\^|&])")

_PID_23 = (
    "PID|1|999 123 4567|A100001^^^RJ1||AXTON^MARY^^^MRS||19450714|F|||1 High St^^London^^SE1 1AA"
)
_PID_251 = (
    "PID|1||9991234567^^^NHS^NH~A100001^^^RJ1^MR||AXTON^MARY^^^MRS^^L||19450714|F|||"
    "1 High St^^London^^SE1 1AA^GBR^H||^PRN^PH^^^^02000000000"
)


def _message(*lines: str) -> bytes:
    return "".join(f"{line}\r" for line in lines).encode()


def _oru(version: str, character_set: str) -> bytes:
    return _message(
        f"MSH|^~\\&|LAB|RJ1|EPR|RJZ|20240603101500||ORU^R01^ORU_R01|C{version}|P|{version}"
        f"|||AL|NE|GBR|{character_set}",
        _PID_251,
        "PV1|1|O|CLINIC1^^^RJ1",
        "ORC|RE|ORD1^EPR|LAB1^LAB||CM||||20240603090000",
        "OBR|1|ORD1^EPR|LAB1^LAB|FBC^Full blood count^L|||20240603085500+0100|||||||||"
        "D1^DOCTOR^ANN||||||20240603101400||H|F",
        "OBX|1|NM|1022431000000105^Haemoglobin \\T\\ more^SCT||131|g/L|120-150|N|||F|||"
        "20240603101000",
        "NTE|1||Sample \\F\\ slightly\\.br\\haemolysed \\H\\now\\N\\ \\XC3A9\\",
        "OBX|2|SN|1022541000000102^White cells^SCT||<^0.5|10*9/L|4.0-11.0|L~A|||C",
        'OBX|3|TX|NOTE^Comment^L||Line one~Line two\\R\\~caf\u00e9|""||""|||F',
        "OBX|4|ED|PDF^Report^L||LAB^application^pdf^Base64^JVBERi0xLjQK||||||F",
        "SPM|1|SP1&EPR^SP2&LAB||BLD^Blood^HL70487|||||||||||||20240603085500|20240603093000",
    )


BASES: tuple[bytes, ...] = (
    _oru("2.5.1", "UNICODE UTF-8"),
    _oru("2.4", ""),
    _message(
        "MSH|^~\\&|EPR|RJZ|LAB|RJ1|20240603090000||OML^O21^OML_O21|O1|P|2.5.1|||AL",
        _PID_251,
        "ORC|NW|ORD1^EPR||GRP1^EPR|||^^^20240603^^R||20240603085900|||D1^DOCTOR^ANN",
        "TQ1|1||||||20240603||R",
        "OBR|1|ORD1^EPR||UE^Urea and electrolytes^L|||||||A||Fasting?",
        "OBX|1|ST|Q1^On diuretics^L||Yes||||||F",
        "SPM|1|SP1&EPR||BLD^Blood^HL70487",
        "ORC|NW|ORD2^EPR||GRP1^EPR",
        "OBR|2|ORD2^EPR||FBC^Full blood count^L",
    ),
    _message(
        "MSH|^~\\&|EPR|RJZ|LAB|RJ1|199906030900||ORM^O01|M1|P|2.3",
        _PID_23,
        "PV1|1|I|WARD1^B2^3",
        "ORC|NW|ORD9|||||^^^199906030900^^S",
        "OBR|1|ORD9||GLU^Glucose^L|||199906030855",
        "DG1|1||R73^Raised glucose",
    ),
    _message(
        "MSH|^~\\&|PAS|RJ1|LAB|RJ1|20240603070000||ADT^A08|A8|P|2.4||||||8859/1",
        "EVN|A08|20240603070000",
        _PID_23,
        "PV1|1|I|WARD1^B2^3",
        "NK1|1|AXTON^TOM|SPO",
    ),
    _message(
        "MSH|^~\\&|PAS|RJ1|LAB|RJ1|20240603070000||ADT^A40^ADT_A39|A40|P|2.5||||||ASCII",
        "EVN|A40|20240603070000",
        _PID_251,
        "MRG|A100002^^^RJ1^MR~9991234575^^^NHS^NH",
    ),
    _message(
        "MSH^~|\\&^PAS^RJ1^LAB^RJ1^20240603070000^^ADT~A08^X1^P^2.3.1",
        "EVN^A08^20240603070000",
        "PID^1^^A100001~~~RJ1^^AXTON~MARY^^19450714^F",
    ),
)

_TELLING = (
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b"\r",
    b"\n",
    b"\r\n",
    b"\x00",
    b"\x0b",
    b"\x1c",
    b"\x1c\r",
    b"MSH",
    b"MSH|^~\\&|",
    b"\rOBX|",
    b"\\X",
    b"\\.sp99999\\",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc3",
    b'""',
    b"9" * 40,
    b"-",
)


def mutate(generator: random.Random, base: bytes) -> bytes:
    """Damage a message one to four times."""
    data = bytearray(base)
    for _ in range(generator.choice((1, 1, 1, 2, 3, 4))):
        generator.choice(_KINDS)(generator, data)
    return bytes(data)


def mutations(seed: int, count: int) -> Iterator[bytes]:
    """`count` damaged messages, the same for the same seed."""
    generator = random.Random(seed)
    for number in range(count):
        yield mutate(generator, BASES[number % len(BASES)])


def set_apart(raw: bytes, number: int) -> bytes:
    """The same damage, about another person and other orders every few messages.

    Else 20,000 messages would be one patient's, who in life has a few hundred.
    """
    among = number // MESSAGES_A_PERSON
    raw = _ORDER.sub(rb"\g<0>-%d" % among, raw)
    raw = raw.replace(b"A100001", b"A1%05d" % among)
    return raw.replace(b"9991234567", _NHS_NUMBERS[among % len(_NHS_NUMBERS)])


def _place(generator: random.Random, data: bytearray) -> int:
    # Half the damage goes into the header, where most decisions are made.
    end = min(len(data), 130) if generator.random() < 0.5 else len(data)
    return generator.randrange(end) if end else 0


def _flip(generator: random.Random, data: bytearray) -> None:
    if data:
        data[_place(generator, data)] ^= 1 << generator.randrange(8)


def _replace(generator: random.Random, data: bytearray) -> None:
    if data:
        data[_place(generator, data)] = generator.randrange(256)


def _delete(generator: random.Random, data: bytearray) -> None:
    start = _place(generator, data)
    del data[start : start + generator.choice((1, 1, 2, 5, 20, 200))]


def _insert(generator: random.Random, data: bytearray) -> None:
    start = _place(generator, data)
    data[start:start] = generator.choice(_TELLING)


def _duplicate(generator: random.Random, data: bytearray) -> None:
    start = _place(generator, data)
    data[start:start] = data[start : start + generator.choice((1, 4, 30, 300))]


def _truncate(generator: random.Random, data: bytearray) -> None:
    del data[_place(generator, data) :]


def _swap(generator: random.Random, data: bytearray) -> None:
    if data:
        one, other = _place(generator, data), _place(generator, data)
        data[one], data[other] = data[other], data[one]


def _splice(generator: random.Random, data: bytearray) -> None:
    other = generator.choice(BASES)
    data[_place(generator, data) :] = other[generator.randrange(len(other)) :]


def _swap_lines(generator: random.Random, data: bytearray) -> None:
    lines = bytes(data).split(b"\r")
    one, other = generator.randrange(len(lines)), generator.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    data[:] = b"\r".join(lines)


_KINDS = (
    _flip,
    _replace,
    _delete,
    _insert,
    _duplicate,
    _truncate,
    _swap,
    _splice,
    _swap_lines,
)
