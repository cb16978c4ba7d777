"""Whose a message is: what is a person's, what only mentions them, and what is somebody else's."""

from __future__ import annotations

import json
import unicodedata

import pytest

from tests.support.messages import MARY_NUMBER, TOM_NUMBER, adt, message, pid, valid_nhs
from tourniquet.kernel.identifiers import NhsNumber
from tourniquet.record.recognising import Looker, Name, Whose, Written

THEIRS, MENTIONS, NOT = Whose.THEIRS, Whose.MENTIONS, Whose.NOT
MARY = Written(
    frozenset({MARY_NUMBER}), frozenset({"A100001"}), frozenset({Name("AXTON", "MARY", "19450714")})
)
TWIN_NUMBER = valid_nhs("999000015")
SPACED = f"{MARY_NUMBER[:3]} {MARY_NUMBER[3:6]} {MARY_NUMBER[6:]}"
DASHED = SPACED.replace(" ", "-")
KHAN = Name("Khan", "Ann", "19900102")


def whose(raw: bytes, written: Written = MARY) -> Whose:
    return Looker(written).judge(raw).whose


def known_as(*names: Name, numbers: tuple[str, ...] = ()) -> Written:
    return Written(frozenset(numbers), names=frozenset(names))


def named(family: str, given: str, born: str = "19900102", **more: str) -> bytes:
    return adt("A28", "C1", pid("", local="", family=family, given=given, born=born, **more))


def test_the_numbers_of_these_tests_are_valid() -> None:
    assert NhsNumber.find(MARY_NUMBER)
    assert NhsNumber.find(TWIN_NUMBER)


# Somebody else's ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("erased", "raw"),
    [
        (Name("Johnson", "John", "19900102"), named("JOHNSON", "PETER")),
        (KHAN, named("KHAN", "JOANNA")),
        (KHAN, named("KHAN", "SARA", extra="||12 ANNFIELD RD^^LEEDS")),
        (Name("Lee", "Ann", "19900102"), named("LEEDS", "ANN")),
        (KHAN, named("KHAN", "ANN", born="19900103")),
        (Name("Khan", "", "19900102"), named("KHAN", "SARA")),
        (Name("Khan", "Ann", ""), named("KHAN", "ANN")),
    ],
)
def test_a_name_within_another_word_is_nobody_s(erased: Name, raw: bytes) -> None:
    assert whose(raw, known_as(erased)) is NOT


@pytest.mark.parametrize(
    "raw",
    [
        named("KHAN", "SARA", extra="||12 ANN STREET^^LEEDS"),  # a twin who lives there
        named("KHAN", "ANN-MARIE"),
        named("ANN", "KHAN"),
        named("SMITH", "SARA", extra="|ANN KHAN"),
    ],
)
def test_whole_words_in_the_wrong_place_are_a_mention(raw: bytes) -> None:
    assert whose(raw, known_as(KHAN)) is MENTIONS


def test_a_newborn_with_the_mother_s_number_waits() -> None:
    baby = pid(TOM_NUMBER, family="AXTON", given="BABY", born="20240601", local="B1^^^RJ1^MR")
    fields = baby.split("|")
    fields += [""] * (22 - len(fields))
    fields[21] = f"{MARY_NUMBER}^^^NHS^NH"
    assert whose(adt("A28", "C1", "|".join(fields))) is MENTIONS
    fields[3] = ""  # nothing of its own yet
    assert whose(adt("A28", "C1", "|".join(fields))) is MENTIONS
    with_kin = adt("A28", "C1", baby, f"NK1|1|AXTON^MARY|MTH|||||||||{'|' * 21}{MARY_NUMBER}")
    assert whose(with_kin) is MENTIONS


def test_another_valid_number_in_the_same_pid_is_for_a_person_to_settle() -> None:
    both = f"{MARY_NUMBER}^^^NHS^NH~{TWIN_NUMBER}^^^NHS^NH"
    assert whose(adt("A28", "C1", pid("", local=both))) is MENTIONS
    fields = pid().split("|") + [""] * 12
    fields[19] = TOM_NUMBER
    assert whose(adt("A28", "C1", "|".join(fields))) is MENTIONS
    other = pid(TOM_NUMBER, given="M")  # a local number, family name and birth date of hers
    assert whose(adt("A28", "C1", other)) is MENTIONS
    # By all three words of a name, too; and one that is not valid says nothing.
    assert whose(adt("A28", "C1", pid(TWIN_NUMBER))) is MENTIONS
    assert whose(adt("A28", "C1", pid("9990000000", local=""))) is THEIRS


