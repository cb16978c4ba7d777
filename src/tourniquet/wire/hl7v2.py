"""HL7 v2 messages: bytes in, a message with lazily split segments out.

Invariants:
- `parse` splits lines and checks their names; fields are split when first asked for.
- Numbers are HL7's: fields, components, subcomponents and repetitions count from 1, MSH-1 is the
  field separator. What is absent is `""`, never an exception.
- A message holds exactly one MSH. A line that is no segment refuses the whole message: half a
  result is worse than none, and the refused bytes are kept for a person.
- Only SenderError comes out of any function here, whatever the bytes.

It does not know what a segment means, which fields are required, or a single table of HL7.

Source: HL7 v2.5.1 chapter 2.
"""

from __future__ import annotations

import re

import msgspec

from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2_segments import Group, Reading, Repetition, Segment, SegmentRun
from tourniquet.wire.hl7v2_text import (
    DEFAULT_DELIMITERS,
    DEFAULT_LIMITS,
    NULL_TEXT,
    UTF8_BOM,
    Decoded,
    Delimiters,
    Limits,
    decode,
    find_encoding,
    place,
    read_delimiters,
    unescaper,
    utf16_order,
)
from tourniquet.wire.hl7v2_write import NULL, Header, Null, Row, Value, sparse, write

__all__ = [
    "DEFAULT_DELIMITERS",
    "DEFAULT_LIMITS",
    "NULL",
    "PEEK_BYTES_MAX",
    "Delimiters",
    "Group",
    "Header",
    "HeaderPeek",
    "Limits",
    "Message",
    "MessageType",
    "Null",
    "Repetition",
    "Row",
    "Segment",
    "Value",
    "parse",
    "peek_header",
    "sparse",
    "write",
]

PEEK_BYTES_MAX = 64 * 1024
_SEGMENT_NAME = re.compile(r"[A-Z][A-Z0-9]{2}\Z")
_BATCH_NAMES = frozenset({"FHS", "BHS", "BTS", "FTS"})
# Checked once a name; a mutated feed must not make the set grow without end.
_SEEN_NAMES_MAX = 2_000
_seen_names: set[str] = set()
_LINE_END = re.compile(rb"[\r\n]")
_TEXT_LINE_END = re.compile(r"[\r\n]")
_HEADER_WITHIN = re.compile(rb"[\r\n\x0b][ \t]*(?=MSH[!-/:-@\[-`{-~])")
_FRAMING_CHARACTERS = ("\x00", "\x0b", "\x1c")


class MessageType(msgspec.Struct, frozen=True):
    """MSH-9: code, trigger event, structure."""

    code: str
    trigger: str
    structure: str

    def __str__(self) -> str:
        return f"{self.code}^{self.trigger}" if self.trigger else self.code


class Message(SegmentRun):
    """A message: its segments, MSH first, and how it was read."""

    __slots__ = ("delimiters", "encoding", "encoding_guessed", "limits")

    def __init__(
        self,
        segments: tuple[Segment, ...],
        delimiters: Delimiters,
        encoding: str,
        limits: Limits,
        *,
        encoding_guessed: bool,
    ) -> None:
        super().__init__(segments)
        self.delimiters = delimiters
        self.encoding = encoding
        self.encoding_guessed = encoding_guessed
        self.limits = limits

    @property
    def header(self) -> Segment:
        """The MSH segment."""
        return self.segments[0]

    @property
    def sending_application(self) -> str:
        """MSH-3, first component."""
        return self.header.value(3)

    @property
    def sending_facility(self) -> str:
        """MSH-4, first component."""
        return self.header.value(4)

    @property
    def sender(self) -> tuple[str, str]:
        """MSH-3 and MSH-4 as sent: who the sender is when messages are compared."""
        return self.header.raw(3), self.header.raw(4)

    @property
    def receiving_application(self) -> str:
        """MSH-5, first component."""
        return self.header.value(5)

    @property
    def receiving_facility(self) -> str:
        """MSH-6, first component."""
        return self.header.value(6)

    @property
    def timestamp(self) -> str:
        """MSH-7 as text; `hl7v2_time` reads it."""
        return self.header.value(7)

    @property
    def message_type(self) -> MessageType:
        """MSH-9."""
        return MessageType(*(self.header.value(9, component) for component in (1, 2, 3)))

    @property
    def control_id(self) -> str:
        """MSH-10, whole."""
        return self.header.text(10)

    @property
    def processing_id(self) -> str:
        """MSH-11, first component: P, T or D."""
        return self.header.value(11)

    @property
    def version(self) -> str:
        """MSH-12, first component."""
        return self.header.value(12)

    @property
    def accept_ack(self) -> str:
        """MSH-15; not empty means enhanced mode."""
        return self.header.value(15)

    @property
    def application_ack(self) -> str:
        """MSH-16."""
        return self.header.value(16)

    def peek(self) -> HeaderPeek:
        """The header as `peek_header` gives it."""
        return _peek_of(self.header, self.delimiters, self.encoding)


