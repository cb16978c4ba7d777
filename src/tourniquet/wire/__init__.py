"""Syntax only: HL7 v2, its timestamps, batches and acknowledgements, MLLP framing.

Invariants:
- Bytes in, values out. No I/O, no clock, no setting, no medicine.
- Every failure on bytes from outside is a SenderError that says where; no exception of Python's
  leaves a public function, whatever the bytes.
- Nothing is dropped silently: what cannot be read is refused or reported.
"""
