"""The patients' page, as it was last published: the static files of the home's public folder.

Any other web server can serve the same folder. Where nothing was published yet, the page says
that tests run as normal.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from tourniquet.edge.access import access
from tourniquet.notices.status_page import StatusPage, render_status, usual_tests
from tourniquet.record.home import clock, exercise_name

INDEX = "index.html"
FILE_BYTES_MAX = 4 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,60}\.(html|css|json|svg|txt)\Z")
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}


@access("public")
def status_page(http_request: HttpRequest, name: str = INDEX) -> HttpResponse:
    """One file of the published page."""
    if http_request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    match = _NAME.match(name)
    content = _published(name) if match else None
    if match is None or content is None:
        return HttpResponse("There is no page at this address.\n", status=404)
    response = HttpResponse(content, content_type=_TYPES[match[1]])
    response["Cache-Control"] = "public, max-age=60"
    return response


def _published(name: str) -> bytes | None:
    folder = settings.HOME / "public" / "status"
    try:
        with (folder / name).open("rb") as file:
            return file.read(FILE_BYTES_MAX)
    except OSError:
        pass
    return None if (folder / INDEX).exists() else _nothing_declared().get(name)


def _nothing_declared() -> dict[str, bytes]:
    """The page before anything was published."""
    return render_status(
        StatusPage(
            state="normal",
            headline="No incident is declared",
            what_happened=("Blood tests and other samples are taken and tested as usual.",),
            tests=usual_tests("normal"),
            published_at=clock().now(),
            next_update_at=None,
            exercise=bool(exercise_name()),
        )
    )
