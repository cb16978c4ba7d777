"""Fragments read back what was written, however it is cut, and nothing raises on any text."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.support.breach import FAMILY, GIVEN, LOOKUP, NUMBERS, of, said
from tourniquet.breach import tables
from tourniquet.breach.columns import by_content
from tourniquet.breach.exposure import is_negated, sensitive_words
from tourniquet.breach.fragments import Fragment
from tourniquet.breach.names import read_name
from tourniquet.breach.pieces import Passage, Rows, Shape, Syntax, Wire

people = st.builds(
    lambda number, family, given, born, local: (number, family, given, born, local),
    st.sampled_from(NUMBERS[:60]),
    st.sampled_from([name for name in FAMILY if name not in GIVEN and name != "DESILVA"]),
    st.sampled_from([name for name in GIVEN if name not in FAMILY]),
    st.dates(date(1901, 2, 1), date(2020, 12, 31)),
    st.sampled_from([f"K{n:06}" for n in range(1, 60)]),
)
Person = tuple[str, str, str, date, str]
NUMBER_FORMS = ("{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}")
DATE_FORMS = ("%d/%m/%Y", "%d-%b-%Y", "%d %B %Y", "%Y-%m-%d", "%d.%m.%Y")
NAME_FORMS = ("{family}, {given}", "{given} {family}", "Mr {given} {family}", "{FAMILY} {given}")
LETTERS = (
    "Re: {name}   DOB: {born}\nNHS No: {number}\nHospital No: {local}\nDear Colleague,\nThanks.\n",
    "Please chase the result for {name}, dob {born}, NHS {number}, hospital number {local}.",
    "Patient: {name}\nDate of birth: {born}\nNHS number: {number}\nMRN: {local}\n",
    "{name} ({local}), born {born}, NHS {number}: attends for monitoring.",
)


def written(person: Person, number: str, born: str, name: str) -> dict[str, str]:
    """A person's values in these forms."""
    digits, family, given_name, day, local = person
    return {
        "number": number.format(digits[:3], digits[3:6], digits[6:]),
        "born": day.strftime(born),
        "local": local,
        "name": name.format(family=family.title(), given=given_name.title(), FAMILY=family),
    }


def holds(fragment: Fragment, person: Person) -> None:
    """The fragment says this person, and nobody else."""
    digits, family, given_name, day, local = person
    told = said(fragment)
    assert told["nhs_number"] == [digits]
    assert told["family_name"] == [family]
    assert told["given_names"] == [given_name]
    assert day.isoformat() in told["birth_date"]
    assert told["local_number"] == [f"RJ1:{local}"]


@given(
    people,
    st.tuples(*map(st.sampled_from, (NUMBER_FORMS, DATE_FORMS, NAME_FORMS, LETTERS))),
    st.sampled_from([Shape.PAGE, Shape.MAIL, Shape.TEXT, Shape.IMAGE]),
)
def test_a_letter_read_back_is_its_person(
    person: Person, forms: tuple[str, str, str, str], shape: Shape
) -> None:
    number, born, name, letter = forms
    text = letter.format(**written(person, number, born, name))
    (found,) = of(Passage("page 1", shape, text))
    holds(found, person)


@given(
    st.lists(people, min_size=1, max_size=12),
    st.sampled_from(NUMBER_FORMS),
    st.sampled_from(DATE_FORMS),
    st.permutations(["NHS No", "Surname", "Forename", "D.O.B.", "Hosp No"]),
)
def test_rows_read_back_are_their_people(
    several: list[Person], number: str, born: str, order: list[str]
) -> None:
    rows = [list(order)]
    for person in several:
        values = written(person, number, born, NAME_FORMS[0])
        cells = {
            "NHS No": values["number"],
            "Surname": person[1],
            "Forename": person[2].title(),
            "D.O.B.": values["born"],
            "Hosp No": person[4],
        }
        rows.append([cells[name] for name in order])
    found = of(Rows("Sheet1", 1, rows))
    assert [one.place for one in found] == [f"Sheet1!R{at + 2}" for at in range(len(several))]
    for fragment, person in zip(found, several, strict=True):
        holds(fragment, person)


