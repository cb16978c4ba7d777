"""Settings: every one comes from the environment, is named here, and is read here alone.

Invariants:
- A setting that is not in SETTINGS does not exist; docs/reference/settings.md is made from it.
- A bad value is an OperatorError that names the setting; a secret's value is never shown.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tourniquet.kernel.errors import OperatorError


@dataclass(frozen=True)
class Setting:
    """One line of the table of settings."""

    name: str
    default: str
    meaning: str
    secret: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "TOURNIQUET_HOME",
        "./tourniquet-data",
        "Folder that holds all state of an embedded installation.",
    ),
    Setting(
        "TOURNIQUET_DATABASE_URL",
        "",
        "Unset: SQLite in the home folder. postgresql://USER:PASSWORD@HOST:PORT/NAME: PostgreSQL.",
        secret=True,
    ),
    Setting(
        "TOURNIQUET_SECRET_KEY",
        "",
        "Signs sessions and forms. Unset: made once and kept in the home folder, readable by its "
        "owner only.",
        secret=True,
    ),
    Setting(
        "TOURNIQUET_ALLOWED_HOSTS",
        "127.0.0.1,localhost,[::1]",
        "Host names under which the console may be reached, separated by commas.",
    ),
    Setting(
        "TOURNIQUET_SITE",
        "main",
        "Short name of this installation, written into every entry of the journal as its origin.",
    ),
    Setting(
        "TOURNIQUET_KEYS",
        "",
        "Folder with the keys of the vault. Unset: keys in the home folder. Keep copies elsewhere.",
    ),
    Setting(
        "TOURNIQUET_SEALER",
        "beside",
        "beside: serve starts the sealer. apart: you run 'tourniquet record seal --follow', "
        "as an account that alone may read the keys.",
    ),
    Setting(
        "TOURNIQUET_WITNESS_KEY",
        "",
        "The line in witness.vkey of the replica, to pin it: what it has not countersigned is said "
        "on every page.",
    ),
    Setting(
        "TOURNIQUET_ACKNOWLEDGE",
        "local",
        "local: AA once a message is durable here. replica: AA once the replica has countersigned "
        "it, or after TOURNIQUET_ACKNOWLEDGE_SECONDS.",
    ),
    Setting(
        "TOURNIQUET_ACKNOWLEDGE_SECONDS",
        "5",
        "How long AA waits for the replica, 1 to 60. Then, and until the replica has caught up, AA "
        "does not wait: care is never blocked.",
    ),
    Setting(
        "TOURNIQUET_STORE_ENDPOINT",
        "",
        "Address of the object storage that s3://… means. Unset: Amazon's, in the region.",
    ),
    Setting("TOURNIQUET_STORE_REGION", "eu-west-2", "Region of the object storage."),
    Setting(
        "TOURNIQUET_STORE_ACCESS_KEY",
        "",
        "Name of the credential for it. Unset: AWS_ACCESS_KEY_ID, or the machine's role.",
    ),
    Setting("TOURNIQUET_STORE_SECRET_KEY", "", "The secret of that credential.", secret=True),
    Setting(
        "TOURNIQUET_STORE_RETENTION_DAYS",
        "90",
        "For how many days nobody can delete what a replica puts into object storage, 2 to 3650. "
        "What is still needed is renewed after half of them.",
    ),
    Setting(
        "TOURNIQUET_STORE_KEYS_RETENTION_DAYS",
        "0",
        "The same for wrapped keys, 0 to 3650. 0: not locked, so that an erased key can be "
        "destroyed there.",
    ),
    Setting(
        "TOURNIQUET_MLLP_CERTIFICATE",
        "",
        "File with the certificate chain for MLLP over TLS. Unset: plain TCP.",
    ),
    Setting("TOURNIQUET_MLLP_KEY", "", "File with the private key of that certificate."),
    Setting(
        "TOURNIQUET_MLLP_MAX_FRAME_BYTES",
        str(16 * 1024 * 1024),
        "Largest frame that the listener takes; a larger one gets AR and the connection is closed.",
    ),
    Setting(
        "TOURNIQUET_MLLP_MAX_CONNECTIONS",
        "256",
        "Connections that the listener holds at once; further ones are closed at once.",
    ),
    Setting(
        "TOURNIQUET_MLLP_IDLE_SECONDS",
        "900",
        "A connection on which nothing complete arrived for so long is closed.",
    ),
    Setting(
        "TOURNIQUET_REPEAT_WINDOW_DAYS",
        "30",
        "How far back a control id is compared for each sender; counters wrap.",
    ),
    Setting(
        "TOURNIQUET_LABORATORY",
        "",
        "ODS code taken as performing organisation where a message names none.",
    ),
    Setting(
        "TOURNIQUET_READING_CEILINGS",
        "",
        "How many people's records an account may read on a day before a person is alarmed, by "
        "role or account: hospital=300,account/feed=20000. What is not named has its default.",
    ),
    Setting(
        "TOURNIQUET_REASON_CEILINGS",
        "",
        "How many people's records an account may open on a day without a tie, each for a reason, "
        "before a person is alarmed, written in the same way.",
    ),
    Setting(
        "TOURNIQUET_EXPORT_LIMITS",
        "",
        "How many people's records an account may take by FHIR on a day before it is stopped, "
        "written in the same way.",
    ),
    Setting(
        "TOURNIQUET_BROKEN_GLASS_HOURS",
        "8",
        "For how long a reason holds that somebody without a tie gave for opening a record.",
    ),
    Setting(
        "TOURNIQUET_ERASURE_DAYS",
        "14",
        "How many days an approved erasure of a person's data waits before it is carried out, 1 to "
        "30. An erasure keeps the number that it was approved with.",
    ),
    Setting("TOURNIQUET_DEBUG", "", "1 shows tracebacks in the browser. Never in production."),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def read(name: str, environ: Mapping[str, str] | None = None) -> str:
    """The value of a setting, or its default. Raises: KeyError for a name not in the table."""
    setting = _BY_NAME[name]
    return (os.environ if environ is None else environ).get(name, "") or setting.default


def environment_with(**values: str) -> dict[str, str]:
    """The environment for a process that we start: ours, with these settings in place of ours.

    Raises: KeyError for a name not in the table.
    """
    return {**os.environ, **{_BY_NAME[name].name: value for name, value in values.items()}}


def read_number(name: str, *, least: int, most: int) -> int:
    """A whole number within bounds. Raises: OperatorError naming the setting."""
    text = read(name)
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise OperatorError(
            f"The setting must be a whole number from {least} to {most}.",
            where=name,
            remedy="Correct it in the environment.",
        )
    return number


def read_choice(name: str, choices: Sequence[str]) -> str:
    """One of some words. Raises: OperatorError naming the setting."""
    found = read(name)
    if found not in choices:
        raise OperatorError(
            f"The setting must be one of {', '.join(choices)}.",
            where=name,
            remedy="Correct it in the environment.",
        )
    return found


def home() -> Path:
    """The folder with all state of an embedded installation."""
    return Path(read("TOURNIQUET_HOME")).expanduser().resolve()
