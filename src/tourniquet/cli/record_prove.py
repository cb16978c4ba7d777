"""`tourniquet record prove`: a bundle that somebody outside can check without us."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tourniquet.cli import output
from tourniquet.cli.record_restore import steps_to
from tourniquet.cli.record_verify import read_earlier
from tourniquet.kernel.errors import IntegrityError, OperatorError, UserError

if TYPE_CHECKING:
    from tourniquet.patients.vault_people import VaultPeople
    from tourniquet.record.key_list import KeyList
    from tourniquet.record.notes import Note
    from tourniquet.record.proof import Shown, Wanted
    from tourniquet.record.ring import KeyRing
    from tourniquet.record.vault import VaultReader

_POSITION = re.compile(r"[0-9]{1,15}", re.ASCII)
IDS_NAMED_MOST = 10
READ_KINDS = frozenset({"record.read", "glass.broken"})


@click.command(
    name="prove",
    epilog=output.example(
        "tourniquet record prove --patient 9990000018 --reads --why 'complaint 12' --out bundle",
        "tourniquet record prove --before kept-checkpoint --compare --out bundle.json",
        "tourniquet-verify bundle.json --log-key vault.vkey --witness-key witness.vkey "
        "--before kept-checkpoint",
    ),
)
@click.option("--out", type=output.path_argument_type(), required=True, help="The bundle's file.")
@click.option("--positions", metavar="5,7-9,20-", help="Entries by their positions.")
@click.option("--patient", metavar="NUMBER|ID", help="Entries about a patient.")
@click.option("--reads", is_flag=True, help="With --patient: only who read the record.")
@click.option("--headers-only", is_flag=True, help="Withhold what the entries say.")
@click.option(
    "--headers",
    metavar="1-500",
    help="Headers of these positions as well, so that none can be left out unseen. They name "
    "nobody, but show which entries are under one key.",
)
@click.option(
    "--before",
    type=output.path_argument_type(),
    help="File with an earlier checkpoint, best a copy of what the outsider kept and gives to "
    "tourniquet-verify --before: the bundle proves that nothing before it was rewritten.",
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
    metavar="FOLDER|s3://BUCKET/PREFIX",
    help="The vault, best a replica's, which is countersigned. Default: this home's.",
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
    headers: str | None,
    before: Path | None,
    compare: bool,
    report_files: tuple[Path, ...],
    why: str,
    vault: str | None,
    keys: Path | None,
    key_file: Path | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Write a bundle: entries with proofs, an earlier checkpoint, a comparison, signed.

    Whoever has `tourniquet-verify` and the pinned keys checks it without us. What is shown of
    patients is journalled as read first.
    """
    if reads and not patient:
        raise UserError("Whose readings?", where="--reads", remedy="Name --patient.")
    is_about_somebody = bool(patient or (positions and not headers_only))
    output.configure_django(home=home)
    from tourniquet.cli.vault_place import open_vault
    from tourniquet.flows.note_proof import check_reason, note_proof
    from tourniquet.record.home import clock, open_home
    from tourniquet.record.keys import open_keys
    from tourniquet.record.proof import Bundle, choose, read_verified, write_bundle
    from tourniquet.record.sealer import keys_folder, vault_folder
    from tourniquet.record.vault import VaultReader

    if is_about_somebody:
        check_reason(why)
    place = open_vault(vault or str(vault_folder()), key_file, where="--vault")
    key, disk = place.key, place.vault
    opened = open_keys(keys or keys_folder())
    checkpoint, note, keys_known = read_verified(disk, key)
    reader = VaultReader(disk, checkpoint.size)
    earlier = read_earlier(before, keys_known) if before else None
    people = _find_people(reader, opened.ring, patient) if patient else None
    wanted = _wanted(people, reader.size, positions, headers, reads=reads)
    with steps_to("Choosing", reader.size) as moved:
        chosen = choose(reader, opened.ring, wanted, progress=moved)
    reports = [_read_report(file, keys_known) for file in report_files]
    if compare:
        from tourniquet.record.comparison import compare_database

        with steps_to("Comparing", checkpoint.size) as moved:
            comparison = compare_database(reader, opened.ring, progress=moved)
        text = comparison.text(checkpoint, earlier[0] if earlier else None, datetime.now(UTC))
        reports.append(_signed(text, opened.get_signer(keys_known.newest)))
    shown = [replace(one, content=one.content and not headers_only) for one in chosen]
    text = write_bundle(disk, Bundle(checkpoint, note, shown, earlier, reports, keys_known.onward))
    if is_about_somebody:  # even where only headers are shown: whoever gets them knows whose
        open_home()
        whose = [one.entry.content.subject or "" for one in chosen if one.entry.content]
        note_proof(filter(None, whose), why=why, actor=output.operator(), now=clock().now())
    with output.replacing(out) as file:
        file.write(text)
    ties = sorted(people.ties) if people else []
    _tell(out, shown, reports, checkpoint.size, ties, as_json=as_json)


