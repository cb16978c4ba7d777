"""A random history of care in which people are erased, and by what each of them could be known."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.erasing import empty_somebody
from tests.support.golden_diary import plan_and_adopt
from tests.support.messages import adt, oml, oru, pid, send, valid_nhs
from tests.support.small_region import set_up

STEPS_A_DAY = 14
NUMBERS_FROM = 999_100_000


@dataclass
class Someone:
    """A person of the history; `marks` are in the database because of them alone."""

    number: str
    local: str
    family: str
    given: str
    born: str
    street: str
    marks: set[str] = field(default_factory=set)

    def segment(self) -> str:
        """Their PID."""
        address = f"|||{self.street}^^London^^SE1 1AA||07700900123"
        return pid(
            self.number,
            family=self.family,
            given=self.given,
            born=self.born,
            local=f"{self.local}^^^RJ1^MR",
            extra=address,
        )


class Chronicle:
    """A region in which anything may happen, and what was left of whom."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.region = set_up(seats=chance.choice((1, 3, 12)))
        self.here: list[Someone] = []
        self.gone: list[Someone] = []
        self._made = 0

    # Who ---------------------------------------------------------------------------------------

    def _mark(self) -> str:
        return "".join(self.chance.choices(string.ascii_uppercase, k=12))

    def _control(self) -> str:
        self._made += 1
        return f"X{self._made}"

    def _any(self) -> Someone:
        if not self.here:
            self.come()
        return self.chance.choice(self.here)

    def _id(self, one: Someone) -> str:
        from tourniquet.patients.models import Identifier, Patient

        found = Identifier.objects.filter(value=one.local).values_list("patient_id", flat=True)
        return Patient.objects.filter(pk__in=list(found)).exclude(state="merged").get().pk

    def _send(self, raw: bytes) -> str:
        return send(raw, now=self.region.now)[0].code

    def come(self) -> None:
        """Somebody new."""
        self._made += 1
        number = ""
        while len(number) != 10:
            number = valid_nhs(str(NUMBERS_FROM + self.chance.randrange(99_999)))
        family, given, street = self._mark(), self._mark(), self._mark()
        born = f"19{self.chance.randrange(30, 99)}0{self.chance.randrange(1, 10)}15"
        one = Someone(number, f"A{7_000_000 + self._made}", family, given, born, street)
        one.marks = {number, one.local, family, given, street}
        assert self._send(adt("A28", self._control(), one.segment(), "PD1|||GP^^G10001")) == "AA"
        self.here.append(one)

    # What happens ------------------------------------------------------------------------------

    def move_house(self) -> None:
        """Another address; the one of before is known of as well."""
        one = self._any()
        one.street = self._mark()
        one.marks.add(one.street)
        assert self._send(adt("A31", self._control(), one.segment())) == "AA"

    def order(self) -> None:
        """A form, and perhaps its specimens."""
        one, form = self._any(), self._control()
        placer = f"{form}^PRAC"
        self._send(oml(self._control(), one.segment(), placer=placer, requisition=form))
        if self.chance.random() < 0.6:
            more = {"order": "SC", "collected": "20240603080000+0000", "specimen": f"S{form}"}
            sender = "PHLEBOTOMY|CLIN1"
            self._send(
                oml(
                    self._control(),
                    one.segment(),
                    placer=placer,
                    requisition=form,
                    sender=sender,
                    **more,
                )
            )
        if self.chance.random() < 0.6:
            self._report(one, placer=placer)

    def report(self) -> None:
        """A report that nobody had asked for here, its corrections, and words about the person."""
        self._report(self._any())

    def _report(self, one: Someone, placer: str = "") -> None:
        number, words = f"L{self._control()}", self._mark()
        one.marks.add(words)
        lines = ["NM|K^Potassium^L||7.1|mmol/L||HH|||F", f"TX|C^Comment^L||{words}||||||F"]
        for version in range(self.chance.randrange(1, 4)):
            issued = f"20240603{9 + version:02}3000+0000"
            text = oru(
                self._control(),
                one.segment(),
                number=number,
                placer=placer,
                status="C" if version else "F",
                issued=issued,
                lines=lines[: 2 - version % 2],
            )
            assert self._send(text) == "AA"

    def call(self) -> None:
        """A critical value is phoned, with words about the person."""
        from tourniquet.directory.roles import Role, Viewer
        from tourniquet.flows.close_call import attempt_call, close_call
        from tourniquet.pathology.models import CriticalCall

        one = self._any()
        viewer = Viewer("ann", Role.LABORATORY)
        calls = CriticalCall.objects.filter(state="open", patient_id=self._id(one)).order_by("pk")
        for pk in list(calls.values_list("pk", flat=True)[:2]):
            now = self.region.now
            attempt_call(pk, viewer=viewer, outcome="no answer", note=one.given, now=now)
            close_call(pk, viewer=viewer, told="Dr A", read_back=True, comment=one.family, now=now)

    def be_taken_for_another(self) -> None:
        """A result under this number and another name; a person finds that it is the same one."""
        from tourniquet.directory.roles import Role, Viewer
        from tourniquet.flows.identify_patient import merge_into
        from tourniquet.patients.models import Patient

        one, other = self._any(), self._mark()
        one.marks.add(other)
        raw = oru(
            self._control(),
            pid(one.number, family=other, born="19020304", local=""),
            number=f"L{self._control()}",
        )
        assert self._send(raw) == "AA"
        stranger = Patient.objects.filter(state="provisional", family_name=other).first()
        if stranger is not None:
            merge_into(
                stranger.pk,
                self._id(one),
                viewer=Viewer("ann", Role.LABORATORY),
                comment=f"Is {one.family}.",
                now=self.region.now,
            )

    def be_one(self) -> None:
        """Two records are one person, as a message says."""
        if len(self.here) < 2:
            return
        stays, goes = self.chance.sample(self.here, 2)
        raw = adt("A40", self._control(), stays.segment(), f"MRG|{goes.local}^^^RJ1^MR")
        if self._send(raw) == "AA":
            stays.marks |= goes.marks
            self.here.remove(goes)

    def be_refused(self) -> None:
        """A message about the person that is not taken, and perhaps somebody's note on it."""
        from tourniquet.directory.roles import Role, Viewer
        from tourniquet.flows.review_message import review_message
        from tourniquet.record.queries import list_refused_messages

        one = self._any()
        assert self._send(adt("A40", self._control(), one.segment())) == "AR"
        if self.chance.random() < 0.5:
            review_message(
                list_refused_messages()[0].position,
                viewer=Viewer("ann", Role.LABORATORY),
                note=f"{one.given} {one.family} rang.",
                now=self.region.now,
            )

    def be_read(self) -> None:
        """Somebody opens the record, with a reason."""
        from tourniquet.directory.roles import Role, Viewer
        from tourniquet.flows.break_glass import break_glass
        from tourniquet.flows.read_record import read_record
        from tourniquet.patients.grounds import GLASS, Why

        one = self._any()
        lead = Viewer("lead", Role.INCIDENT_LEAD)
        why = Why(GLASS, "emergency", f"{one.family} is here")
        break_glass(self._id(one), viewer=lead, why=why, now=self.region.now)
        read_record(self._id(one), viewer=lead, why=why, now=self.region.now)

    def need(self) -> None:
        """A visit is wanted."""
        indication = self.chance.choice(("AKI", "2WW", "CKD", "VITD", "SYMP"))
        self.region.need(self._id(self._any()), indication, in_days=self.chance.choice((0, 1, 9)))

    def plan(self) -> None:
        """Little capacity, and a plan for it."""
        self.region.capacity(self.chance.choice((0, 1, 5)), days=7)
        plan_and_adopt(self.region)

    def be_erased(self) -> None:
        """Somebody, or nobody where too few are left to tell."""
        if len(self.here) < 3:
            return
        one = self.chance.choice(self.here)
        several = [other for other in self.here if len(self._ids(other)) > 1]
        if several and self.chance.random() < 0.5:
            one = self.chance.choice(several)  # merges are where it is hard
        emptied = empty_somebody(self.chance.choice(sorted(self._ids(one))))
        assert emptied.entries > 0
        self.here.remove(one)
        self.gone.append(one)

    def _ids(self, one: Someone) -> tuple[str, ...]:
        from tourniquet.record.emptying import people_of

        return people_of(self._id(one))

    # Days --------------------------------------------------------------------------------------

    def live(self, days: int) -> None:
        """So many days of it, with the work of mornings and evenings."""
        from tourniquet.flows.daily_work import evening, morning

        often: list[tuple[Callable[[], None], int]] = [
            (self.come, 4),
            (self.move_house, 1),
            (self.order, 4),
            (self.report, 2),
            (self.call, 2),
            (self.be_taken_for_another, 2),
            (self.be_one, 2),
            (self.be_refused, 2),
            (self.be_read, 2),
            (self.need, 5),
            (self.be_erased, 2),
        ]
        steps = [step for step, count in often for _ in range(count)]
        for day in range(days):
            self.region.go_to(day)
            if day == 1:
                self.region.declare()
            for _ in range(4):
                self.come()
            morning(self.region.now)
            for number in range(STEPS_A_DAY):
                self.region.go_to(day, 8 + number // 2, 30 * (number % 2))
                self.chance.choice(steps)()
            self.region.go_to(day, 16)
            if day >= 1:
                self.plan()
            self.be_erased()
            evening(self.region.go_to(day, 18))
        self.come()
