"""Second family: what is said of people, in other words. Engine authors must not read this."""

from __future__ import annotations

from tourniquet.exercise.theft.cases import Case
from tourniquet.exercise.theft.content import Draft, Where, Written
from tourniquet.exercise.theft.desk import Desk

SAYINGS = {
    "hiv": ("living with HIV, on Biktarvy, undetectable", "seroconverted, ARVs started"),
    "sexual_health": ("GUM attendance, urethral discharge, GC culture grew",
                      "treated for early latent syphilis, contacts traced"),
    "fertility": ("ICSI cycle cancelled, poor responder", "sperm count very low, for repeat"),
    "genetics": ("predictive test for Huntington disease: expanded allele",
                 "fragile X carrier, counselled"),
    "cancer": ("carcinoma of colon with liver mets, palliative", "on R-CHOP cycle 3"),
}  # fmt: skip
PLAIN_SAYINGS = (
    "rang for results, told normal", "needs repeat FBC, clotted", "K haemolysed x2",
    "INR 3.1, dose unchanged", "off legs, bloods sent", "wants copy of letter",
)  # fmt: skip
DENIALS = (
    "HIV neg in pregnancy screen, nil else", "no ca seen", "declined genetics referral",
    "BRCA: n/a", "not for STI screen",
)  # fmt: skip
SAYING_SHARE, DENIAL_SHARE = 0.12, 0.1


def saying(desk: Desk) -> tuple[str, tuple[str, ...]]:
    """A remark, and the categories that it tells."""
    if desk.chance.happens(SAYING_SHARE):
        kind = desk.chance.pick(tuple(SAYINGS))
        return desk.chance.pick(SAYINGS[kind]), (kind,)
    if desk.chance.happens(DENIAL_SHARE):
        return desk.chance.pick(DENIALS), ()
    return desk.chance.pick(PLAIN_SAYINGS), ()


def about(
    case: Case,
    *fields: Written | None,
    sensitive: tuple[str, ...] = (),
    controller: str = "",
    context: str = "",
    where: Where | None = None,
) -> Draft:
    """A fragment of somebody with those of the fields that there are."""
    return Draft(
        case.subject,
        tuple(one for one in fields if one is not None),
        where or Where(),
        tuple(sorted(set(sensitive))),
        controller,
        context,
    )


def shown(field: Written | None, instead: str = "") -> str:
    """A field's text, or something instead."""
    return field.text if field else instead


def request(case: Case) -> Written:
    """The test by its code."""
    return Written("request", "", case.test.code, case.test.code)


def request_name(case: Case) -> Written:
    """The test by its name."""
    return Written("request", "", case.test.name, case.test.code)


def result(case: Case) -> Written:
    """The result."""
    return Written("result", "", case.result, case.result)


def remark(text: str) -> Written:
    """A remark as a field."""
    return Written("narrative", "", text, text)
