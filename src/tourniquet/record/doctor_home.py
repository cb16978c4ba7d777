"""Production looked at for what would let a thief reach the replica, or nobody notice.

Invariants:
- Only looked at: nothing is written, and no secret is shown.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tourniquet.kernel import settings
from tourniquet.kernel.errors import TourniquetError
from tourniquet.record.doctor import SKEW_SECONDS_MOST, Finding
from tourniquet.record.keys import LOG_FILE, RING_FILE, ROOT_FILE
from tourniquet.record.replica_home import WITNESS_FILE
from tourniquet.record.witness import find_witness_key, find_witnessed

STALE_SECONDS = 3600
_CREDENTIALS = (
    "TOURNIQUET_STORE_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)


def examine_home(
    home: Path, keys: Path, *, now: datetime, environ: Mapping[str, str]
) -> list[Finding]:
    """Look at a home and its keys."""
    return [
        _credentials(environ),
        _witness_key(home, keys),
        *_modes(keys),
        _pinned(),
        *_heard(now),
    ]


def _credentials(environ: Mapping[str, str]) -> Finding:
    found = [name for name in _CREDENTIALS if environ.get(name)]
    file = Path(environ.get("HOME", "/")) / ".aws" / "credentials"
    if file.exists():
        found.append(str(file))
    return Finding(
        "holds no credential of object storage",
        ", ".join(found) or "none found",
        passed=not found,
        note="Take it away, or try it with --store." if found else "",
    )


def _witness_key(home: Path, keys: Path) -> Finding:
    found = [
        str(folder / WITNESS_FILE)
        for folder in (home, keys, home / "replica")
        if (folder / WITNESS_FILE).exists()
    ]
    return Finding(
        "holds no key of the witness",
        ", ".join(found) or "none found",
        passed=not found,
        note="It belongs on the replica's machine alone." if found else "",
    )


def _modes(keys: Path) -> Iterator[Finding]:
    if not keys.is_dir():
        yield Finding("keys are their owner's alone", "nothing was sealed here yet", passed=False)
        return
    wide = [
        path.name or str(path)
        for path in (keys, *(keys / name for name in (ROOT_FILE, LOG_FILE, RING_FILE)))
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    strange = [path.name for path in (keys, keys / ROOT_FILE) if _is_anothers(path)]
    yield Finding(
        "keys are their owner's alone",
        ", ".join(wide + strange) or "so it is",
        passed=not wide and not strange,
        note="chmod go= on these." if wide else "",
    )


def _is_anothers(path: Path) -> bool:
    return path.exists() and path.stat().st_uid not in {os.getuid(), 0}


def _pinned() -> Finding:
    try:
        key = find_witness_key()
    except TourniquetError as error:
        return Finding("a witness is pinned", error.what, passed=False, note=error.remedy)
    return Finding(
        "a witness is pinned",
        key.name if key else "none",
        passed=key is not None,
        note="" if key else "Set TOURNIQUET_WITNESS_KEY to the line in the replica's witness.vkey.",
    )


def _heard(now: datetime) -> Iterator[Finding]:
    """Whether the witness was heard of late, by a clock that agrees with ours."""
    try:
        found = find_witnessed()
    except TourniquetError as error:
        yield Finding("the witness was heard", error.what, passed=False, note=error.remedy)
        return
    if found is None:
        yield Finding("the witness was heard", "never", passed=False)
        return
    seconds = (now - found.at).total_seconds()
    yield Finding(
        "the witness was heard",
        f"{max(seconds, 0):.0f} s ago, up to {found.checkpoint.size}",
        passed=seconds <= STALE_SECONDS,
    )
    yield Finding(
        "clocks agree",
        "the witness's is behind or with ours" if seconds >= 0 else f"{-seconds:.0f} s ahead",
        passed=seconds >= -SKEW_SECONDS_MOST,
    )


def home_and_keys() -> tuple[Path, Path]:
    """The folders of this installation."""
    home = settings.home()
    keys = settings.read("TOURNIQUET_KEYS")
    return home, Path(keys).expanduser() if keys else home / "keys"
