"""A vault and its wrapped keys on another machine, read over HTTP.

Invariants:
- Nothing is believed because a server said it: whoever reads verifies.
- Every answer has a limit of bytes and of seconds, every call a limit of tries.
- The token goes to one host, over TLS with the host's name checked; in the clear to this very
  machine only. Redirects are not followed.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.bodies import KEY_ID_BYTES
from tourniquet.record.destroying import FILE_BYTES_MOST, Published, parse_published
from tourniquet.record.key_list import KEYS_FILE, LIST_BYTES_MOST
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.notes import Note
from tourniquet.record.ring import WrappedKey

RANGE_BYTES_MOST = 8 * 1024 * 1024  # of one answer; the server gives no more either
PAGE_BYTES_MOST = 1024 * 1024
NEWS_BYTES_MOST = 1024 * 1024  # of leaves and bodies that come with a checkpoint
ANSWER_BYTES_MOST = 64 * 1024
WRAPPED_BYTES_MOST = 256
TIME_CHARACTERS_MOST = 64
CALL_SECONDS = 30.0
WAIT_SECONDS_MOST = 20
TRIES = 4
TOKEN_BYTES_MOST = 512
_PAUSE_SECONDS = 0.3
_READ_BYTES = 256 * 1024
_PASSING = frozenset({429, 502, 503, 504})
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    content: bytes


@dataclass(frozen=True)
class _Call:
    """What is asked, with the limits of its answer."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    bytes_most: int
    seconds: float


class Remote:
    """One server, spoken to over one connection that is kept. For one thread."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: Path | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Speak to the server at this address; `ca`: certificates to trust instead of the system's.

        Raises: OperatorError when the address, the token or the certificates are none.
        """
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        secure = parts.scheme == "https"
        fits = (secure or parts.scheme == "http") and parts.hostname and port != -1
        if not fits or parts.username or parts.query or parts.fragment:
            raise OperatorError(
                "This is not the address of a server.",
                where="--from",
                remedy="Write https://HOST:PORT, or the folder of a vault.",
            )
        if not secure and parts.hostname not in _HERE:
            raise OperatorError(
                "The token would go over the network in the clear.",
                where="--from",
                remedy="Use https; http is for this machine itself.",
            )
        if not _TOKEN.fullmatch(token):
            raise OperatorError("The file holds no token.", where="--token-file")
        assert parts.hostname is not None  # see `fits`
        self.host = parts.hostname
        self._base = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
        self._connection = _connection(self.host, port, _trust(ca) if secure else None)
        self._pause = pause
        self._given_up = False

    def call(
        self,
        method: str,
        path: str,
        *,
        bytes_most: int,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Answer:
        """Ask, again where it may help; an answer of 2xx or 404.

        Raises: StorageUnavailable when the server does not answer now; OperatorError when it
        refuses us; IntegrityError when the answer is longer than allowed.
        """
        asked = _Call(method, path, {**self._headers, **(headers or {})}, body, bytes_most, seconds)
        trouble: Exception | None = None
        for number in range(TRIES):
            if number > 1:  # the first time it may only be a kept connection that has ended
                self._pause(_PAUSE_SECONDS * 4 ** (number - 2))
            if self._given_up:
                break
            try:
                answer = self._ask(asked)
            except ssl.SSLCertVerificationError as error:
                self._connection.close()
                raise OperatorError(
                    "The server's certificate is not one that is trusted here.",
                    where=self.host,
                    remedy="Name its certificate authority with --ca.",
                ) from error
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                trouble = error
                continue
            if answer.status not in _PASSING:
                return self._accepted(answer, path)
            trouble = None
        raise StorageUnavailable(
            "The source does not answer.",
            where=self.host,
            remedy="Look whether it runs and can be reached; what was pulled stays.",
        ) from trouble

    def give_up(self) -> None:
        """End the call at hand, and every later one. For handlers of signals."""
        self._given_up = True
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):  # it was not connected any more
                self._connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, call: _Call) -> Answer:
        until = time.monotonic() + call.seconds
        connection = self._connection
        connection.timeout = call.seconds
        if connection.sock is not None:
            connection.sock.settimeout(call.seconds)
        connection.request(call.method, self._base + call.path, call.body, dict(call.headers))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        parts: list[bytes] = []
        size = 0
        while part := response.read1(_READ_BYTES):
            parts.append(part)
            size += len(part)
            if size > call.bytes_most:
                connection.close()
                raise IntegrityError(
                    f"The answer has more than {call.bytes_most} bytes.",
                    where=f"{self.host}{call.path}",
                )
            if time.monotonic() > until:
                raise TimeoutError("the answer takes too long")
        expected = found.get("content-length", "")
        if call.method != "HEAD" and expected.isdecimal() and int(expected) != size:
            raise http.client.IncompleteRead(b"")
        response.close()
        return Answer(response.status, found, b"".join(parts))

    def _accepted(self, answer: Answer, path: str) -> Answer:
        status = answer.status
        if 200 <= status < 300 or status == 404:
            return answer
        where = f"{self.host}{path.partition('?')[0]}"
        if status in {401, 403}:
            raise OperatorError(
                "The source does not accept the token.",
                where=where,
                remedy="Give an account of the role replica, and its token with --token-file.",
            )
        if status >= 500:
            raise StorageUnavailable(f"The source has a fault (status {status}).", where=where)
        said = _printable(answer.content[:200].decode("utf-8", "replace"))
        raise OperatorError(f"The source refused (status {status}): {said}", where=where)


