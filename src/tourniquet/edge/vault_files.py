"""The vault for those who copy it: its files, the wrapped keys, and what a witness hands back.

Invariants:
- Only a bearer token of a role that may copy the record is heard.
- No path of a sender's reaches the disk: names are parsed, and made anew from what was parsed.
- Nothing beyond the signed checkpoint is given: what an interrupted sealer left is not vouched for.
- An answer has a limit of bytes; of the calls that wait, at most WAITING_MOST do at a time.
- What is given tells nothing about anybody: bodies are encrypted, keys wrapped.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TypeAlias

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from tourniquet.directory.roles import Task
from tourniquet.edge.access import access, viewer_of_token
from tourniquet.edge.acknowledging import BOARD
from tourniquet.edge.log import log_event
from tourniquet.edge.machine import nothing_here, token_needed, write_json
from tourniquet.flows.keep_cosignature import keep_cosignature
from tourniquet.kernel import settings
from tourniquet.kernel.errors import (
    IntegrityError,
    StorageUnavailable,
    TourniquetError,
    UserError,
)
from tourniquet.record.destroying import FILE as ERASURES_FILE
from tourniquet.record.destroying import FILE_BYTES_MOST as ERASURES_BYTES_MOST
from tourniquet.record.disk import Disk, LocalFiles
from tourniquet.record.key_list import KEYS_FILE, LIST_BYTES_MOST
from tourniquet.record.keys import RING_FILE
from tourniquet.record.leaves import segment_path
from tourniquet.record.log import CHECKPOINT, read_entries, read_tile
from tourniquet.record.notes import NOTE_BYTES_MOST, Checkpoint
from tourniquet.record.remote import (
    NEWS_BYTES_MOST,
    RANGE_BYTES_MOST,
    WAIT_SECONDS_MOST,
    News,
    Piece,
)
from tourniquet.record.ring import ROWS_AT_ONCE, RingFile, WrappedKey
from tourniquet.record.sealer import find_log_key, find_sealed, keys_folder, vault_folder
from tourniquet.record.tiles import ENTRIES, pack_entries, parse_tile_path, tile_path
from tourniquet.record.tree import TILE_WIDTH
from tourniquet.record.vault import VaultReader, find_last
from tourniquet.record.witness import OWN

View: TypeAlias = Callable[..., HttpResponse]
WAITING_MOST = 2  # of the server's threads
LOOK_SECONDS = 0.004
NEWS_ENTRIES_MOST = 1024  # more at once are read file by file
NUMBER_DIGITS_MOST = 18
_RANGE = re.compile(r"bytes=(\d{1,10})-(\d{1,10})", re.ASCII)
_SEGMENT = re.compile(r"\d{9}", re.ASCII)
_FOREVER = "private, max-age=31536000, immutable"
_waiting = threading.BoundedSemaphore(WAITING_MOST)
_closing = threading.Event()


def stop_waiting() -> None:
    """Let the calls that wait be answered at once, now and later: the server stops."""
    _closing.set()


def _copying(*methods: str) -> Callable[[View], View]:
    """What every route here has in common: who may, and how it is asked."""

    def declare(view: View) -> View:
        @csrf_exempt
        @access(Task.COPY_RECORD.value)
        @wraps(view)
        def wrapped(http_request: HttpRequest, **kwargs: str) -> HttpResponse:
            if http_request.method not in methods:
                return HttpResponseNotAllowed(methods)
            viewer = viewer_of_token(http_request)
            if viewer is None:
                return token_needed()
            viewer.demand(Task.COPY_RECORD)
            return view(http_request, **kwargs)

        return wrapped

    return declare


@_copying("GET", "HEAD")
def checkpoint(http_request: HttpRequest) -> HttpResponse:
    """The newest checkpoint; with ?after=SIZE&wait=SECONDS as soon as it is beyond that size."""
    after, wait = _number(http_request, "after"), _number(http_request, "wait")
    if after is not None and wait:
        _wait_beyond(after, min(wait, WAIT_SECONDS_MOST))
    if find_sealed() is None:
        return nothing_here()
    content = _vault().read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST)
    return HttpResponse(content, content_type="text/plain; charset=utf-8")


@_copying("POST")
def news(http_request: HttpRequest) -> HttpResponse:
    """What is new behind ?after=SIZE&keys=NUMBER, as soon as something is: one answer a round.

    It may bring a countersigned checkpoint, which is taken first. With ?wait=SECONDS it waits.
    """
    refused = _refusal(http_request.body) if http_request.body else ""
    after = _number(http_request, "after") or 0
    if wait := _number(http_request, "wait"):
        _wait_beyond(after, min(wait, WAIT_SECONDS_MOST))
    sealed = find_sealed()
    if sealed is None:
        return nothing_here()
    content = _vault().read(CHECKPOINT, bytes_most=NOTE_BYTES_MOST)
    keys = _find_keys(_number(http_request, "keys") or 0)
    log_keys = _find_key_list() or b""  # behind the checkpoint, as everybody reads them
    found = News(checkpoint=content, keys=keys, refused=refused, log_keys=log_keys)
    if after < sealed.size <= after + NEWS_ENTRIES_MOST:
        found = _with_entries(found, after, sealed)
    return HttpResponse(msgspec.msgpack.encode(found), content_type="application/vnd.msgpack")


def _refusal(content: bytes) -> str:
    """Why a countersigned checkpoint was not taken; empty where it was."""
    try:
        _take(content)
    except TourniquetError as error:
        return error.what
    return ""


def _find_keys(after: int) -> list[WrappedKey] | None:
    """Wrapped keys behind a number; None where this account may not read them, or has none."""
    path = keys_folder() / RING_FILE
    try:
        return _read_keys(path, after) if path.exists() else None
    except PermissionError:
        return None


def _with_entries(found: News, after: int, sealed: Checkpoint) -> News:
    """With the leaves behind `after`, and their bodies, where they fit."""
    disk, size = _vault(), sealed.size
    files = {}
    for number in range(after // TILE_WIDTH, (size - 1) // TILE_WIDTH + 1):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        files[tile_path(ENTRIES, number, width)] = pack_entries(read_entries(disk, number, width))
    reader = VaultReader(disk, size)
    leaf = reader.leaf(size)
    OWN.note(sealed, leaf.content_commitment)
    first, last = reader.leaf(after + 1).place, leaf.place
    pieces = []
    if first.segment == last.segment and last.end - first.offset <= NEWS_BYTES_MOST // 2:
        path = segment_path(first.segment)
        content = disk.read_part(path, first.offset, last.end - first.offset)
        pieces.append(Piece(path, first.offset, content))
    return msgspec.structs.replace(found, files=files, pieces=pieces)


@_copying("GET", "HEAD")
def verifier_key(http_request: HttpRequest) -> HttpResponse:
    """The log's verifier key. A convenience: who copies pins one that came another way."""
    key = find_log_key()
    if key is None:
        return nothing_here()
    return HttpResponse(f"{key}\n", content_type="text/plain; charset=utf-8")


