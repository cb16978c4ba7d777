"""First family: what most of a drive's bytes are: traces, logs of machines, pictures, dumps.

Invariants:
- Nobody is in it; digits in it are chance, ten in a row among them.
- It is made quickly, so that a large theft costs no more than its people.
"""

from __future__ import annotations

import io
from array import array

from PIL import Image

from tourniquet.exercise.theft.content import Content
from tourniquet.exercise.theft.desk import Desk, Maker

LEAST_KILOBYTES, MOST_KILOBYTES = 40, 1_500
SMALL_KILOBYTES = 30
NUMBERED_LOG_SHARE = 0.4


def _kilobytes(desk: Desk) -> int:
    """Small files where tables are small too."""
    most = min(MOST_KILOBYTES, SMALL_KILOBYTES + desk.rows)
    return desk.chance.number(min(LEAST_KILOBYTES, most), most)


def trace(desk: Desk) -> Content:
    """Numbers of an analyser's detector, as text."""
    values = array("H", desk.chance.noise(_kilobytes(desk) * 400))
    lines = (
        f"{at},{','.join(str(value) for value in values[at : at + 12])}"
        for at in range(0, len(values), 12)
    )
    data = "scan,a,b,c,d,e,f,g,h,i,j,k,l\n" + "\n".join(lines)
    return Content(f"trace_{desk.chance.digits(6)}.csv", data.encode())


def _job(raw: bytes, at: int, *, tens: bool) -> str:
    """A checksum, or a job's number: ten digits of the test range, of which a few pass as valid."""
    if tens:
        return f"job={9_990_000_000 + int.from_bytes(raw[at + 2 : at + 6], 'big') % 10_000_000}"
    return f"crc={raw[at : at + 16].hex()}"


def machine_log(desk: Desk) -> Content:
    """A machine talks to itself, with checksums."""
    words = ("probe", "rinse", "aspirate", "rack", "barcode", "lamp", "cuvette", "reagent")
    raw = desk.chance.noise(_kilobytes(desk) * 320)
    jobs = desk.chance.happens(NUMBERED_LOG_SHARE)
    lines = (
        f"{at:08d} {words[raw[at] % 8]:<9} {words[raw[at + 1] % 8]} {_job(raw, at, tens=jobs)}"
        for at in range(0, len(raw) - 16, 16)
    )
    return Content(f"analyser{desk.chance.number(1, 9)}.log", "\n".join(lines).encode())


def picture(desk: Desk) -> Content:
    """What a microscope's camera sees."""
    side = 64 * max(2, int((_kilobytes(desk) / 6) ** 0.5))
    image = Image.frombytes("L", (side, side), desk.chance.noise(side * side))
    out = io.BytesIO()
    image.resize((side * 2, side * 2)).save(out, "JPEG", quality=80)
    return Content(f"slide {desk.chance.digits(5)}.jpg", out.getvalue())


def memory_dump(desk: Desk) -> Content:
    """Bytes of a process that crashed."""
    return Content(f"core.{desk.chance.digits(4)}", desk.chance.noise(_kilobytes(desk) * 1000))


SHAPES: dict[str, Maker] = {
    "trace": trace,
    "machine-log": machine_log,
    "picture": picture,
    "memory-dump": memory_dump,
}
