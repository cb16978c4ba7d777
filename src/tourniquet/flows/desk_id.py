"""Which desk a folder is: eight signs, drawn at random when the folder is begun.

Invariants:
- Numbers are reserved for the id, never for the folder's name: two machines may have folders of one
  name, and a folder that was lost is begun anew under its old name. Neither gives out the other's
  numbers.
- The id is no secret, and is there before the desk is unlocked. A book that was begun with another
  one keeps it: `flows.desk_work.desk_signs` decides, and puts it here.
"""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

from tourniquet.kernel.errors import IntegrityError, StorageUnavailable
from tourniquet.pathology.desk_numbers import DESK_ID, DESK_ID_SIGNS, DESK_SIGNS
from tourniquet.record.disk import Disk, LocalFiles

FILE = "desk.id"
BOOK_FILE = "book"
BYTES_MOST = 100
_log = logging.getLogger("tourniquet.desk")


def begin_id(folder: Path) -> str:
    """The id of a desk's folder, drawn where it has none.

    "" where the disk does not take one, or a book is there that has its own and is not open yet.
    """
    found = find_id(folder)
    if found or (folder / BOOK_FILE).exists():
        return found
    drawn = "".join(secrets.choice(DESK_SIGNS) for _ in range(DESK_ID_SIGNS))
    return drawn if keep_id(folder, drawn) else ""


def find_id(folder: Path) -> str:
    """The id that the folder says; "" where it says none."""
    disk = Disk(LocalFiles(folder))
    try:
        content = b"" if disk.size(FILE) is None else disk.read(FILE, bytes_most=BYTES_MOST)
    except (StorageUnavailable, IntegrityError) as error:
        _log.error("desk.id failed: %s", error)
        return ""
    found = content.decode("ascii", "replace").strip()
    return found if DESK_ID.fullmatch(found) else ""


def keep_id(folder: Path, desk: str) -> bool:
    """Write the id down; False where the disk does not take it, which keeps nobody out."""
    try:
        Disk(LocalFiles(folder)).replace(FILE, f"{desk}\n".encode())
    except StorageUnavailable as error:
        _log.error("desk.id failed: %s", error)
        return False
    return True