cells = st.sampled_from(
    [
        "",
        "NHS No",
        "Surname",
        "DOB",
        "Smith",
        "1/2/1950",
        NUMBERS[0],
        NUMBERS[1],
        "x",
        "Total",
        "FBC",
    ]
)
sheets = st.lists(st.lists(cells, min_size=0, max_size=5), max_size=30)


@given(sheets, st.lists(st.integers(0, 30), max_size=4), st.integers(3, 40))
def test_where_a_reader_cuts_a_table_does_not_matter(
    rows: list[list[str]], cuts: list[int], block: int
) -> None:
    whole = _in_blocks(block, Rows("S", 1, rows))
    edges = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    pieces = [Rows("S", start + 1, rows[start:end]) for start, end in pairwise(edges)]
    assert _in_blocks(block, *pieces) == whole


def _in_blocks(block: int, *pieces: Rows) -> list[Fragment]:
    before = tables.BLOCK_ROWS
    tables.BLOCK_ROWS = block
    try:
        return of(*pieces)
    finally:
        tables.BLOCK_ROWS = before


lines = st.sampled_from(
    [
        "",
        "2024-04-01T00:17:00Z INFO batch done",
        f'2024-04-01T00:17:00Z view nhs={NUMBERS[0]} pat="SMITH J"',
        f"id {NUMBERS[1]}",
        "mrn=K000012 PATEL",
        "é ü DOB 1/2/1950 Mary Smith\r",
        "Mr J Lee, SE18 8FB",
    ]
)


@given(st.lists(lines, max_size=20), st.lists(st.integers(0, 20), max_size=4))
def test_where_a_log_is_cut_does_not_matter(log: list[str], cuts: list[int]) -> None:
    whole = of(Passage("", Shape.LINES, "\n".join(log)))
    edges = sorted({0, len(log), *(cut for cut in cuts if cut < len(log))})
    pieces = [
        Passage("", Shape.LINES, "\n".join(log[start:end]), first_line=start + 1)
        for start, end in pairwise(edges)
    ]
    assert of(*pieces) == whole


WORDS = (
    *FAMILY, *GIVEN, *NUMBERS[:3], "NHS", "No:", "DOB", "14/07/1945", "31/02/1900", "Re:", "Mr",
    "née", "\n", "\n\n", "|", "PID|", "MSH|^~\\&|", "{", '"', "K000012", "SE18 8FB", "07700900791",
    "a@b.example", ",", "(", "=", "mother", "not requested", "HIV", "²", "٣", "\x00", "ß",
    "UNA:+.? '", "'", "+", "[", "99999999999", "E+09",
)  # fmt: skip
texts = st.one_of(
    st.text(max_size=300), st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join)
)


@given(texts, st.sampled_from(list(Shape)))
def test_no_text_raises(text: str, shape: Shape) -> None:
    head = {"from": text[:50], "subject": text[:50]} if shape == Shape.MAIL else None
    for one in of(Passage("", shape, text, head=head), path=text[:50]):
        assert one.fields
    assert sensitive_words(text) is not None
    assert is_negated(text) in {True, False}
    read_name(text, LOOKUP)


@given(rows=st.lists(st.lists(texts, max_size=5), max_size=6), is_named=st.booleans())
def test_no_table_raises(rows: list[list[str]], *, is_named: bool) -> None:
    columns = ["NHS No", "DOB", "Surname", "Tel", "Hosp No"] if is_named else None
    for one in of(Rows("", 1, rows, columns)):
        assert one.fields
    by_content(tuple(cell for row in rows for cell in row if cell), LOOKUP)


@given(
    st.one_of(
        st.binary(max_size=300),
        texts.map(lambda text: text.encode("utf-8", "replace")),
        st.just(b"[" * 3000),
    ),
    st.sampled_from(list(Syntax)),
)
def test_no_message_raises(raw: bytes, syntax: Syntax) -> None:
    for one in of(Wire("message 1", syntax, raw, is_whole=False)):
        assert one.fields