def test_a_number_that_somebody_else_has_today_makes_nothing_theirs() -> None:
    shared = Written(shared_numbers=frozenset({MARY_NUMBER}), names=MARY.names)
    assert whose(adt("A28", "C1"), shared) is MENTIONS
    assert whose(f"Dear all, about {SPACED}".encode(), shared) is MENTIONS
    hers = Written(frozenset({TWIN_NUMBER}), shared_numbers=frozenset({MARY_NUMBER}))
    assert whose(adt("A28", "C1", pid(TWIN_NUMBER)), hers) is THEIRS


def test_a_name_that_fits_somebody_else_is_a_mention() -> None:
    written = Written(shared_names=frozenset({KHAN}))
    assert whose(named("KHAN", "ANN"), written) is MENTIONS


def test_a_number_with_all_else_different_is_a_mention() -> None:
    mistyped = pid(family="BARLOW", given="TOM", born="20150102", local="B7^^^RJ1")
    assert whose(adt("A28", "C1", mistyped)) is MENTIONS
    assert whose(adt("A28", "C1", pid(family="MARRIED", local=""))) is THEIRS
    assert whose(adt("A28", "C1", pid(born="19540714", local=""))) is THEIRS
    assert whose(adt("A28", "C1", pid(family="", given="", born="", local=""))) is THEIRS


@pytest.mark.parametrize(
    ("family", "born", "expected"),
    [
        ("AXTON", "19450714", THEIRS),
        ("AXTON", "", THEIRS),
        ("", "19450714", THEIRS),
        ("AXTON", "19450715", MENTIONS),
        ("OTHER", "19450714", MENTIONS),
        ("OTHER", "19450715", NOT),
        ("", "", NOT),
    ],
)
def test_a_local_number_needs_one_more_and_nothing_against_it(
    family: str, born: str, expected: Whose
) -> None:
    raw = adt("A28", "C1", pid("", family=family, given="M", born=born))
    assert whose(raw) is expected
    longer = pid("", family=family, given="M", born=born, local="A1000011^^^RJ1")
    assert whose(adt("A28", "C1", longer)) is NOT


def test_a_merge_with_somebody_else_is_a_mention() -> None:
    assert whose(adt("A40", "C1", pid(), f"MRG|{TOM_NUMBER}^^^NHS^NH")) is MENTIONS
    assert whose(adt("A40", "C1", pid(), f"MRG|{MARY_NUMBER}^^^NHS^NH")) is THEIRS
    tom = pid(TOM_NUMBER, family="BARLOW", given="TOM", born="20150102")
    assert whose(adt("A40", "C1", tom, f"MRG|{MARY_NUMBER}^^^NHS^NH")) is MENTIONS


# Theirs, however it is written --------------------------------------------------------------------


@pytest.mark.parametrize("written", [MARY_NUMBER, SPACED, DASHED, f" {SPACED} "])
@pytest.mark.parametrize("field", [1, 2, 3, 4, 19])
def test_a_number_however_it_is_spaced_in_each_field_of_numbers(written: str, field: int) -> None:
    fields = ["PID", *[""] * 30]
    fields[field] = written
    assert whose(adt("A28", "C1", "|".join(fields))) is THEIRS


def test_a_number_that_is_escaped_or_between_other_delimiters() -> None:
    escaped = f"{MARY_NUMBER[:3]}\\X20\\{MARY_NUMBER[3:]}"
    assert whose(adt("A28", "C1", pid(escaped, family="", given="", born="", local=""))) is THEIRS
    raw = adt("A28", "C1").decode().replace("|", "!").replace("^", "*").replace("~", "^")
    raw = raw.replace("MSH!*^\\&", "MSH!*^\\&")
    assert whose(raw.encode()) is THEIRS
    assert whose(adt("A28", "C1").replace(b"\r", b"\r\n")) is THEIRS
    assert whose(b"\xef\xbb\xbf" + adt("A28", "C1")) is THEIRS
    assert whose(adt("A28", "C1").decode().encode("utf-16")) is THEIRS


