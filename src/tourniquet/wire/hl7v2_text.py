"""HL7 v2 below the segment: delimiters, escapes, character sets, limits, places.

Invariants:
- Delimiters are single ASCII punctuation characters, all different.
- Text never holds NUL, so NUL stands for a delimiter that a message does not define.
- An escape that we do not know, or that is not closed, stays in the text as it was sent.

Source: HL7 v2.5.1 chapter 2 (2.5.4 delimiters, 2.7 escapes, MSH-18 and table 0211 character sets),
v2.7 chapter 2 (truncation character).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from tourniquet.kernel.errors import SenderError

UNDEFINED = "\x00"
NULL_TEXT = '""'
UTF8_BOM = b"\xef\xbb\xbf"
_ENCODING_CHARACTERS_MAX = 5
# A formatting command that asks for more lines or blanks than this is kept as text.
FORMAT_REPEAT_MAX = 100


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one message may hold before it is refused."""

    message_bytes_max: int = 16 * 1024 * 1024
    segments_max: int = 50_000
    segment_fields_max: int = 1_000
    field_repetitions_max: int = 10_000
    repetition_components_max: int = 1_000


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Delimiters:
    """The characters of MSH-1 and MSH-2. One that is missing is UNDEFINED."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = UNDEFINED

    def encoding_characters(self) -> str:
        """MSH-2 as written."""
        characters = (self.component, self.repetition, self.escape, self.subcomponent)
        return "".join((*characters, self.truncation)).replace(UNDEFINED, "")


DEFAULT_DELIMITERS = Delimiters()


def read_delimiters(line: str) -> Delimiters:
    """The delimiters of a line that begins with MSH, FHS or BHS.

    Raises: SenderError when a delimiter is missing, twice the same, or no punctuation.
    """
    separator = line[3:4]
    if not _is_punctuation(separator):
        raise SenderError(
            "The field separator is not a punctuation character.",
            where="MSH-1",
            remedy="Begin the message with MSH|^~\\&.",
        )
    characters = line[4:].split(separator, 1)[0].rstrip(" ")
    if not 1 <= len(characters) <= _ENCODING_CHARACTERS_MAX:
        raise SenderError(
            "The encoding characters are one to five characters.",
            where="MSH-2",
            remedy="Send ^~\\& there.",
        )
    everything = separator + characters
    if not all(map(_is_punctuation, characters)) or len(set(everything)) != len(everything):
        raise SenderError(
            "The encoding characters are not different punctuation characters.",
            where="MSH-2",
            remedy="Send ^~\\& there.",
        )
    return Delimiters(*everything.ljust(6, UNDEFINED))


def _is_punctuation(character: str) -> bool:
    return "!" <= character <= "~" and not character.isalnum() and character != '"'


# Places ---------------------------------------------------------------------------------------

_PLACE = re.compile(
    r"([A-Z][A-Z0-9]{2})(?:-([0-9]{1,4}))?(?: of [A-Z][A-Z0-9]{2} number ([0-9]{1,6}))?"
)


def place(name: str, ordinal: int = 1, field: int = 0) -> str:
    """Name a place for an error: `OBX-5 of OBX number 3`; the first of its name goes without."""
    text = f"{name}-{field}" if field else name
    return f"{text} of {name} number {ordinal}" if ordinal > 1 else text


def find_place(where: str) -> tuple[str, int, int] | None:
    """Segment, ordinal and field (0: none) from what `place` wrote, or None."""
    match = _PLACE.match(where)
    if match is None:
        return None
    return match[1], int(match[3] or 1), int(match[2] or 0)


# Escapes --------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def unescaper(delimiters: Delimiters, encoding: str) -> Callable[[str], str]:
    """Make the function that turns escaped text into plain text.

    `\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\P\\` become delimiters, `\\Xhh..\\` the bytes they spell,
    `\\.br\\` and its kin line breaks; highlighting is dropped. `\\C..\\`, `\\M..\\`, `\\Z..\\` and
    everything unknown stay as sent.
    """
    if delimiters.escape == UNDEFINED:
        return str
    mark = re.escape(delimiters.escape)
    known = re.compile(
        f"{mark}(?:([FSTREPHN])|X((?:[0-9A-Fa-f]{{2}})+)|\\.([a-z]{{2}})([+-]?[0-9]{{0,4}})){mark}"
    )
    letters = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "P": delimiters.truncation,
        "H": "",
        "N": "",
    }
    hex_encoding = "utf-8" if encoding.startswith("utf-16") else encoding

    def replace(match: re.Match[str]) -> str:
        letter, digits, command, amount = match.groups()
        if letter:
            plain = letters[letter]
            return match[0] if plain == UNDEFINED else plain
        if digits:
            return _spelled(digits, hex_encoding, match[0])
        return _formatted(command, amount, match[0])

    def unescape(text: str) -> str:
        return known.sub(replace, text)

    return unescape


def _spelled(digits: str, encoding: str, verbatim: str) -> str:
    try:
        plain = bytes.fromhex(digits).decode(encoding)
    except UnicodeDecodeError:
        return verbatim
    # NUL has no place in a text column of PostgreSQL.
    return verbatim if UNDEFINED in plain else plain


def _formatted(command: str, amount: str, verbatim: str) -> str:
    count = int(amount) if amount.strip("+-") else 1
    if not 0 <= count <= FORMAT_REPEAT_MAX:
        return verbatim if command in ("sp", "sk") else _FORMATS.get(command, verbatim)
    if command == "sp":
        return "\n" * count
    if command == "sk":
        return " " * count
    return _FORMATS.get(command, verbatim)


# Line break, centred line; fill and no-fill, indents, temporary indents have no plain form.
_FORMATS = {"br": "\n", "ce": "\n", "fi": "", "nf": "", "in": "", "ti": ""}


@lru_cache(maxsize=64)
def escaper(delimiters: Delimiters) -> Callable[[str], str]:
    """Make the function that turns plain text into text that may stand in a field.

    Raises: (the function) SenderError for NUL, which HL7 text cannot carry, and for a delimiter
    where the message has no escape character.
    """
    mark = delimiters.escape
    codes = {
        delimiters.field: "F",
        delimiters.component: "S",
        delimiters.subcomponent: "T",
        delimiters.repetition: "R",
        delimiters.escape: "E",
        delimiters.truncation: "P",
    }
    codes.pop(UNDEFINED, None)
    special = re.compile(f"[{re.escape(''.join(codes))}\\x00-\\x08\\x0a-\\x1f]")

    def replace(match: re.Match[str]) -> str:
        character = match[0]
        if UNDEFINED in (character, mark):
            raise SenderError(
                "A value holds a character that HL7 cannot carry here.", remedy="Remove it."
            )
        if character == "\n":
            return f"{mark}.br{mark}"
        code = codes.get(character) or f"X{ord(character):02X}"
        return mark + code + mark

    def escape(text: str) -> str:
        if text == NULL_TEXT:
            return f"{mark}X2222{mark}"
        return special.sub(replace, text)

    return escape


# Character sets -------------------------------------------------------------------------------

_CHARACTER_SETS = {
    "ASCII": "ascii",
    "US-ASCII": "ascii",
    "ISO IR6": "ascii",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE UTF-16": "utf-16",
    "UTF-16": "utf-16",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
    # Table 0211 has 8859/1 to 8859/9 and 8859/15; Python knows all parts but the twelfth.
    **{
        spelling.format(part): f"iso8859-{part}"
        for part in (*range(1, 12), 13, 14, 15)
        for spelling in ("8859/{}", "8859-{}", "ISO-8859-{}", "ISO8859-{}", "ISO 8859-{}")
    },
}
_SHOWABLE_NAME = re.compile(r"[A-Za-z0-9 /_.-]{1,30}\Z")


def find_encoding(character_set: str) -> str:
    """Python's name for a character set of MSH-18, `""` for one that we do not read."""
    return _CHARACTER_SETS.get(character_set.strip().upper().replace("_", "-"), "")