def parse(raw: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Message:
    """Parse one message.

    Takes CR, LF and CRLF in any mixture, a byte order mark, blank lines anywhere, blanks before a
    segment's name. UTF-16 is read where the bytes begin like it.

    Raises: SenderError, with its place, for anything that is not one HL7 v2 message.
    """
    if len(raw) > limits.message_bytes_max:
        raise SenderError(
            f"The message is larger than {limits.message_bytes_max} bytes.",
            remedy="Send it in parts.",
        )
    decoded, delimiters = _decode(raw)
    text = decoded.text
    for character in _FRAMING_CHARACTERS:
        if character in text:
            raise SenderError(
                f"The message holds the control byte {ord(character):02X} (hexadecimal).",
                where=f"character {text.index(character)}",
                remedy="Send it escaped, or repair the framing of the connection.",
            )
    _refuse_second_header(text, delimiters)
    if "\n" in text:
        text = text.replace("\n", "\r")
    reading = Reading(delimiters, decoded.encoding, limits, unescaper(delimiters, decoded.encoding))
    segments = _segments(text.split("\r"), reading)
    return Message(segments, delimiters, decoded.encoding, limits, encoding_guessed=decoded.guessed)


def _decode(raw: bytes) -> tuple[Decoded, Delimiters]:
    order = utf16_order(raw)
    if order:
        return _decode_utf16(raw, order)
    body = raw.removeprefix(UTF8_BOM).lstrip()
    marked = raw.startswith(UTF8_BOM)
    if not body.startswith(b"MSH"):
        raise _no_header(body)
    end = _LINE_END.search(body)
    line = body[: end.start()] if end else body
    header = line.decode("latin-1")
    delimiters = read_delimiters(header)
    declared = _declared(header, delimiters)
    if marked and not declared:
        declared = "UNICODE UTF-8"
    return decode(body, declared, offset=len(raw) - len(body)), delimiters


def _decode_utf16(raw: bytes, order: str) -> tuple[Decoded, Delimiters]:
    try:
        text = raw.decode(order)
    except UnicodeDecodeError as error:
        raise SenderError(
            f"The byte at offset {error.start} is not of UTF-16, in which the message begins.",
            where="MSH-18",
            remedy="Send UNICODE UTF-8.",
        ) from None
    text = text.lstrip("\ufeff \t\r\n")
    if not text.startswith("MSH"):
        raise _no_header(text.encode("ascii", "replace"))
    header = _TEXT_LINE_END.split(text, 1)[0]
    delimiters = read_delimiters(header)
    declared = _declared(header, delimiters)
    guessed = find_encoding(declared) not in ("utf-16", "utf-8")
    return Decoded(text, order, guessed=guessed), delimiters


def _declared(header: str, delimiters: Delimiters) -> str:
    """The first repetition of MSH-18."""
    fields = header.split(delimiters.field, 18)
    if len(fields) < 18 or fields[17] == NULL_TEXT:
        return ""
    return fields[17].split(delimiters.repetition, 1)[0].strip()


def _no_header(body: bytes) -> SenderError:
    name = body[:3].decode("latin-1")
    if not body:
        return SenderError("The message is empty.", remedy="Send a message that begins with MSH.")
    if name in _BATCH_NAMES:
        return SenderError(
            "This is a batch, not a message.",
            where=name,
            remedy="Send its messages one by one, or hand the file to intake.",
        )
    return SenderError(
        "The message does not begin with MSH.", remedy="Send a message that begins with MSH|^~\\&."
    )


def _refuse_second_header(text: str, delimiters: Delimiters) -> None:
    """A header glued to the end of a line would hide a second message inside the first."""
    mark = f"MSH{delimiters.field}{delimiters.encoding_characters()}{delimiters.field}"
    if text.find(mark, 3) >= 0:
        raise SenderError(
            "A second message header stands inside this message.",
            where="MSH",
            remedy="Send one message at a time, with the end of its last line.",
        )


def _segments(lines: list[str], reading: Reading) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    ordinals: dict[str, int] = {}
    separator = reading.delimiters.field
    limits = reading.limits
    fields_max = limits.segment_fields_max
    for number, sent in enumerate(lines, 1):
        line = sent
        name = line[:3]
        if name not in _seen_names or line[3:4] != separator:
            line = _tidy(sent, separator, number)
            if not line:
                continue
            name = line[:3]
        if len(segments) >= limits.segments_max:
            raise SenderError(
                f"The message has more than {limits.segments_max} segments.",
                where=f"line {number}",
                remedy="Send it in parts.",
            )
        ordinal = ordinals[name] = ordinals.get(name, 0) + 1
        if line.count(separator) > fields_max:
            raise SenderError(
                f"A segment has more than {fields_max} fields.",
                where=place(name, ordinal),
                remedy="Escape delimiters that belong to a text.",
            )
        segments.append(Segment(name, line, reading, len(segments), ordinal))
    if ordinals["MSH"] > 1:
        raise SenderError(
            "A second message header stands inside this message.",
            where=place("MSH", 2),
            remedy="Send one message at a time.",
        )
    return tuple(segments)


def _tidy(sent: str, separator: str, number: int) -> str:
    """The line without blanks around its name; `""` for a blank line.

    Raises: SenderError for a line that does not begin with a segment's name.
    """
    line = sent.lstrip(" \t\ufeff")
    if not line:
        return ""
    name, after = line[:3], line[3:4]
    if after == " " and not line[3:].strip(" "):
        line, after = name, ""
    if not _SEGMENT_NAME.match(name) or after not in ("", separator):
        raise SenderError(
            "A line does not begin with the name of a segment.",
            where=f"line {number}",
            remedy="Send line breaks inside a text as \\.br\\.",
        )
    if len(_seen_names) < _SEEN_NAMES_MAX:
        _seen_names.add(name)
    return line


# Headers of messages that may not parse ---------------------------------------------------------


class HeaderPeek(msgspec.Struct, frozen=True):
    """What an acknowledgement needs of a header, as sent (delimiters and escapes in it)."""

    delimiters: Delimiters
    encoding: str
    character_set: str
    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    message_code: str
    trigger: str
    control_id: str
    processing_id: str
    version: str
    accept_ack: str


def peek_header(raw: bytes) -> HeaderPeek | None:
    """Read the header of bytes that may not parse; None where there is none.

    Best effort on the first 64 kB: leading noise is skipped, bad encoding characters are taken for
    the usual ones, and a last field that the cut may have shortened is left out.
    """
    head = raw[:PEEK_BYTES_MAX]
    order = utf16_order(head)
    if order:
        head = head.decode(order, "replace").lstrip("\ufeff").encode("utf-8")
    head = head.removeprefix(UTF8_BOM).lstrip(b" \t\r\n\x0b")
    if not head.startswith(b"MSH"):
        within = _HEADER_WITHIN.search(head)
        if within is None:
            return None
        head = head[within.end() :]
    end = _LINE_END.search(head)
    line = head[: end.start()] if end else head
    if end is None and len(raw) > PEEK_BYTES_MAX:
        line = line[: max(line.rfind(line[3:4]), 0)]
    return _peek_line(line)


def _peek_line(line: bytes) -> HeaderPeek | None:
    text = line.decode("latin-1")
    try:
        delimiters = read_delimiters(text)
    except SenderError:
        separator = text[3:4]
        usual = DEFAULT_DELIMITERS
        known = (usual.component, usual.repetition, usual.escape, usual.subcomponent)
        if not "!" <= separator <= "~" or separator.isalnum() or separator in known:
            return None
        delimiters = Delimiters(field=separator)
    declared = _declared(text, delimiters)
    encoding = find_encoding(declared) or "utf-8"
    if encoding == "utf-16":
        encoding = "utf-8"
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1"
    reading = Reading(delimiters, encoding, DEFAULT_LIMITS, unescaper(delimiters, encoding))
    header = Segment("MSH", text, reading, 0, 1)
    return _peek_of(header, delimiters, encoding)


def _peek_of(header: Segment, delimiters: Delimiters, encoding: str) -> HeaderPeek:
    code, trigger, *_ = (*header.raw(9).split(delimiters.component, 2), "", "")
    return HeaderPeek(
        delimiters=delimiters,
        encoding=encoding,
        character_set=_declared(header.line, delimiters),
        sending_application=header.raw(3),
        sending_facility=header.raw(4),
        receiving_application=header.raw(5),
        receiving_facility=header.raw(6),
        message_code=code,
        trigger=trigger,
        control_id=header.raw(10),
        processing_id=header.raw(11),
        version=header.raw(12),
        accept_ack=header.raw(15),
    )
