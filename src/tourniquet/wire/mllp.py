"""MLLP framing without I/O: bytes as they arrive in, frames out.

A frame is VT, the message, FS, CR. Invariants:
- However the stream is cut into reads, the same frames come out.
- Memory is bounded by one frame of the permitted size; time is linear in the bytes fed.
- No byte vanishes: what is in no frame is counted and reported as Noise with its first bytes.

Choices, because senders differ:
- FS ends a frame only with a CR behind it. FS and another byte stay in the message, which the
  parser then refuses: a stray FS must not make a truncated result look whole.
- FS and VT end a frame and begin the next. FS and then silence: the listener calls `idle` and gets
  the frame, so that a sender that omits CR is answered.
- VT inside a frame abandons it and begins a new one: a sender that starts again mid-message means
  the new one. The abandoned part is Noise; it has not been acknowledged, so its sender repeats it.
- CR and LF between frames are no noise.

Source: HL7 v2 Implementation Guide, MLLP Release 1 and 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

VT = 0x0B
FS = 0x1C
CR = 0x0D
FRAME_BYTES_MAX = 16 * 1024 * 1024
HEAD_BYTES_MAX = 64 * 1024
NOISE_SAMPLE_BYTES_MAX = 256
NOISE_REPORT_BYTES = 64 * 1024
_BETWEEN_FRAMES = b"\r\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole message."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class TooLarge:
    """A frame that passed the limit, at once; its first 64 kB, or less where the limit is less.

    The rest of the frame is thrown away.
    """

    head: bytes


class NoiseKind(Enum):
    """Why bytes are in no frame."""

    OUTSIDE = "outside"
    ABANDONED = "abandoned"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes in no frame: how many, and the first of them. Reported again each 64 kB."""

    kind: NoiseKind
    byte_count: int
    sample: bytes


Event = Frame | TooLarge | Noise


class State(Enum):
    """Where in the stream we are."""

    OUTSIDE = "outside a frame"
    INSIDE = "inside a frame"
    INSIDE_AFTER_FS = "inside a frame, FS was the last byte"
    SKIPPING = "inside a frame that is too large"
    SKIPPING_AFTER_FS = "inside a frame that is too large, FS was the last byte"


class Unframer:
    """Takes the bytes of one connection in order."""

    def __init__(self, max_frame_bytes: int = FRAME_BYTES_MAX) -> None:
        self._max_frame_bytes = max_frame_bytes
        self._state = State.OUTSIDE
        self._frame = bytearray()
        self._noise = bytearray()
        self._noise_count = 0

    @property
    def state(self) -> State:
        """Where in the stream we are."""
        return self._state

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of an unfinished frame are held."""
        return len(self._frame)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; what they completed comes out, in order."""
        events: list[Event] = []
        finder = _Finder(data)
        at = 0
        while at < len(data):
            if self._state is State.OUTSIDE:
                at = self._outside(data, at, finder, events)
            elif self._state is State.INSIDE or self._state is State.SKIPPING:
                at = self._inside(data, at, finder, events)
            else:
                at = self._after_fs(data, at, events)
        return events

    def idle(self) -> list[Event]:
        """The connection is silent: a frame that lacks only its CR comes out."""
        if self._state is State.INSIDE_AFTER_FS:
            return self._finish_frame()
        return []

    def end(self) -> list[Event]:
        """The connection is closed: what is pending comes out, unfinished frames as Noise."""
        events = self.idle()
        if self._state is State.INSIDE:
            self._abandon(NoiseKind.UNFINISHED, events)
        self._frame.clear()
        self._report_noise(events)
        self._state = State.OUTSIDE
        return events

    def _outside(self, data: bytes, at: int, finder: _Finder, events: list[Event]) -> int:
        start = finder.next_vt(at)
        self._add_noise(data[at:start], events)
        if start == len(data):
            return start
        self._report_noise(events)
        self._state = State.INSIDE
        return start + 1

    def _inside(self, data: bytes, at: int, finder: _Finder, events: list[Event]) -> int:
        vt, fs = finder.next_vt(at), finder.next_fs(at)
        stop = min(vt, fs)
        self._take(data, at, stop, events)
        if stop == len(data):
            return stop
        if stop == vt:
            self._restart(events)
        elif self._state is State.INSIDE:
            self._state = State.INSIDE_AFTER_FS
        else:
            self._state = State.SKIPPING_AFTER_FS
        return stop + 1

    def _after_fs(self, data: bytes, at: int, events: list[Event]) -> int:
        byte = data[at]
        inside = self._state is State.INSIDE_AFTER_FS
        if byte in (CR, VT):
            if inside:
                events.extend(self._finish_frame())
            self._frame.clear()
            self._state = State.INSIDE if byte == VT else State.OUTSIDE
            return at + 1
        self._state = State.INSIDE if inside else State.SKIPPING
        self._take(b"\x1c", 0, 1, events)
        if byte == FS:
            inside = self._state is State.INSIDE
            self._state = State.INSIDE_AFTER_FS if inside else State.SKIPPING_AFTER_FS
            return at + 1
        return at

    def _take(self, data: bytes, start: int, stop: int, events: list[Event]) -> None:
        """Add bytes to the frame, until it is too large."""
        if self._state is State.SKIPPING:
            return
        room = self._max_frame_bytes - len(self._frame)
        self._frame += memoryview(data)[start : min(stop, start + room)]
        if stop - start > room:
            events.append(TooLarge(bytes(self._frame[:HEAD_BYTES_MAX])))
            self._frame = bytearray()
            self._state = State.SKIPPING

    def _restart(self, events: list[Event]) -> None:
        if self._state is State.INSIDE:
            self._abandon(NoiseKind.ABANDONED, events)
        self._frame.clear()
        self._state = State.INSIDE

    def _abandon(self, kind: NoiseKind, events: list[Event]) -> None:
        if self._frame:
            sample = bytes(self._frame[:NOISE_SAMPLE_BYTES_MAX])
            events.append(Noise(kind, len(self._frame), sample))

    def _finish_frame(self) -> list[Event]:
        frame_read = Frame(bytes(self._frame))
        self._frame.clear()
        self._state = State.OUTSIDE
        return [frame_read]

    def _add_noise(self, data: bytes, events: list[Event]) -> None:
        at = 0
        while at < len(data):
            if self._noise_count == 0 and data[at] in _BETWEEN_FRAMES:
                at += 1
                continue
            taken = data[at : at + NOISE_REPORT_BYTES - self._noise_count]
            self._noise += taken[: NOISE_SAMPLE_BYTES_MAX - len(self._noise)]
            self._noise_count += len(taken)
            at += len(taken)
            if self._noise_count == NOISE_REPORT_BYTES:
                self._report_noise(events)

    def _report_noise(self, events: list[Event]) -> None:
        if self._noise_count:
            events.append(Noise(NoiseKind.OUTSIDE, self._noise_count, bytes(self._noise)))
        self._noise.clear()
        self._noise_count = 0


class _Finder:
    """The next VT and FS in one read. Each is searched once, so a read full of either is linear."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._vt = -1
        self._fs = -1

    def next_vt(self, at: int) -> int:
        if self._vt < at:
            found = self._data.find(b"\x0b", at)
            self._vt = len(self._data) if found < 0 else found
        return self._vt

    def next_fs(self, at: int) -> int:
        if self._fs < at:
            found = self._data.find(b"\x1c", at)
            self._fs = len(self._data) if found < 0 else found
        return self._fs


def frame(payload: bytes) -> bytes:
    """The payload framed for the wire."""
    return b"\x0b" + payload + b"\x1c\r"