class Piece(msgspec.Struct, frozen=True):
    """Bytes of a segment from an offset on."""

    path: str
    at: int
    content: bytes


class News(msgspec.Struct, frozen=True):
    """What became new, in one answer: the checkpoint, and what of this fits under a limit.

    `keys` are the wrapped keys behind the number that was asked for, a page at most. `refused`
    says why a cosignature was not taken; empty where it was, or where none was sent.
    """

    checkpoint: bytes
    keys: list[WrappedKey] | None = None
    files: dict[str, bytes] = {}
    pieces: list[Piece] = []
    refused: str = ""
    log_keys: bytes = b""  # the list of the log's keys, whole; empty where there is none


class RemoteVault:
    """A vault behind `/vault/` as a `Reader`, and the wrapped keys behind `/vault-keys`.

    A server that gives news in one answer is asked once a round; what came with them is read
    from there. Whoever reads verifies it as if each file had come alone.
    """

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._news = News(b"")
        self._keys_after = 0  # what the news were asked for
        self._last_key = 0  # the number behind which somebody asked last
        self._list: bytes | None = None  # the list of keys that came with the checkpoint, if it did
        self.takes_notes = True  # while it waits; until it says that it knows no such address
        self.refusal = ""  # why it did not take the last one

    def read(self, path: str, *, bytes_most: int) -> bytes:
        """See `Reader`."""
        if path == CHECKPOINT and 0 < len(self._news.checkpoint) <= bytes_most:
            newest = self._news.checkpoint
            self._list = self._news.log_keys if self.takes_notes else None
            self._news = msgspec.structs.replace(self._news, checkpoint=b"")  # once
            return newest
        if path == CHECKPOINT:
            self._list = None  # that of earlier news may lack what this one needs
        if path == KEYS_FILE and self._list and len(self._list) <= bytes_most:
            return self._list
        if 0 < len(found := self._news.files.get(path, b"")) <= bytes_most:
            return found
        answer = self._remote.call("GET", f"/vault/{path}", bytes_most=bytes_most)
        if answer.status != 200:
            raise IntegrityError("The file is missing.", where=path)
        return answer.content

    def read_part(self, path: str, at: int, length: int) -> bytes:
        """See `Reader`."""
        end = at + length
        for piece in self._news.pieces:
            if piece.path == path and piece.at <= at and end <= piece.at + len(piece.content):
                return piece.content[at - piece.at : end - piece.at]
        return b"".join(
            self._range(path, start, min(RANGE_BYTES_MOST, end - start))
            for start in range(at, end, RANGE_BYTES_MOST)
        )

    def size(self, path: str) -> int | None:
        """See `Reader`."""
        if path == KEYS_FILE and self._list is not None:
            return len(self._list) or None
        answer = self._remote.call("HEAD", f"/vault/{path}", bytes_most=ANSWER_BYTES_MOST)
        length = answer.headers.get("content-length", "")
        if answer.status != 200:
            return None
        if not length.isdecimal():
            raise IntegrityError("The source does not say how long the file is.", where=path)
        return int(length)

    def names(self, folder: str) -> list[str]:
        """A server does not list what it has. Raises: IntegrityError."""
        raise IntegrityError("A server's files are not listed.", where=folder)

    def rows(self, *, after: int, most: int) -> Sequence[WrappedKey]:
        """Wrapped keys behind a number. Raises: as `RemoteRing.rows`."""
        self._last_key = after
        keys = self._news.keys
        if keys is not None and after == self._keys_after:
            self._news = msgspec.structs.replace(self._news, keys=None)  # once
            return _checked_rows(keys, after)[:most]
        return RemoteRing(self._remote).rows(after=after, most=most)

    def wait(
        self, size: int, note: Note | None = None, *, seconds: int = WAIT_SECONDS_MOST
    ) -> bool:
        """Return once the checkpoint may be beyond this size, or the time is over.

        Hands over a countersigned checkpoint on the way: whether it was heard, see `refusal` for
        what the source said. Raises: as `Remote.call`.
        """
        self._news, self.refusal = News(b""), ""
        if not self.takes_notes:
            self._wait_for_checkpoint(size, seconds)
            return False
        self._keys_after = self._last_key
        answer = self._remote.call(
            "POST",
            f"/vault/news?after={size}&keys={self._keys_after}&wait={seconds}",
            bytes_most=NEWS_BYTES_MOST + PAGE_BYTES_MOST + LIST_BYTES_MOST,
            headers={"Content-Type": "text/plain; charset=utf-8"},
            body=str(note).encode() if note else b"",
            seconds=CALL_SECONDS + seconds,
        )
        if answer.status != 200:
            self.takes_notes = False  # an older release
            return False
        try:
            self._news = msgspec.msgpack.decode(answer.content, type=News)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise IntegrityError(
                "What the source gives are no news.", where="/vault/news"
            ) from None
        self.refusal = _printable(self._news.refused[:200])
        return True

    def _wait_for_checkpoint(self, size: int, seconds: int) -> None:
        answer = self._remote.call(
            "GET",
            f"/vault/{CHECKPOINT}?after={size}&wait={seconds}",
            bytes_most=ANSWER_BYTES_MOST,
            seconds=CALL_SECONDS + seconds,
        )
        if answer.status == 200:
            self._news = News(answer.content)

    def tell(self, note: Note) -> None:
        """Hand over a checkpoint that was countersigned. Raises: as `Remote.call`."""
        answer = self._remote.call(
            "POST",
            "/vault/cosignature",
            bytes_most=ANSWER_BYTES_MOST,
            headers={"Content-Type": "text/plain; charset=utf-8"},
            body=str(note).encode(),
        )
        if answer.status == 404:
            raise OperatorError(
                "The source pins no witness, so it takes no cosignature.",
                where="/vault/cosignature",
                remedy="Set TOURNIQUET_WITNESS_KEY there to the line in witness.vkey.",
            )

    def _range(self, path: str, start: int, length: int) -> bytes:
        answer = self._remote.call(
            "GET",
            f"/vault/{path}",
            bytes_most=length,
            headers={"Range": f"bytes={start}-{start + length - 1}"},
        )
        if answer.status != 206 or len(answer.content) != length:
            raise IntegrityError(
                f"The source does not give {length} bytes from {start} on.", where=path
            )
        return answer.content


