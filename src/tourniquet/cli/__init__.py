"""The command line: the only place that prints and sets exit codes.

Invariants:
- `tourniquet --help` imports neither Django nor a numerical library: commands are imported when
  they are run, and what they need is imported inside them.
- Standard output carries the answer, standard error everything else.
- No traceback and no patient's data is ever printed.
"""
