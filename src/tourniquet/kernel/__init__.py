"""What every other package may import: errors, clock, identifiers, settings. A closed list.

Invariants:
- Imports nothing of ours and nothing that takes long to import.
- Knows neither medicine nor a database.
"""
