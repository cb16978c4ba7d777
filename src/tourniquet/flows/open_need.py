"""An order opens a need: one visit for specimens, with what waiting for it would cost.

1. Find the indication, and with it class, safe deferral, harm, travel and stability.
2. Count tubes by discipline from the tests.
3. Set the dates: released, due, safe until, escalates on.
4. Append `need.opened`; or `need.extended` where the same form's visit has not happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

from tourniquet.diary.entries import NeedExtended, NeedOpened, NeedWithdrawn
from tourniquet.diary.models import Need
from tourniquet.diary.opening import Harm, Indicated, NeedTerms, draw_up, tighten
from tourniquet.diary.rules import choose_review_day
from tourniquet.kernel.clock import service_day
from tourniquet.kernel.identifiers import IdSource, RandomIds, derived_id
from tourniquet.pathology.catalogue import Catalogue, Indication, load_catalogue
from tourniquet.record.journal import Writer
from tourniquet.record.tables import fetch_one

DEFAULT_INDICATION = "SYMP"  # mixed tests of no known reason are a new symptom; proposed
_OPEN = ("waiting", "booked")
_RANDOM_IDS = RandomIds()


@dataclass(frozen=True)
class Order:
    """What an order says, as far as a visit is concerned.

    `indication` and `priority` (S, A, R or empty) may be empty: the tests' default then holds.
    """

    patient_id: str
    requisition: str
    indication: str
    priority: str
    test_codes: tuple[str, ...]
    service_request_ids: tuple[str, ...]
    wanted_on: date | None
    authored_at: datetime
    zone: str
    requesting_organisation: str
    registered_organisation: str


def open_need(
    journal: Writer, order: Order, *, cause: int | None, ids: IdSource | None = None
) -> str:
    """Open the need of an order, or extend the one that its form opened; the need's id."""
    # 1., 2. and 3. What is needed, by when.
    terms = _terms(order, load_catalogue())
    # 4. One form, one visit.
    known = _find_open(journal, order)
    if known is not None:
        need, old = known
        journal.append(
            NeedExtended(
                need=need,
                service_requests=order.service_request_ids,
                **vars(tighten(old, terms)),
            ),
            subject=order.patient_id,
            cause=cause,
        )
        return need
    need = _id_of(journal, order, ids or _RANDOM_IDS)
    journal.append(
        NeedOpened(
            need=need,
            requisition=order.requisition,
            zone=order.zone
            or _zone_of(order.registered_organisation, order.requesting_organisation),
            review_on=choose_review_day(
                terms.priority, today=service_day(journal.act.moment), released=terms.released
            ),
            service_requests=order.service_request_ids,
            requesting_organisation=order.requesting_organisation,
            registered_organisation=order.registered_organisation,
            **vars(terms),
        ),
        subject=order.patient_id,
        cause=cause,
    )
    return need


def _id_of(journal: Writer, order: Order, ids: IdSource) -> str:
    """From patient and form, so that it does not depend on what arrived first; else a new one."""
    if not order.requisition or _has_needs(order.requisition):
        return ids.new(journal.act.moment)
    return derived_id(journal.act.moment, "need", order.patient_id, order.requisition)


def withdraw_need(
    journal: Writer, *, patient_id: str, requisition: str, reason: str, cause: int | None
) -> int:
    """The order was cancelled: nobody needs the visit any more. How many needs that ended."""
    journal.flush()
    rows = Need.objects.filter(
        requisition=requisition, patient_id=patient_id, status__in=_OPEN
    ).values_list("id", "appointment_id")
    for need, appointment in rows:
        journal.append(
            NeedWithdrawn(need=need, reason=reason, appointment=appointment),
            subject=patient_id,
            cause=cause,
        )
    return len(rows)


def _terms(order: Order, catalogue: Catalogue) -> NeedTerms:
    found = _indication(order, catalogue)
    return draw_up(
        Indicated(
            found.code,
            found.priority,
            found.safe_deferral_days,
            found.hours_to_laboratory,
            found.travel_km,
        ),
        stated_urgency=order.priority,
        harm_by_priority=_harm_by_priority(),
        tubes=_count_tubes(order.test_codes, found, catalogue),
        asked_on=service_day(order.authored_at),
        due=order.wanted_on or service_day(order.authored_at),
    )


def _indication(order: Order, catalogue: Catalogue) -> Indication:
    """The one that was sent; else the one of exactly these tests; else a new symptom."""
    sent = catalogue.indications.get(order.indication.strip().upper())
    if sent is not None:
        return sent
    by_tests = _indications_by_tests().get(frozenset(order.test_codes))
    return catalogue.indications[by_tests or DEFAULT_INDICATION]


@lru_cache(maxsize=1)
def _indications_by_tests() -> dict[frozenset[str], str]:
    """For each set of tests its indication, the more urgent where several share it; never P1."""
    found: dict[frozenset[str], str] = {}
    table = load_catalogue().indications
    for code in sorted(table, key=lambda one: (table[one].priority, one), reverse=True):
        if table[code].priority != "P1":
            found[frozenset(table[code].tests)] = code
    return found


@lru_cache(maxsize=1)
def _harm_by_priority() -> dict[str, Harm]:
    return {
        found.priority: Harm(
            found.harm.harm_per_day,
            found.harm.escalates_after_days,
            found.harm.escalated_harm_per_day,
        )
        for found in load_catalogue().indications.values()
    }


def _count_tubes(codes: tuple[str, ...], found: Indication, catalogue: Catalogue) -> dict[str, int]:
    """The indication's own tubes for its own tests; else one for each container and discipline."""
    if set(codes) == set(found.tests):
        return dict(found.tubes)
    kinds = {
        (catalogue.tests[code].discipline, catalogue.tests[code].specimen_type)
        for code in codes
        if code in catalogue.tests
    }
    if not kinds:
        return dict(found.tubes)
    counts: dict[str, int] = {}
    for discipline, _ in kinds:
        counts[discipline] = counts.get(discipline, 0) + 1
    return counts


_TERMS = (
    "indication",
    "priority",
    "released",
    "due",
    "safe_until",
    "harm_per_day",
    "escalates_on",
    "escalated_harm_per_day",
    "stability_hours",
    "travel_km",
    "tubes",
)


def _find_open(journal: Writer, order: Order) -> tuple[str, NeedTerms] | None:
    if not order.requisition:
        return None
    journal.flush_about(order.patient_id, "need")
    if not _has_needs(order.requisition):
        return None  # by far the most: a new form
    row = (
        Need.objects.filter(
            requisition=order.requisition, patient_id=order.patient_id, status__in=_OPEN
        )
        .order_by("opened_at", "id")
        .values_list("id", *_TERMS)
        .first()
    )
    return (row[0], NeedTerms(*row[1:])) if row else None


def _has_needs(requisition: str) -> bool:
    """Asked once an order: plain SQL, because building the query would cost more than it."""
    found = fetch_one("SELECT 1 FROM diary_need WHERE requisition = %s LIMIT 1", [requisition])
    return found is not None


def _zone_of(*organisations: str) -> str:
    """The zone of the first of these organisations that has one."""
    for code in filter(None, organisations):
        row = fetch_one("SELECT zone FROM directory_organisation WHERE code = %s", [code])
        if row and row[0]:
            return str(row[0])
    return ""
