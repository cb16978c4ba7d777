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
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tourniquet.kernel.errors import SenderError
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
_HEADER_NAMES = frozenset({"MSH", "FHS", "BHS"})
_BATCH_NAMES = frozenset({"FHS", "BHS", "BTS", "FTS"})
# Checked once a name; a mutated feed must not make the set grow without end.
_SEEN_NAMES_MAX = 2_000
_seen_names: set[str] = set()
_LINE_END = re.compile(rb"[\r\n]")
_TEXT_LINE_END = re.compile(r"[\r\n]")
_HEADER_WITHIN = re.compile(rb"[\r\n\x0b][ \t]*(?=MSH[!-/:-@\[-`{-~])")
_FRAMING_CHARACTERS = ("\x00", "\x0b", "\x1c")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the segments of one message are read."""

    delimiters: Delimiters
    encoding: str
    limits: Limits
    unescape: Callable[[str], str]


class Segment:
    """One segment. Reads as immutable; a plain class, because 20 are made for every message."""

    __slots__ = ("_fields", "_reading", "index", "line", "name", "ordinal")

    def __init__(self, name: str, line: str, reading: Reading, index: int, ordinal: int) -> None:
        self.name = name
        self.line = line
        self.index = index
        self.ordinal = ordinal
        self._reading = reading
        self._fields: list[str] | None = None

    def __repr__(self) -> str:
        return f"Segment({self.where()})"

    def _split(self) -> list[str]:
        separator = self._reading.delimiters.field
        fields = self.line.split(separator)
        if self.name in _HEADER_NAMES:
            fields.insert(1, separator)
        self._fields = fields
        return fields

    @property
    def field_count(self) -> int:
        """The number of the last field."""
        return len(self._fields or self._split()) - 1

    def where(self, field: int = 0) -> str:
        """This segment, or a field of it, as an error names it."""
        return place(self.name, self.ordinal, field)

    def raw(self, field: int) -> str:
        """The field as sent: all repetitions, delimiters and escapes in it."""
        fields = self._fields or self._split()
        return fields[field] if 0 < field < len(fields) else ""

    def is_null(self, field: int, component: int = 0, repetition: int = 1) -> bool:
        """Whether the field, or one component of it, is HL7's null: the sender deletes it."""
        raw = self.raw(field)
        if component:
            raw = _pick(self._repetition_texts(raw, field), repetition)
            raw = self._component(raw, field, component)
        return raw == NULL_TEXT

    def value(
        self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 1
    ) -> str:
        """One value, unescaped. `""` where it is absent and where it is null.

        Raises: SenderError when there are more repetitions or components than the limits allow.
        """
        fields = self._fields or self._split()
        if not 0 < field < len(fields):
            return ""
        raw = fields[field]
        if not raw:
            return ""
        delimiters = self._reading.delimiters
        if field <= 2 and self.name in _HEADER_NAMES:
            return raw
        if delimiters.repetition in raw:
            raw = _pick(self._repetition_texts(raw, field), repetition)
        elif repetition != 1:
            return ""
        return self._leaf(raw, field, component, subcomponent)

    def text(self, field: int) -> str:
        """The whole field as one text: delimiters stay, repetitions become lines, unescaped.

        For free text, in which real senders leave `^` and `&` unescaped.
        """
        raw = self.raw(field)
        if not raw or raw == NULL_TEXT:
            return ""
        if field <= 2 and self.name in _HEADER_NAMES:
            return raw
        return "\n".join(map(self._plain, self._repetition_texts(raw, field)))

    def repetitions(self, field: int) -> tuple[Repetition, ...]:
        """The repetitions of a field in order; none where the field is empty."""
        raw = self.raw(field)
        if not raw:
            return ()
        if field <= 2 and self.name in _HEADER_NAMES:
            return (Repetition(raw, self, field),)
        return tuple(Repetition(text, self, field) for text in self._repetition_texts(raw, field))

    def components(self, field: int, repetition: int = 1) -> tuple[str, ...]:
        """The components of one repetition, each its first subcomponent, unescaped."""
        repetitions = self.repetitions(field)
        if not 0 < repetition <= len(repetitions):
            return ()
        return repetitions[repetition - 1].components()

    def _repetition_texts(self, raw: str, field: int) -> list[str]:
        texts = raw.split(self._reading.delimiters.repetition)
        if len(texts) > self._reading.limits.field_repetitions_max:
            raise SenderError(
                f"A field has more than {self._reading.limits.field_repetitions_max} repetitions.",
                where=self.where(field),
                remedy="Send fewer in one message.",
            )
        return texts

    def _component_texts(self, raw: str, separator: str, field: int) -> list[str]:
        texts = raw.split(separator)
        limit = self._reading.limits.repetition_components_max
        if len(texts) > limit:
            raise SenderError(
                f"A value has more than {limit} components.",
                where=self.where(field),
                remedy="Escape delimiters that belong to a text.",
            )
        return texts

    def _component(self, raw: str, field: int, component: int) -> str:
        separator = self._reading.delimiters.component
        if separator in raw:
            return _pick(self._component_texts(raw, separator, field), component)
        return raw if component == 1 else ""

    def _leaf(self, raw: str, field: int, component: int, subcomponent: int) -> str:
        raw = self._component(raw, field, component)
        separator = self._reading.delimiters.subcomponent
        if separator in raw:
            raw = _pick(self._component_texts(raw, separator, field), subcomponent)
        elif subcomponent != 1:
            return ""
        return self._plain(raw)

    def _plain(self, raw: str) -> str:
        if raw == NULL_TEXT:
            return ""
        if self._reading.delimiters.escape in raw:
            return self._reading.unescape(raw)
        return raw


