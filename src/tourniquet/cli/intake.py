"""`tourniquet intake`: message files, taken as if they had come by wire."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.kernel.errors import UserError

if TYPE_CHECKING:
    from tourniquet.wire.hl7v2_batch import FoundMessage

FILE_BYTES_MAX = 256 * 1024 * 1024
GROUP_MESSAGES = 64
CHANNEL = "file"
BATCH = "batch"  # a batch that does not add up: told, but no fault of a message's


@dataclass(frozen=True)
class Outcome:
    """What became of one message, of bytes that are none (code ""), or of a batch."""

    file: str
    offset: int
    code: str
    reason: str = ""
    position: int | None = None


@click.command(
    name="intake",
    epilog=output.example(
        "tourniquet intake results.hl7 batch.txt", "cat dump.mllp | tourniquet intake - --json"
    ),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@output.home_option
@output.json_option
def command(*, files: Sequence[str], home: Path | None, as_json: bool) -> None:
    """Take HL7 v2 from files: single messages, batches, MLLP dumps. - is standard input.

    Each message is kept, applied and answered as if it had come by wire: AA taken, AR refused and
    kept for a person, AE try again. Exit status 1 where anything was not taken.
    """
    contents = [(name, _read(name)) for name in files]
    output.configure_django(home=home)
    from tourniquet.cli.serve import prepare
    from tourniquet.record.home import open_home

    prepare(may_migrate=False)
    open_home()
    found: list[Outcome] = []
    with output.progress("Taking messages") as steps:
        for name, raw in contents:
            for outcome in take_file(name, raw):
                found.append(outcome)
                steps.advance()
                if not as_json:
                    output.say(_shown(outcome))
    counts = {code: sum(o.code == code for o in found) for code in ("AA", "AE", "AR")}
    unread = sum(not outcome.code for outcome in found)
    if as_json:
        totals = {"files": len(contents), "messages": sum(counts.values()), "unread": unread}
        output.emit_json({**totals, **counts, "outcomes": found})
    else:
        shown = ", ".join(f"{count} {code}" for code, count in counts.items())
        output.say(f"{sum(counts.values())} messages in {len(contents)} files: {shown}; "
                   f"{unread} parts that are no message.")  # fmt: skip
    if unread or counts["AE"] or counts["AR"]:
        raise UserError(
            f"{counts['AE'] + counts['AR']} messages were not taken and {unread} parts are no "
            "HL7 v2 message.",
            remedy="The reasons are above; refused messages are kept for a person.",
        )


def _shown(outcome: Outcome) -> str:
    line = f"{outcome.file}:{outcome.offset} {outcome.code or 'not read'}"
    return f"{line} {outcome.reason}" if outcome.reason else line


def _read(name: str) -> bytes:
    """The bytes of a file, before anything is taken of any.

    Raises: UserError when it is too large; OSError when it cannot be read.
    """
    if name == "-":
        raw = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    else:
        with Path(name).open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise UserError(
            f"The file has more than {FILE_BYTES_MAX} bytes.", where=name, remedy="Split it."
        )
    return raw


def other_format(raw: bytes) -> str:
    """The name of a format that is not HL7 v2 and not taken yet; "" where it is none of these."""
    start = raw[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"{", b"[", b"<")):
        return "FHIR or another JSON or XML document"
    if start.startswith((b"UNA", b"UNB+", b"UNH+")):
        return "EDIFACT"
    return ""


def take_file(name: str, raw: bytes) -> Iterator[Outcome]:
    """Take what a file holds, in its order; what is no message comes out too."""
    from tourniquet.wire.hl7v2_batch import split_batch

    format_ = other_format(raw)
    if format_:
        yield Outcome(name, 0, "", f"This is {format_}, which comes with a later release.")
        return
    split = split_batch(raw)
    if not split.messages and not split.leftovers:
        yield Outcome(name, 0, "", "There is no HL7 v2 message in this file.")
    for start in range(0, len(split.messages), GROUP_MESSAGES):
        yield from _take_group(name, split.messages[start : start + GROUP_MESSAGES])
    for leftover in split.leftovers:
        why = f"{leftover.why} ({len(leftover.data)} bytes)."
        yield Outcome(name, leftover.offset, "", why)
    for problem in split.problems:
        yield Outcome(name, problem.offset, BATCH, f"{problem.why}; its messages were taken.")


def _take_group(name: str, messages: Sequence[FoundMessage]) -> Iterator[Outcome]:
    from tourniquet.flows.receive_messages import Received, receive_group
    from tourniquet.record.home import clock

    received = [Received(message.data, CHANNEL, Path(name).name) for message in messages]
    answers = receive_group(received, now=clock().now())
    for message, answer in zip(messages, answers, strict=True):
        yield Outcome(name, message.offset, answer.code, answer.reason, answer.position)
