"""unit: the doctor on stores that lie in every way that it tries."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tourniquet.kernel.errors import StorageUnavailable
from tourniquet.record.doctor import PRODUCTION, REPLICA, Doctor, Finding
from tourniquet.record.doctor_home import examine_home
from tourniquet.record.s3 import Refused, StoreUrl

NOW = datetime(2024, 6, 3, 6, tzinfo=UTC)
DATE = "Mon, 03 Jun 2024 06:00:00 GMT"
READS = frozenset({"head_object", "get_object", "list_object_versions"})


@dataclass
class Bucket:
    """What a store has; one object at a time is enough."""

    versions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    number: Iterator[int] = field(default_factory=count)
    names: Iterator[int] = field(default_factory=count)
    suspended: bool = False
    rules: list[object] = field(default_factory=list)


@dataclass
class Credentialed:
    """A `Caller` with rights; `lies` names operations whose answer is not what is done."""

    bucket: Bucket
    rights: frozenset[str]
    date: str = DATE
    does: frozenset[str] = frozenset()  # destructive ones that the store carries out
    says_no: bool = False  # and answers "denied" all the same
    away: frozenset[str] = frozenset()

    def call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        if operation in self.away:
            raise StorageUnavailable("The object storage does not answer: Timeout.")
        rows = self.bucket.versions.get(arguments.get("Key", ""), [])
        if operation in self.does:
            self._destroy(operation, rows, arguments)
            if self.says_no:
                raise Refused("AccessDenied", 403)
            return {}
        if operation not in self.rights:
            raise Refused("AccessDenied", 403)
        return self._answer(operation, rows, arguments)

    def _answer(
        self, operation: str, rows: list[dict[str, Any]], arguments: dict[str, Any]
    ) -> Mapping[str, Any]:
        if operation == "put_object":
            made = {
                "VersionId": f"v{next(self.bucket.number)}",
                "Body": arguments["Body"],
                "ObjectLockMode": arguments.get("ObjectLockMode"),
                "ObjectLockRetainUntilDate": arguments.get("ObjectLockRetainUntilDate"),
            }
            self.bucket.versions.setdefault(arguments["Key"], []).append(made)
            return made
        if operation in {"head_object", "get_object"}:
            found = next((o for o in rows if o["VersionId"] == arguments["VersionId"]), None)
            if found is None:
                raise Refused("NoSuchVersion", 404)
            return {**found, "Body": io.BytesIO(found["Body"])}
        if operation == "list_object_versions":
            key = arguments["Prefix"]
            listed = reversed(self.bucket.versions.get(key, []))
            return {
                "Versions": [{"Key": key, "VersionId": one["VersionId"]} for one in listed],
                "ResponseMetadata": {"HTTPHeaders": {"date": self.date}},
            }
        return {"Rules": self.bucket.rules}

    def _destroy(self, operation: str, rows: list[dict[str, Any]], asked: dict[str, Any]) -> None:
        if operation == "put_object":
            rows[0]["Body"] = asked["Body"]
        elif operation == "delete_object" and "VersionId" in asked:
            rows[:] = []
        elif operation == "put_object_retention":
            rows[0]["ObjectLockMode"] = asked["Retention"].get("Mode")
            rows[0]["ObjectLockRetainUntilDate"] = asked["Retention"].get("RetainUntilDate")
        elif operation == "put_bucket_versioning":
            self.bucket.suspended = asked["VersioningConfiguration"]["Status"] == "Suspended"
        elif operation == "put_bucket_lifecycle_configuration":
            self.bucket.rules = asked["LifecycleConfiguration"]["Rules"]

    def read(self, answer: Mapping[str, Any], length: int) -> bytes:
        content: bytes = answer["Body"].read(length + 1)
        return content


def examine(tried: Credentialed, keeper: Credentialed, whose: str) -> dict[str, Finding]:
    names = (f"object-{number}" for number in keeper.bucket.names)
    doctor = Doctor(StoreUrl("b", "p"), tried, keeper, whose=whose, now=NOW, names=names)
    return {one.probe: one for one in doctor.examine()}


def failed(found: Mapping[str, Finding]) -> set[str]:
    return {name for name, one in found.items() if not one.passed}


@pytest.fixture
def keeper() -> Credentialed:
    return Credentialed(Bucket(), READS | {"put_object"})


def test_a_credential_that_can_do_nothing_passes(keeper: Credentialed) -> None:
    found = examine(Credentialed(keeper.bucket, frozenset()), keeper, PRODUCTION)
    assert failed(found) == set()
    assert len(found) == 17


def test_a_replicas_credential_may_add_and_read(keeper: Credentialed) -> None:
    assert failed(examine(keeper, keeper, REPLICA)) == set()


def test_production_that_may_read_or_write_fails(keeper: Credentialed) -> None:
    found = examine(Credentialed(keeper.bucket, READS), keeper, PRODUCTION)
    assert failed(found) == {"read the object", "list the bucket"}
    found = examine(keeper, keeper, PRODUCTION)
    assert failed(found) >= {"lock an object", "create an object", "put another over it"}


def test_production_alone_can_show_nothing(keeper: Credentialed) -> None:
    nobody = Credentialed(keeper.bucket, frozenset())
    found = examine(nobody, nobody, PRODUCTION)
    assert failed(found) == {"create an object"}
    assert "--replica-credentials" in found["create an object"].note


@pytest.mark.parametrize("says_no", [True, False])
@pytest.mark.parametrize(
    ("operation", "probes"),
    [
        ("put_object", {"put another over it", "put another over it, asking for a new name"}),
        (
            "delete_object",
            {"delete its version", "delete its version, with the bypass of GOVERNANCE"},
        ),
        (
            "put_object_retention",
            {"shorten its lock", "turn its lock into GOVERNANCE", "take its lock away"},
        ),
    ],
)
def test_what_is_lost_is_lost_whatever_the_store_says(
    keeper: Credentialed, operation: str, probes: set[str], *, says_no: bool
) -> None:
    does = frozenset({operation})
    thief = Credentialed(keeper.bucket, frozenset(), does=does, says_no=says_no)
    if operation == "put_object":
        keeper.bucket.versions["p/doctor/object-0-by-production"] = [{"Body": b""}]
    found = examine(thief, keeper, PRODUCTION)
    lost = {name for name, one in found.items() if one.note.startswith("LOST")}
    assert lost == probes
    assert lost <= failed(found)


def test_what_is_done_to_the_bucket_fails_and_is_put_back(keeper: Credentialed) -> None:
    does = frozenset({"put_bucket_versioning", "put_bucket_lifecycle_configuration"})
    rights = READS | {"get_bucket_lifecycle_configuration"}
    keeper.bucket.rules = ["the owner's rule"]
    thief = Credentialed(keeper.bucket, rights, does=does)
    found = examine(thief, keeper, PRODUCTION)
    assert failed(found) == {
        "read the object",
        "list the bucket",
        "suspend the bucket's versions",
        "give the bucket a rule that deletes",
    }
    assert keeper.bucket.suspended is False
    assert keeper.bucket.rules == ["the owner's rule"]


def test_no_answer_is_not_a_refusal(keeper: Credentialed) -> None:
    away = frozenset({"delete_object"})
    found = examine(Credentialed(keeper.bucket, frozenset(), away=away), keeper, PRODUCTION)
    assert failed(found) == {
        "delete it",
        "delete its version",
        "delete its version, with the bypass of GOVERNANCE",
    }


def test_a_store_without_locks_or_versions_fails_at_once() -> None:
    class Unlocked(Credentialed):
        def call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
            arguments.pop("ObjectLockMode", None)
            return super().call(operation, **arguments)

    keeper = Unlocked(Bucket(), READS | {"put_object"})
    found = examine(keeper, keeper, REPLICA)
    assert failed(found) == {"lock an object"}
    assert "lock is gone" in found["lock an object"].note


def test_a_clock_that_is_off_is_told(keeper: Credentialed) -> None:
    keeper.date = "Mon, 03 Jun 2024 06:01:01 GMT"
    found = examine(Credentialed(keeper.bucket, frozenset()), keeper, PRODUCTION)
    assert failed(found) == {"clocks agree"}
    keeper.date = "Mon, 03 Jun 2024 06:01:00 GMT"
    found = examine(Credentialed(keeper.bucket, frozenset()), keeper, PRODUCTION)
    assert failed(found) == set()


def test_a_home_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOURNIQUET_HOME", str(tmp_path))
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / "root.key").write_text("x")
    (keys / "root.key").chmod(0o600)
    environ = {"HOME": str(tmp_path / "nobody")}
    found = {one.probe: one for one in examine_home(tmp_path, keys, now=NOW, environ=environ)}
    assert failed(found) == {"a witness is pinned", "the witness was heard"}
    (keys / "root.key").chmod(0o640)
    (tmp_path / "witness.key").write_text("x")
    environ["AWS_ACCESS_KEY_ID"] = "somebody"
    found = {one.probe: one for one in examine_home(tmp_path, keys, now=NOW, environ=environ)}
    assert failed(found) == set(found)
    assert "somebody" not in str(found)
