"""Real messages of other projects: each is read, or refused with a reason a person understands."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tourniquet.kernel.errors import SenderError
from tourniquet.wire.hl7v2 import parse
from tourniquet.wire.hl7v2_batch import split_batch

VARIABLE = "TOURNIQUET_TEST_MATERIAL"
FOLDERS = ("hapi-hl7v2", "oie-hl7", "l4h-hl7", "nwgmsa-hl7", "python-hl7")
_SENTENCE = re.compile(r".*[A-Z].* .*\. .+\.\Z", re.DOTALL)


def material() -> list[Path]:
    folder = os.environ.get(VARIABLE)
    if not folder:
        pytest.skip(f"{VARIABLE} is not set: no folder with real messages was given")
    return [path for name in FOLDERS for path in sorted(Path(folder, name).glob("*.*"))]


def test_every_file_splits_into_messages_that_are_read_or_refused_with_a_reason() -> None:
    read, refused = 0, []
    for path in material():
        raw = path.read_bytes()
        split = split_batch(raw)
        assert split.messages or split.leftovers, path.name
        for found in split.messages:
            try:
                message = parse(found.data)
            except SenderError as error:
                refused.append(str(error))
                continue
            assert message.segments[0].name == "MSH"
            for segment in message.segments:
                for field in range(1, segment.field_count + 1):
                    segment.value(field)
            read += 1
    print(f"read {read}, refused {len(refused)}", *refused, sep="\n")
    for reason in refused:
        assert _SENTENCE.match(reason), reason
    assert read > 100
