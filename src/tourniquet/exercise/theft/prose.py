"""Letters and notes in words: paragraphs about somebody with the fields that they show.

Invariants:
- A letter's draft holds what stands in its own paragraphs; a sender in the letterhead is who is
  responsible, the mail domain and the code beside it say so.
- Negations are written on purpose and make nobody's letter sensitive.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tourniquet.exercise.theft.cases import NEGATIONS, SENSITIVE_SHARE, Case
from tourniquet.exercise.theft.content import Draft, Written
from tourniquet.exercise.theft.desk import Desk
from tourniquet.exercise.theft.pen import date_text

NEGATION_SHARE = 0.15


@dataclass(frozen=True)
class Letter:
    """Paragraphs and the fragment that they are."""

    paragraphs: tuple[str, ...]
    draft: Draft


def letter(desk: Desk, case: Case, *, bare: bool = False) -> Letter:
    """A letter about one person. `bare` leaves out numbers and dates: it identifies nobody."""
    pen, who = desk.pen, case.subject
    name = pen.full(who, pen.chance.pick(("titled", "natural", "capitals")))
    birth = pen.birth(who, pen.chance.pick(("dmy", "long", "mon")))
    nhs = pen.nhs(who, pen.chance.pick(("spaced", "plain", "dashed")))
    local, postcode = pen.local(who, case.trust.ods_code), pen.postcode(who)
    address, phone = pen.address(who), pen.phone(who)
    category = ""
    if desk.chance.happens(SENSITIVE_SHARE):
        category = desk.chance.pick(("hiv", "sexual_health", "fertility", "genetics", "cancer"))
    phrase = desk.deal.phrase(category)
    place = case.trust
    head = f"{place.name} ({place.ods_code})  pathology@{place.domain}"
    asked = date_text(case.asked_on, "long")
    if bare:
        lines = [head, asked, f"I spoke to {name.text} today, who {phrase}."]
        written: list[Written | None] = [name, Written("narrative", "", phrase, phrase)]
    else:
        lines = [
            head,
            f"Date: {asked}",
            f"Re: {name.text}   DOB: {birth.text}",
            f"NHS No: {nhs.text}" if nhs else "NHS No: not known",
            f"Hospital No: {local.text}" if local else "Hospital No: -",
            f"Address: {address.text}, {postcode.text if postcode else ''}",
            "Dear Colleague,",
            f"Thank you for asking us about this patient, who {phrase}. "
            f"{case.test.name} was reported on {asked}: {case.result} {case.test.unit}".rstrip()
            + ".",
        ]
        written = [
            name, birth, nhs, local, address, postcode,
            Written("narrative", "", phrase, phrase),
            Written("result", "", case.result, case.result),
        ]  # fmt: skip
        if phone and desk.chance.happens(0.3):
            lines.append(f"The patient may be phoned on {phone.text}.")
            written.append(phone)
    if desk.chance.happens(NEGATION_SHARE):
        lines.append(desk.chance.pick(NEGATIONS))
    lines += ["Yours sincerely,", case.clinician]
    shown = () if bare else case.sensitive
    draft = Draft(
        who,
        tuple(one for one in written if one is not None),
        sensitive=tuple(sorted({*shown, *((category,) if category else ())})),
        controller=place.ods_code,
        context=place.ods_code,
    )
    return Letter(tuple(lines), draft)


def minute(desk: Desk, case: Case) -> Letter:
    """One line of minutes: initialled name and hospital number, seldom more."""
    pen, who = desk.pen, case.subject
    name = pen.full(who, "initialled")
    local = pen.local(who, case.trust.ods_code)
    nhs = pen.nhs(who) if desk.chance.happens(0.3) else None
    phrase = desk.deal.phrase("")
    number = f" ({local.text})" if local else ""
    more = f", NHS {nhs.text}" if nhs else ""
    text = f"{name.text}{number}{more}: {phrase}. Action: {case.clinician}."
    written = (name, local, nhs, Written("narrative", "", phrase, phrase))
    draft = Draft(
        who, tuple(one for one in written if one is not None),
        controller=case.trust.ods_code, context=case.trust.ods_code,
    )  # fmt: skip
    return Letter((text,), draft)


def home_letter(desk: Desk) -> tuple[Letter, ...]:
    """Letters about everybody of one home: twins, father and son, mother and newborn meet."""
    return tuple(letter(desk, desk.deal.case(subject=one)) for one in desk.deal.home())


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width` signs, broken at blanks."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return [*lines, line]


def without_place(draft: Draft) -> Draft:
    """The same fragment where nothing says who is responsible."""
    return replace(draft, controller="", context="")
