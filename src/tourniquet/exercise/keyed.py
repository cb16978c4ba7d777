"""Chance by stable keys: the same key gives the same luck, whatever was asked before.

Invariants:
- A number depends on the seed, the name of its stream and its keys, and on nothing else.
- Python's own hash() is never used: it differs from process to process.

Source: splitmix64 (Steele, Lea and Flood 2014), its finaliser and increment.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 1.0 / (1 << 53)


@lru_cache(maxsize=4096)
def stream_key(seed: int, stream: str) -> int:
    """64 bits that stand for a seed and a stream's name."""
    digest = hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def generator(seed: int, stream: str) -> np.random.Generator:
    """A PCG64 generator of its own for a stream."""
    return np.random.Generator(np.random.PCG64(stream_key(seed, stream)))


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    return values ^ (values >> np.uint64(31))


def uniform(seed: int, stream: str, *keys: ArrayLike) -> NDArray[np.float64]:
    """Numbers from [0, 1), one for each combination of the broadcast keys (whole numbers)."""
    with np.errstate(over="ignore"):
        state = np.asarray(stream_key(seed, stream), dtype=np.uint64)
        for key in keys:
            part = np.asarray(key).astype(np.int64).astype(np.uint64)
            state = _mix(state * _INCREMENT + part * _FIRST + _INCREMENT)
        state = _mix(state + _INCREMENT)
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * _TO_UNIT, dtype=np.float64)


def normal(seed: int, stream: str, *keys: ArrayLike) -> NDArray[np.float64]:
    """Standard normal numbers by key (Box and Muller)."""
    first = np.maximum(uniform(seed, stream + "/radius", *keys), 1e-12)
    second = uniform(seed, stream + "/angle", *keys)
    return np.asarray(np.sqrt(-2 * np.log(first)) * np.cos(2 * np.pi * second), dtype=np.float64)
