"""`tourniquet record prove`: a bundle that somebody outside can check without us."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.cli.record_restore import steps_to
from tourniquet.cli.record_verify import read_earlier, read_key
from tourniquet.kernel.errors import IntegrityError, OperatorError, UserError

if TYPE_CHECKING:
    from tourniquet.record.notes import Note, VerifierKey
    from tourniquet.record.opening import OpenedEntry
    from tourniquet.record.proof import Shown
    from tourniquet.record.ring import KeyRing
    from tourniquet.record.vault import VaultReader

READ_KINDS = frozenset({"record.read", "glass.broken"})


@click.command(
    name="prove",
    epilog=output.example(
        "tourniquet record prove --patient 9990000018 --reads --why 'complaint 12' --out bundle",
        "tourniquet record prove --before kept-checkpoint --compare --out bundle.json",
        "tourniquet-verify bundle.json --log-key vault.vkey --witness-key witness.vkey",
    ),
)
@click.option("--out", type=output.path_argument_type(), required=True, help="The bundle's file.")
@click.option("--positions", metavar="5,7-9", help="Entries by their positions.")
@click.option("--patient", metavar="NUMBER|ID", help="Entries about a patient.")
@click.option("--reads", is_flag=True, help="With --patient: only who read the record.")
@click.option("--headers-only", is_flag=True, help="Withhold what the entries say.")
@click.option(
    "--before",
    type=output.path_argument_type(),
    help="File with an earlier checkpoint: the bundle proves that nothing before it was rewritten.",
)
@click.option("--compare", is_flag=True, help="Compare this home's database with the vault.")
@click.option(
    "--report",
    "report_files",
    type=output.path_argument_type(),
    multiple=True,
    help="A signed report to carry along, as record restore writes it.",
)
@click.option("--why", default="", help="Why entries about patients are shown; journalled.")
@click.option(
    "--vault",
    type=output.path_argument_type(),
    help="Folder of the vault, best a replica's, which is countersigned. Default: this home's.",
)
@click.option("--keys", type=output.path_argument_type(), help="Folder of keys. Default: home's.")
@click.option(
    "--key",
    "key_file",
    type=output.path_argument_type(),
    help="File with the pinned verifier key. Default: vault.vkey in or beside the vault.",
)
@output.home_option
@output.json_option
def command(
    *,
    out: Path,
    positions: str | None,
    patient: str | None,
    reads: bool,
    headers_only: bool,
    before: Path | None,
    compare: bool,
    report_files: tuple[Path, ...],
    why: str,
    vault: Path | None,
    keys: Path | None,
    key_file: Path | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Write a bundle: entries with proofs, an earlier checkpoint, a comparison, signed.

    Whoever has `tourniquet-verify` and the pinned keys checks it without us. What is shown of
    patients is journalled as read first.
    """
    if (patient or positions) and not headers_only and not why.strip():
        raise UserError(
            "Entries are shown to somebody: say why.", where="--why", remedy="Or --headers-only."
        )
    output.configure_django(home=home)
    from tourniquet.flows.note_proof import note_proof
    from tourniquet.record.disk import Disk, LocalFiles
    from tourniquet.record.keys import open_keys
    from tourniquet.record.notes import NOTE_BYTES_MOST, read_note
    from tourniquet.record.proof import Bundle, Shown, make_bundle
    from tourniquet.record.sealer import keys_folder, vault_folder
    from tourniquet.record.vault import VaultReader
    from tourniquet.record.verification import verify_vault

    folder = vault or vault_folder()
    if not folder.is_dir():
        raise OperatorError("There is no vault.", where=str(folder), remedy="Name it with --vault.")
    key, disk = read_key(key_file, folder), Disk(LocalFiles(folder))
    opened = open_keys(keys or keys_folder())
    checkpoint = verify_vault(disk, key).checkpoint
    reader = VaultReader(disk, checkpoint.size)
    earlier = read_earlier(before, key) if before else None
    entries = list(_chosen(reader, opened.ring, positions, patient, reads=reads))
    if not headers_only:
        subjects = [one.content.subject for one in entries if one.content and one.content.subject]
        note_proof(subjects, why=why, actor=output.operator(), now=datetime.now(UTC))
    reports = [_read_report(file, key) for file in report_files]
    if compare:
        from tourniquet.record.comparison import compare_database

        with steps_to("Comparing", checkpoint.size) as moved:
            comparison = compare_database(reader, opened.ring, progress=moved)
        text = comparison.text(checkpoint, earlier[0] if earlier else None, datetime.now(UTC))
        reports.append(_signed(text, opened.signer))
    shown = [Shown(one, content=not headers_only) for one in entries]
    note = read_note(disk.read("checkpoint", bytes_most=NOTE_BYTES_MOST))
    bundle = make_bundle(disk, Bundle(checkpoint, note, shown, earlier, reports))
    with output.replacing(out) as file:
        json.dump(bundle, file)
    _tell(out, shown, reports, checkpoint.size, as_json=as_json)


