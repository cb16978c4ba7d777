"""Write a golden journal: one entry or more of every kind that a release has, and table digests.

Usage: python tools/make_golden_journal.py OUT

A release keeps the file that it made; later releases replay it in their tests and must get the
tables whose digests stand in its last line. Stories that make the entries are listed in STORIES;
each domain adds its own. Run it in an empty home; it makes one itself.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


def _patients_and_pathology() -> None:
    from tests.support.golden import tell_intake  # noqa: PLC0415 # Django must be ready first

    tell_intake()


def _diary_and_incident() -> None:
    from tests.support.golden_diary import tell_diary  # noqa: PLC0415 # as above

    tell_diary()


def _access() -> None:
    from tests.support.golden_access import tell_access  # noqa: PLC0415 # as above

    tell_access()


STORIES: list[Callable[[], None]] = [_patients_and_pathology, _diary_and_incident, _access]


def main(out: Path) -> None:
    """Tell every story in a new home and write its journal."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["TOURNIQUET_HOME"] = home
        os.environ["TOURNIQUET_DATABASE_URL"] = ""
        os.environ["DJANGO_SETTINGS_MODULE"] = "tourniquet.site.settings"
        import django  # noqa: PLC0415 # as above

        django.setup()
        from django.core.management import call_command  # noqa: PLC0415 # as above

        from tests.support.golden import write_journal  # noqa: PLC0415 # as above

        call_command("migrate", verbosity=0)
        for story in STORIES:
            story()
        entries = write_journal(out)
    print(f"{out}: {entries} entries")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main(Path(sys.argv[1]))
