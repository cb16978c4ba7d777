"""Fragments of letters, mails, logs and markup."""

from __future__ import annotations

import pytest

from tests.support.breach import LOOKUP, NUMBERS, of, of_text, said
from tourniquet.breach.anchors import has_anchor, lines_with_anchors
from tourniquet.breach.fragments import FieldKind, Mark
from tourniquet.breach.pieces import Passage, Shape

N = NUMBERS

LETTER = f"""North Hospital (RJ1)  pathology@north.example
Date: 17 April 2019
Re: SMITH Mary   DOB: 14 July 1945
NHS No: {N[0]}
Hospital No: K000012
Address: 44 Jubilee Way, Greenwich, SE18 8FB
Dear Colleague,
Thank you for asking us about this patient, who is HIV positive.
Lithium was reported on 17 April 2019: 0.8 mmol/L.
Her mother Jane Smith may be phoned on 07700 900791.
Yours sincerely,
Dr L Jones
"""


def test_a_letter() -> None:
    patient, mother = of_text(LETTER)
    told = said(patient)
    assert told["nhs_number"] == [N[0]]
    assert told["local_number"] == ["RJ1:K000012"]
    assert told["family_name"] == ["SMITH"]
    assert told["given_names"] == ["MARY"]
    assert told["birth_date"] == ["1945-07-14"]
    assert told["address"] == ["44 JUBILEE WAY, GREENWICH"]
    assert told["postcode"] == ["SE18 8FB"]
    assert told["organisation"] == ["RJ1"]
    assert told["test"] == ["LI"]
    assert told["result"] == ["0.8 mmol/L"]
    assert "HIV positive" in told["narrative"][0]
    assert said(mother) == {
        "family_name": ["SMITH"],
        "given_names": ["JANE"],
        "phone": ["07700900791"],
        "organisation": ["RJ1"],
    }


def test_fields_stand_where_they_say() -> None:
    for one in of(Passage("page 1", Shape.TEXT, LETTER, begins_at=1000)):
        for field in one.fields:
            if field.kind != FieldKind.NARRATIVE:
                start, end = map(int, field.at.split("-"))
                assert LETTER[start - 1000 : end - 1000] == field.raw


def test_people_of_a_list_are_told_apart() -> None:
    text = f"""DNA list

SMITH, John  13/08/1993
PATEL, Aisha  26/04/1991  {N[1]}
Ms M Brown (K000013), NHS {N[2]}: attends for monitoring. Action: Dr L Jones.
"""
    found = [said(one) for one in of_text(text)]
    assert [one["family_name"] for one in found] == [["SMITH"], ["PATEL"], ["BROWN"]]
    assert [one.get("birth_date") for one in found] == [["1993-08-13"], ["1991-04-26"], None]
    assert [one.get("nhs_number") for one in found] == [None, [N[1]], [N[2]]]
    assert found[2]["local_number"] == ["RJ1:K000013"]


def test_two_forms_on_a_page() -> None:
    text = "\n\n".join(
        f"Surname: {family}\nForename: {given}\nNHS No: {number}\nDOB: {birth}"
        for family, given, number, birth in (
            ("Smith", "John", N[0], "01/02/1950"),
            ("Patel", "Mary", N[1], "03/04/1960"),
        )
    )
    assert [(said(one)["family_name"], said(one)["birth_date"]) for one in of_text(text)] == [
        (["SMITH"], ["1950-02-01"]),
        (["PATEL"], ["1960-04-03"]),
    ]


def test_a_mail_with_a_quoted_reply() -> None:
    text = (
        "Done.\n\n> Please can you chase Lithium for Mary Smith, "
        f"dob 10/04/1972, NHS {N[0]}\n> Result was 0.40?\n"
    )
    head = {"from": "desk@elm.gp.example", "subject": "RE: missing result"}
    (found,) = of_text(text, Shape.MAIL, head)
    told = said(found)
    assert told["nhs_number"] == [N[0]]
    assert told["birth_date"] == ["1972-04-10"]
    assert told["result"] == ["0.40"]
    assert told["organisation"] == ["G85001"]
    at = next(one.at for one in found.fields if one.kind == FieldKind.NHS_NUMBER)
    start, end = map(int, at.split("-"))
    assert text[start:end] == N[0]


