"""A person's data is to be erased: asked for by one, approved by another, or refused, or withdrawn.

`ask_erasure`:
1. The role may; ground, who asks, how identity was checked, and each exemption are answered.
2. Every id of the person is found, and none is part of an erasure that is open already.
3. What stands against it for the person's safety (a critical result not phoned through, a test
   still to be done) was acknowledged.
4. Append `erasure.asked`, which names nobody, and `erasure.concerns` about each id, with what
   somebody wrote: it is erased with the rest.
`approve_erasure`:
5. Another account, of another person, whose role may. No exemption applies; the person is still
   the same ids; what stands against it was acknowledged. Append `erasure.approved`. Approving
   again begins the waiting anew: for what was held because something came up.
`withdraw_erasure`, `refuse_erasure`:
6. Until it was carried out. Append `erasure.withdrawn` or `erasure.refused`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tourniquet.diary.models import Appointment, Need
from tourniquet.directory.models import Account
from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import NotFound, PermissionRefused, UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.pathology.models import CriticalCall, ServiceRequest
from tourniquet.patients.belongings import list_perhaps_same
from tourniquet.patients.models import Patient
from tourniquet.record.emptying import people_of
from tourniquet.record.entries import (
    ErasureApproved,
    ErasureAsked,
    ErasureConcerns,
    ErasureRefused,
    ErasureWithdrawn,
)
from tourniquet.record.erasure_rules import (
    ASKED_FOR,
    EXEMPTIONS,
    GROUNDS,
    IDENTITIES,
    OPEN,
    WITHDRAWALS,
    State,
    demand_acknowledged,
    demand_all_answered,
    demand_word,
)
from tourniquet.record.erasures import erasure_days, find_open, get_erasure, list_subjects
from tourniquet.record.journal import Act, writing
from tourniquet.record.models import Erasure, JournalEntry

WORDS_LONGEST = 2000


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What is asked, and what was answered."""

    ground: str
    asked_for: str
    identity: str
    applies: tuple[str, ...] = ()
    not_applies: tuple[str, ...] = ()
    words: str = ""
    acknowledged: tuple[str, ...] = ()


def ask_erasure(
    patient_id: str,
    asking: Asking,
    *,
    viewer: Viewer,
    now: datetime,
    ids: IdSource | None = None,
) -> str:
    """Ask that a person be erased; the erasure's id.

    Raises: PermissionRefused, NotFound; UserError naming what is not answered or acknowledged.
    """
    # 1. Who may, and what is answered.
    viewer.demand(Task.ASK_ERASURE)
    demand_word(asking.ground, GROUNDS, where="ground")
    demand_word(asking.asked_for, ASKED_FOR, where="asked_for")
    demand_word(asking.identity, IDENTITIES, where="identity")
    demand_all_answered(asking.applies, asking.not_applies)
    if len(asking.words) > WORDS_LONGEST:
        raise UserError(f"Too long: at most {WORDS_LONGEST} characters.", where="words")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        # 2. Whom.
        people = _person(patient_id, viewer)
        if find_open(people) is not None:
            raise UserError(
                "An erasure of this person is open already.",
                remedy="Look at the list; withdraw that one first.",
            )
        # 3. What stands against it.
        warnings = list_warnings(people, now=now)
        demand_acknowledged(warnings, asking.acknowledged)
        # 4. Entries.
        erasure = (ids or RandomIds()).new(now)
        journal.append(
            ErasureAsked(
                erasure=erasure,
                ground=asking.ground,
                asked_for=asking.asked_for,
                identity=asking.identity,
                records=len(people),
                not_applies=tuple(sorted(asking.not_applies)),
                applies=tuple(sorted(asking.applies)),
                warnings=tuple(warnings),
            )
        )
        for one in people:
            body = ErasureConcerns(erasure=erasure, words=asking.words.strip())
            journal.append(body, subject=one)
    return erasure


