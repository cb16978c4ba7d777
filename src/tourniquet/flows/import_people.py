"""People are registered in bulk: a PAS extract, or an exercise's synthetic region.

1. Take up to 2,000 rows at a time; look up all their numbers at once.
2. A row whose numbers lead to a patient who agrees with it was imported before: nothing to do.
3. A row whose numbers are somebody else's becomes provisional; any other an active patient.
4. One entry a patient, one transaction a batch. An interrupted import is run again from the start.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import TextIO

from tourniquet.flows.intake import Desk, find_out
from tourniquet.kernel.errors import UserError
from tourniquet.kernel.identifiers import IdSource, NhsNumber, RandomIds
from tourniquet.pathology.shelf import Shelf
from tourniquet.patients.entries import Demographics, IdentifierFact, PatientRegistered
from tourniquet.patients.index import Index, read_index
from tourniquet.patients.reading import PersonDraft
from tourniquet.patients.rules import NHS, SUPERSEDED, SentIdentifier
from tourniquet.record.journal import Act, Writer, writing

BATCH = 2000  # entries in one transaction: well under a quarter of a second
ROW_LONGEST = 100_000
_SEX = {
    "female": "F",
    "male": "M",
    "f": "F",
    "m": "M",
    "other": "O",
    "unknown": "U",
    "2": "F",
    "1": "M",
}
COLUMNS = (
    "person",
    "nhs_number",
    "local_numbers",
    "family_name",
    "given_names",
    "previous_family_name",
    "birth_date",
    "sex",
    "address",
    "postcode",
    "phone",
    "email",
    "gp_practice",
    "superseded_nhs_numbers",
    "died_on",
)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person of an extract. `local_numbers` are (authority, number)."""

    nhs_number: str = ""
    local_numbers: tuple[tuple[str, str], ...] = ()
    family_name: str = ""
    given_names: str = ""
    title: str = ""
    birth_date: date | None = None
    sex: str = ""
    address: str = ""
    postcode: str = ""
    phone: str = ""
    email: str = ""
    language: str = ""
    gp_practice: str = ""
    superseded_nhs_numbers: tuple[str, ...] = ()
    died_on: date | None = None
    sensitive: bool = False
    unsafe_contact: bool = False


def import_people(rows: Iterable[PersonRow], *, act: Act, ids: IdSource | None = None) -> int:
    """Register people; how many were not known before.

    Raises: StorageUnavailable when disk or database fail; batches before it are kept.
    """
    ids = ids or RandomIds()
    rows = iter(rows)
    new = 0
    while batch := list(islice(rows, BATCH)):
        numbers = [_identifiers(row) for row in batch]
        with writing(act) as journal:
            index = read_index(item for sent in numbers for item in sent)
            for row, sent in zip(batch, numbers, strict=True):
                new += _register(journal, index, row, sent, act=act, ids=ids)
    return new


def _register(
    journal: Writer,
    index: Index,
    row: PersonRow,
    sent: list[SentIdentifier],
    *,
    act: Act,
    ids: IdSource,
) -> int:
    """One row; 1 where it was new."""
    if any((item.system, item.value) in index.holders for item in sent):
        return _register_known(journal, index, row, sent, act=act, ids=ids)
    body = PatientRegistered(
        person=_demographics(row),
        identifiers=(
            *(_fact(item) for item in sent),
            *(_superseded(number) for number in row.superseded_nhs_numbers),
        ),
        state="active" if sent else "provisional",
        why_provisional="" if sent else "The extract gives no number that is valid.",
    )
    patient_id = ids.new(act.moment)
    journal.append(body, subject=patient_id, act=act)
    for item in sent:
        if not item.doubtful:
            index.holders[item.system, item.value] = [patient_id]
    return 1


def _register_known(
    journal: Writer,
    index: Index,
    row: PersonRow,
    sent: list[SentIdentifier],
    *,
    act: Act,
    ids: IdSource,
) -> int:
    """A row with a number that somebody has: the same person, or a conflict for a person to end."""
    journal.flush()
    held = {
        holder
        for item in sent
        for holder in index.holders.get((item.system, item.value), ())
        if holder not in index.known
    }
    index.read_patients(held)
    person = PersonDraft(
        identifiers=tuple(sent),
        family_name=row.family_name,
        given_names=row.given_names,
        birth_date=row.birth_date,
        birth_text=row.birth_date.isoformat() if row.birth_date else "",
        sex=_sex(row.sex),
        registered_organisation=row.gp_practice,
    )
    meant = find_out(Desk(index, Shelf(), ids), person, act, register=True)
    if meant.registration is None:
        return 0
    body = PatientRegistered(
        person=_demographics(row),
        identifiers=meant.registration.identifiers,
        state=meant.registration.state,
        why_provisional=meant.registration.why_provisional,
        fingerprint=meant.registration.fingerprint,
    )
    journal.append(body, subject=meant.patient.id, act=act)
    return 1


