"""What every maker of a shape is handed: chance, people, tests, how large to make it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tourniquet.exercise.theft.cases import Case, Deal
from tourniquet.exercise.theft.chance import Chance
from tourniquet.exercise.theft.columns import Column, Row, fill
from tourniquet.exercise.theft.content import Content
from tourniquet.exercise.theft.institutions import Institution, Institutions
from tourniquet.exercise.theft.pen import Pen

HINTED_FOLDER_SHARE = 0.6


@dataclass(frozen=True)
class Desk:
    """One file's tools. `rows` is how many records a table or log should have, more or less."""

    chance: Chance
    pen: Pen
    deal: Deal
    rows: int

    @property
    def places(self) -> Institutions:
        """The controllers."""
        return self.deal.cast.institutions

    def trust(self) -> Institution:
        """A trust to be the file's context."""
        return self.chance.pick(self.places.trusts)

    def hinted(self, trust: Institution) -> tuple[str, str]:
        """A folder, and the controller that it tells of; both may be empty."""
        if not self.chance.happens(HINTED_FOLDER_SHARE):
            return "", ""
        kind = self.chance.pick(("Clients", "Trusts", "Contracts/Client reports"))
        return f"{kind}/{trust.ods_code} {trust.name}", trust.ods_code

    def filled(self, columns: Sequence[Column], case: Case, *, controller: str = "") -> Row:
        """A case as a row of a table."""
        return fill(columns, self.pen, case, controller=controller)


Maker = Callable[[Desk], Content]
