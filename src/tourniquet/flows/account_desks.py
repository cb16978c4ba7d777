"""Numbers of forms accounted for across desks: one gives a form out, another keys its result.

1. A number that a desk gave out and that was keyed at another counts as keyed.
2. When a desk's book is taken in, the others' numbers that it keyed are taken off their accounts.
3. What must not be is told: a number given out by two desks, or keyed at two for two people.

Invariants:
- Looked up in the tables of the main system: reports that say which desk keyed them, and what each
  desk's book gave out when it was last taken in. A desk itself knows nothing of the others.
- What is told names numbers and desks, and no patient.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import msgspec

from tourniquet.kernel.errors import UserError
from tourniquet.pathology.desk_account import Account
from tourniquet.pathology.desk_numbers import Block, FormNumber, blocks_of
from tourniquet.pathology.entries import DeskReconciled
from tourniquet.pathology.models import DeskBook, DiagnosticReport
from tourniquet.record.models import JournalEntry

SENDER = "DESK|"
AT_ONCE = 400  # values of one query
TOLD_MOST = 20
_WITHDRAWN = "entered-in-error"
_decoder = msgspec.json.Decoder(DeskReconciled)


@dataclass(frozen=True)
class Clash:
    """A number, or numbers, that two desks have."""

    numbers: str
    desks: tuple[str, ...]
    what: str

    def __str__(self) -> str:
        return f"{self.numbers} {self.what} ({', '.join(self.desks)})"


def with_elsewhere(account: Account, desk: str) -> Account:
    """The account of a desk, with what other desks keyed of its numbers."""
    # 1.
    found = {number for number, one, _ in _keyed(account.open) if one != desk}
    return replace(account, keyed=account.keyed | found)


def settle_others(desk: str, elsewhere: Iterable[FormNumber]) -> Iterator[DeskReconciled]:
    """The accounts of other desks, in which numbers that this one keyed are keyed now."""
    # 2.
    keyed = set(elsewhere)
    for book in DeskBook.objects.exclude(desk=desk).exclude(not_accounted="").order_by("desk"):
        before = _read(book)
        left = [number for number in _numbers(before.not_accounted) if number not in keyed]
        gone = len(_numbers(before.not_accounted)) - len(left)
        if gone:
            yield msgspec.structs.replace(
                before,
                keyed=before.keyed + gone,
                not_accounted=tuple(str(block) for block in blocks_of(left)),
            )


def list_clashes(desk: str, account: Account) -> list[Clash]:
    """Numbers that this desk and another gave out, or keyed for two people."""
    # 3.
    found = []
    for book in DeskBook.objects.exclude(desk=desk).order_by("desk"):
        for code, first, last in _read(book).issued_blocks:
            for block in account.issued:
                low, high = max(first, block.first), min(last, block.last)
                if code == block.code and low <= high:
                    both = str(Block(code, low, high))
                    found.append(Clash(both, (desk, book.desk), "were given out by two desks"))
    people: dict[FormNumber, set[tuple[str, str]]] = defaultdict(set)
    for number, one, patient in _keyed(sorted(account.keyed | account.elsewhere)):
        people[number].add((one, patient))
    for number, told in sorted(people.items()):
        desks = tuple(sorted({one for one, _ in told}))
        if len(desks) > 1 and len({patient for _, patient in told}) > 1:
            found.append(Clash(str(number), desks, "was keyed for two people"))
    return found


def _keyed(numbers: Sequence[FormNumber]) -> Iterator[tuple[FormNumber, str, str]]:
    """Of these numbers: which was keyed, at which desk, for which patient."""
    by_text = {str(number): number for number in numbers}
    texts = list(by_text)
    for at in range(0, len(texts), AT_ONCE):
        rows = DiagnosticReport.objects.filter(
            placer_number__in=texts[at : at + AT_ONCE], sender__startswith=SENDER
        ).exclude(status=_WITHDRAWN)
        for text, sender, patient in rows.values_list("placer_number", "sender", "patient_id"):
            yield by_text[text], sender.removeprefix(SENDER), patient


def _read(book: DeskBook) -> DeskReconciled:
    """The entry that a desk's account comes from."""
    body = JournalEntry.objects.values_list("body", flat=True).get(position=book.position)
    assert body is not None, "an entry about nobody is never erased"
    return _decoder.decode(bytes(body))


def _numbers(blocks: Iterable[str]) -> list[FormNumber]:
    """The numbers that blocks name, as `Account.describe_open` writes them."""
    found: list[FormNumber] = []
    for words in blocks:
        first, _, last = words.partition(" to ")
        try:
            begin, end = FormNumber.parse(first), FormNumber.parse(last or first)
        except UserError:
            continue  # what an earlier release wrote otherwise stays as it is
        found += Block(begin.code, begin.serial, end.serial).numbers()
    return found
