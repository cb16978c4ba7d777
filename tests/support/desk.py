"""A downtime desk over the vault of a test's home, in this process, its scratch in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from django.db import connections
from django.test import Client, override_settings
from shamir_mnemonic import generate_mnemonics

from tests.support.console import NOW, PASSWORD
from tourniquet.directory.desk_roles import DeskRole
from tourniquet.flows.downtime_desk import DeskPlaces, DowntimeDesk
from tourniquet.pathology.desk_reading import DeskReading, make_folder
from tourniquet.record.database import point
from tourniquet.record.keys import RING_FILE, read_root, read_signer
from tourniquet.record.sealer import keys_folder, vault_folder
from tourniquet.site.desk_settings import SCRATCH_DATABASE
from tourniquet.web.desk.access import run_desk
from tourniquet.web.desk.session import DESK_SIGN_INS

PEOPLE = ("amara", "bola", "chidi")
# A production's hasher takes a third of a second each time, on purpose.
QUICK_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@contextmanager
def scratch() -> Iterator[None]:
    """The desk's scratch database as "default", and afterwards the one that was there."""
    before = connections.databases["default"]
    point("default", SCRATCH_DATABASE)
    try:
        yield
    finally:
        point("default", before)


def open_reading(folder: Path, *, root: bytes | None = None) -> DeskReading:
    """The vault of this home as a desk reads it."""
    make_folder(folder)
    return DeskReading(
        vault_folder(),
        keys_folder() / RING_FILE,
        folder,
        key=read_signer(keys_folder()).verifier,
        root=root or read_root(keys_folder()),
    )


def make_desk(folder: Path, *, moment: datetime = NOW) -> DowntimeDesk:
    """A locked desk with three holders, a reader and a recorder, all with the same password."""
    desk = DowntimeDesk(
        DeskPlaces(vault_folder(), keys_folder() / RING_FILE, folder),
        read_signer(keys_folder()).verifier,
        key_pinned=True,
        now=lambda: moment,
    )
    with override_settings(PASSWORD_HASHERS=QUICK_HASHERS):
        for name in PEOPLE:
            desk.accounts.put(name, DeskRole.KEEPER, PASSWORD, holder=True)
        desk.accounts.put("rita", DeskRole.READER, PASSWORD, holder=False)
        desk.accounts.put("rec", DeskRole.RECORDER, PASSWORD, holder=False)
    return desk


def make_shares() -> list[str]:
    """The root key of this home as three people's words, any two of which give it."""
    return generate_mnemonics(1, [(2, 3)], read_root(keys_folder()))[0]


@contextmanager
def serving(desk: DowntimeDesk) -> Iterator[None]:
    """This process is the desk: its addresses, sessions in memory, its scratch database."""
    from tourniquet.site import desk_settings

    run_desk(desk)
    DESK_SIGN_INS.__init__()  # type: ignore[misc] # what another test failed at is forgotten
    names = ("MIDDLEWARE", "ROOT_URLCONF", "SESSION_ENGINE", "CACHES", "CSRF_FAILURE_VIEW")
    try:
        changed = {name: getattr(desk_settings, name) for name in names}
        with override_settings(**changed, PASSWORD_HASHERS=QUICK_HASHERS), scratch():
            yield
    finally:
        run_desk(None)


def signed_in(name: str) -> Client:
    """A browser in which somebody of the desk has signed in."""
    from tests.support.console import post

    client = Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    answer = post(client, "/sign-in/", {"username": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.content
    return client