@_copying("GET", "HEAD")
def key_list(http_request: HttpRequest) -> HttpResponse:
    """The list of the log's keys; none where the key was never changed."""
    content = _find_key_list()
    if content is None:
        return nothing_here()
    return HttpResponse(content, content_type="text/plain; charset=utf-8")


def _find_key_list() -> bytes | None:
    disk = _vault()
    if disk.size(KEYS_FILE) is None:
        return None
    return disk.read(KEYS_FILE, bytes_most=LIST_BYTES_MOST)


@_copying("GET", "HEAD")
def tile(http_request: HttpRequest, name: str) -> HttpResponse:
    """A tile or a bundle, as far as the checkpoint covers it."""
    try:
        level, number, width = parse_tile_path(f"tile/{name}")
    except IntegrityError:
        return nothing_here()
    sealed = find_sealed()
    end = number * TILE_WIDTH + width
    if sealed is None or end << (8 * max(level, 0)) > sealed.size:
        return nothing_here()
    if level == ENTRIES:
        content = pack_entries(read_entries(_vault(), number, width))
    else:
        content = read_tile(_vault(), level, number, width)
    return _unchanging(content)


@_copying("GET")
def body(http_request: HttpRequest, segment: str) -> HttpResponse:
    """A range of a segment, as far as leaves name what is in it."""
    found = _RANGE.fullmatch(http_request.headers.get("Range", ""))
    sealed = find_sealed()
    last = find_last(_vault(), sealed.size) if sealed else None
    if last is None or not _SEGMENT.fullmatch(segment) or int(segment) > last.place.segment:
        return nothing_here()
    path = segment_path(int(segment))
    size = _vault().size(path) or 0
    end = last.place.end if int(segment) == last.place.segment else size
    if found is None:
        raise UserError("A segment is given in ranges.", where="Range", remedy="bytes=FIRST-LAST")
    start, length = int(found[1]), int(found[2]) - int(found[1]) + 1
    if not 0 < length <= RANGE_BYTES_MOST or start + length > end:
        response = HttpResponse(status=416)
        response["Content-Range"] = f"bytes */{end}"
        return response
    response = _unchanging(_vault().read_part(path, start, length))
    response.status_code = 206
    response["Content-Range"] = f"bytes {start}-{start + length - 1}/*"
    return response