def _read_report(file: Path, key: VerifierKey) -> Note:
    """A report that the log's key signed. Raises: OperatorError, IntegrityError."""
    from tourniquet.record.notes import NOTE_BYTES_MOST, check, read_note

    try:
        with file.open("rb") as content:
            note = read_note(content.read(NOTE_BYTES_MOST + 1))
        check(note, key)
    except OSError as error:
        raise OperatorError(
            "The report can't be read.", where=str(file), remedy="Name its file."
        ) from error
    except IntegrityError as error:
        raise IntegrityError(error.what, where=str(file)) from error
    return note


def _signed(text: str, signer: object) -> Note:
    from tourniquet.record.notes import Note, Signer, sign

    assert isinstance(signer, Signer)
    return Note(text, (sign(text, signer),))


def _chosen(
    reader: VaultReader,
    ring: KeyRing,
    positions: str | None,
    patient: str | None,
    *,
    reads: bool,
) -> Iterator[OpenedEntry]:
    from tourniquet.record.opening import open_entry

    if positions:
        for position in _parse_positions(positions, reader.size):
            yield open_entry(reader, ring, position)
    elif patient:
        wanted = ring.patient_id(_patient_id(patient))
        with steps_to("Looking", reader.size) as moved:
            yield from _about(reader, ring, wanted, moved, reads=reads)


def _about(
    reader: VaultReader,
    ring: KeyRing,
    wanted: bytes,
    moved: Callable[[int], None],
    *,
    reads: bool,
) -> Iterator[OpenedEntry]:
    """Entries under a patient's key, found in the vault itself: no index is believed."""
    from tourniquet.record.bodies import open_header
    from tourniquet.record.opening import open_entry

    for position in range(1, reader.size + 1):
        leaf = reader.leaf(position)
        if open_header(leaf, reader.body(leaf), ring.site.key).key_id == wanted:
            entry = open_entry(reader, ring, position)
            if not reads or entry.fields.kind in READ_KINDS:
                yield entry
        moved(position)


def _patient_id(text: str) -> str:
    """The patient's id in this record, from an NHS number or the id itself. Raises: UserError."""
    from tourniquet.kernel.errors import TourniquetError
    from tourniquet.kernel.identifiers import NhsNumber
    from tourniquet.patients.models import Patient
    from tourniquet.patients.queries import holders_of

    try:
        holders = holders_of(NhsNumber.parse(text).digits)
    except TourniquetError:
        holders = {text} if Patient.objects.filter(pk=text).exists() else set()
    if len(holders) != 1:
        raise UserError(
            f"{len(holders)} patients have this number.",
            where="--patient",
            remedy="Name the patient's id in the record.",
        )
    return holders.pop()


def _parse_positions(text: str, size: int) -> list[int]:
    """Positions from `5,7-9`. Raises: UserError."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        ends = (first, last or first)
        if not all(one.isascii() and one.isdigit() for one in ends):
            raise UserError("These are no positions.", where="--positions", remedy="5,7-9")
        low, high = int(ends[0]), int(ends[1])
        if not 0 < low <= high <= size:
            raise UserError(f"The vault has positions 1 to {size}.", where="--positions")
        found.update(range(low, high + 1))
    return sorted(found)


def _tell(
    out: Path, shown: Sequence[Shown], reports: Sequence[Note], size: int, *, as_json: bool
) -> None:
    if as_json:
        output.emit_json(
            {
                "bundle": out,
                "entries": [one.entry.fields.position for one in shown],
                "checkpoint": size,
                "reports": [note.text for note in reports],
            }
        )
        return
    for note in reports:
        output.say(note.text.rstrip())
    output.say(f"{len(shown)} entries with their proofs, of a tree of {size}: {out}")