class Decoded(msgspec.Struct, frozen=True):
    """A message's text, the encoding it was read with, and whether that was a guess."""

    text: str
    encoding: str
    guessed: bool


def utf16_order(raw: bytes) -> str:
    """`utf-16-le` or `utf-16-be` where the bytes begin like it, else `""`. BOM removed or not."""
    if raw[:2] == b"\xff\xfe" or raw[:6] == b"M\0S\0H\0":
        return "utf-16-le"
    if raw[:2] == b"\xfe\xff" or raw[:6] == b"\0M\0S\0H":
        return "utf-16-be"
    return ""


def decode(raw: bytes, declared: str, *, offset: int = 0) -> Decoded:
    """Decode the bytes of a message whose first repetition of MSH-18 is `declared`.

    Undeclared bytes are UTF-8 where they are valid UTF-8, else Windows-1252, else ISO 8859-1;
    the result says that it was guessed. `offset` is added to the place of a bad byte.

    Raises: SenderError for a set that we do not read, and for bytes outside the declared set.
    """
    if not declared:
        return _guess(raw)
    encoding = find_encoding(declared)
    if not encoding:
        shown = f" {declared.strip()}" if _SHOWABLE_NAME.match(declared) else ""
        raise SenderError(
            f"The character set{shown} is not one that is read here.",
            where="MSH-18",
            remedy="Send UNICODE UTF-8 or 8859/1.",
        )
    guessed = encoding == "utf-16"
    if guessed:
        # Declared, but the header was read byte by byte: it cannot be UTF-16.
        encoding = "utf-8"
    try:
        return Decoded(raw.decode(encoding), encoding, guessed=guessed)
    except UnicodeDecodeError as error:
        raise SenderError(
            f"The byte at offset {offset + error.start} is not of the declared character set.",
            where="MSH-18",
            remedy="Declare the character set in which the message is sent.",
        ) from None


def _guess(raw: bytes) -> Decoded:
    for encoding in ("utf-8", "cp1252"):
        try:
            return Decoded(raw.decode(encoding), encoding, guessed=not raw.isascii())
        except UnicodeDecodeError:
            continue
    return Decoded(raw.decode("latin-1"), "latin-1", guessed=True)
