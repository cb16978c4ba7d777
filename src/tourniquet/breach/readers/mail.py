"""Mail: single ones, boxes of them, Outlook's messages and its stores.

A mail is one passage: its head as fields, its body whole, with what it quotes. What is attached is
a member; a mail in a mail is a member too, but for Outlook's, which lies in the same file.

Invariants:
- A head that does not fit any standard is told as it stands.
- A body given twice, as text and as HTML, is told once where both say the same.
"""

from __future__ import annotations

import email
import email.header
import email.policy
import mmap
import re
from collections.abc import Iterator
from email.message import Message

from tourniquet.breach.pieces import Inner, Passage, Piece, Shape, Shut
from tourniquet.breach.readers.decoding import decode
from tourniquet.breach.readers.markup import html_text
from tourniquet.breach.readers.source import CannotRead, Source, passages

_HEAD = ("from", "to", "cc", "bcc", "reply-to", "subject", "date")
_FROM = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\r\n\r\n))From [^\r\n]*\d{4}[^\r\n]*\r?\n")
_FROM_LOOSE = re.compile(rb"(?:\A|(?<=\n))From \S+[^\r\n]*\d\d:\d\d[^\r\n]*\r?\n")
MAIL_BYTES_MOST = 256 * 1024 * 1024
_PARTS_MOST = 2_000


def eml(source: Source) -> Iterator[Piece]:
    """One mail."""
    yield from _mail(source, source.whole(), "message 1")


def mbox(source: Source) -> Iterator[Piece]:
    """A box of mails, one after the other."""
    with source.file.open("rb") as opened:
        content = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        found = _FROM.finditer(content)
        marks = [(one.start(), one.end()) for one in found]
        if not marks:
            marks = [(one.start(), one.end()) for one in _FROM_LOOSE.finditer(content)]
        if not marks:
            raise CannotRead("no mail begins in it")
        if marks[0][0] and content[: marks[0][0]].strip():
            yield from passages("text", Shape.TEXT, decode(content[: marks[0][0]]))
        ends = [start for start, _ in marks[1:]] + [len(content)]
        for number, ((_, begin), end) in enumerate(zip(marks, ends, strict=True), 1):
            if end - begin > MAIL_BYTES_MOST:
                source.note(f"a mail in it is longer than the limit of {MAIL_BYTES_MOST:,} bytes")
            raw = content[begin : min(end, begin + MAIL_BYTES_MOST)]
            yield from _mail(source, raw, f"message {number}")


def _mail(source: Source, raw: bytes, place: str) -> Iterator[Piece]:
    message = email.message_from_bytes(raw, policy=email.policy.compat32)
    members: list[Inner | Shut] = []
    texts: list[str] = []
    _part(source, message, place, texts, members)
    head = {name: value for name in _HEAD if (value := _header(message, name))}
    body = "\n\n".join(one for one in texts if one.strip())
    if not head and not body and not members:
        raise CannotRead("neither a head nor a body of a mail was found in it")
    yield from passages(place, Shape.MAIL, body, head=head)
    yield from members


def _part(
    source: Source, top: Message, place: str, texts: list[str], members: list[Inner | Shut]
) -> None:
    """Sort the parts of a mail into its text and its members."""
    waiting: list[Message] = [top]
    count = 0
    while waiting:
        part = waiting.pop(0)
        count += 1
        if count > _PARTS_MOST:
            source.note(f"a mail in it has more parts than the limit of {_PARTS_MOST:,}")
            return
        kind = part.get_content_type()
        if kind == "message/rfc822" and part.is_multipart():
            inner = part.get_payload(0)
            assert isinstance(inner, Message)  # the parser's
            name = file_name(part) or f"{_header(inner, 'subject') or 'message'}.eml"
            members.append(source.scratch.take(_clean(name), [bytes(inner)], beside=place))
            continue
        if part.is_multipart():
            inside = part.get_payload()
            assert isinstance(inside, list)  # the parser's
            inner_parts = [one for one in inside if isinstance(one, Message)]
            is_choice = kind == "multipart/alternative"
            waiting[:0] = _alternatives(inner_parts) if is_choice else inner_parts
            continue
        _leaf(source, part, place, texts, members)


def _alternatives(parts: list[Message]) -> list[Message]:
    """Of one body in several forms: the plain one where it says anything, and what is no body."""
    plain = [one for one in parts if one.get_content_type() == "text/plain"]
    if any(len(_payload(one).strip()) > 20 for one in plain):
        return [one for one in parts if one.get_content_type() != "text/html"]
    return [one for one in parts if one.get_content_type() != "text/plain"] or parts


def _leaf(
    source: Source, part: Message, place: str, texts: list[str], members: list[Inner | Shut]
) -> None:
    kind = part.get_content_type()
    name = file_name(part)
    is_attached = part.get_content_disposition() == "attachment"
    payload = _payload(part)
    if kind in {"text/plain", "text/html"} and not is_attached and not name:
        text = _text(part, payload)
        texts.append(html_text(text) if kind == "text/html" else text)
        return
    if not payload:
        return
    if not name:
        name = f"part {len(members) + 1}.{part.get_content_subtype()[:20]}"
    members.append(source.scratch.take(_clean(name), [payload], beside=place))


def _payload(part: Message) -> bytes:
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, AssertionError, LookupError):
        payload = str(part.get_payload()).encode("utf-8", "surrogateescape")
    return payload if isinstance(payload, bytes) else b""


def _text(part: Message, payload: bytes) -> str:
    charset = part.get_content_charset("")
    text = None
    if charset and charset not in {"us-ascii", "utf-8", "unknown-8bit"}:
        try:
            text = payload.decode(charset, "replace")
        except LookupError:
            text = None
    text = decode(payload) if text is None else text
    return text.replace("\r\n", "\n").replace("\r", "\n")


def file_name(part: Message) -> str:
    """The name that a part has as a file."""
    try:
        name = part.get_filename() or ""
    except (ValueError, TypeError, LookupError, AttributeError):
        return ""
    return _decoded(str(name)) if name else ""


def _header(message: Message, name: str) -> str:
    try:
        values = message.get_all(name) or []
    except (ValueError, LookupError):
        return ""
    return ", ".join(" ".join(_decoded(str(one)).split()) for one in values)


def _decoded(value: str) -> str:
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if "=?" not in value:
        return value
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (ValueError, LookupError, email.errors.HeaderParseError):
        return value


def _clean(name: str) -> str:
    """A name of an attachment without the folders that its sender's system put before it."""
    return name.replace("\\", "/").rsplit("/", 1)[-1].replace("\x00", "").strip() or "attachment"


def mail_passages(place: str, head: dict[str, str], body: str) -> Iterator[Passage]:
    """A mail whose head and body are known."""
    kept = {
        name: " ".join(value.split()) for name, value in head.items() if value and value.strip()
    }
    yield from passages(
        place, Shape.MAIL, body.replace("\r\n", "\n").replace("\r", "\n"), head=kept
    )
