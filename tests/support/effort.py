"""How much of a long test is done: a part of it in `make test`, all of it in `make soak`.

A figure that an issue demands is held in full by one test of `make test`; what is shortened here
is only the same figure by another way.
"""

from __future__ import annotations

import os

import pytest

LONG_VARIABLE = "TOURNIQUET_TEST_LONG"
IS_LONG = os.environ.get(LONG_VARIABLE, "") not in {"", "0"}

only_long = pytest.mark.skipif(not IS_LONG, reason=f"long: runs in `make soak` ({LONG_VARIABLE}=1)")


def effort(short: int, long: int) -> int:
    """So many in `make test`, so many in `make soak`."""
    return long if IS_LONG else short
