"""A message gateway and a post office, simulated: they pick up the outbox and answer for each.

Invariants:
- What fails depends on the seed and on what is sent to whom, not on the order of picking up.
- Each notice is picked up once; an answer is sent for each, over HTTP, with the gateway's token.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path

from tourniquet.exercise.partners import Console
from tourniquet.exercise.world import World

CHANNEL_OF_FOLDER = {"text": "text", "letter": "letter", "call-list": "call"}
RECEIPTS_AT_ONCE = 1000
TEXT_MINUTES = 2
CALL_MINUTES = 240


class Gateway:
    """Reads `outbox/` of the home and posts receipts."""

    def __init__(self, home: Path, world: World) -> None:
        self._outbox = home / "outbox"
        self._world = world
        self._seen: set[str] = set()

    def deliver(self, console: Console, moment: datetime) -> int:
        """Answer for everything that is new in the outbox; how many."""
        receipts: list[dict[str, str]] = []
        for folder, channel in CHANNEL_OF_FOLDER.items():
            place = self._outbox / folder
            if place.is_dir():
                receipts += self._pick_up(place, channel, moment)
        for start in range(0, len(receipts), RECEIPTS_AT_ONCE):
            console.post_json("/notices/receipts", receipts[start : start + RECEIPTS_AT_ONCE])
        return len(receipts)

    def _pick_up(self, place: Path, channel: str, moment: datetime) -> list[dict[str, str]]:
        receipts = []
        at = (moment + self._delay(channel)).isoformat()
        names = os.listdir(place)  # noqa: PTH208 (names alone: a Path for each costs most of a day)
        new = [name for name in names if name not in self._seen and name[0] != "."]
        self._seen.update(new)
        for name in sorted(new):
            notice = name.split(".", 1)[0]
            fails = self._fails(channel, notice, (place / name).read_bytes())
            status = "failed_for_good" if fails else "delivered"
            receipts.append({"notice": notice, "status": status, "at": at})
        return receipts

    def _fails(self, channel: str, notice: str, content: bytes) -> bool:
        content = content.replace(notice.encode(), b"")
        digest = hashlib.blake2b(content, digest_size=4).digest()
        return self._world.truth.message_fails(channel, int.from_bytes(digest, "big"), 0)

    def _delay(self, channel: str) -> timedelta:
        if channel == "text":
            return timedelta(minutes=TEXT_MINUTES)
        if channel == "call":
            return timedelta(minutes=CALL_MINUTES)
        return timedelta(days=self._world.scenario.channels.letter_days)
