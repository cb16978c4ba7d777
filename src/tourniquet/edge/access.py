"""What each machine's route demands of its caller; a repo test checks that every route says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

View = TypeVar("View", bound=Callable[..., object])


def access(rule: str) -> Callable[[View], View]:
    """Declare what a view demands: "public", or the name of a role's task."""

    def mark(view: View) -> View:
        view.tourniquet_access = rule  # type: ignore[attr-defined] # functions take attributes
        return view

    return mark