def approve_erasure(
    erasure_id: str, *, viewer: Viewer, now: datetime, acknowledged: tuple[str, ...] = ()
) -> Erasure:
    """Approve, as another person than who asked; the erasure as it stands then.

    Raises: PermissionRefused; UserError when it may not be approved as it stands.
    """
    # 5. Another person.
    viewer.demand(Task.APPROVE_ERASURE)
    days = erasure_days()
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        found = _open_one(erasure_id)
        _demand_another(found.asked_by, viewer.account)
        if found.applies:
            raise UserError(
                "An exemption applies: it can't be approved.",
                where=found.applies,
                remedy="Refuse it, or withdraw it and ask anew.",
            )
        people = list_subjects(found.pk)
        if not is_still_whole(people):
            raise UserError(
                "The person's record was merged with another one since this was asked for.",
                remedy="Withdraw it and ask anew, so that it is known what is erased.",
            )
        warnings = list_warnings(people, now=now)
        demand_acknowledged(warnings, acknowledged)  # by this person too: two have looked
        body = ErasureApproved(erasure=found.pk, days=days, warnings=tuple(warnings))
        journal.append(body, cause=found.asked_position)
    return get_erasure(erasure_id)


def withdraw_erasure(erasure_id: str, *, why: str, viewer: Viewer, now: datetime) -> None:
    """Take it back. Raises: PermissionRefused; UserError when it was carried out or ended."""
    # 6. Not yet carried out.
    viewer.demand(Task.ASK_ERASURE)
    demand_word(why, WITHDRAWALS, where="why")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        found = _open_one(erasure_id)
        journal.append(ErasureWithdrawn(erasure=found.pk, why=why), cause=found.asked_position)


def refuse_erasure(erasure_id: str, *, exemption: str, viewer: Viewer, now: datetime) -> None:
    """Refuse it by an exemption. Raises: as `withdraw_erasure`."""
    # 6. Not yet carried out.
    viewer.demand(Task.APPROVE_ERASURE)
    demand_word(exemption, EXEMPTIONS, where="exemption")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        found = _open_one(erasure_id)
        body = ErasureRefused(erasure=found.pk, exemption=exemption)
        journal.append(body, cause=found.asked_position)


def list_warnings(people: Iterable[str], *, now: datetime) -> list[str]:
    """What stands against erasing these ids now, for the person's own safety."""
    ids = list(people)
    found = []
    if Appointment.objects.filter(
        patient_id__in=ids, status="booked", day__gte=service_day(now)
    ).exists():
        found.append("appointment")
    if CriticalCall.objects.filter(patient_id__in=ids, state="open").exists():
        found.append("critical_result")
    needs = Need.objects.filter(patient_id__in=ids, status__in=("waiting", "booked"))
    requests = ServiceRequest.objects.filter(patient_id__in=ids, status__in=("active", "on-hold"))
    if needs.exists() or requests.exists():
        found.append("waiting_test")
    if any(list_perhaps_same(one) for one in ids):
        found.append("perhaps_same")
    return found


def is_still_whole(people: Sequence[str]) -> bool:
    """Whether these are still all ids of one person."""
    return bool(people) and set(people_of(people[0])) == set(people)


def _person(patient_id: str, viewer: Viewer) -> tuple[str, ...]:
    """Every id of a person; of an organisation's viewer only its own patients.

    An id without a patient may have entries still, written while the person was being erased.
    """
    left = JournalEntry.objects.filter(subject=patient_id, body__isnull=False)
    if not viewer.organisation and left.exists():
        return people_of(patient_id)
    seen = Patient.objects.filter(pk=patient_id)
    if viewer.organisation:
        seen = seen.filter(registered_organisation=viewer.organisation)
    if not seen.exists():
        raise NotFound("There is no such patient, or none that you may see.")
    return people_of(patient_id)


def _open_one(erasure_id: str) -> Erasure:
    found = get_erasure(erasure_id)
    if State(found.state) not in OPEN:
        raise UserError(
            f"This erasure is {found.state.replace('_', ' ')}: nothing can be changed any more."
        )
    return found


def _demand_another(asked_by: str, account: str) -> None:
    """Demand two accounts, of two people. Raises: PermissionRefused."""
    names = dict(
        Account.objects.filter(name__in=(asked_by, account)).values_list("name", "display_name")
    )
    one, other = names.get(asked_by, asked_by), names.get(account, account)
    if asked_by == account or one.casefold() == other.casefold():
        raise PermissionRefused(
            "Somebody else must approve this: you asked for it.",
            remedy="A second person, with an account of their own, approves.",
        )
