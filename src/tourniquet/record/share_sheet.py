"""The sheet of paper that a holder of a share keeps. Pure: values in, text out."""

from __future__ import annotations

from datetime import datetime

from tourniquet.kernel.clock import service_day
from tourniquet.record.recovery import NEEDED, SHARES, PaperShare

_COLUMNS = 3
_WIDTH = 22


def sheet(share: PaperShare, *, site: str, check: str, made_at: datetime) -> str:
    """One page of text, to be printed: no line is longer than 72 characters."""
    words = share.words.split()
    rows = -(-len(words) // _COLUMNS)
    lines = []
    for row in range(rows):
        cells = [
            f"{at + 1:>2}. {words[at]}" for at in range(row, len(words), rows) if at < len(words)
        ]
        lines.append("   " + "".join(cell.ljust(_WIDTH) for cell in cells).rstrip())
    day = service_day(made_at).isoformat()
    return f"""\
TOURNIQUET: SHARE {share.number} OF {SHARES} OF THE ROOT KEY

   Holder:        {share.holder}
   Installation:  {site}
   Made on:       {day}
   Check number:  {check}   (the same on all {SHARES} sheets)

{chr(10).join(lines)}

WHAT THIS IS FOR
   The record of patients' tests is encrypted. If the folder of keys is
   lost, {NEEDED} of the {SHARES} holders together bring it back. This sheet alone
   opens nothing. Two sheets open every record: no one may hold two.

WHAT TO DO WITH IT
   1. Seal it in an envelope, write your name, the number {share.number} and the
      check number on it, and lock it away, not where the servers are.
   2. Tell no one the words. Do not photograph, scan or type them, but
      when the key is brought back or a drill is held.
   3. If somebody asks for your words: call the other holders by numbers
      that you know. A real recovery is known to all of you.
   4. If the sheet is lost or was seen, say so the same day: new shares
      are made and these ones are destroyed.
   5. Once a year hold a drill: `tourniquet record keys check`.

The words are a share in the form SLIP-39; any program that knows it can
bring the key back.
"""
