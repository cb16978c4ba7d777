"""How people are written: forms of names, dates and numbers, and the errors that hands make.

Invariants:
- `Written.value` is what a careful reader gets from the text: a wrong digit gives another value, an
  ambiguous month gives none.
- Error rates are named here and apply to every family of shapes.
"""

from __future__ import annotations

from datetime import date

from tourniquet.exercise.theft.cast import Subject
from tourniquet.exercise.theft.chance import Chance
from tourniquet.exercise.theft.content import Written

WRONG_DIGIT_SHARE = 0.003
TRANSPOSED_DIGITS_SHARE = 0.003
SWAPPED_DAY_MONTH_SHARE = 0.003
MISSPELT_NAME_SHARE = 0.005
OLD_NUMBER_SHARE = 0.4
OLD_SURNAME_SHARE = 0.4
NICKNAME_SHARE = 0.01
BABY_WITH_SEX_SHARE = 0.4
EXCEL_EPOCH = date(1899, 12, 30).toordinal()
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
NICKNAMES = {
    "Margaret": "Peggy", "Elizabeth": "Liz", "Robert": "Bob", "William": "Bill",
    "Patricia": "Pat", "Michael": "Mick", "James": "Jim", "Jennifer": "Jenny",
    "Christopher": "Chris", "Susan": "Sue", "Richard": "Dick", "Thomas": "Tom",
}  # fmt: skip


