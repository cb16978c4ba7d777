"""Acknowledgements: what we answer to a message, readable or not.

Invariants:
- The control id comes back as it was sent, in the character set in which it was sent.
- An acknowledgement can always be made, even where nothing of the header could be read.
- It never breaks MLLP framing or lines: those control bytes of an echoed field are left out.

Source: HL7 v2.5.1 section 2.9 (original and enhanced mode), 2.15.5 (ERR), 2.15.8 (MSA), tables
0008, 0357, 0516; docs of this project for when each code is given.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from tourniquet.kernel.errors import TourniquetError
from tourniquet.wire.hl7v2 import HeaderPeek, Message
from tourniquet.wire.hl7v2_text import (
    DEFAULT_DELIMITERS,
    NULL_TEXT,
    Delimiters,
    escaper,
    find_place,
)
from tourniquet.wire.hl7v2_time import format_timestamp

# A longer field of a header is a fault of the feed; echoing it would multiply it.
ECHO_CHARACTERS_MAX = 1_000
TEXT_CHARACTERS_MAX = 1_000
OUR_APPLICATION = "TOURNIQUET"
DEFAULT_VERSION = "2.5.1"
_ERR_SINCE = (2, 5)
_FRAMING = re.compile("[\x00\x0b\x1c\r\n]")
_VERSION = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})")


class AckCode(Enum):
    """What becomes of the message. The values are those of original mode."""

    ACCEPT = "AA"
    ERROR = "AE"
    REJECT = "AR"

    @property
    def enhanced(self) -> str:
        """The same in enhanced mode."""
        return "C" + self.value[1]


class ErrorCode(Enum):
    """Table 0357, as far as it is used."""

    SEGMENT_SEQUENCE = "100"
    REQUIRED_FIELD_MISSING = "101"
    DATA_TYPE = "102"
    TABLE_VALUE_NOT_FOUND = "103"
    UNSUPPORTED_MESSAGE_TYPE = "200"
    UNSUPPORTED_EVENT = "201"
    UNSUPPORTED_PROCESSING_ID = "202"
    UNSUPPORTED_VERSION = "203"
    UNKNOWN_KEY = "204"
    DUPLICATE_KEY = "205"
    RECORD_LOCKED = "206"
    INTERNAL = "207"


_ERROR_TEXTS = {
    ErrorCode.SEGMENT_SEQUENCE: "Segment sequence error",
    ErrorCode.REQUIRED_FIELD_MISSING: "Required field missing",
    ErrorCode.DATA_TYPE: "Data type error",
    ErrorCode.TABLE_VALUE_NOT_FOUND: "Table value not found",
    ErrorCode.UNSUPPORTED_MESSAGE_TYPE: "Unsupported message type",
    ErrorCode.UNSUPPORTED_EVENT: "Unsupported event code",
    ErrorCode.UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
    ErrorCode.UNSUPPORTED_VERSION: "Unsupported version id",
    ErrorCode.UNKNOWN_KEY: "Unknown key identifier",
    ErrorCode.DUPLICATE_KEY: "Duplicate key identifier",
    ErrorCode.RECORD_LOCKED: "Application record locked",
    ErrorCode.INTERNAL: "Application internal error",
}


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """What was wrong, for ERR. `segment` empty: no place; `field` 0: the whole segment."""

    code: ErrorCode
    message: str = ""
    severity: str = "E"
    segment: str = ""
    ordinal: int = 1
    field: int = 0

    @classmethod
    def from_error(
        cls, error: TourniquetError, *, code: ErrorCode = ErrorCode.DATA_TYPE
    ) -> ErrorDetail:
        """The detail of one of our errors, its place taken from `where`."""
        found = find_place(error.where)
        segment, ordinal, field = found or ("", 1, 0)
        return cls(code=code, message=str(error), segment=segment, ordinal=ordinal, field=field)


def acknowledge(
    header: Message | HeaderPeek | None,
    *,
    code: AckCode,
    control_id: str,
    moment: datetime,
    text: str = "",
    error: ErrorDetail | None = None,
) -> bytes:
    """The acknowledgement of the message with this header; None where no header could be read.

    `control_id` is the acknowledgement's own. Sender and receiver change places, version and
    processing id come back. From v2.5 on an error goes into ERR; before, and where there is no
    error, the text goes into MSA-3. Letters of our text outside the character set become `?`.
    """
    peek = header.peek() if isinstance(header, Message) else header
    delimiters = peek.delimiters if peek else DEFAULT_DELIMITERS
    answer = _Answer(delimiters, escaper(delimiters))
    encoding, character_set = _encoding(peek)
    version = _echo(peek.version) if peek else ""
    has_err = error is not None and _supports_err(version, delimiters)
    shown = text or (error.message if error and not has_err else "")
    enhanced = peek is not None and peek.accept_ack not in ("", NULL_TEXT)
    lines = [
        answer.header(
            peek,
            control_id=control_id,
            moment=moment,
            version=version or answer.plain(DEFAULT_VERSION),
            character_set=character_set,
        ),
        delimiters.field.join(
            (
                "MSA",
                code.enhanced if enhanced else code.value,
                _echo(peek.control_id) if peek else "",
                answer.plain(shown),
            )
        ).rstrip(delimiters.field),
    ]
    if has_err and error is not None:
        lines.append(answer.error(error))
    lines.append("")
    return "\r".join(lines).encode(encoding, "replace")


@dataclass(frozen=True, slots=True)
class _Answer:
    """Writes the segments with the delimiters of the message."""

    delimiters: Delimiters
    escape: Callable[[str], str]

    def plain(self, text: str) -> str:
        """Our own text, made fit for a field."""
        cut = text[:TEXT_CHARACTERS_MAX].replace("\x00", "")
        if self.delimiters.escape == "\x00":
            separators = set(self.delimiters.field + self.delimiters.encoding_characters())
            return "".join(" " if c in separators or c < " " else c for c in cut)
        return self.escape(cut)

    def header(
        self,
        peek: HeaderPeek | None,
        *,
        control_id: str,
        moment: datetime,
        version: str,
        character_set: str,
    ) -> str:
        """MSH."""
        component = self.delimiters.component
        trigger = _echo(peek.trigger) if peek else ""
        fields = (
            "MSH",
            self.delimiters.encoding_characters(),
            _echo(peek.receiving_application) if peek else OUR_APPLICATION,
            _echo(peek.receiving_facility) if peek else "",
            _echo(peek.sending_application) if peek else "",
            _echo(peek.sending_facility) if peek else "",
            self.plain(format_timestamp(moment)),
            "",
            component.join(("ACK", trigger, "ACK")) if trigger else "ACK",
            self.plain(control_id),
            (_echo(peek.processing_id) if peek else "") or "P",
            version,
            *("", "", "", "", ""),
            character_set,
        )
        return self.delimiters.field.join(fields).rstrip(self.delimiters.field)

    def error(self, error: ErrorDetail) -> str:
        """ERR as of v2.5: location, code, severity, message for the user."""
        component = self.delimiters.component
        location = ""
        if error.segment:
            location = component.join((self.plain(error.segment), str(error.ordinal)))
            if error.field:
                location += component + str(error.field)
        code = component.join((error.code.value, self.plain(_ERROR_TEXTS[error.code]), "HL70357"))
        message = self.plain(error.message)
        fields = ("ERR", "", location, code, self.plain(error.severity), "", "", "", message)
        return self.delimiters.field.join(fields).rstrip(self.delimiters.field)


def _echo(raw: str) -> str:
    """A field of the sender's, as sent."""
    return _FRAMING.sub("", raw) if len(raw) <= ECHO_CHARACTERS_MAX else ""


def _encoding(peek: HeaderPeek | None) -> tuple[str, str]:
    """How to write the answer, and what to declare. UTF-16 cannot travel in MLLP: UTF-8 then."""
    if peek is None:
        return "ascii", ""
    if peek.encoding.startswith("utf-16"):
        return "utf-8", "UNICODE UTF-8"
    return peek.encoding, _echo(peek.character_set)


def _supports_err(version: str, delimiters: Delimiters) -> bool:
    """Whether ERR has its later shape. A version that cannot be read gets MSA-3 instead."""
    match = _VERSION.match(version.split(delimiters.component, 1)[0].strip())
    return match is not None and (int(match[1]), int(match[2])) >= _ERR_SINCE
