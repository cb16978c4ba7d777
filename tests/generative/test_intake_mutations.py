"""Damaged messages through the flow: each is answered, and replay gives the same tables.

The 20,000 that must each end in AA, AE or AR go through the real listener in
tests/flows/test_mllp_record.py; here `make soak` takes as many.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.support.database import Database, Databases
from tests.support.effort import effort
from tests.support.hl7_mutations import mutations, set_apart
from tests.support.messages import NOW
from tests.support.replaying import assert_replay_equal
from tourniquet.flows.receive_messages import Received, receive_group
from tourniquet.record.models import Alarm, JournalEntry

COUNT = effort(2_000, 20_000)
BOTH_COUNT = effort(500, 1_000)
GROUP = 32
# The control ids of the messages that are damaged: each gets one of its own, or all would clash.
_CONTROL = re.compile(rb"([|^])(C2\.5\.1|C2\.4|O1|M1|A8|A40|X1)([|^]P)")


def _damaged(seed: int) -> Iterator[bytes]:
    for number, raw in enumerate(mutations(seed, COUNT)):
        yield set_apart(_CONTROL.sub(rb"\g<1>N%d\g<3>" % number, raw, count=1), number)


@pytest.mark.no_cover  # a tracer would triple its time; the same lines are covered elsewhere
@pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)
def test_every_damaged_message_is_answered(
    database: Database, databases: Databases, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    raws = list(_damaged(seed))
    seen: Counter[str] = Counter()
    for start in range(0, COUNT, GROUP):
        group = [Received(raw, "mllp", "test") for raw in raws[start : start + GROUP]]
        for answer in receive_group(group, now=NOW):
            seen[answer.code] += 1
            assert answer.acknowledgement.startswith(b"MSH")
            assert answer.position is not None
    assert sum(seen.values()) == COUNT
    assert set(seen) == {"AA", "AR"}, f"faults of ours: {caplog.text[-3000:]}"
    assert seen["AA"] > COUNT // 10
    assert not Alarm.objects.filter(kind="message-not-applied").exists()
    positions = JournalEntry.objects.order_by("-position").values_list("position", flat=True)
    assert positions[0] == JournalEntry.objects.count()
    assert_replay_equal(databases, database)


def test_a_few_on_both_databases(database: Database, databases: Databases, seed: int) -> None:
    other = "postgresql" if database.vendor == "sqlite" else "sqlite"
    raws = list(islice(_damaged(seed), BOTH_COUNT))
    for start in range(0, len(raws), GROUP):
        group = [Received(raw, "mllp", "test") for raw in raws[start : start + GROUP]]
        answers = receive_group(group, now=NOW)
        assert {answer.code for answer in answers} <= {"AA", "AR"}
    assert_replay_equal(databases, database, other)
