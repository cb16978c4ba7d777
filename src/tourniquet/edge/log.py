"""What the edges write for the operator: one JSON object a line, on standard error.

Invariants:
- A line says what happened, to which connection or route, and how often. It never holds a byte of
  a message, an address with an identifier in it, or a patient's data.
- An exception is named by its type and the places it passed, without the values there.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

_LOGGER = logging.getLogger("tourniquet")
_PLACES_MOST = 12


class _JsonLines(logging.Formatter):
    """A record as one line of JSON. Of other people's loggers the name and no text is kept."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.msg if record.name == "tourniquet" else record.name,
        }
        facts = getattr(record, "facts", None)
        if isinstance(facts, dict):
            line.update(facts)
        if record.exc_info and record.exc_info[1] is not None:
            # Not the exception's text: a database's error quotes the row.
            line.update(_shown(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr() -> None:
    """Send every log to standard error. Called once by the process that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(logging.INFO)
    logging.getLogger("django.request").setLevel(logging.ERROR)


def log_event(event: str, **facts: object) -> None:
    """Write what happened."""
    _LOGGER.info(event, extra={"facts": facts})


def log_fault(event: str, error: BaseException, **facts: object) -> None:
    """Write what went wrong, with the places that the error passed and no value."""
    _LOGGER.error(event, extra={"facts": _shown(error) | facts})


def _shown(error: BaseException) -> dict[str, object]:
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES_MOST:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": type(error).__name__, "places": places}
