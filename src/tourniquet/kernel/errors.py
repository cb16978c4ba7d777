"""One tree of errors, sorted by who must act.

Invariants:
- A message says what, where and what to do. It never holds a patient's data.
- Nothing of Python's own (ValueError, KeyError, IndexError) leaves an edge: edges raise these.
"""

from __future__ import annotations


class TourniquetError(Exception):
    """The root. Never raised itself.

    `what` is one plain sentence; `where` names a file, line, column, field or position;
    `remedy` says what to do. All three are shown to people and written to logs.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text} {self.remedy}".strip() if self.remedy else text


class UserError(TourniquetError):
    """The person at the keyboard must act: wrong input, wrong state. Exit status 1, HTTP 4xx."""


class PermissionRefused(UserError):
    """This account may not do or see that. HTTP 403."""


class NotFound(UserError):
    """There is no such thing, or none that this viewer may see. HTTP 404."""


class LimitReached(UserError):
    """This account has had as much as it may for now. HTTP 429."""


class SenderError(TourniquetError):
    """The system that sent a message must act: acknowledged AR, kept for a person to look at."""


class TryAgainLater(TourniquetError):
    """It may pass: acknowledged AE, and the sender keeps the message."""


class OperatorError(TourniquetError):
    """Who runs the installation must act: a setting, a disk, a database, a certificate."""


class StorageUnavailable(OperatorError):
    """The disk or the database does not take or give data now. Nothing was acknowledged."""


class IntegrityError(TourniquetError):
    """The record does not say what it should. Stop, keep the evidence, call the operator."""
