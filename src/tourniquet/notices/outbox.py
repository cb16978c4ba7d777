"""The outbox: one file for each notice that is to leave, for gateways, printers and practices.

Invariants:
- A file is named by its notice and appears whole or not at all; writing it again changes nothing.
- It is written after the commit, so what is in it is journalled; a missing one is written again.
- text/ID.json holds number and words; letter/ID.html is one page; call-list/ID.json is for the
  practice that calls.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from tourniquet.notices.rendering import LetterTo, render_letter_of
from tourniquet.notices.rules import LETTER, TEXT

FOLDERS = {"text": "text", "letter": "letter", "call_list": "call-list"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One notice as it leaves."""

    notice: str
    kind: str
    channel: str
    text: str
    name: str
    phone: str
    address_lines: tuple[str, ...]
    practice: str
    written_on: date
    exercise: bool


def path_of(folder: Path, notice: str, channel: str) -> Path:
    """Where the file of a notice lies."""
    return folder / _name(notice, channel)


def _name(notice: str, channel: str) -> str:
    suffix = "html" if channel == LETTER else "json"
    return f"{FOLDERS[channel]}/{notice}.{suffix}"


def write_outbox(folder: Path, outgoing: Iterable[Outgoing], *, again: bool = False) -> int:
    """Write the files that are missing; how many. `again` writes those that are there, too."""
    written = 0
    outbox = str(folder)
    for one in outgoing:
        path = f"{outbox}/{_name(one.notice, one.channel)}"
        if not again and os.path.exists(path):  # noqa: PTH110 (thousands a morning: no Path for each step)
            continue
        if not written:
            for name in FOLDERS.values():
                (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        place, name = os.path.split(path)
        draft = f"{place}/.{name}.part"
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(handle, _content(one))
        finally:
            os.close(handle)
        os.replace(draft, path)  # noqa: PTH105 (as above)
        written += 1
    return written


def _write_all(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]


def _content(one: Outgoing) -> bytes:
    if one.channel == LETTER:
        page = render_letter_of(
            one.kind,
            one.text,
            LetterTo(one.name, one.address_lines, one.written_on, one.notice),
            exercise=one.exercise,
        )
        return page.encode()
    content = {
        "notice": one.notice,
        "kind": one.kind,
        "written_on": one.written_on.isoformat(),
        "exercise": one.exercise,
        "text": one.text,
    }
    if one.channel == TEXT:
        content["to"] = one.phone
    else:
        content |= {"practice": one.practice, "name": one.name, "phone": one.phone}
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
