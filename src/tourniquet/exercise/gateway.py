"""A message gateway and a post office, simulated: they pick up the outbox and answer for each.

Invariants:
- What fails depends on the seed and on what is sent to whom, not on the order of picking up.
- Each notice is picked up once; an answer is sent for each, over HTTP, with the gateway's token.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

import numpy as np

from tourniquet.exercise.partners import Console
from tourniquet.exercise.world import World

CHANNEL_OF_FOLDER = {"text": "text", "letter": "letter", "call-list": "call"}
RECEIPTS_AT_ONCE = 250  # while the server takes one lot, the next is read
MESSAGE_BYTES_MOST = 1 << 20
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
        for folder, channel in CHANNEL_OF_FOLDER.items():
            place = self._outbox / folder
            if place.is_dir():
                found = iter(self._pick_up(place))
                while lot := list(islice(found, RECEIPTS_AT_ONCE)):
                    yield self._answer(place, channel, lot, moment)

    def _pick_up(self, place: Path) -> list[str]:
        """The names that are new, in order."""
        names = os.listdir(place)  # noqa: PTH208 (names alone: a Path for each costs most of a day)
        new = [name for name in names if name not in self._seen and name[0] != "."]
        self._seen.update(new)
        return sorted(new)

    def _answer(
        self, place: Path, channel: str, names: list[str], moment: datetime
    ) -> list[dict[str, str]]:
        at = (moment + self._delay(channel)).isoformat()
        notices = [name.split(".", 1)[0] for name in names]
        folder = str(place)
        numbers = [
            _number_of(f"{folder}/{name}", notice)
            for name, notice in zip(names, notices, strict=True)
        ]
        fails = self._world.truth.messages_fail(channel, np.array(numbers, dtype=np.int64))
        return [
            {"notice": notice, "status": "failed_for_good" if fail else "delivered", "at": at}
            for notice, fail in zip(notices, fails.tolist(), strict=True)
        ]

    def _delay(self, channel: str) -> timedelta:
        if channel == "text":
            return timedelta(minutes=TEXT_MINUTES)
        if channel == "call":
            return timedelta(minutes=CALL_MINUTES)
        return timedelta(days=self._world.scenario.channels.letter_days)


def _number_of(path: str, notice: str) -> int:
    """A number that depends on what is sent to whom, not on the notice's own id."""
    handle = os.open(path, os.O_RDONLY)
    try:
        content = os.read(handle, MESSAGE_BYTES_MOST)
    finally:
        os.close(handle)
    digest = hashlib.blake2b(content.replace(notice.encode(), b""), digest_size=4).digest()
    return int.from_bytes(digest, "big")
