"""SECOND FAMILY: whoever works on the engine must not read this package. It is the held-out set.

The same kinds of people and tests as in the first family under other headers, in other layouts,
jargon and languages. What it measures is lost as soon as somebody tunes the engine on it: look at
its scores, never at its shapes, nor at single files that were made of them.
"""

from __future__ import annotations

from tourniquet.exercise.theft.desk import Maker
from tourniquet.exercise.theft.second import documents, lists, nobody, records, traces

SHAPES: dict[str, Maker] = {
    **records.SHAPES,
    **lists.SHAPES,
    **traces.SHAPES,
    **documents.SHAPES,
    **nobody.SHAPES,
}
