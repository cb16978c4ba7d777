"""Is it alive, can it serve, and what does it count."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from tourniquet.edge.access import access
from tourniquet.edge.counters import MLLP, prometheus_lines
from tourniquet.kernel.errors import TourniquetError
from tourniquet.record.database import storage_errors
from tourniquet.record.journal import read_head
from tourniquet.record.queries import count_refused_messages
from tourniquet.record.sealing_meter import SEALING
from tourniquet.record.witness import METER


@access("public")
def healthz(http_request: HttpRequest) -> HttpResponse:
    """Alive: the process answers."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@access("public")
def readyz(http_request: HttpRequest) -> HttpResponse:
    """Can serve: the database answers and is migrated."""
    try:
        with storage_errors():
            read_head()
    except TourniquetError:
        return HttpResponse("not ready: database\n", status=503, content_type="text/plain")
    return HttpResponse("ready\n", content_type="text/plain; charset=utf-8")


@access("public")
def metrics(http_request: HttpRequest) -> HttpResponse:
    """Counters in Prometheus' text format; nothing about anybody."""
    lines = [
        "# HELP tourniquet_journal_position Position of the newest entry of the journal.",
        "# TYPE tourniquet_journal_position counter",
        f"tourniquet_journal_position {read_head().position}",
        "# HELP tourniquet_messages_refused Messages that wait for a person.",
        "# TYPE tourniquet_messages_refused gauge",
        f"tourniquet_messages_refused {count_refused_messages()}",
    ]
    lines += _sealing_lines() + _protection_lines() + prometheus_lines(MLLP)
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; version=0.0.4")


def _sealing_lines() -> list[str]:
    """How far the vault is behind; nothing where this account can't say, or nobody seals yet."""
    found = SEALING.read()
    if found is None:
        return []
    lines = [
        "# HELP tourniquet_sealed_position Position up to which the vault has sealed the journal.",
        "# TYPE tourniquet_sealed_position gauge",
        f"tourniquet_sealed_position {found.sealed}",
        "# HELP tourniquet_unsealed_entries Entries that are in this database alone.",
        "# TYPE tourniquet_unsealed_entries gauge",
        f"tourniquet_unsealed_entries {found.unsealed}",
        "# HELP tourniquet_unsealed_since_seconds When the oldest was recorded; 0: none.",
        "# TYPE tourniquet_unsealed_since_seconds gauge",
        f"tourniquet_unsealed_since_seconds {found.since.timestamp() if found.since else 0:.0f}",
        "# HELP tourniquet_sealing_late 1: entries wait, and for a minute none was sealed.",
        "# TYPE tourniquet_sealing_late gauge",
        f"tourniquet_sealing_late {int(found.late)}",
        "# HELP tourniquet_sealing_fits 0: the journal is not the one that was sealed.",
        "# TYPE tourniquet_sealing_fits gauge",
        f"tourniquet_sealing_fits {int(found.fits)}",
    ]
    if found.running is not None:
        lines += [
            "# HELP tourniquet_sealer_running Whether the sealer beside this server runs.",
            "# TYPE tourniquet_sealer_running gauge",
            f"tourniquet_sealer_running {int(found.running)}",
        ]
    return lines


def _protection_lines() -> list[str]:
    """How much lies out of reach; nothing where no witness is pinned."""
    found = METER.read()
    if found is None:
        return []
    witnessed_at = found.witnessed_at.timestamp() if found.witnessed_at else 0
    return [
        "# HELP tourniquet_unprotected_entries Entries that the replica has not countersigned.",
        "# TYPE tourniquet_unprotected_entries gauge",
        f"tourniquet_unprotected_entries {found.unprotected}",
        "# HELP tourniquet_unprotected_since_seconds When the oldest was recorded; 0: none.",
        "# TYPE tourniquet_unprotected_since_seconds gauge",
        f"tourniquet_unprotected_since_seconds {found.since.timestamp() if found.since else 0:.0f}",
        "# HELP tourniquet_witnessed_position Position that the replica has countersigned.",
        "# TYPE tourniquet_witnessed_position gauge",
        f"tourniquet_witnessed_position {found.witnessed}",
        "# HELP tourniquet_witnessed_at_seconds When, by the replica's clock; 0: never.",
        "# TYPE tourniquet_witnessed_at_seconds gauge",
        f"tourniquet_witnessed_at_seconds {witnessed_at:.0f}",
        "# HELP tourniquet_witness_fits 0: the journal is not the one that was countersigned.",
        "# TYPE tourniquet_witness_fits gauge",
        f"tourniquet_witness_fits {int(found.fits)}",
    ]
