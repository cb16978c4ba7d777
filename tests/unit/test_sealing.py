"""Commitment and chain, against values computed step by step from the published form."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

from tourniquet.record.sealing import DOMAIN, GENESIS, Header, commit, header_bytes, link

MOMENT = datetime(2024, 6, 3, 7, 0, 0, 5, tzinfo=UTC)
HEADER = Header(1, "report.filed", 1, MOMENT, MOMENT, "mllp:LAB", "X1", "main", 1, None)


def test_header_is_what_the_reference_says() -> None:
    assert header_bytes(HEADER) == (
        b'{"actor":"mllp:LAB","cause":null,"happened_at":"2024-06-03T07:00:00.000005Z",'
        b'"kind":"report.filed","kind_version":1,"organisation":"X1","origin":"main",'
        b'"origin_position":1,"position":1,"recorded_at":"2024-06-03T07:00:00.000005Z"}'
    )


def test_times_of_any_offset_give_one_header() -> None:
    summer = MOMENT.astimezone(timezone(timedelta(hours=1)))
    other = Header(1, "report.filed", 1, summer, summer, "mllp:LAB", "X1", "main", 1, None)
    assert header_bytes(other) == header_bytes(HEADER)


def test_commitment_is_domain_salt_length_subject_body() -> None:
    salt = bytes(range(32))
    expected = hashlib.sha256(DOMAIN + salt + b"\x00\x02" + b"01" + b"{}").digest()
    assert commit(salt, "01", b"{}") == expected
    assert commit(salt, None, b"01{}") != expected
    assert commit(salt, "0", b"1{}") != expected


def test_chain_covers_what_came_before() -> None:
    first = link(GENESIS, HEADER, b"c" * 32)
    assert first == hashlib.sha256(bytes(32) + header_bytes(HEADER) + b"c" * 32).digest()
    assert link(first, HEADER, b"c" * 32) != first
