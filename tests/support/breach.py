"""A small lookup and short ways to fragments, for tests of a review."""

from __future__ import annotations

from tourniquet.breach.detect import fragments_of
from tourniquet.breach.fragments import FieldKind, Fragment
from tourniquet.breach.lookup import Lookup, Organisation, Test, make_lookup
from tourniquet.breach.pieces import Passage, Piece, Rows, Shape
from tourniquet.kernel.identifiers import synthetic_nhs_numbers

NUMBERS = [number.digits for number, _ in zip(synthetic_nhs_numbers(), range(200), strict=False)]
FAMILY = ("SMITH", "JONES", "PATEL", "OKAFOR", "DESILVA", "SILVA", "LEE", "BROWN", "TAYLOR")
GIVEN = ("JOHN", "MARY", "AISHA", "CAMILA", "LEE", "JANE", "OMAR", "GRACE", "TAYLOR")
CONTENT = "0" * 64


def small_lookup() -> Lookup:
    """Names, numbers, two hospitals and a practice, five tests."""
    return make_lookup(
        numbers=map(int, NUMBERS[:100]),
        family=dict.fromkeys(FAMILY, 100),
        given={name: 100 if name not in {"LEE", "TAYLOR"} else 90 for name in GIVEN},
        local_numbers=[("RJ1", f"K{n:06}") for n in range(1, 60)]
        + [("RJZ", f"{n:07}") for n in range(7_000_001, 7_000_060)],
        organisations=[
            Organisation("RJ1", "North Hospital", "", ("NRTH",), ("north.example",)),
            Organisation("RJZ", "South Hospital", "", ("SOUT",), ("south.example",)),
            Organisation("G85001", "Elm Surgery", "", ("ELM1",), ("elm.gp.example",)),
        ],
        tests=[
            Test("FBC", "Full blood count"),
            Test("HIVAB", "HIV 1+2 antigen and antibody", "hiv"),
            Test("CTGC", "Chlamydia and gonorrhoea NAAT", "sexual_health"),
            Test("LI", "Lithium"),
            Test("CA125", "CA125", "cancer"),
        ],
        practices=["G85001"],
    )


LOOKUP = small_lookup()


def of(*pieces: Piece, path: str = "") -> list[Fragment]:
    """The fragments of pieces."""
    return list(fragments_of(CONTENT, pieces, LOOKUP, path=path))


def of_rows(rows: list[list[str]], columns: list[str] | None = None) -> list[Fragment]:
    """The fragments of one table."""
    return of(Rows("Sheet1", 1, rows, columns))


def of_text(
    text: str, shape: Shape = Shape.PAGE, head: dict[str, str] | None = None
) -> list[Fragment]:
    """The fragments of one passage."""
    return of(Passage("page 1" if shape != Shape.LINES else "", shape, text, head=head))


def said(fragment: Fragment) -> dict[str, list[str]]:
    """What a fragment says, by kind."""
    return {kind.value: values for kind in FieldKind if (values := fragment.values(kind))}
