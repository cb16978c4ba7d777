"""The body of an entry as people read it: indented JSON, a message's bytes as its lines."""

from __future__ import annotations

import base64
import binascii
import json

TEXT_MOST = 100_000  # characters that a page shows of one body
_RAW = "raw"


def body_words(body: bytes) -> str:
    """A body in readable form, cut where it is very long."""
    found = json.loads(body)
    lines = ""
    if isinstance(found, dict) and isinstance(found.get(_RAW), str):
        lines = raw_words(found.pop(_RAW))
    text = json.dumps(found, indent=2, ensure_ascii=False)
    return _cut(f"{text}\n\n{lines}" if lines else text)


def raw_words(encoded: str) -> str:
    """A message's bytes, one segment a line; bytes that are no UTF-8 are shown as Latin-1."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return encoded
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return _cut(text.replace("\r\n", "\n").replace("\r", "\n"))


def _cut(text: str) -> str:
    rest = len(text) - TEXT_MOST
    return text if rest <= 0 else f"{text[:TEXT_MOST]}\n… {rest:,} characters more"