def _pick(texts: list[str], number: int) -> str:
    return texts[number - 1] if 0 < number <= len(texts) else ""


@dataclass(frozen=True, slots=True)
class Repetition:
    """One repetition of a field, as sent and by component."""

    raw: str
    segment: Segment
    field: int

    @property
    def is_null(self) -> bool:
        """Whether it is HL7's null."""
        return self.raw == NULL_TEXT

    def value(self, component: int = 1, subcomponent: int = 1) -> str:
        """One value, unescaped; `""` where absent or null."""
        return self.segment._leaf(self.raw, self.field, component, subcomponent)  # noqa: SLF001 - of one piece with Segment

    def components(self) -> tuple[str, ...]:
        """Each component's first subcomponent, unescaped."""
        segment = self.segment
        separator = segment._reading.delimiters.component  # noqa: SLF001 - of one piece with Segment
        texts = segment._component_texts(self.raw, separator, self.field)  # noqa: SLF001 - same
        return tuple(segment._leaf(text, self.field, 1, 1) for text in texts)  # noqa: SLF001 - same


class SegmentRun:
    """Segments in order, and the ways to walk them. What a message and a group have in common."""

    __slots__ = ("segments",)

    def __init__(self, segments: tuple[Segment, ...]) -> None:
        self.segments = segments

    def first(self, name: str) -> Segment | None:
        """The first segment of that name, or None."""
        for segment in self.segments:
            if segment.name == name:
                return segment
        return None

    def all(self, name: str) -> tuple[Segment, ...]:
        """The segments of that name, in order."""
        return tuple([segment for segment in self.segments if segment.name == name])

    def groups(self, start: str = "OBR", *, leading: Iterable[str] = ("ORC",)) -> tuple[Group, ...]:
        """Cut the segments into groups, each with at most one `start`, in the order sent.

        Every `leading` segment opens a group (ORC before OBR), and so does a `start` where the
        group at hand already has one; a group runs to the next. So an ORC without an OBR is a
        group too, with `start` None. What stands before the first group is in none; see `preamble`.
        """
        leaders = frozenset(leading)
        runs: list[list[Segment]] = []
        started = False
        for segment in self.segments:
            is_start = segment.name == start
            if segment.name in leaders or (is_start and (started or not runs)):
                runs.append([])
                started = False
            if runs:
                runs[-1].append(segment)
            started = started or is_start
        return tuple(Group(tuple(run), start) for run in runs)

    def preamble(self, *names: str) -> tuple[Segment, ...]:
        """The segments before the first one of these names."""
        run: list[Segment] = []
        for segment in self.segments:
            if segment.name in names:
                break
            run.append(segment)
        return tuple(run)

    def after(self, segment: Segment, name: str = "NTE") -> tuple[Segment, ...]:
        """The unbroken run of segments called `name` that follows `segment` at once: its notes."""
        first = self.segments[0].index if self.segments else 0
        run: list[Segment] = []
        for following in self.segments[max(segment.index - first + 1, 0) :]:
            if following.name != name:
                break
            run.append(following)
        return tuple(run)


class Group(SegmentRun):
    """Segments that belong together: an ORC, its OBR, and what follows them."""

    __slots__ = ("start",)

    def __init__(self, segments: tuple[Segment, ...], start: str) -> None:
        super().__init__(segments)
        self.start = self.first(start)


@dataclass(frozen=True, slots=True)
class MessageType:
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


@dataclass(frozen=True, slots=True)
class HeaderPeek:
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
