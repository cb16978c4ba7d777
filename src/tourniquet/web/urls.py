"""Addresses for people."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, register_converter
from django.urls.converters import StringConverter

from tourniquet.web.views import (
    access,
    alarms,
    break_glass,
    desk,
    diary,
    entries,
    erasures,
    home,
    incident,
    patients,
    plan,
    session,
    worklists,
)


class IdConverter(StringConverter):
    """One of our ids: nothing that a database or a page could stumble over."""

    regex = "[0-9A-Za-z_.-]{1,100}"


class PositionConverter(StringConverter):
    """A position of the journal."""

    regex = "[0-9]{1,18}"

    def to_python(self, value: str) -> int:  # type: ignore[override] # a converter's affair
        return int(value)


class AccountConverter(StringConverter):
    """The name of an account."""

    regex = r"[A-Za-z0-9._@\-]{1,150}"


register_converter(IdConverter, "id")
register_converter(AccountConverter, "account")
register_converter(PositionConverter, "position")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.show),
    path("sign-in/", session.sign_in),
    path("sign-out/", session.sign_out),
    path("incident/", incident.show),
    path("incident/declare/", incident.declare),
    path("incident/capacity/", incident.capacity),
    path("incident/capacity/table/", incident.capacity_table),
    path("incident/log/", incident.log),
    path("incident/update/", incident.update),
    path("incident/stand-down/", incident.end),
    path("plan/", plan.current),
    path("plan/propose/", plan.propose),
    path("plan/<id:plan_id>/", plan.show),
    path("plan/<id:plan_id>/acknowledge/", plan.acknowledge),
    path("plan/<id:plan_id>/adopt/", plan.adopt),
    path("diary/", diary.show),
    path("entries/<position:position>/", entries.show),
    path("worklists/", worklists.front),
    path("worklists/critical/", worklists.critical),
    path("worklists/critical/<id:call_id>/", worklists.call),
    path("worklists/urgent/", worklists.urgent),
    path("worklists/waiting/", worklists.waiting),
    path("worklists/undelivered/", worklists.undelivered),
    path("worklists/provisional/", desk.provisional),
    path("worklists/provisional/<id:patient_id>/", desk.identify),
    path("worklists/refused/", desk.refused),
    path("worklists/refused/<position:position>/", desk.message),
    path("worklists/alarms/", alarms.show),
    path("worklists/alarms/<id:alarm_id>/", alarms.alarm),
    path("access/", access.front),
    path("access/patients/<id:patient_id>/", access.patient),
    path("access/accounts/<account:account>/", access.account),
    path("access/canaries/", access.canaries),
    path("access/canaries/<id:patient_id>/off/", access.canary_off),
    path("access/erasures/", erasures.show),
    path("access/erasures/ask/<id:patient_id>/", erasures.ask),
    path("access/erasures/<id:erasure_id>/", erasures.one),
    path("patients/", patients.search),
    path("patients/break-glass/", break_glass.find),
    path("patients/<id:patient_id>/break-glass/", break_glass.show),
    path("patients/<id:patient_id>/", patients.record),
]
