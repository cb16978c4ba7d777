"""A PostgreSQL server for one run of the tests, from the system's own binaries.

Started at the first test that needs it, on a free port of the loopback address, with its data in
the run's folder. PostgreSQL refuses to run as root, so root starts it as another user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

_STARTS = 5  # another program may take the free port before the server does
_READY_SECONDS = 30
_STOP_SECONDS = 20
_SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # the data is thrown away; what a crash leaves is not what these tests ask
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "120",
    "shared_buffers": "64MB",
    "jit": "off",
}


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int

    def url(self, name: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def connect(self, name: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the tests' own, not Django's; every statement commits by itself."""
        return psycopg.connect(self.url(name), autocommit=True)


def start(folder: Path) -> Server:
    """The server of the run with this folder, started if it is not; under the run's lock."""
    port_file = folder / "postgres-port"
    if port_file.exists():
        return Server(int(port_file.read_text()))
    binaries = _find_binaries()
    user = _unprivileged_user()
    home = folder / "postgres"
    home.mkdir()
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    as_user = _process_options(home, user)
    subprocess.run(
        [
            *(binaries / "initdb", "-D", home / "data", "-U", "postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        **as_user,
    )
    for _ in range(_STARTS):
        port = _free_port()
        if _start_on(port, binaries, home, as_user):
            port_file.write_text(str(port))
            return Server(port)
    log = (home / "log").read_text(errors="replace")
    raise RuntimeError(f"PostgreSQL for the tests did not start:\n{log[-2000:]}")


def stop(folder: Path) -> None:
    """Stop the server of this folder, if one runs."""
    data = folder / "postgres" / "data"
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        command_line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError, IndexError):
        return
    if os.fsencode(data) not in command_line:
        return  # the number was given to another process since
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGINT)  # "fast": ends its clients' sessions
    deadline = time.monotonic() + _STOP_SECONDS
    while (data / "postmaster.pid").exists() and time.monotonic() < deadline:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)


def _find_binaries() -> Path:
    """The newest installed server's programs: Debian keeps them off the PATH."""

    def version(path: Path) -> int:
        number = re.search(r"\d+", path.parent.parent.name)
        return int(number.group()) if number else 0

    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=version)
    on_path = shutil.which("initdb")
    candidates = [*found[-1:], Path("/usr/local/pgsql/bin/initdb"), Path(on_path or "/nowhere")]
    for initdb in candidates:
        if (initdb.parent / "postgres").exists() and initdb.exists():
            return initdb.parent
    raise RuntimeError(
        "These tests need PostgreSQL's server programs (initdb, postgres). "
        "'make test' installs them; by hand: apt-get install postgresql"
    )


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom root runs the server as; None for anybody else, who runs it themselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _process_options(home: Path, user: pwd.struct_passwd | None) -> dict[str, Any]:
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(home)}
    options: dict[str, Any] = {"cwd": home, "env": environment, "stdin": subprocess.DEVNULL}
    if user is not None:
        options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return options


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        assert isinstance(port, int)
        return port


def _start_on(port: int, binaries: Path, home: Path, as_user: dict[str, Any]) -> bool:
    options = [f"--{name}={value}" for name, value in _SERVER_OPTIONS.items()]
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", home / "data", "-p", str(port), *options],
            stdout=log,
            stderr=log,
            start_new_session=True,  # an interrupt from the keyboard is ours to handle
            **as_user,
        )
    deadline = time.monotonic() + _READY_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(psycopg.OperationalError):
            Server(port).connect().close()
            return True
        time.sleep(0.05)
    process.terminate()
    return False
