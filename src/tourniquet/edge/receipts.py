"""What message gateways tell of notices: delivered, failed for now, failed for good."""

from __future__ import annotations

import importlib
from datetime import datetime
from typing import Literal

import msgspec
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.views.decorators.csrf import csrf_exempt

from tourniquet.directory.roles import Role, Task
from tourniquet.edge.access import access, viewer_of_token
from tourniquet.edge.machine import read_json, token_needed, write_json
from tourniquet.kernel.errors import PermissionRefused, UserError
from tourniquet.record.home import clock

RECEIPTS_MOST = 5000


class ReceiptBody(msgspec.Struct, frozen=True):
    """What became of one notice."""

    notice: str
    status: Literal["delivered", "posted", "called", "failed_for_now", "failed_for_good"]
    at: datetime


@csrf_exempt
@access(Task.APPROVE_NOTICES.value)
def receipts(http_request: HttpRequest) -> HttpResponse:
    """POST [{"notice": …, "status": …, "at": …}, …]."""
    if http_request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    viewer = viewer_of_token(http_request)
    if viewer is None:
        return token_needed()
    if viewer.role is not Role.COMMUNICATIONS:
        raise PermissionRefused("Receipts are taken from the role communications.")
    bodies = read_json(http_request, list[ReceiptBody])
    if len(bodies) > RECEIPTS_MOST:
        raise UserError(
            f"More than {RECEIPTS_MOST} receipts at once.", remedy="Send them in parts."
        )
    for number, body in enumerate(bodies):
        if body.at.tzinfo is None:
            raise UserError("The time needs an offset.", where=f"[{number}].at")
    flow = importlib.import_module("tourniquet.flows.record_delivery")
    receipts_ = [flow.Receipt(notice=b.notice, status=b.status, at=b.at) for b in bodies]
    outcome = flow.record_delivery(receipts_, viewer=viewer, now=clock().now())
    return write_json(msgspec.to_builtins(outcome) if outcome is not None else {})
