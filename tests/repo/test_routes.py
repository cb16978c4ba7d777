"""Every address declares who may use it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.support.database import Database


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for entry in resolver.url_patterns:
        address = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLResolver):
            yield from _routes(entry, address)
        else:
            yield address, entry


@pytest.mark.parametrize("root", [None, "tourniquet.site.desk_urls"])
def test_every_route_declares_its_access(sqlite_database: Database, root: str | None) -> None:
    """The attribute that the decorators of web and edge leave on a view."""
    routes = list(_routes(get_resolver(root)))
    assert routes, "no addresses are registered"
    silent = [
        f"/{address}"
        for address, route in routes
        if getattr(route.callback, "tourniquet_access", None) is None
    ]
    assert silent == []