def test_a_log_is_read_line_by_line() -> None:
    text = "\n".join(
        [
            "2024-04-01T00:17:00Z AUDIT view user=lab34 site=RJ1 mrn=K000012 PATEL",
            "2024-04-02T01:17:01Z INFO auth user=lab46 session=3791888912 opened",
            f'2024-04-03T01:17:01Z AUDIT view user=lab18 pat="SMITH J" nhs={N[0]}',
            "2024-04-04 01:17:01 INFO batch 12 done in 12 ms",
        ]
    )
    found = of_text(text, Shape.LINES)
    assert [one.place for one in found] == ["line 1", "line 3"]
    assert said(found[0]) == {
        "local_number": ["RJ1:K000012"],
        "family_name": ["PATEL"],
        "organisation": ["RJ1"],
    }
    assert said(found[1]) == {
        "nhs_number": [N[0]],
        "family_name": ["SMITH"],
        "given_names": ["J"],
    }


def test_a_segment_in_a_log_is_a_message() -> None:
    line = f"2024-05-02 03:01 RX PID|1||{N[0]}^^^NHS^NH||SMITH^JOHN||19450714|M"
    (found,) = of_text(line, Shape.LINES)
    assert said(found)["birth_date"] == ["1945-07-14"]
    assert Mark.CUT in found.marks


def test_markup_is_read_by_the_names_around() -> None:
    text = (
        f"patient.nhsNumber: {N[0]}\npatient.surname: Smith\n"
        "patient.dob: 14/07/1945\n\nfile.name: x\n"
    )
    (found,) = of_text(text, Shape.MARKUP)
    assert said(found) == {
        "nhs_number": [N[0]],
        "family_name": ["SMITH"],
        "birth_date": ["1945-07-14"],
    }


def test_a_number_under_any_name_and_text_under_none() -> None:
    (found,) = of_text(f"identifier.value: {N[0]}\nname.family: Smith\n", Shape.MARKUP)
    assert said(found) == {"nhs_number": [N[0]], "family_name": ["SMITH"]}
    (found,) = of_text(f"p: I saw Mary Smith, NHS {N[0]}, today.", Shape.MARKUP)
    assert said(found)["given_names"] == ["MARY"]


HOSTILE = [
    "A" * 250_000,
    "O'" * 120_000,
    "x@" * 120_000,
    "1 " * 120_000,
    "a:" * 120_000,
    "Mr A " * 9_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_ends(text: str) -> None:
    """A pattern that looks back from each of its places would take hours."""
    for shape in (Shape.TEXT, Shape.LINES, Shape.MARKUP):
        of_text(f"{text}\nDOB 1/2/1950 Mary Smith {N[0]}", shape)


def test_templates_and_blank_forms_are_about_nobody() -> None:
    text = (
        "Dear <<Title>> <<Surname>>,\nNHS number: <<NHSNo>>   Born: <<DOB>>\n"
        "Your HIV test result is <<Result>>.\n"
    )
    assert of_text(text) == []
    assert of_text("Surname: ______ DOB: __/__/____ NHS No: ______\nHIV [ ]  Chlamydia [ ]") == []


def test_streets_hospitals_and_staff_are_nobody() -> None:
    assert of_text("Report to John Smith Ward, Jane Brown Road.\nDOB is needed.\nDr L Jones") == []


def test_a_labelled_wrong_number_is_a_near_one() -> None:
    (found,) = of_text("NHS No: 999 799 316  Name: Mary Smith")
    assert said(found)["nhs_number_near"] == ["999799316"]


def test_anchors() -> None:
    assert has_anchor("born in May")
    assert not has_anchor("nothing to be seen here 12345")
    text = f"a\n\nid 1234567890 x\nid {N[0]} x\nid {N[150]} x\nDOB"
    assert [line for line, _, _ in lines_with_anchors(text, LOOKUP)] == [3, 5]
    start, end = lines_with_anchors(text, LOOKUP)[0][1:]
    assert text[start:end] == f"id {N[0]} x"
