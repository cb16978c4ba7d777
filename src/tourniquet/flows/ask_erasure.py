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

All of them: an account of an organisation asks and decides about its own patients alone; an erasure
of somebody else's is to it as if it were not there (patients.erasure_queries).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tourniquet.diary.models import Appointment, Need
from tourniquet.directory.models import Account
from tourniquet.directory.roles import Task, Viewer
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.errors import PermissionRefused, UserError
from tourniquet.kernel.identifiers import IdSource, RandomIds
from tourniquet.pathology.models import CriticalCall, ServiceRequest
from tourniquet.patients.belongings import list_perhaps_same
from tourniquet.patients.erasure_queries import get_erasure_of, get_person
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
TIMES_MOST = 500  # [P] nobody has more critical results in the weeks of a waiting time


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
        people = get_person(viewer, patient_id)
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

    Raises: PermissionRefused; NotFound; UserError when it may not be approved as it stands.
    """
    # 5. Another person.
    viewer.demand(Task.APPROVE_ERASURE)
    days = erasure_days()
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        found = _open_one(erasure_id, viewer)
        _demand_another(found.asked_by, viewer.account)
        if found.applies:
            raise UserError(
                "An exemption applies: it can't be approved.",
                where=found.applies,
                remedy="Refuse it, or withdraw it and ask anew.",
            )
        people = list_subjects(found.pk)
        if not people:
            raise UserError(
                "Nobody is left whom this is about, as after a restore to an earlier day.",
                remedy="Withdraw it.",
            )
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
    """Take it back.

    Raises: PermissionRefused; NotFound; UserError when it was carried out or ended.
    """
    # 6. Not yet carried out.
    viewer.demand(Task.ASK_ERASURE)
    demand_word(why, WITHDRAWALS, where="why")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        found = _open_one(erasure_id, viewer)
        journal.append(ErasureWithdrawn(erasure=found.pk, why=why), cause=found.asked_position)


def refuse_erasure(erasure_id: str, *, exemption: str, viewer: Viewer, now: datetime) -> None:
    """Refuse it by an exemption. Raises: as `withdraw_erasure`."""
    # 6. Not yet carried out.
    viewer.demand(Task.APPROVE_ERASURE)
    demand_word(exemption, EXEMPTIONS, where="exemption")
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        found = _open_one(erasure_id, viewer)
        body = ErasureRefused(erasure=found.pk, exemption=exemption)
        journal.append(body, cause=found.asked_position)


def list_warnings(people: Iterable[str], *, now: datetime, since: int = 0) -> list[str]:
    """What stands against erasing these ids now, for the person's own safety.

    With `since` only what came behind that position: calls and needs that were opened, requests,
    appointments and numbers that were written there.
    """
    ids = list(people)
    calls = CriticalCall.objects.filter(patient_id__in=ids, state="open")
    needs = Need.objects.filter(patient_id__in=ids, status__in=("waiting", "booked"))
    if since:  # both rows also move on when somebody phones or plans: their opening counts
        calls = calls.filter(opened_at__in=_times(ids, "call.opened", since))
        needs = needs.filter(opened_at__in=_times(ids, "need.opened", since))
    requests = ServiceRequest.objects.filter(
        patient_id__in=ids, status__in=("active", "on-hold"), position__gt=since
    )
    appointments = Appointment.objects.filter(
        patient_id__in=ids, status="booked", day__gte=service_day(now), position__gt=since
    )
    standing = {
        "appointment": appointments.exists(),
        "critical_result": calls.exists(),
        "waiting_test": needs.exists() or requests.exists(),
        "perhaps_same": any(list_perhaps_same(one, since=since) for one in ids),
    }
    return [word for word, stands in standing.items() if stands]


def _times(people: Sequence[str], kind: str, since: int) -> list[datetime]:
    """When entries of a kind about these ids were recorded behind a position."""
    rows = JournalEntry.objects.filter(subject__in=people, position__gt=since, kind=kind)
    return list(rows.values_list("recorded_at", flat=True).distinct()[:TIMES_MOST])


def is_still_whole(people: Sequence[str]) -> bool:
    """Whether these are still all ids of one person."""
    return bool(people) and set(people_of(people[0])) == set(people)


def _open_one(erasure_id: str, viewer: Viewer) -> Erasure:
    found = get_erasure_of(viewer, erasure_id)
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