def _identifiers(row: PersonRow) -> list[SentIdentifier]:
    out = []
    if row.nhs_number:
        number = NhsNumber.find(row.nhs_number)
        if number is None:
            out.append(SentIdentifier(NHS, row.nhs_number.replace(" ", ""), "NH", doubtful=True))
        else:
            out.append(SentIdentifier(NHS, number.digits, "NH"))
    out += [SentIdentifier(system, value, "MR") for system, value in row.local_numbers]
    return out


def _fact(item: SentIdentifier) -> IdentifierFact:
    return IdentifierFact(
        system=item.system,
        value=item.value,
        kind=item.kind,
        state="doubtful" if item.doubtful else "current",
    )


def _superseded(number: str) -> IdentifierFact:
    return IdentifierFact(system=NHS, value=number, kind="NH", state=SUPERSEDED)


def _sex(text: str) -> str:
    return _SEX.get(text.casefold(), "")


def _demographics(row: PersonRow) -> Demographics:
    return Demographics(
        family_name=row.family_name,
        given_names=row.given_names,
        title=row.title,
        birth_date=row.birth_date,
        birth_text=row.birth_date.isoformat() if row.birth_date else "",
        sex=_sex(row.sex),
        address=row.address,
        postcode=row.postcode,
        phone=row.phone,
        email=row.email,
        language=row.language,
        registered_organisation=row.gp_practice,
        died_on=row.died_on,
        recorded_dead=row.died_on is not None,
        sensitive=row.sensitive,
        unsafe_contact=row.unsafe_contact,
    )


# A PAS extract ------------------------------------------------------------------------------------


def read_people(file: TextIO, *, name: str) -> Iterator[PersonRow]:
    """Read an extract with the columns of `review --people`, a row at a time.

    Raises: UserError naming file, line and column.
    """
    reader = csv.DictReader(file)
    missing = [
        c for c in ("person", "family_name", "birth_date") if c not in (reader.fieldnames or ())
    ]
    if missing:
        raise UserError(f"The column {missing[0]} is missing.", where=f"{name}, line 1")
    try:
        for row in reader:
            where = f"{name}, line {reader.line_num}"
            if None in row:
                raise UserError("The line has more values than columns.", where=where)
            values = {key: (value or "").strip() for key, value in row.items()}
            if sum(map(len, values.values())) > ROW_LONGEST:
                raise UserError("The line is too long.", where=where)
            yield _row(values, where)
    except csv.Error as error:
        raise UserError(
            f"This is not CSV: {error}.", where=f"{name}, line {reader.line_num}"
        ) from None


def _row(values: dict[str, str], where: str) -> PersonRow:
    return PersonRow(
        nhs_number=values.get("nhs_number", ""),
        local_numbers=tuple(_local(text, where) for text in _list(values.get("local_numbers", ""))),
        family_name=values.get("family_name", ""),
        given_names=values.get("given_names", ""),
        birth_date=_date(values.get("birth_date", ""), f"{where}, birth_date"),
        sex=values.get("sex", ""),
        address=values.get("address", ""),
        postcode=values.get("postcode", ""),
        phone=values.get("phone", ""),
        email=values.get("email", ""),
        gp_practice=values.get("gp_practice", ""),
        superseded_nhs_numbers=tuple(_list(values.get("superseded_nhs_numbers", ""))),
        died_on=_date(values.get("died_on", ""), f"{where}, died_on"),
    )


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _local(text: str, where: str) -> tuple[str, str]:
    authority, colon, number = text.partition(":")
    if not colon or not authority or not number:
        raise UserError(
            "A local number is written AUTHORITY:NUMBER.", where=f"{where}, local_numbers"
        )
    return authority.strip(), number.strip()


def _date(text: str, where: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UserError("A date is written YYYY-MM-DD.", where=where) from None
