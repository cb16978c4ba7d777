"""Object storage tried as a thief would: what a credential can do to what a replica has put there.

1. A throw-away object of our own is made under the prefix, locked for a day, and read back.
2. With the credential in question everything is tried that would take it away, or that would let
   somebody take later ones away. After each try the first version is read back: its bytes, its
   lock, its place. What was lost is made anew for the next try.
3. What a try changed of the bucket itself is put back at once.

Invariants:
- No object but our own is touched. Nothing is tried on the bucket that could lose one: it is
  deleted only while our object lies in it, and a rule for its lifecycle names our object alone.
- A store's word counts for nothing. "Refused" and lost is lost; "done" and kept is said as such.
- What could not be read back is not passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.objects import COMPLIANCE
from tourniquet.record.s3 import Refused, StoreUrl, md5_of

PRODUCTION, REPLICA = "production", "replica"
LOCKED_FOR = timedelta(days=1, hours=1)
SKEW_SECONDS_MOST = 60
_DENIED = frozenset({"AccessDenied", "Forbidden", "403", "InvalidAccessKeyId"})
_SERVER = 500


class Caller(Protocol):
    """A store, asked as one credential: `S3Client`."""

    def call(self, operation: str, **arguments: object) -> Mapping[str, Any]:
        """Ask. Raises: Refused; StorageUnavailable; OperatorError."""

    def read(self, answer: Mapping[str, Any], length: int) -> bytes:
        """The bytes that come with an answer."""


@dataclass(frozen=True)
class Finding:
    """What came of one try."""

    probe: str
    answer: str
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class _Thing:
    """The throw-away object, as it was read back when it was made."""

    key: str
    version: str
    content: bytes
    until: datetime


@dataclass(frozen=True)
class _Try:
    """Something a thief would do; `undo` puts back what it changed of the bucket."""

    name: str
    work: Callable[[_Thing], object]
    undo: Callable[[], object] | None = None
    for_replica: bool = False  # a replica's credential must be able to; the first version decides
    only_production: bool = False  # a replica needs it


class Doctor:
    """Tries one credential on one place."""

    def __init__(
        self,
        url: StoreUrl,
        tried: Caller,
        keeper: Caller,
        *,
        whose: str,
        now: datetime,
        names: Iterator[str],
    ) -> None:
        """`tried` is the credential in question; `keeper` makes the object and reads it back.

        They may be one. `names` are new ones for throw-away objects.
        """
        self._url, self._tried, self._keeper = url, tried, keeper
        self._whose, self._now, self._names = whose, now, names

    def examine(self) -> list[Finding]:
        """Try everything, in order. Raises: OperatorError; StorageUnavailable before the first."""
        # 1. The object.
        try:
            thing = self._make()
        except Refused as error:
            return [self._without_object(error)]
        except IntegrityError as error:
            return [Finding("lock an object", "taken", passed=False, note=error.what)]
        is_own = self._whose == PRODUCTION and self._keeper is self._tried
        findings = [
            Finding(
                "lock an object",
                "made and locked",
                passed=not is_own,
                note="Production's credential can write here." if is_own else "",
            ),
            self._clock(),
        ]
        # 2. Tries.
        for one in self._tries():
            if self._whose == REPLICA and one.only_production:
                continue
            finding = self._attempt(one, thing)
            findings.append(finding)
            if self._lost(thing):
                try:
                    thing = self._make()
                except (Refused, IntegrityError) as error:
                    findings.append(Finding("make another object", str(error), passed=False))
                    break
        return findings

    def _without_object(self, error: Refused) -> Finding:
        """The credential makes no object, and none other was given that does."""
        if self._whose == PRODUCTION and self._keeper is self._tried:
            return Finding(
                "create an object",
                f"refused: {error.code}",
                passed=False,
                note="As it should be; but nothing else could be tried and read back. Name the "
                "replica's credential with --replica-credentials.",
            )
        return Finding(
            "create an object",
            f"refused: {error.code}",
            passed=False,
            note="A replica's credential must create objects with a lock, and read them.",
        )

    def _attempt(self, one: _Try, thing: _Thing) -> Finding:
        refused: Refused | None = None
        try:
            one.work(thing)
        except Refused as error:
            refused = error
        except StorageUnavailable as error:
            return Finding(one.name, "no answer", passed=False, note=error.what)
        lost = self._lost(thing)
        answer = f"refused: {refused.code}" if refused else "DONE"
        if refused is None and one.undo is not None:  # 3. Put back.
            lost = self._undo(one.undo) or lost
        if lost:
            return Finding(one.name, answer, passed=False, note=f"LOST: {lost}")
        if refused is not None and refused.status >= _SERVER:
            return Finding(one.name, answer, passed=False, note="no answer that counts")
        if refused is None:
            passed = self._whose == REPLICA and one.for_replica
            note = "the first version and its lock are kept"
            return Finding(one.name, answer, passed=passed, note=note)
        is_denied = refused.code in _DENIED
        note = "kept" if is_denied else "kept; the store's reason was another than a missing right"
        return Finding(one.name, answer, passed=True, note=note)

    def _undo(self, undo: Callable[[], object]) -> str:
        try:
            undo()
        except (Refused, OperatorError) as error:
            return f"the bucket was changed and could not be put back ({error}): do it by hand"
        return ""

    def _make(self) -> _Thing:
        """A new throw-away object. Raises: Refused; IntegrityError: it is not locked."""
        key = f"{self._prefix()}doctor/{next(self._names)}"
        content = f"A throw-away object of 'tourniquet record doctor': {key}\n".encode()
        until = (self._now + LOCKED_FOR).replace(microsecond=0)
        answer = self._keeper.call(
            "put_object",
            Bucket=self._url.bucket,
            Key=key,
            Body=content,
            ContentMD5=md5_of(content),
            ObjectLockMode=COMPLIANCE,
            ObjectLockRetainUntilDate=until,
        )
        thing = _Thing(key, str(answer.get("VersionId", "")), content, until)
        if not thing.version:
            raise IntegrityError("The bucket keeps no versions.")
        lost = self._lost(thing)
        if lost:
            raise IntegrityError(f"The store took the object, and it is not as it was put: {lost}.")
        return thing

    def _lost(self, thing: _Thing) -> str:
        """What is no longer as it was; "" where the first version has its bytes and its lock."""
        where = {"Bucket": self._url.bucket, "Key": thing.key}
        try:
            answer = self._keeper.call("get_object", VersionId=thing.version, **where)
            content = self._keeper.read(answer, len(thing.content))
            head = self._keeper.call("head_object", VersionId=thing.version, **where)
            first = self._first(thing.key)
        except Refused as error:
            return f"the object can't be read back ({error.code})"
        except StorageUnavailable as error:
            return error.what
        if content != thing.content:
            return "the object has other bytes"
        until = head.get("ObjectLockRetainUntilDate")
        if head.get("ObjectLockMode") != COMPLIANCE:
            return f"the lock is {head.get('ObjectLockMode') or 'gone'}"
        if until is None or until < thing.until:
            return f"the lock ends {until}"
        return "" if first == thing.version else "it is not the first version any more"

    def _first(self, key: str) -> str:
        page = self._keeper.call("list_object_versions", Bucket=self._url.bucket, Prefix=key)
        versions = [one["VersionId"] for one in page.get("Versions", ()) if one["Key"] == key]
        return str(versions[-1]) if versions else ""

    def _clock(self) -> Finding:
        answer = self._keeper.call(
            "list_object_versions", Bucket=self._url.bucket, Prefix=self._prefix(), MaxKeys=1
        )
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            seconds = abs((parsedate_to_datetime(date) - self._now).total_seconds())
        except (TypeError, ValueError):
            return Finding("clocks agree", "the store tells no time", passed=False)
        return Finding("clocks agree", f"{seconds:.0f} s apart", seconds <= SKEW_SECONDS_MOST)

    def _tries(self) -> Iterator[_Try]:
        yield from self._object_tries()
        yield from self._bucket_tries()

    def _object_tries(self) -> Iterator[_Try]:
        call, bucket = self._tried.call, self._url.bucket

        def put(thing: _Thing, **more: object) -> object:
            body = b"something else"
            return call(
                "put_object",
                Bucket=bucket,
                Key=thing.key,
                Body=body,
                ContentMD5=md5_of(body),
                **more,
            )

        def retain(thing: _Thing, mode: str, until: datetime) -> object:
            return call(
                "put_object_retention",
                Bucket=bucket,
                Key=thing.key,
                VersionId=thing.version,
                Retention={"Mode": mode, "RetainUntilDate": until},
                BypassGovernanceRetention=True,
            )

        def delete(thing: _Thing, **more: object) -> object:
            return call("delete_object", Bucket=bucket, Key=thing.key, **more)

        yield _Try(
            "read the object",
            lambda it: call("head_object", Bucket=bucket, Key=it.key, VersionId=it.version),
            only_production=True,
        )
        yield _Try(
            "list the bucket",
            lambda it: call("list_object_versions", Bucket=bucket, Prefix=it.key, MaxKeys=1),
            only_production=True,
        )
        yield _Try(
            "create an object",
            lambda it: call("put_object", Bucket=bucket, Key=f"{it.key}-by-production", Body=b"x"),
            only_production=True,
        )
        yield _Try(
            "put another over it, asking for a new name",
            lambda it: put(it, IfNoneMatch="*"),
            for_replica=True,
        )
        yield _Try("put another over it", put, for_replica=True)
        yield _Try("delete it", delete)
        yield _Try("delete its version", lambda it: delete(it, VersionId=it.version))
        yield _Try(
            "delete its version, with the bypass of GOVERNANCE",
            lambda it: delete(it, VersionId=it.version, BypassGovernanceRetention=True),
        )
        sooner = self._now + LOCKED_FOR / 2
        yield _Try("shorten its lock", lambda it: retain(it, COMPLIANCE, sooner))
        yield _Try("turn its lock into GOVERNANCE", lambda it: retain(it, "GOVERNANCE", it.until))
        yield _Try(
            "take its lock away",
            lambda it: call(
                "put_object_retention",
                Bucket=bucket,
                Key=it.key,
                VersionId=it.version,
                Retention={},
                BypassGovernanceRetention=True,
            ),
        )

    def _bucket_tries(self) -> Iterator[_Try]:
        call, bucket = self._tried.call, self._url.bucket
        lock = self._setting("get_object_lock_configuration", "ObjectLockConfiguration")
        rules = self._setting("get_bucket_lifecycle_configuration", "Rules")
        enabled = {"ObjectLockEnabled": "Enabled"}
        yield _Try(
            "suspend the bucket's versions",
            lambda _: call(
                "put_bucket_versioning",
                Bucket=bucket,
                VersioningConfiguration={"Status": "Suspended"},
            ),
            undo=lambda: call(
                "put_bucket_versioning",
                Bucket=bucket,
                VersioningConfiguration={"Status": "Enabled"},
            ),
        )
        yield _Try(
            "take the bucket's own lock rule away",
            lambda _: call(
                "put_object_lock_configuration",
                Bucket=bucket,
                ObjectLockConfiguration=enabled,
            ),
            undo=lambda: call(
                "put_object_lock_configuration",
                Bucket=bucket,
                ObjectLockConfiguration=lock or enabled,
            ),
        )
        yield _Try(
            "give the bucket a rule that deletes",
            lambda it: call(
                "put_bucket_lifecycle_configuration",
                Bucket=bucket,
                LifecycleConfiguration={"Rules": [*(rules or ()), _deleting(it.key)]},
            ),
            undo=lambda: (
                call(
                    "put_bucket_lifecycle_configuration",
                    Bucket=bucket,
                    LifecycleConfiguration={"Rules": rules},
                )
                if rules
                else call("delete_bucket_lifecycle", Bucket=bucket)
            ),
        )
        yield _Try("delete the bucket", lambda _: call("delete_bucket", Bucket=bucket))

    def _setting(self, operation: str, name: str) -> Any | None:
        """A setting of the bucket, by whoever may read it; None where there is none, or nobody."""
        for caller in (self._keeper, self._tried):
            try:
                return caller.call(operation, Bucket=self._url.bucket).get(name)
            except (Refused, StorageUnavailable):
                continue
        return None

    def _prefix(self) -> str:
        return f"{self._url.prefix}/" if self._url.prefix else ""


def _deleting(key: str) -> dict[str, object]:
    return {
        "ID": "tourniquet-doctor",
        "Status": "Enabled",
        "Filter": {"Prefix": key},
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    }
