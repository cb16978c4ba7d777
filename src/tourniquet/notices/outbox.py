"""The outbox: one file for each notice that is to leave, for gateways, printers and practices.

Invariants:
- A file is named by its notice and appears whole or not at all; writing it again changes nothing.
- It is written after the commit, so what is in it is journalled; a missing one is written again.
- text/ID.json holds number and words; letter/ID.html is one page; call-list/ID.json is for the
  practice that calls.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

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
    suffix = "html" if channel == LETTER else "json"
    return folder / FOLDERS[channel] / f"{notice}.{suffix}"


def write_outbox(folder: Path, outgoing: Iterable[Outgoing], *, again: bool = False) -> int:
    """Write the files that are missing; how many. `again` writes those that are there, too."""
    written = 0
    for one in outgoing:
        path = path_of(folder, one.notice, one.channel)
        if not again and path.exists():
            continue
        if not written:
            for name in FOLDERS.values():
                (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.part")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_content(one))
        draft.replace(path)
        written += 1
    return written


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
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
