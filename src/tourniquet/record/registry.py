"""Kinds of entries: which body each has, and which function applies it.

Invariants:
- A kind's name and version belong to one body type; a version that has shipped never changes.
- One function applies a kind, and it is the only kind of code that writes the kind's tables.
- A function that applies gets decided facts. It consults no clock, no setting and no other
  patient's rows, so that a replay gives the same rows.
- Canonical form of a body: JSON, UTF-8, keys sorted, no white space, fields at their default left
  out, dates and times ISO 8601, no binary floating point but in measured quantities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from tourniquet.kernel.errors import IntegrityError


class Body(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """What an entry says. Subclasses are declared with `@kind` and say `frozen=True` again."""


B = TypeVar("B", bound=Body)


class Entry(msgspec.Struct, Generic[B], frozen=True):
    """An entry as a function that applies sees it."""

    position: int
    recorded_at: datetime
    happened_at: datetime
    actor: str
    organisation: str
    cause: int | None
    subject: str | None
    body: B


Apply = Callable[[Sequence[Entry[Any]]], None]


@dataclass
class Kind:
    """A kind of entry in one version."""

    name: str
    version: int
    body: type[Body]
    names_patient: bool
    decoder: msgspec.json.Decoder[Any]
    own_key: bool = False
    apply: Apply | None = None


_by_body: dict[type[Body], Kind] = {}
_by_name: dict[tuple[str, int], Kind] = {}
_encoder = msgspec.json.Encoder(order="sorted", decimal_format="string")


def kind(
    name: str, version: int = 1, *, patient: bool, own_key: bool = False
) -> Callable[[type[B]], type[B]]:
    """Declare a body type as a kind of entry. `patient` says whether it must name one.

    With `own_key` each is sealed under a key of its own: it may hold what is about somebody who is
    not known yet, and must be erasable alone.
    """

    def declare(body: type[B]) -> type[B]:
        if (name, version) in _by_name:
            raise RuntimeError(f"two bodies are declared as {name} version {version}")
        found = Kind(name, version, body, patient, msgspec.json.Decoder(body), own_key)
        _by_body[body] = found
        _by_name[name, version] = found
        return body

    return declare


def applies(body: type[B]) -> Callable[[Callable[[Sequence[Entry[B]]], None]], Apply]:
    """Register the function that applies entries of this body: a run of one or more, in order."""

    def register(function: Callable[[Sequence[Entry[B]]], None]) -> Apply:
        found = _by_body[body]
        if found.apply is not None:
            raise RuntimeError(f"two functions apply {found.name}")
        found.apply = function
        return function

    return register


def kind_of(body: Body) -> Kind:
    """The kind of a body."""
    return _by_body[type(body)]


def get_kind(name: str, version: int) -> Kind:
    """The kind of that name and version.

    Raises: IntegrityError when this release does not know it; a newer release wrote it.
    """
    try:
        return _by_name[name, version]
    except KeyError:
        raise IntegrityError(
            f"This release does not know entries of kind {name} version {version}.",
            remedy="Use the release that wrote the journal, or a later one.",
        ) from None


def list_kinds() -> list[Kind]:
    """Every kind that is declared, by name and version."""
    return [_by_name[key] for key in sorted(_by_name)]


def encode(body: Body) -> bytes:
    """The canonical form of a body."""
    return _encoder.encode(body)
