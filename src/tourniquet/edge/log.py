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
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.msg if record.name == "tourniquet" else record.name,
        }
        facts = getattr(record, "facts", None)
        if isinstance(facts, dict):
            line.update(facts)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr() -> None:
    """Send the edges' log to standard error. Called once by the process that serves."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    _LOGGER.handlers = [handler]
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False


def log_event(event: str, **facts: object) -> None:
    """Write what happened."""
    _LOGGER.info(event, extra={"facts": facts})


def log_fault(event: str, error: BaseException, **facts: object) -> None:
    """Write what went wrong, with the places that the error passed and no value."""
    frames = traceback.extract_tb(error.__traceback__)[-_PLACES_MOST:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    _LOGGER.error(
        event, extra={"facts": {"error": type(error).__name__, "at_places": places} | facts}
    )
