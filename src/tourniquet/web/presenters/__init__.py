"""What the pages show: frozen dataclasses that views fill from queries and templates render.

Invariants:
- A presenter holds facts already decided and already allowed to this viewer; it asks nothing.
- Values keep their types (date, datetime, NhsNumber); the template's filters show them.
- What a template would have to decide (which word, which colour) is a property here.
"""
