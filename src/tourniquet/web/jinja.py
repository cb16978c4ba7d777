"""The Jinja2 environment of the console.

Invariants:
- Autoescape is on for every template.
- A field that a presenter does not have is an error, never a blank: a page must not look
  complete when it is not.
- The macros of nhsuk-frontend-jinja can be imported as `nhsuk/components/…`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from jinja2 import (
    BaseLoader,
    ChainableUndefined,
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    UndefinedError,
)
from jinja2.utils import missing

from tourniquet import __version__
from tourniquet.web import addresses, charts
from tourniquet.web.filters import FILTERS

TEMPLATES = Path(__file__).parent / "templates"
VENDORED = "vendor/nhsuk-frontend-10.6.1"


class PresenterUndefined(ChainableUndefined):
    """Blank for the options that NHS macros leave out; an error for a presenter's field."""

    def __init__(
        self,
        hint: str | None = None,
        obj: object = missing,
        name: str | None = None,
        exc: type[Exception] = UndefinedError,
    ) -> None:
        if dataclasses.is_dataclass(obj):
            raise UndefinedError(f"{type(obj).__name__} has no field {name!r}")
        super().__init__(hint, obj, name, exc)  # type: ignore[arg-type]  # jinja's own default


def django_static(path: str) -> str:
    """The address of a static file, as Django's storage names it."""
    from django.templatetags.static import static  # noqa: PLC0415  # needs settings; not at import

    return static(path)


def build_environment(
    *, static: Callable[[str], str], loader: BaseLoader | None = None, auto_reload: bool = False
) -> Environment:
    """The environment with its filters, macros and globals."""
    own = loader or FileSystemLoader(TEMPLATES)
    built = Environment(
        loader=ChoiceLoader([own, PackageLoader("nhsuk_frontend_jinja")]),
        autoescape=True,
        undefined=PresenterUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=auto_reload,
    )
    built.filters.update(FILTERS)
    built.globals.update(
        {
            "addresses": addresses,
            "charts": charts,
            "product_version": __version__,
            "static": static,
            "vendored": VENDORED,
        }
    )
    return built


def environment(**options: object) -> Environment:
    """What Django's Jinja2 backend calls; its `loader` and `auto_reload` are honoured."""
    loader = options.get("loader")
    return build_environment(
        static=django_static,
        loader=loader if isinstance(loader, BaseLoader) else None,
        auto_reload=bool(options.get("auto_reload")),
    )
