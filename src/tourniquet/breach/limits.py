"""Limits on what reading one content may take. They go to the child with each task.

Invariants:
- Each has a name and a unit; what goes beyond one is named in `why`, with the limit.
- Nothing here knows the content: a small file gets the same limits as a large one, but for time,
  which grows with size.
"""

from __future__ import annotations

from msgspec import Struct

MEBIBYTE = 1024 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    """What reading one content may take."""

    memory_bytes_most: int = 3 * 1024 * MEBIBYTE  # address space of the child, RLIMIT_AS
    seconds_least: float = 90.0  # whatever the size, by the parent's clock
    bytes_per_second_least: int = MEBIBYTE // 4  # what is slower is ended
    silent_seconds_most: float = 90.0  # without a piece, by the parent's clock
    output_bytes_least: int = 64 * MEBIBYTE  # allowed whatever the size; counted by the parent
    output_ratio_most: int = 400
    members_most: int = 100_000  # of one container
    member_bytes_most: int = 16 * 1024 * MEBIBYTE
    inflated_bytes_least: int = 64 * MEBIBYTE  # of one container, allowed whatever its size
    inflated_ratio_most: int = 400
    depth_most: int = 12  # containers in containers
    pages_most: int = 20_000
    ocr_pages_most: int = 500  # of one content
    ocr_seconds_most: float = 60.0  # of one page
    document_bytes_most: int = 512 * MEBIBYTE  # of what a reader holds in memory as a whole

    def seconds_most(self, size: int) -> float:
        """How long a content of so many bytes may take."""
        return self.seconds_least + size / self.bytes_per_second_least

    def output_bytes_most(self, size: int) -> int:
        """How much may be said of a content of so many bytes."""
        return max(self.output_bytes_least, size * self.output_ratio_most)

    def inflated_bytes_most(self, size: int) -> int:
        """How much may come out of a container of so many bytes."""
        return max(self.inflated_bytes_least, size * self.inflated_ratio_most)


DEFAULT = Limits()
