"""`tourniquet review`: whose data is in a folder of stolen files."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output

if TYPE_CHECKING:
    from tourniquet.breach.engine import Engine
    from tourniquet.breach.estimate import Expected

WORKERS_MOST = 256
TOLD_SECONDS = 5.0


@click.command(
    name="review",
    epilog=output.example("tourniquet review stolen/ --people people.csv --out answer/"),
)
@click.argument("files", type=click.Path(path_type=Path))
@click.option(
    "--people",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV file of the people to find.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the answer; made where it is missing. It holds personal data.",
)
@click.option(
    "--organisations",
    type=click.Path(path_type=Path),
    help="CSV file of organisations: ods_code,name,postcode,client_codes,email_domains and, for "
    "packs, recipient (of age).",
)
@click.option(
    "--tests", type=click.Path(path_type=Path), help="CSV file of tests: code,name,category."
)
@click.option("--resume", is_flag=True, help="Go on with the review in OUT; do what has changed.")
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MOST),
    help="How many processes sweep and read. Default: as many as there are processors.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Where sweeps run: in processes of this machine, or on a Ray cluster.",
)
@click.option(
    "--ray-address",
    default="auto",
    show_default=True,
    help="HOST:PORT of the head of the Ray cluster.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")
def command(
    files: Path,
    people: Path,
    out: Path,
    organisations: Path | None,
    tests: Path | None,
    *,
    resume: bool,
    workers: int | None,
    engine: str,
    ray_address: str,
    as_json: bool,
) -> None:
    """Find whose data is in FILES, a folder of stolen files, and write the answer to OUT.

    Every file and what lies in it is listed, every byte is searched. People are named with the
    evidence; who is told is proposed, and people decide. FILES is only read.
    """
    from tourniquet.breach.engine import LocalPool
    from tourniquet.breach.review import Asked, review
    from tourniquet.kernel.clock import SystemClock, service_day
    from tourniquet.kernel.errors import StorageUnavailable

    asked = Asked(
        files,
        people,
        out,
        service_day(SystemClock().now()),
        organisations,
        tests,
        resume=resume,
        workers=workers or 0,
    )
    with ExitStack() as stack:
        runs: Engine = LocalPool(workers)
        if engine == "ray":
            from tourniquet.breach.ray_engine import RayCluster

            cluster = RayCluster(ray_address)
            stack.callback(cluster.close)
            runs = cluster
        told = _Teller(quiet=as_json)
        try:
            found = review(asked, engine=runs, told=told)
        except OSError as error:
            raise StorageUnavailable(
                f"A file could not be written or read: {error.strerror or type(error).__name__}.",
                where=str(out),
                remedy="Give the disk room, then go on with --resume.",
            ) from error
    counts = found.counts
    if as_json:
        output.emit_json(_read_summary(out))
        return
    output.say(
        f"{counts.people_notify:,} people to notify, {counts.people_review:,} to decide about; "
        f"{counts.unresolved:,} fragments of people whom the index does not tell."
    )
    output.say(
        f"{counts.files:,} files, {counts.bytes / 1e6:,.0f} MB, in {found.seconds:,.0f} s. "
        f"Expected in the end: {found.expected.low:,} to {found.expected.high:,}."
    )
    output.say(f"Answer: {out}. It holds personal data: keep it as the stolen files are kept.")


def _read_summary(out: Path) -> dict[str, object]:
    import msgspec

    return msgspec.json.decode((out / "summary.json").read_bytes(), type=dict[str, object])


class _Teller:
    """Lines on standard error: each stage, and the estimate as soon as there is one."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._begun = time.monotonic()
        self._total = 0
        self._told = 0.0
        self._words = ""

    def stage(self, words: str, total: int) -> None:
        """See `Told`."""
        self._words, self._total = words, total
        self._note(words)

    def moved(self, done: int) -> None:
        """See `Told`: a line each few seconds."""
        now = time.monotonic()
        if now - self._told > TOLD_SECONDS and self._total:
            self._told = now
            self._note(f"{self._words}: {done / 1e6:,.0f} of {self._total / 1e6:,.0f} MB")

    def estimate(self, expected: Expected) -> None:
        """See `Told`."""
        self._note(
            f"First estimate: {expected.low:,} to {expected.high:,} people; {expected.because}."
        )

    def _note(self, words: str) -> None:
        if not self._quiet:
            output.note(f"{time.monotonic() - self._begun:7.1f} s  {words}")
