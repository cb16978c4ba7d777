"""What finding fragments may know of the index: numbers, names, shapes, organisations, tests.

Enough to say "this column holds surnames", and not enough to say whose they are: nobody's name
stands beside anybody's number here. One is made for each process and never changed.

Invariants:
- Read only, and small: 2 million people are some 16 MB of numbers and as much of local numbers.
- Without an index (tests, a first look) everything is empty, and every answer is "not known".
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from tourniquet.breach import canonical
from tourniquet.breach.index import Index
from tourniquet.kernel.errors import UserError

LOCAL_NUMBER_CHARACTERS_MOST = 16
ROWS_MOST = 200_000  # of the files of organisations and tests
PREFIX_CHARACTERS = 2
OWNER_SHARE = 0.98  # of the numbers with a prefix: so many of one organisation make it its own
_DIGIT = re.compile(r"[0-9]")
_LETTER = re.compile(r"[A-Z]")
_WORD_KEY = re.compile(r"[^A-Z0-9]+")
TEST_WORD = re.compile(r"[A-Za-z0-9+][\w+\-/]*")  # a word of a test's name


@dataclass(frozen=True)
class Organisation:
    """Who may be a controller: a row of `--organisations`."""

    code: str
    name: str
    postcode: str = ""
    client_codes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Test:
    """A row of `--tests`; `category` names what is sensitive in it, or is empty."""

    code: str
    name: str
    category: str = ""


@dataclass(frozen=True)
class Lookup:
    """What is looked up in. Make one with `make_lookup`, which fills what is derived."""

    numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    family: Mapping[str, int] = field(default_factory=dict)  # word: people
    given: Mapping[str, int] = field(default_factory=dict)
    local_numbers: NDArray[np.bytes_] = field(default_factory=lambda: np.empty(0, "S1"))
    local_owners: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # by local_key
    sole_owners: Mapping[str, str] = field(default_factory=dict)  # those with one owner
    organisations: tuple[Organisation, ...] = ()
    tests: tuple[Test, ...] = ()
    by_code: Mapping[str, Organisation] = field(
        default_factory=dict
    )  # ODS and client codes, and names
    by_domain: Mapping[str, Organisation] = field(default_factory=dict)
    by_test: Mapping[str, Test] = field(default_factory=dict)  # codes and names, by word_key
    test_starts: Mapping[str, int] = field(default_factory=dict)  # first word: most words behind
    practices: frozenset[str] = frozenset()
    code_shapes: frozenset[str] = frozenset()  # of ODS and client codes

    def knows_number(self, digits: str) -> bool:
        """Whether somebody in the index has this NHS number."""
        if not self.numbers.size:
            return False
        value = int(digits)
        at = int(np.searchsorted(self.numbers, value))
        return at < self.numbers.size and int(self.numbers[at]) == value

    def count_numbers(self, values: NDArray[np.int64]) -> int:
        """How many of these are NHS numbers of the index."""
        return int(self.known_numbers(values).sum())

    def known_numbers(self, values: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Of each whether it is an NHS number of the index."""
        if not self.numbers.size or not values.size:
            return np.zeros(values.size, np.bool_)
        at = np.minimum(np.searchsorted(self.numbers, values), self.numbers.size - 1)
        return np.asarray(self.numbers[at] == values)

    def count_local(self, values: list[str]) -> int:
        """How many of these are local numbers of the index, whosever."""
        if not self.local_numbers.size or not values:
            return 0
        wanted = np.array(
            [one.encode("ascii", "replace")[:LOCAL_NUMBER_CHARACTERS_MOST] for one in values]
        )
        at = np.minimum(np.searchsorted(self.local_numbers, wanted), self.local_numbers.size - 1)
        return int((self.local_numbers[at] == wanted).sum())

    def local_owner(self, number: str, hints: Iterable[str] = ()) -> str:
        """Whose numbers look like this: an ODS code, or "" where that can't be said.

        hints: organisations that are named nearby, the nearest first.
        """
        key = local_key(number)
        if sole := self.sole_owners.get(key):
            return sole
        owners = self.local_owners.get(key, {})
        return next((hint for hint in hints if hint in owners), "")

    def organisation(self, text: str) -> Organisation | None:
        """The organisation that a code, or a mail address or its domain, is of."""
        text = text.strip()
        if found := self.by_code.get(text.upper()):
            return found
        domain = text.rpartition("@")[2].lower()
        while "." in domain:
            if owner := self.by_domain.get(domain):
                return owner
            domain = domain.partition(".")[2]
        return None


