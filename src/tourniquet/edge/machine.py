"""What the routes of machines with JSON bodies have in common."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from django.http import HttpRequest, HttpResponse

from tourniquet.kernel.errors import UserError

BODY_BYTES_MAX = 4 * 1024 * 1024
Body = TypeVar("Body")


def read_json(http_request: HttpRequest, type_: type[Body]) -> Body:
    """The body as a value of this type. Raises: UserError saying where it is not."""
    raw = http_request.body
    if len(raw) > BODY_BYTES_MAX:
        raise UserError(
            f"The body has more than {BODY_BYTES_MAX} bytes.", remedy="Send it in parts."
        )
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        # msgspec names the place and the expected type, never the value.
        where = str(error).rpartition(" - at ")[2] if " - at " in str(error) else "body"
        raise UserError("The body is not the JSON that is expected.", where=where) from None


def write_json(value: object, status: int = 200) -> HttpResponse:
    """An answer."""
    return HttpResponse(msgspec.json.encode(value), status=status, content_type="application/json")


def nothing_here() -> HttpResponse:
    """As if the address did not exist."""
    return write_json({"error": "There is nothing at this address."}, 404)


def token_needed() -> HttpResponse:
    """Nobody known asks."""
    response = write_json({"error": "A bearer token is needed: tourniquet users token NAME."}, 401)
    response["WWW-Authenticate"] = 'Bearer realm="Tourniquet"'
    return response
