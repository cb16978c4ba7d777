"""The segments of an HL7 v2 message: values by number, and walks over them in order.

Invariants:
- Fields, components, subcomponents and repetitions count from 1; MSH-1 is the field separator.
- A field is split when it is first asked for. What is absent is `""`, never an exception.
- Only the limits of the message raise, as SenderError with the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2_text import NULL_TEXT, Delimiters, Limits, place

_HEADER_NAMES = frozenset({"MSH", "FHS", "BHS"})


class Reading(msgspec.Struct, frozen=True):
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

    def key(self) -> tuple[str, Delimiters, str]:
        """Equal for segments that read alike."""
        return self.line, self._reading.delimiters, self._reading.encoding

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

    def _is_plain(self, raw: str) -> bool:
        """Whether nothing in it is escaped, divided further or null."""
        delimiters = self._reading.delimiters
        return (
            delimiters.escape not in raw
            and delimiters.subcomponent not in raw
            and NULL_TEXT not in raw
        )

    def _plain(self, raw: str) -> str:
        if raw == NULL_TEXT:
            return ""
        if self._reading.delimiters.escape in raw:
            return self._reading.unescape(raw)
        return raw


def _pick(texts: list[str], number: int) -> str:
    return texts[number - 1] if 0 < number <= len(texts) else ""


class Repetition(msgspec.Struct, frozen=True):
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
        if segment._is_plain(self.raw):  # noqa: SLF001 - same
            return tuple(texts)
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
