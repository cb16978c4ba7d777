"""Whose responsibility a fragment is: its controller, and what says so.

In this order, the first that says anything decides:
1. codes in the data: ODS and client codes of who asked, reported or is billed;
2. the number's maker: whose local numbers look like this;
3. mail domains in the data;
4. words of the path and the file's name;
5. the person's own practice, which linking gives.

Invariants:
- Each piece of evidence says where it was seen; the weaker ones are kept beside the stronger.
- Two that say different things at the deciding step give no controller, and why: a person decides.
- A code that is made like those of the review's organisations and is none of theirs says that the
  data is somebody else's: nothing weaker decides then, and a person looks.

Source: how the affected provider tied data to controllers in 2024 and 2025 (DOMAIN.md, section 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from tourniquet.breach.fragments import FieldKind, Fragment
from tourniquet.breach.lookup import Lookup, code_shape

PATH_CHARACTERS_MOST = 2_000
_WORD = re.compile(r"[A-Za-z0-9]+")
CODE_CHARACTERS_LEAST = 3


class Step(IntEnum):
    """What kind of evidence, the strongest first."""

    CODE = 1
    NUMBER = 2
    DOMAIN = 3
    PATH = 4
    PRACTICE = 5


@dataclass(frozen=True)
class Evidence:
    """One sign of whose a fragment is. where: the field's place, `path`, or `index`."""

    controller: str
    step: Step
    seen: str
    where: str


@dataclass(frozen=True)
class Decision:
    """The controller's ODS code, or "" and why not."""

    controller: str
    evidence: tuple[Evidence, ...]
    why: str = ""


def controller_of(
    fragment: Fragment, lookup: Lookup, *, paths: Iterable[str] = (), practice: str = ""
) -> Decision:
    """Decide for one fragment. practice: the linked person's, where there is one."""
    found = list(_in_fields(fragment, lookup))
    for path in paths:
        found += [
            Evidence(code, Step.PATH, path[:PATH_CHARACTERS_MOST], "path")
            for code in path_hints(path, lookup)
        ]
    if practice:
        found.append(Evidence(practice, Step.PRACTICE, practice, "index"))
    found.sort(key=lambda one: one.step)
    evidence = tuple(dict.fromkeys(found))
    if unknown := _unknown_codes(fragment, lookup, evidence):
        return Decision("", evidence, f"code: {' and '.join(unknown)} is no organisation's here")
    for step in Step:
        said = sorted({one.controller for one in evidence if one.step == step})
        if len(said) == 1:
            return Decision(said[0], evidence)
        if said and step == Step.PATH and (nearest := _nearest(evidence)):
            return Decision(nearest, evidence)
        if said:
            return Decision("", evidence, f"{step.name.lower()}: {' and '.join(said)}")
    return Decision("", evidence, "nothing says whose it is")


def _unknown_codes(fragment: Fragment, lookup: Lookup, evidence: tuple[Evidence, ...]) -> list[str]:
    """Codes of who asked that nobody here has, where no other code is known."""
    if any(one.step == Step.CODE for one in evidence):
        return []
    return sorted(
        {
            one.value
            for one in fragment.fields
            if one.kind == FieldKind.ORGANISATION
            and code_shape(one.value) in lookup.code_shapes
            and lookup.organisation(one.value) is None
        }
    )


def _nearest(evidence: tuple[Evidence, ...]) -> str:
    """Of several organisations in one path the innermost, which comes first; "" across paths."""
    on_path = [one for one in evidence if one.step == Step.PATH]
    return on_path[0].controller if len({one.seen for one in on_path}) == 1 else ""


def _in_fields(fragment: Fragment, lookup: Lookup) -> Iterable[Evidence]:
    for one in fragment.fields:
        if one.kind == FieldKind.ORGANISATION:
            owner = lookup.organisation(one.value)
            is_domain = "@" in one.raw or ("." in one.value and owner is not None)
            if owner is not None:
                step = Step.DOMAIN if is_domain else Step.CODE
                yield Evidence(owner.code, step, one.raw, one.at)
        elif one.kind == FieldKind.LOCAL_NUMBER:
            whose = one.value.partition(":")[0]
            if whose:
                yield Evidence(whose, Step.NUMBER, one.raw, one.at)
        elif one.kind == FieldKind.EMAIL and (owner := lookup.organisation(one.value)):
            yield Evidence(owner.code, Step.DOMAIN, one.raw, one.at)


def path_hints(path: str, lookup: Lookup) -> tuple[str, ...]:
    """The organisations that words of a path name, the innermost folder's first."""
    return _path_hints(path[:PATH_CHARACTERS_MOST], _ByIdentity(lookup))


class _ByIdentity:
    """A lookup as a key of a cache: itself, never its content."""

    __slots__ = ("lookup",)

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup

    def __hash__(self) -> int:
        return id(self.lookup)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.lookup is self.lookup


@lru_cache(maxsize=10_000)
def _path_hints(path: str, key: _ByIdentity) -> tuple[str, ...]:
    lookup = key.lookup
    found: dict[str, None] = {}
    for part in reversed(re.split(r"!/|/|\\", path)):
        words = _WORD.findall(part)
        for word in words:
            is_code = len(word) >= CODE_CHARACTERS_LEAST and word == word.upper()
            if is_code and (owner := lookup.by_code.get(word)):
                found[owner.code] = None
        spelled = " ".join(words).upper()
        for one in lookup.organisations:
            name = " ".join(_WORD.findall(one.name)).upper()
            if name and f" {name} " in f" {spelled} ":
                found[one.code] = None
    return tuple(found)