class Pen:
    """Writes one file's people: its chance, and whether it makes errors at all."""

    def __init__(self, chance: Chance, *, errs: bool = True) -> None:
        self.chance = chance
        self._scale = 1.0 if errs else 0.0

    def _slips(self, share: float) -> bool:
        return self.chance.happens(share * self._scale)

    def nhs(self, subject: Subject, form: str = "plain") -> Written | None:
        """The NHS number, or None where there is none."""
        number = subject.nhs_number
        distortions: list[str] = []
        if subject.superseded and self._slips(OLD_NUMBER_SHARE):
            number = subject.superseded
            distortions.append("superseded")
        if not number:
            return None
        number = self._mistyped(number, distortions)
        value = number
        text = number
        if form in ("spaced", "dashed"):
            text = (" " if form == "spaced" else "-").join((number[:3], number[3:6], number[6:]))
        elif form == "float":
            text = f"{number}.0"
        elif form == "scientific":
            text, value = f"{int(number):.5E}", ""
        elif form == "short":
            text, value = number[:9], ""
        if form != "plain":
            distortions.append(form)
        return Written("nhs_number", "", text, value, tuple(distortions))

    def _mistyped(self, number: str, distortions: list[str]) -> str:
        if self._slips(WRONG_DIGIT_SHARE):
            place = self.chance.number(3, len(number) - 1)
            other = (int(number[place]) + self.chance.number(1, 9)) % 10
            distortions.append("wrong_digit")
            return number[:place] + str(other) + number[place + 1 :]
        if self._slips(TRANSPOSED_DIGITS_SHARE):
            place = self.chance.number(3, len(number) - 2)
            if number[place] != number[place + 1]:
                distortions.append("transposed")
                pair = number[place + 1] + number[place]
                return number[:place] + pair + number[place + 2 :]
        return number

    def local(self, subject: Subject, trust: str) -> Written | None:
        """The number at a trust, or None."""
        number = subject.local_at(trust)
        return Written("local_number", trust, number, number) if number else None

    def _family(self, subject: Subject) -> tuple[str, tuple[str, ...]]:
        if subject.previous_family_name and self._slips(OLD_SURNAME_SHARE):
            return subject.previous_family_name, ("previous_name",)
        if len(subject.family_name) > 3 and self._slips(MISSPELT_NAME_SHARE):
            place = self.chance.number(1, len(subject.family_name) - 2)
            name = subject.family_name
            return name[:place] + name[place + 1 :], ("misspelt",)
        return subject.family_name, ()

    def family(self, subject: Subject, form: str = "") -> Written:
        """The surname; form `upper` in capitals."""
        name, distortions = self._family(subject)
        text = name.upper() if form == "upper" else name
        return Written("name", "family", text, name.upper(), distortions)

    def _given(self, subject: Subject, form: str) -> tuple[str, str, tuple[str, ...]]:
        """Text, value and distortions of given names."""
        first, _, more = subject.given_names.partition(" ")
        if form == "initial":
            return first[0], first[0].upper(), ("initial",)
        if subject.kin == "newborn" and self.chance.happens(BABY_WITH_SEX_SHARE):
            return f"{first} {'Girl' if subject.sex == 'female' else 'Boy'}", first.upper(), ()
        if first in NICKNAMES and self._slips(NICKNAME_SHARE):
            return NICKNAMES[first], NICKNAMES[first].upper(), ("nickname",)
        text = subject.given_names if form == "all" and more else first
        return text, first.upper(), ()

    def given(self, subject: Subject, form: str = "first") -> Written:
        """Given names: `first`, `all`, `upper` or `initial`."""
        text, value, distortions = self._given(subject, form)
        part = "initial" if form == "initial" else "given"
        return Written("name", part, text.upper() if form == "upper" else text, value, distortions)

    def full(self, subject: Subject, form: str = "natural") -> Written:
        """Both names in one: natural, comma, titled, capitals or initialled."""
        family, slips = self._family(subject)
        short = "initial" if form == "initialled" else "first"
        given, value, more = self._given(subject, "all" if form == "comma" else short)
        title = subject.title
        text = {
            "natural": f"{given} {family}",
            "comma": f"{family.upper()}, {given}",
            "titled": f"{title} {given} {family}".strip(),
            "capitals": f"{family.upper()} {given.upper()}",
            "initialled": f"{title} {given} {family}".strip(),
        }[form]
        part = "family_initial" if form == "initialled" else "full"
        return Written("name", part, text, f"{family.upper()}|{value}", (*slips, *more))

    def birth(self, subject: Subject, form: str = "dmy") -> Written:
        """The birth date in a form; see `date_text`."""
        day, distortions = subject.birth_date, []
        if day.day <= 12 and day.day != day.month and self._slips(SWAPPED_DAY_MONTH_SHARE):
            day = day.replace(day=day.month, month=day.day)
            distortions.append("swapped_day_month")
        value = day.isoformat()
        if form == "us":
            distortions.append("us_order")
            if day.day <= 12:
                value = day.replace(day=day.month, month=day.day).isoformat()
        elif form in ("serial", "dmy2"):
            distortions.append(form)
        return Written("birth_date", "", date_text(day, form), value, tuple(distortions))

    def postcode(self, subject: Subject, form: str = "") -> Written | None:
        """The postcode; form `tight` without its blank."""
        if not subject.postcode:
            return None
        text = subject.postcode.replace(" ", "") if form == "tight" else subject.postcode
        return Written("address", "postcode", text, subject.postcode)

    def address(self, subject: Subject) -> Written:
        """The address in one line, without the postcode."""
        return Written("address", "line", subject.address, subject.address)

    def phone(self, subject: Subject) -> Written | None:
        """A telephone number, or None."""
        if not subject.phone:
            return None
        text = subject.phone if self.chance.happens(0.5) else subject.phone.replace(" ", "")
        return Written("contact", "phone", text, subject.phone)

    def email(self, subject: Subject) -> Written | None:
        """A mail address, or None."""
        if not subject.email:
            return None
        return Written("contact", "email", subject.email, subject.email)


def date_text(day: date, form: str) -> str:
    """A date: dmy, iso, compact, mon, dmy2, us, dots, long or serial."""
    month = MONTHS[day.month - 1]
    return {
        "dmy": f"{day.day:02d}/{day.month:02d}/{day.year}",
        "iso": day.isoformat(),
        "compact": f"{day.year}{day.month:02d}{day.day:02d}",
        "mon": f"{day.day:02d}-{month}-{day.year}",
        "dmy2": f"{day.day:02d}/{day.month:02d}/{day.year % 100:02d}",
        "us": f"{day.month:02d}/{day.day:02d}/{day.year}",
        "dots": f"{day.day:02d}.{day.month:02d}.{day.year}",
        "long": f"{day.day} {LONG_MONTHS[day.month - 1]} {day.year}",
        "serial": str(day.toordinal() - EXCEL_EPOCH),
    }[form]