def code_shape(code: str) -> str:
    """How a code is made: `ELM078` is AAA999."""
    return _LETTER.sub("A", _DIGIT.sub("9", code))


def local_key(number: str) -> str:
    """What numbers of one maker share: their beginning, their letters and their length."""
    return f"{number[:PREFIX_CHARACTERS]}|{_DIGIT.sub('9', number)}"


def word_key(text: str) -> str:
    """Letters and digits alone, upper case: `HIV-1 viral load` is `HIV1VIRALLOAD`."""
    return _WORD_KEY.sub("", canonical.letters(text))


def make_lookup(
    *,
    numbers: Iterable[int] = (),
    family: Mapping[str, int] | None = None,
    given: Mapping[str, int] | None = None,
    local_numbers: Iterable[tuple[str, str]] = (),
    organisations: Iterable[Organisation] = (),
    tests: Iterable[Test] = (),
    practices: Iterable[str] = (),
) -> Lookup:
    """A lookup from values: what tests use. local_numbers: organisation, number."""
    local = [(code, canonical.local_number(number)) for code, number in local_numbers]
    owners: dict[str, dict[str, int]] = {}
    for code, number in local:
        if code:
            of_key = owners.setdefault(local_key(number), {})
            of_key[code] = of_key.get(code, 0) + 1
    return _filled(
        numbers=np.unique(np.fromiter(numbers, np.int64)),
        family=family or {},
        given=given or {},
        local_numbers=_sorted_texts([number for _, number in local]),
        local_owners=owners,
        organisations=tuple(organisations),
        tests=tuple(tests),
        practices=frozenset(practices),
    )


def open_lookup(
    index: Index, organisations: Path | None = None, tests: Path | None = None
) -> Lookup:
    """The lookup of an index. Raises: UserError when a file can't be read or lacks its columns."""
    names: dict[str, dict[str, int]] = {"family": {}, "given": {}}
    owners: dict[str, dict[str, int]] = {}
    with duckdb.connect(":memory:") as base:
        for kind, name, people in base.execute(
            "SELECT kind, name, people FROM read_parquet($1)", [str(index.names)]
        ).fetchall():
            names[kind][name] = people
        for code, prefix, shape, count in base.execute(
            r"""SELECT organisation, left(number, $2), regexp_replace(number, '[0-9]', '9', 'g'),
                count(*) FROM read_parquet($1) WHERE organisation <> '' GROUP BY ALL""",
            [str(index.local_numbers), PREFIX_CHARACTERS],
        ).fetchall():
            of_key = owners.setdefault(f"{prefix}|{shape}", {})
            of_key[code] = of_key.get(code, 0) + count
        local = base.execute(
            "SELECT DISTINCT number FROM read_parquet($1)", [str(index.local_numbers)]
        ).fetchnumpy()["number"]
        practices = base.execute(
            "SELECT DISTINCT practice FROM read_parquet($1) WHERE practice <> ''",
            [str(index.people)],
        ).fetchall()
    return _filled(
        numbers=index.known_numbers(),
        family=names["family"],
        given=names["given"],
        local_numbers=_sorted_texts([str(one) for one in local]),
        local_owners=owners,
        organisations=tuple(_read_organisations(organisations)) if organisations else (),
        tests=tuple(_read_tests(tests)) if tests else (),
        practices=frozenset(code for (code,) in practices),
    )