@pytest.mark.parametrize(
    ("erased", "family", "given"),
    [
        ("Axton", "AXTON", "mary"),
        ("O'Neil", "ONEIL", "MARY"),
        ("O'Neil", "O\u2019NEIL", "MARY"),
        ("O'Neil", "O NEIL", "MARY"),
        ("ONeil", "O'Neil", "Mary"),
        ("Smith-Jones", "SMITH JONES", "MARY"),
        ("Smith Jones", "smith-jones", "MARY ELLEN"),
        ("Müller", unicodedata.normalize("NFD", "MÜLLER"), "MARY"),
        (unicodedata.normalize("NFD", "Müller"), "MULLER", "MARY"),
        ("Strauß", "STRAUSS", "Mary"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_name_however_it_is_written(erased: str, family: str, given: str, encoding: str) -> None:
    text = named(family, given).decode()
    try:
        raw = text.encode(encoding)
    except UnicodeEncodeError:
        pytest.skip("not to be written so")
    assert whose(raw, known_as(Name(erased, "Mary", "19900102"))) is THEIRS
    assert whose(raw, known_as(Name(erased, "Mar", "19900102"))) is NOT


def test_a_name_in_a_later_repetition() -> None:
    fields = pid("", local="", family="MARRIED").split("|")
    fields[5] += "~AXTON^MARY^^^^^M"
    assert whose(adt("A28", "C1", "|".join(fields))) is THEIRS


@pytest.mark.parametrize("vowel", ["\u093e", "\u0940"])
def test_vowels_that_are_marks_tell_names_apart(vowel: str) -> None:
    erased = Name("शर्मा", "र\u093eम", "19900102")
    expected = THEIRS if vowel == "\u093e" else NOT
    raw = named("शर्मा", f"र{vowel}म")
    assert whose(raw, known_as(erased)) is expected


# Several people -----------------------------------------------------------------------------------


def test_of_several_people_all_must_be_theirs_or_erased() -> None:
    tom = pid(TOM_NUMBER, family="BARLOW", given="TOM", born="20150102", local="A2^^^RJ1")
    raw = message("ADT^A24", "C1", [pid(), tom])
    looker = Looker(MARY)
    found = looker.judge(raw)
    assert (found.whose, found.pids, found.of) == (MENTIONS, {1}, 2)
    assert looker.judge(raw, erased=frozenset({1})).whose is MENTIONS
    assert looker.judge(raw, erased=frozenset({2})).whose is THEIRS
    assert looker.judge(message("ADT^A24", "C1", [tom]), erased=frozenset({1})).whose is NOT
    assert looker.judge(message("ADT^A24", "C1", [pid(), pid()])).whose is THEIRS


# What does not parse ------------------------------------------------------------------------------


def test_the_pid_of_a_broken_message_is_read_alone() -> None:
    broken = b"\rno segment at all\r"
    assert whose(adt("A28", "C1") + broken) is THEIRS
    assert whose(adt("A28", "C1", pid("", local="")) + broken) is THEIRS
    assert whose(named("KHAN", "JOANNA") + broken, known_as(KHAN)) is NOT
    assert whose(named("KHAN", "SARA", extra="||1 ANN ST") + broken, known_as(KHAN)) is MENTIONS
    assert whose(adt("A28", "C1", pid(TOM_NUMBER, family="B", born="20150102")) + broken) is NOT
    both = message("ADT^A24", "C1", [pid(), pid(TWIN_NUMBER)]) + broken
    assert whose(both) is MENTIONS
    assert whose(adt("A40", "C1", pid(), f"MRG|{TOM_NUMBER}") + broken) is MENTIONS
    assert whose(b"PID\x00|" + adt("A28", "C1")[4:]) is not NOT
    accents = adt("A28", "C1", pid(family="M\u00dcLLER")).decode().encode("latin-1") + broken
    assert whose(accents) is THEIRS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Dear all, about {MARY_NUMBER}", THEIRS),
        (f"Dear all, about {SPACED}.", THEIRS),
        (f"UNB+UNOA:2'PNA+PAT+{MARY_NUMBER}:OPI+++SU:AXTON+FO:MARY'", THEIRS),
        (f"{SPACED} and {TOM_NUMBER}", MENTIONS),
        (f"7{MARY_NUMBER}1", NOT),
        ("MARY AXTON, born 19450714", MENTIONS),
        ("MARY AXTON, born 1945-07-14", MENTIONS),
        ("Mary Axton, born 19450715", NOT),
        ("ROSEMARY AXTONS 19450714", NOT),
        ("A100001 AXTON 19450714", THEIRS),
        ("A1000012 AXTON 19450714", NOT),
        ("A100001 AXTONS 19450714", NOT),
        ("", NOT),
    ],
)
def test_text_without_a_pid(text: str, expected: Whose) -> None:
    assert whose(text.encode()) is expected


def test_fhir_json() -> None:
    patient = {
        "resourceType": "Patient",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": MARY_NUMBER}],
        "name": [{"family": "Axton", "given": ["Mary"]}],
        "birthDate": "1945-07-14",
    }
    assert whose(json.dumps(patient).encode()) is THEIRS
    patient["identifier"] = []
    assert whose(json.dumps(patient).encode()) is MENTIONS
    patient["name"] = [{"family": "Axton", "given": ["Rosemary"]}]
    assert whose(json.dumps(patient).encode()) is NOT


@pytest.mark.parametrize(
    "raw", [b"", b"\xff\xfe", b"PID", b"PID|", b"MSH|^~\\&|\rPID", b"\x00" * 9]
)
def test_odd_bytes_are_nobody_s(raw: bytes) -> None:
    assert whose(raw) is NOT
    assert whose(raw, Written()) is NOT