class _KeyPage(msgspec.Struct, frozen=True):
    """A page of wrapped keys as a server sends it."""

    rows: list[WrappedKey]


class RemoteRing:
    """The wrapped keys behind `/vault-keys` as a `RingSource`."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def rows(self, *, after: int, most: int) -> Sequence[WrappedKey]:
        """See `RingSource`. Raises: IntegrityError when what comes are no such rows."""
        path = f"/vault-keys?after={after}"
        answer = self._remote.call("GET", path, bytes_most=PAGE_BYTES_MOST)
        if answer.status != 200:
            raise OperatorError(
                "The source serves no wrapped keys.",
                where="/vault-keys",
                remedy="Name the folder with its key ring with --from-keys.",
            )
        try:
            rows = msgspec.json.decode(answer.content, type=_KeyPage).rows
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise _no_keys() from None
        return _checked_rows(rows, after)[:most]


def _checked_rows(rows: Sequence[WrappedKey], after: int) -> Sequence[WrappedKey]:
    if not all(_fits(row) and row.number > after for row in rows):
        raise _no_keys()
    return rows


class RemoteErasures:
    """The list of erasures behind `/vault-erasures`."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def read(self) -> Published:
        """The list; an empty one where the source has none. Raises: IntegrityError."""
        answer = self._remote.call("GET", "/vault-erasures", bytes_most=FILE_BYTES_MOST)
        return parse_published(answer.content) if answer.status == 200 else Published()


def _fits(row: WrappedKey) -> bool:
    return (
        len(row.id) == KEY_ID_BYTES
        and (row.wrapped is None or 0 < len(row.wrapped) <= WRAPPED_BYTES_MOST)
        and len(row.made_at) <= TIME_CHARACTERS_MOST
    )


def _printable(words: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in words).strip()


def _no_keys() -> IntegrityError:
    return IntegrityError("What the source gives are not wrapped keys.", where="/vault-keys")


def _connection(
    host: str, port: int | None, trust: ssl.SSLContext | None
) -> http.client.HTTPConnection:
    if trust is None:
        return http.client.HTTPConnection(host, port, timeout=CALL_SECONDS)
    return http.client.HTTPSConnection(host, port, timeout=CALL_SECONDS, context=trust)


def _trust(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except (OSError, ssl.SSLError) as error:
        raise OperatorError(
            "The certificates can't be read.", where="--ca", remedy="Name a file in PEM."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
