"""Outlook's messages and stores.

Sources: [MS-OXMSG], [MS-OXPROPS] for the numbers of properties; PST through libpff.

Invariants:
- A message in a message is told as one of its own, with its place; its attachments are members.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import olefile

from tourniquet.breach.pieces import Piece
from tourniquet.breach.readers.decoding import decode
from tourniquet.breach.readers.mail import mail_passages
from tourniquet.breach.readers.markup import html_text
from tourniquet.breach.readers.office import plain_rtf
from tourniquet.breach.readers.ole import opened_ole, stream
from tourniquet.breach.readers.source import CannotRead, Source

_SUBJECT, _BODY, _HEADERS, _HTML = "0037", "1000", "007D", "1013"
_SENDER, _SENDER_MAIL, _TO, _CC, _BCC = "0C1A", "0C1F", "0E04", "0E03", "0E02"
_NAME, _SHORT_NAME, _DISPLAY = "3707", "3704", "3001"
_RECIPIENT_MAIL = "39FE"
_DEPTH_MOST = 8
_RTF_MOST_BYTES = 64 * 1024 * 1024
_PST_MESSAGES_MOST = 5_000_000
_READ_AT_ONCE = 1024 * 1024


def msg(source: Source) -> Iterator[Piece]:
    """One message, and those within it. Raises: CannotRead."""
    with opened_ole(source) as ole:
        yield from _message(source, ole, "", "message 1", 0)


def _property(ole: olefile.OleFileIO, folder: str, number: str) -> str:
    wide = stream(ole, f"{folder}__substg1.0_{number}001F")
    if wide:
        return wide.decode("utf-16-le", "replace").rstrip("\x00")
    return decode(stream(ole, f"{folder}__substg1.0_{number}001E")).rstrip("\x00")


def _message(
    source: Source, ole: olefile.OleFileIO, folder: str, place: str, depth: int
) -> Iterator[Piece]:
    sender = _property(ole, folder, _SENDER)
    sender = f"{sender} <{_property(ole, folder, _SENDER_MAIL)}>".replace(" <>", "")
    mails = [
        _property(ole, f"{folder}{one}/", _RECIPIENT_MAIL)
        for one in _storages(ole, folder)
        if one.startswith("__recip_version1.0_")
    ]
    head = {
        "from": sender,
        "to": ", ".join(one for one in (_property(ole, folder, _TO), *mails) if one),
        "cc": _property(ole, folder, _CC),
        "bcc": _property(ole, folder, _BCC),
        "subject": _property(ole, folder, _SUBJECT),
    }
    body = _property(ole, folder, _BODY)
    if not body.strip():
        html = (
            stream(ole, f"{folder}__substg1.0_{_HTML}0102")
            or _property(ole, folder, _HTML).encode()
        )
        body = (
            html_text(decode(html)) if html else _rtf(stream(ole, f"{folder}__substg1.0_10090102"))
        )
    if not any(head.values()) and not body:
        raise CannotRead("neither a head nor a body of a message was found in it")
    yield from mail_passages(place, head, body)
    for number, one in enumerate(_storages(ole, folder), 1):
        if one.startswith("__attach_version1.0_"):
            yield from _attachment(source, ole, f"{folder}{one}/", f"{place}.{number}", depth)


def _storages(ole: olefile.OleFileIO, folder: str) -> list[str]:
    parts = [one for one in folder.split("/") if one]
    found = {
        path[len(parts)]: None
        for path in ole.listdir(streams=False, storages=True)
        if len(path) == len(parts) + 1 and path[: len(parts)] == parts
    }
    return list(found)


def _attachment(
    source: Source, ole: olefile.OleFileIO, folder: str, place: str, depth: int
) -> Iterator[Piece]:
    inner = f"{folder}__substg1.0_3701000D"
    name = _property(ole, folder, _NAME) or _property(ole, folder, _SHORT_NAME)
    name = name or _property(ole, folder, _DISPLAY) or "attachment"
    if ole.exists(f"{inner}/__properties_version1.0"):
        if depth >= _DEPTH_MOST:
            source.note(f"messages lie in it deeper than the limit of {_DEPTH_MOST}")
            return
        try:
            yield from _message(source, ole, f"{inner}/", place, depth + 1)
        except CannotRead:
            source.note("a message within it is empty or damaged")
        return
    content = stream(ole, f"{folder}__substg1.0_37010102")
    if content:
        yield source.scratch.take(
            name.replace("\\", "/").rsplit("/", 1)[-1], [content], beside=place
        )


def _rtf(packed: bytes) -> str:
    """The text of a body in compressed RTF ([MS-OXRTFCP])."""
    if len(packed) < 16:
        return ""
    _, raw_size, mark, _ = struct.unpack_from("<IIII", packed)
    if raw_size > _RTF_MOST_BYTES:
        return ""
    raw = packed[16 : 16 + raw_size] if mark == 0x414C454D else _unpacked(packed[16:], raw_size)
    text = plain_rtf(raw.decode("latin-1"))
    return html_text(text) if "<html" in text[:2_000].lower() else text


_PREBUF = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern "
    b"\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0"
    b"\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)


def _unpacked(content: bytes, raw_size: int) -> bytes:
    window = bytearray(_PREBUF.ljust(4096, b"\x00"))
    at = len(_PREBUF)
    out = bytearray()
    place = 0
    while place < len(content) and len(out) < raw_size:
        control = content[place]
        place += 1
        for bit in range(8):
            if place >= len(content):
                break
            if control >> bit & 1:
                if place + 1 >= len(content):
                    return bytes(out)
                token = content[place] << 8 | content[place + 1]
                place += 2
                start, length = token >> 4, (token & 0xF) + 2
                if start == at % 4096:
                    return bytes(out)
                for step in range(length):
                    sign = window[(start + step) % 4096]
                    out.append(sign)
                    window[at % 4096] = sign
                    at += 1
            else:
                out.append(content[place])
                window[at % 4096] = content[place]
                at += 1
                place += 1
    return bytes(out)


def pst(source: Source) -> Iterator[Piece]:
    """All messages of a store, folder by folder. Raises: CannotRead."""
    import pypff  # noqa: PLC0415 # only few are stores

    store = pypff.file()
    try:
        store.open(str(source.file))
        root = store.get_root_folder()
    except (OSError, RuntimeError, ValueError, MemoryError) as error:
        raise CannotRead(f"the store can't be opened ({type(error).__name__})") from None
    counted = [0]
    try:
        if root is not None:
            yield from _pst_folder(source, root, counted, 0)
    finally:
        store.close()


def _pst_folder(source: Source, folder: object, counted: list[int], depth: int) -> Iterator[Piece]:
    if depth > 64:
        source.note("folders lie in it deeper than the limit of 64")
        return
    for number in range(getattr(folder, "number_of_sub_messages", 0)):
        counted[0] += 1
        if counted[0] > _PST_MESSAGES_MOST:
            source.note(f"there are more messages in it than the limit of {_PST_MESSAGES_MOST:,}")
            return
        try:
            message = folder.get_sub_message(number)  # type: ignore[attr-defined] # libpff's
            yield from _pst_message(source, message, f"message {counted[0]}")
        except (OSError, RuntimeError, ValueError):
            source.note("some of its messages are damaged")
    for number in range(getattr(folder, "number_of_sub_folders", 0)):
        try:
            inner = folder.get_sub_folder(number)  # type: ignore[attr-defined] # libpff's
        except (OSError, RuntimeError, ValueError):
            source.note("some of its folders are damaged")
            continue
        yield from _pst_folder(source, inner, counted, depth + 1)


def _pst_message(source: Source, message: object, place: str) -> Iterator[Piece]:
    headers = str(_had(message, "transport_headers") or "")
    head = _transport(headers)
    head.setdefault("from", str(_had(message, "sender_name") or ""))
    head["subject"] = str(_had(message, "subject") or head.get("subject", ""))
    if "date" not in head and (sent := _had(message, "client_submit_time")):
        head["date"] = str(sent)
    body = _had(message, "plain_text_body")
    text = decode(body) if isinstance(body, bytes) else str(body or "")
    if not text.strip():
        html = _had(message, "html_body")
        if html:
            text = html_text(decode(html) if isinstance(html, bytes) else str(html))
    yield from mail_passages(place, head, text)
    for number in range(int(str(_had(message, "number_of_attachments") or 0))):
        try:
            one = message.get_attachment(number)  # type: ignore[attr-defined] # libpff's
            size = int(one.get_size())
            name = str(_had(one, "long_filename") or f"attachment {number + 1}")
            if int(str(_had(one, "number_of_sub_items") or 0)) and place.count(".") < _DEPTH_MOST:
                inner = one.get_sub_item(0)  # a message that was attached
                yield from _pst_message(source, inner, f"{place}.{number + 1}")
                continue
            yield source.scratch.take(name, _read(one, size), size=size, beside=place)
        except (OSError, RuntimeError, ValueError):
            source.note("some of its attachments are damaged")


def _read(attachment: object, size: int) -> Iterator[bytes]:
    while size > 0:
        block = attachment.read_buffer(min(size, _READ_AT_ONCE))  # type: ignore[attr-defined] # libpff's
        if not block:
            return
        size -= len(block)
        yield block


def _had(thing: object, name: str) -> object:
    try:
        return getattr(thing, name, None)
    except (OSError, RuntimeError, ValueError, MemoryError):
        return None


def _transport(headers: str) -> dict[str, str]:
    from email.parser import HeaderParser  # noqa: PLC0415 # only few have them

    found = HeaderParser().parsestr(headers)
    return {name: str(found[name]) for name in ("from", "to", "cc", "date") if found[name]}
