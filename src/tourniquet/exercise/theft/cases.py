"""What is said about people: a test asked for or resulted, by whom, where, in which words.

Invariants:
- A case is sensitive only where it says something of somebody: a negation is not.
- Codes and their meanings are what tests.csv says; words in letters say the same.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tourniquet.exercise import names
from tourniquet.exercise.theft.cast import Cast, Subject, trust_of
from tourniquet.exercise.theft.chance import Chance
from tourniquet.exercise.theft.institutions import Institution
from tourniquet.pathology.catalogue import Catalogue

FIRST_DAY, LAST_DAY = date(2019, 1, 7), date(2024, 5, 31)
SENSITIVE_SHARE = 0.12
HOSPITAL_REQUEST_SHARE = 0.45
AGAIN_SHARE = 0.35
_SENSITIVE = (
    ("HIVAB", "HIV 1+2 antigen and antibody", "hiv", ("Non-reactive", "REACTIVE")),
    ("HIVVL", "HIV-1 viral load", "hiv", ("<20 copies/mL", "48200 copies/mL")),
    ("CD4", "CD4 lymphocyte count", "hiv", ("640", "212")),
    ("CTGC", "Chlamydia and gonorrhoea NAAT", "sexual_health", ("Not detected", "Detected")),
    ("SYPHT", "Syphilis treponemal antibody", "sexual_health", ("Not detected", "Detected")),
    ("AMH", "Anti-Mullerian hormone", "fertility", ("4.1", "21.7")),
    ("SEMEN", "Semen analysis", "fertility", ("12 million/mL", "Azoospermia")),
    ("BRCA", "BRCA1 and BRCA2 analysis", "genetics", ("No variant found", "Pathogenic variant")),
    ("CFTR", "Cystic fibrosis genotype", "genetics", ("F508del heterozygous", "None found")),
    ("BMASP", "Bone marrow aspirate", "cancer", ("See report", "Acute leukaemia")),
    ("HISTM", "Histology, suspected malignancy", "cancer", ("Adenocarcinoma", "Benign")),
)
_OF_ONE_SEX = {
    "SEMEN": "male", "PSA": "male", "CA125": "female", "AMH": "female", "HPVCYT": "female",
    "PROG": "female", "INFSCR": "female",
}  # fmt: skip
_OF_NEWBORNS = "NBILI"
_CATALOGUE_CATEGORIES = {"CA125": "cancer", "FSHLH": "fertility", "PROG": "fertility"}
PHRASES = {
    "hiv": (
        "is HIV positive and stable on antiretroviral treatment",
        "had a recent HIV viral load",
    ),
    "sexual_health": (
        "was treated for chlamydia at the sexual health clinic",
        "has done partner notification for gonorrhoea",
    ),
    "fertility": ("is under the fertility clinic for IVF", "is having a second cycle of IVF"),
    "genetics": (
        "carries a pathogenic BRCA1 variant",
        "was told of the cystic fibrosis carrier test",
    ),
    "cancer": ("has metastatic breast cancer", "came on the two week wait and has lymphoma"),
}
NEGATIONS = (
    "HIV test not requested.",
    "No evidence of malignancy.",
    "There is no family history of BRCA variants and genetic testing was not discussed.",
    "HIV, hepatitis and syphilis serology: not required.",
    "Fertility treatment is not being considered.",
)
PLAIN_PHRASES = (
    "has had a raised potassium that was normal on repeat",
    "attends for monitoring of thyroid function",
    "remains on warfarin with a stable INR",
    "had a fall last week and full blood count is awaited",
    "is tired all the time; ferritin was low",
)
WARDS = ("AMU", "Ward 4B", "ED Majors", "Day Unit", "OPD 2", "Maternity", "HDU", "Clinic C")


@dataclass(frozen=True)
class TestKind:
    """A test with its code, meaning and category (empty where not sensitive)."""

    __test__ = False

    code: str
    name: str
    category: str
    results: tuple[str, ...]
    unit: str


@dataclass(frozen=True)
class Case:
    """Somebody's test. `trust` is the hospital in whose context the record was made."""

    subject: Subject
    requester: Institution
    trust: Institution
    test: TestKind
    result: str
    asked_on: date
    specimen: str
    clinician: str
    ward: str

    @property
    def sensitive(self) -> tuple[str, ...]:
        """What showing this test says of the person."""
        return (self.test.category,) if self.test.category else ()


