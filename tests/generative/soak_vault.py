"""The lives of a vault on the simulated disk, seed after seed, on every core: part of `make soak`.

    python -m tests.generative.soak_vault --seeds 1000000 --first 0

Prints the range that was tried and the rate; exits 1 with the first seed that breaks a promise,
which `tests.support.vault_lives.live(SEED)` within `narrow()` then tries alone.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice

from tests.support.narrow_vault import narrow
from tests.support.vault_lives import Broken, live

SEEDS_A_PART = 500
SAY_EVERY_SECONDS = 60.0


def run_part(seeds: range) -> str:
    """Live these seeds; what broke first, empty where nothing did."""
    with narrow():
        for seed in seeds:
            try:
                live(seed)
            except Broken as broken:
                return str(broken)
            except Exception as error:  # noqa: BLE001 # a bug of any kind is a finding, with its seed
                return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


def list_parts(seeds: range) -> Iterator[range]:
    """The seeds in parts that a process takes at once."""
    for first in range(seeds.start, seeds.stop, SEEDS_A_PART):
        yield range(first, min(first + SEEDS_A_PART, seeds.stop))


def soak(seeds: range, *, processes: int) -> int:
    """Live all the seeds; 1 at the first that breaks a promise."""
    began = said = time.monotonic()
    parts = list_parts(seeds)
    with ProcessPoolExecutor(processes) as pool:
        tried = seeds.start
        while some := list(islice(parts, processes * 4)):
            for part, broken in zip(some, pool.map(run_part, some), strict=True):
                if broken:
                    sys.stdout.write(f"{broken}\n")
                    return 1
                tried = part.stop
            if time.monotonic() - said > SAY_EVERY_SECONDS:
                said = time.monotonic()
                sys.stderr.write(f"seeds {seeds.start} to {tried - 1} hold\n")
    seconds = time.monotonic() - began
    sys.stdout.write(
        f"Vault on a simulated disk: seeds {seeds.start} to {seeds.stop - 1} hold; "
        f"{seconds:.0f} s on {processes} processes, {len(seeds) / seconds:.0f} seeds/s.\n"
    )
    return 0


def main() -> int:
    """Read the arguments, and soak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    return soak(range(given.first, given.first + given.seeds), processes=given.processes)


if __name__ == "__main__":
    sys.exit(main())
