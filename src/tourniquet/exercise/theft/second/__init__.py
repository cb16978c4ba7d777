"""SECOND FAMILY: whoever works on the engine must not read this package. It is the held-out set."""

from __future__ import annotations

from tourniquet.exercise.theft.desk import Maker

SHAPES: dict[str, Maker] = {}
