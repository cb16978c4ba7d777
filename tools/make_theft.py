"""Make a folder of stolen files with a patient index and a hidden truth, for work on `review`.

Usage: python tools/make_theft.py --out OUT [--people 20000] [--megabytes 50] [--seed 7]
       [--family first|second] [--mentioned 0.2]

OUT gets FILES, people.csv, organisations.csv and tests.csv, which are what `tourniquet review` is
given, and TRUTH, which it is not. The second family is held out: who works on the engine may look
at its scores, never into its files.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tourniquet.exercise.people import people
from tourniquet.exercise.region import make_region
from tourniquet.exercise.theft.make import FAMILIES, MENTIONED_SHARE, make_theft
from tourniquet.kernel.errors import UserError


def main(arguments: list[str]) -> int:
    """Make one theft; 0, or 2 where the arguments do not allow it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--megabytes", type=float, default=50.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--family", choices=sorted(FAMILIES), default="first")
    parser.add_argument("--mentioned", type=float, default=MENTIONED_SHARE)
    asked = parser.parse_args(arguments)
    region = make_region(asked.seed)
    try:
        truth = make_theft(
            region,
            people(region, asked.people, asked.seed),
            asked.out,
            seed=asked.seed,
            megabytes=asked.megabytes,
            family=asked.family,
            mentioned_share=asked.mentioned,
        )
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{asked.out}: {truth.files:,} files, {truth.members:,} members, {truth.bytes:,} bytes")
    print(f"{truth.folder}: {truth.fragments:,} fragments; people by class {truth.people_by_class}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