def _filled(
    *,
    numbers: NDArray[np.int64],
    family: Mapping[str, int],
    given: Mapping[str, int],
    local_numbers: NDArray[np.bytes_],
    local_owners: Mapping[str, Mapping[str, int]],
    organisations: tuple[Organisation, ...],
    tests: tuple[Test, ...],
    practices: frozenset[str],
) -> Lookup:
    by_code: dict[str, Organisation] = {}
    by_domain: dict[str, Organisation] = {}
    for one in organisations:
        for domain in one.domains:
            by_domain.setdefault(domain.lower(), one)
        for code in one.client_codes:
            by_code.setdefault(code.upper(), one)
    by_code |= {one.code.upper(): one for one in organisations}
    code_shapes = frozenset(map(code_shape, by_code))
    for one in organisations:
        by_code.setdefault(one.name.upper(), one)
    by_test: dict[str, Test] = {}
    for test in tests:
        by_test.setdefault(word_key(test.name), test)
    by_test |= {word_key(test.code): test for test in tests}
    by_test.pop("", None)
    return Lookup(
        numbers=numbers,
        family=family,
        given=given,
        local_numbers=local_numbers,
        local_owners=local_owners,
        sole_owners=_sole_owners(local_owners),
        organisations=organisations,
        tests=tests,
        by_code=by_code,
        by_domain=by_domain,
        by_test=by_test,
        test_starts=_test_starts(tests),
        practices=practices,
        code_shapes=code_shapes,
    )


def _test_starts(tests: tuple[Test, ...]) -> dict[str, int]:
    """With which words tests' names and codes begin, and of how many words the longest is."""
    found: dict[str, int] = {}
    for test in tests:
        for text in (test.code, test.name):
            words = TEST_WORD.findall(text)
            if words:
                key = word_key(words[0])
                found[key] = max(found.get(key, 0), len(words))
    return found


def _sole_owners(local_owners: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Of each key the organisation that has nearly all of its numbers, where one has."""
    found = {}
    for key, owners in local_owners.items():
        code, count = max(owners.items(), key=lambda one: one[1])
        if count >= OWNER_SHARE * sum(owners.values()):
            found[key] = code
    return found


def _sorted_texts(texts: list[str]) -> NDArray[np.bytes_]:
    encoded = [one.encode("ascii", "replace")[:LOCAL_NUMBER_CHARACTERS_MOST] for one in texts]
    return np.unique(np.array(encoded, f"S{LOCAL_NUMBER_CHARACTERS_MOST}"))


def _read_organisations(file: Path) -> Iterator[Organisation]:
    for row in _rows(file, ("ods_code", "name")):
        yield Organisation(
            code=row["ods_code"].strip().upper(),
            name=row["name"].strip(),
            postcode=canonical.postcode(row.get("postcode") or ""),
            client_codes=_listed(row.get("client_codes")),
            domains=_listed(row.get("email_domains")),
        )


def _read_tests(file: Path) -> Iterator[Test]:
    for row in _rows(file, ("code", "name")):
        yield Test(row["code"].strip(), row["name"].strip(), (row.get("category") or "").strip())


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(one.strip() for one in (text or "").split(";") if one.strip())


def _rows(file: Path, required: tuple[str, ...]) -> Iterator[dict[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True)
            names = frozenset(reader.fieldnames or ())
            missing = [name for name in required if name not in names]
            if missing:
                raise UserError(
                    f"The first line does not name {' and '.join(missing)}.",
                    where=f"{file.name}, line 1",
                    remedy="Write UTF-8 with the header that INTERFACES gives.",
                )
            for count, row in enumerate(reader):
                if count == ROWS_MOST:
                    raise UserError(
                        f"The file has more than {ROWS_MOST:,} rows.",
                        where=file.name,
                        remedy="Give the organisations or tests of this review alone.",
                    )
                yield {name: value or "" for name, value in row.items() if name in names}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"The file can't be read: {error}.", where=file.name, remedy="See the file."
        ) from None
