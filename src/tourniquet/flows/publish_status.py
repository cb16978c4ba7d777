"""The public page is written: what happened, what goes ahead, when the next word comes.

1. Read the incident; without one the page says that tests run as normal.
2. Render the page.
3. Write its files whole into the public folder, so that any web server can hold them.
4. Append `status.published`, after the files: what the journal says was published, was.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tourniquet.directory.roles import SYSTEM_VIEWER, Task, Viewer
from tourniquet.incident.models import Incident
from tourniquet.incident.queries import find_running
from tourniquet.kernel import settings
from tourniquet.notices.entries import StatusPublished
from tourniquet.notices.status_page import STATES, StatusPage, render_status, usual_tests
from tourniquet.record.home import exercise_name
from tourniquet.record.journal import Act, writing

NEXT_UPDATE_AFTER = timedelta(days=1)  # when nobody said another time; proposed
ENDED_SHOWN = timedelta(days=14)  # how long the page says that the problem has ended; proposed


@dataclass(frozen=True)
class Published:
    """Where the page is, and what it says on top."""

    folder: str
    headline: str
    files: int


def publish_status(*, now: datetime, viewer: Viewer = SYSTEM_VIEWER) -> Published:
    """Publish the status page. Raises: PermissionRefused."""
    viewer.demand(Task.APPROVE_NOTICES)
    # 1. What is the case.
    page = draw_page(now)
    # 2. and 3. The files.
    folder = public_folder()
    files = render_status(page)
    for name, content in files.items():
        _write_whole(folder / name, content)
    # 4. Written down.
    with writing(Act(viewer.account, now, viewer.organisation)) as journal:
        journal.append(
            StatusPublished(
                headline=page.headline,
                text="\n\n".join(page.what_happened),
                next_update_at=page.next_update_at,
            )
        )
    return Published(str(folder), page.headline, len(files))


def public_folder() -> Path:
    """Where the public page lies."""
    return settings.home() / "public" / "status"


def draw_page(now: datetime) -> StatusPage:
    """The page as it should be now."""
    running = find_running()
    if running is not None:
        return _page("incident", running, now, next_update_at=_next(running, now))
    ended = Incident.objects.filter(
        state="stood_down", stood_down_at__gte=now - ENDED_SHOWN
    ).order_by("-stood_down_at")
    last = ended.first()
    if last is not None:
        return _page("ended", last, now, next_update_at=None)
    return _page("normal", None, now, next_update_at=None)


def _page(
    state: str, incident: Incident | None, now: datetime, *, next_update_at: datetime | None
) -> StatusPage:
    text = incident.public_text if incident and state == "incident" else ""
    return StatusPage(
        state=state,
        headline=STATES[state],
        what_happened=tuple(part.strip() for part in text.split("\n\n") if part.strip()),
        tests=usual_tests(state),
        published_at=now,
        next_update_at=next_update_at,
        area="",
        exercise=bool(exercise_name()),
    )


def _next(incident: Incident, now: datetime) -> datetime:
    """When the next word comes: as was said, or a day from now where that has passed."""
    said = incident.next_update_at
    return said if said is not None and said > now else now + NEXT_UPDATE_AFTER


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(0o644)
    draft.replace(path)