def _read_report(file: Path, keys: KeyList) -> Note:
    """A report that the log's newest key signed. Raises: OperatorError, IntegrityError."""
    from tourniquet.record.notes import NOTE_BYTES_MOST, read_note

    try:
        with file.open("rb") as content:
            note = read_note(content.read(NOTE_BYTES_MOST + 1))
        keys.check(note)
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


def _wanted(
    people: VaultPeople | None,
    size: int,
    positions: str | None,
    headers: str | None,
    *,
    reads: bool,
) -> Wanted:
    """What was asked for; with a patient, the entries by which the vault knows whose they are.

    Raises: UserError.
    """
    from tourniquet.record.proof import Wanted

    named = parse_positions(positions, size, where="--positions")
    return Wanted(
        positions=named | people.ties if people else named,
        headers=parse_positions(headers, size, where="--headers"),
        keys=people.keys if people else frozenset(),
        kinds=READ_KINDS if reads else frozenset(),
        within=people.candidates if people else None,
    )


def _find_people(reader: VaultReader, ring: KeyRing, asked: str) -> VaultPeople:
    """The one person whom the vault knows by this; a warning where the database says otherwise."""
    from tourniquet.patients.vault_people import find_vault_people

    with steps_to("Looking", reader.size) as moved:
        people = find_vault_people(reader, ring, asked, progress=moved)
    if people.unreadable:
        output.note(
            f"{people.unreadable} entries of the patient index can't be opened: their keys are not "
            "in this copy of the ring. Bring the newest copy and ask again."
        )
    others = ids_in_tables(asked)
    if others != people.ids:
        output.note(
            f"The database names other patients here than the vault: {_named(others)}, and the "
            f"vault {_named(people.ids)}. The bundle follows the vault. What came since the last "
            "sealing is not in it: seal and ask again. If that changes nothing, the database was "
            "changed: record prove --compare."
        )
    demand_one(people)
    return people


def _named(ids: frozenset[str]) -> str:
    return ", ".join(sorted(ids)[:IDS_NAMED_MOST]) or "none"


def demand_one(people: VaultPeople) -> None:
    """Demand that it is one person, with entries in the vault. Raises: UserError."""
    from tourniquet.patients.fhir_queries import SAME_PERSON_MOST

    found = len(people.alive) if people.keys else 0
    if found != 1 or len(people.ids) > SAME_PERSON_MOST:
        raise UserError(
            f"{found} patients in the vault have this number.",
            where="--patient",
            remedy="Name the patient's id in the record.",
        )


def ids_in_tables(asked: str) -> frozenset[str]:
    """Whom the database's tables name here: compared with the vault, and never believed."""
    from tourniquet.kernel.identifiers import NhsNumber
    from tourniquet.patients.fhir_queries import join_merged
    from tourniquet.patients.queries import holders_of

    number = NhsNumber.find(asked)
    return join_merged(holders_of(number.digits) if number is not None else {asked})


def parse_positions(text: str | None, size: int, *, where: str) -> frozenset[int]:
    """Positions from `5,7-9,20-`. Raises: UserError."""
    from tourniquet.record.proof import ENTRIES_MOST

    found: set[int] = set()
    for part in text.split(",") if text is not None else ():
        first, dash, last = part.strip().partition("-")
        last = last or (str(size) if dash else first)
        if not all(_POSITION.fullmatch(one) for one in (first, last)):
            raise UserError("These are no positions.", where=where, remedy="Write 5,7-9,20-.")
        low, high = int(first), int(last)
        if not 0 < low <= high <= size:
            raise UserError(f"The vault has positions 1 to {size}.", where=where)
        if len(found) + high - low >= ENTRIES_MOST:
            raise UserError(f"More than {ENTRIES_MOST} positions.", where=where)
        found.update(range(low, high + 1))
    return frozenset(found)


def _tell(
    out: Path,
    shown: Sequence[Shown],
    reports: Sequence[Note],
    size: int,
    ties: Sequence[int],
    *,
    as_json: bool,
) -> None:
    if as_json:
        output.emit_json(
            {
                "bundle": out,
                "entries": [one.entry.fields.position for one in shown],
                "identity": ties,
                "checkpoint": size,
                "reports": [note.text for note in reports],
            }
        )
        return
    for note in reports:
        output.say(note.text.rstrip())
    if ties:
        listed = ", ".join(str(position) for position in ties)
        output.say(f"Numbers and merges of the patient, as the vault has them: {listed}.")
    output.say(f"{len(shown)} entries with their proofs, of a tree of {size}: {out}")
