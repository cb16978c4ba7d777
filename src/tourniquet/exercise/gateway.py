"""A message gateway and a post office, simulated: they pick up the outbox and answer for each.

Invariants:
- What fails depends on the seed and on what is sent to whom, not on the order of picking up.
- Each notice is picked up once; an answer is sent for each, over HTTP, with the gateway's token.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from tourniquet.exercise.partners import Console
from tourniquet.exercise.world import World

CHANNEL_OF_FOLDER = {"text": "text", "letter": "letter", "call-list": "call"}
RECEIPTS_AT_ONCE = 250  # while the server takes one lot, the next is read
TEXT_MINUTES = 2
CALL_MINUTES = 240


class Gateway:
    """Reads `outbox/` of the home and posts receipts."""

    def __init__(self, home: Path, world: World) -> None:
        self._outbox = home / "outbox"
        self._world = world
        self._seen: set[str] = set()

    def deliver(self, console: Console, moment: datetime) -> int:
        """Answer for everything that is new in the outbox; how many.

        While the server takes one lot of answers, the next is read.
        """
        count = 0
        waiting: Future[object] | None = None
        with ThreadPoolExecutor(1) as line:
            for lot in self._lots(moment):
                if waiting is not None:
                    waiting.result()
                waiting = line.submit(console.post_json, "/notices/receipts", lot)
                count += len(lot)
            if waiting is not None:
                waiting.result()
        return count

    def _lots(self, moment: datetime) -> Iterator[list[dict[str, str]]]:
        # Looked at before any answer is sent: what follows from the answers leaves the next day,
        # however fast the server takes them.
        lying = {folder: self._find_new(self._outbox / folder) for folder in CHANNEL_OF_FOLDER}
        for folder, channel in CHANNEL_OF_FOLDER.items():
            found = self._pick_up(lying[folder])
            while lot := list(islice(found, RECEIPTS_AT_ONCE)):
                yield self._answer(channel, lot, moment)

    def _find_new(self, place: Path) -> list[Path]:
        """Files that were not there before, in order of their names."""
        if not place.is_dir():
            return []
        new = sorted(
            path
            for path in place.iterdir()
            if path.name not in self._seen and not path.name.startswith(".")
        )
        self._seen.update(path.name for path in new)
        return new

    def _pick_up(self, new: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
        """Notice and content of each: lines of lots, pages of letters."""
        for path in new:
            if path.suffix == ".jsonl":
                for line in path.read_bytes().splitlines():
                    yield json.loads(line)["notice"], line
            else:
                yield path.stem, path.read_bytes()

    def _answer(
        self, channel: str, lot: list[tuple[str, bytes]], moment: datetime
    ) -> list[dict[str, str]]:
        at = (moment + self._delay(channel)).isoformat()
        numbers = np.array([_number_of(*one) for one in lot], dtype=np.int64)
        fails = self._world.truth.messages_fail(channel, numbers)
        return [
            {"notice": notice, "status": "failed_for_good" if fail else "delivered", "at": at}
            for (notice, _), fail in zip(lot, fails.tolist(), strict=True)
        ]

    def _delay(self, channel: str) -> timedelta:
        if channel == "text":
            return timedelta(minutes=TEXT_MINUTES)
        if channel == "call":
            return timedelta(minutes=CALL_MINUTES)
        return timedelta(days=self._world.scenario.channels.letter_days)


def _number_of(notice: str, content: bytes) -> int:
    """A number that depends on what is sent to whom, not on the notice's own id."""
    digest = hashlib.blake2b(content.replace(notice.encode(), b""), digest_size=4).digest()
    return int.from_bytes(digest, "big")