@_copying("GET")
def wrapped_keys(http_request: HttpRequest) -> HttpResponse:
    """The wrapped keys behind ?after=NUMBER, a page at a time."""
    path = keys_folder() / RING_FILE
    try:
        if not path.exists():
            return nothing_here()
    except PermissionError as error:
        raise StorageUnavailable(
            "The key ring can't be read by this account.",
            where=RING_FILE,
            remedy="Copy it from its folder, with --from-keys.",
        ) from error
    return write_json({"rows": _read_keys(path, _number(http_request, "after") or 0)})


@_copying("GET")
def erasures(http_request: HttpRequest) -> HttpResponse:
    """The list of erasures: openings of entries that name nobody, for a replica to check."""
    home = Disk(LocalFiles(settings.home()))
    if home.size(ERASURES_FILE) is None:
        return nothing_here()
    content = home.read(ERASURES_FILE, bytes_most=ERASURES_BYTES_MOST)
    return HttpResponse(content, content_type="application/json")


@_copying("POST")
def cosignature(http_request: HttpRequest) -> HttpResponse:
    """Take a checkpoint that the witness countersigned, as a signed note."""
    return write_json({"witnessed": _take(http_request.body)})


def _read_keys(path: Path, after: int) -> list[WrappedKey]:
    ring = RingFile(path)
    try:
        return ring.rows(after=after, most=ROWS_AT_ONCE)
    finally:
        ring.close()


def _take(content: bytes) -> int:
    """Take a countersigned checkpoint; how far the witness has come. Raises: TourniquetError."""
    if len(content) > NOTE_BYTES_MOST:
        raise UserError(f"The note has more than {NOTE_BYTES_MOST} bytes.")
    since = BOARD.resets
    try:
        kept = keep_cosignature(content, believed=lambda mark: BOARD.tell(mark, since=since))
    except IntegrityError:
        log_event("vault.cosignature_refused")
        raise
    return kept.checkpoint.size


def _wait_beyond(after: int, seconds: int) -> None:
    """Look until the checkpoint's file changes, where not too many wait already."""
    if not _waiting.acquire(blocking=False):
        return
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            sealed = find_sealed()
            if sealed is not None and sealed.size > after:
                return
            before = _changed()
            while _changed() == before and time.monotonic() < until:
                if _closing.wait(LOOK_SECONDS):
                    return
    finally:
        _waiting.release()


def _changed() -> tuple[int, int] | None:
    """What differs as soon as another checkpoint is in place."""
    try:
        found = (vault_folder() / CHECKPOINT).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageUnavailable("The vault can't be read.", where=CHECKPOINT) from error
    return found.st_ino, found.st_mtime_ns


def _vault() -> Disk:
    return Disk(LocalFiles(vault_folder()))


def _number(http_request: HttpRequest, name: str) -> int | None:
    text = http_request.GET.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MOST):
        raise UserError("This must be a whole number.", where=name)
    return int(text)


def _unchanging(content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Cache-Control"] = _FOREVER
    return response
