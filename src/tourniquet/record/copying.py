"""A vault copied into another folder, whole and flushed; an interrupted copy goes on.

Invariants:
- Nothing that is there is overwritten: the same content is no change, another is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from tourniquet.record.disk import Disk, Reader
from tourniquet.record.leaves import SEGMENT_BYTES_MOST
from tourniquet.record.log import CHECKPOINT
from tourniquet.record.verification import list_files

FILES_AT_ONCE = 64


def copy_vault(
    source: Reader, target: Disk, *, progress: Callable[[int], None] = lambda _: None
) -> int:
    """Copy every file, the checkpoint last; how many there are.

    Raises: IntegrityError when the target holds another file of one's name; StorageUnavailable.
    """
    paths = [path for path in list_files(source) if path != CHECKPOINT]
    for at in range(0, len(paths), FILES_AT_ONCE):
        small = {}
        for path in paths[at : at + FILES_AT_ONCE]:
            content = source.read(path, bytes_most=SEGMENT_BYTES_MOST)
            if path.startswith("body/"):
                target.create({path: content})
            else:
                small[path] = content
        target.create(small)
        progress(len(paths[at : at + FILES_AT_ONCE]))
    target.create({CHECKPOINT: source.read(CHECKPOINT, bytes_most=SEGMENT_BYTES_MOST)})
    return len(paths) + 1