def make_tests(catalogue: Catalogue) -> tuple[TestKind, ...]:
    """The project's tests, and sensitive ones beside them."""
    plain = []
    for test in catalogue.tests.values():
        code = test.analytes[0]
        analyte = catalogue.analytes.get(code)
        if analyte is None:
            words, unit = catalogue.word_analytes[code].words, ""
        else:
            low, high = analyte.low, analyte.typical + analyte.spread
            steps = (low, analyte.typical, high)
            words = tuple(f"{step:.{analyte.decimals}f}" for step in steps)
            unit = analyte.unit
        category = _CATALOGUE_CATEGORIES.get(test.code, "")
        plain.append(TestKind(test.code, test.name, category, words, unit))
    return (*plain, *(TestKind(c, name, kind, words, "") for c, name, kind, words in _SENSITIVE))


def write_tests(path: Path, tests: Sequence[TestKind]) -> None:
    """tests.csv as the interface has it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(("code", "name", "category"))
        out.writerows((test.code, test.name, test.category) for test in tests)


class Deal:
    """Deals cases: all who may be dealt come up before anybody is dealt as new a second time.

    A share of them come up again before that, so that one person is in several files. A deck with
    another `after` it deals everybody once and then from the other.
    """

    def __init__(
        self,
        cast: Cast,
        tests: Sequence[TestKind],
        chance: Chance,
        dealt: Sequence[Subject],
        *,
        after: Deal | None = None,
    ) -> None:
        self.cast = cast
        self.chance = chance
        self._tests = {
            (sex, sensitive): [
                test
                for test in tests
                if bool(test.category) == sensitive
                and _OF_ONE_SEX.get(test.code, sex) == sex
                and test.code != _OF_NEWBORNS
            ]
            for sex in ("female", "male")
            for sensitive in (False, True)
        }
        self._order = chance.shuffled(dealt)
        self._homes: dict[int, list[Subject]] = {}
        for one in dealt:
            self._homes.setdefault(one.household, []).append(one)
        self._next = 0
        self._after = after

    def subject(self) -> Subject:
        """Somebody: new, or again."""
        if self._after and self._next >= len(self._order):
            return self._after.subject()
        if self._next and not self._after and self.chance.happens(AGAIN_SHARE):
            return self._order[self.chance.number(0, min(self._next, len(self._order)) - 1)]
        one = self._order[self._next % len(self._order)]
        self._next += 1
        return one

    def home(self) -> list[Subject]:
        """Somebody with everybody of the same household who is mentioned."""
        one = self.subject()
        return self._homes.get(one.household, [one])

    def patients_of(self, practice: str) -> list[Subject]:
        """Everybody of a practice who may be dealt."""
        return [one for one in self._order if one.practice == practice]

    def case(self, *, trust: Institution | None = None, subject: Subject | None = None) -> Case:
        """A case of somebody, at a trust or at one that knows them."""
        chance, places = self.chance, self.cast.institutions
        who = subject or self.subject()
        where = trust or trust_of(who, places, chance)
        hospital = chance.happens(HOSPITAL_REQUEST_SHARE)
        requester = where if hospital else places.by_code[who.practice]
        test = chance.pick(self._tests[who.sex, chance.happens(SENSITIVE_SHARE)])
        return Case(
            subject=who,
            requester=requester,
            trust=where,
            test=test,
            result=chance.pick(test.results),
            asked_on=chance.day(FIRST_DAY, LAST_DAY),
            specimen=f"{chance.number(19, 24)}{chance.pick('BCHMR')}{chance.digits(6)}",
            clinician=self.clinician(),
            ward=chance.pick(WARDS) if hospital else "GP",
        )

    def clinician(self) -> str:
        """A member of staff, sometimes one who is a patient too."""
        chance = self.chance
        if self.cast.staff and chance.happens(0.3):
            one = chance.pick(self.cast.staff)
            return f"Dr {one.given_names.split(' ')[0][0]} {one.family_name}"
        return f"Dr {chance.pick('ABCDEFGHJKLMNPRST')} {chance.pick(names.FAMILY_NAMES)}"

    def phrase(self, category: str) -> str:
        """A clause about somebody, of a category or of none."""
        return self.chance.pick(PHRASES[category] if category else PLAIN_PHRASES)
