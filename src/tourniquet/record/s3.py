"""S3-compatible object storage: the calls of `Objects`, by botocore.

Invariants:
- botocore is imported when a store is opened, and no earlier.
- Every call has a limit of seconds and of tries. Tries are safe: an object is only ever put under
  a name that has none, and looked at afterwards.
- The secret is shown nowhere. An endpoint without TLS is taken on this very machine only.
"""

from __future__ import annotations

import base64
import configparser
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Never
from urllib.parse import urlsplit

from tourniquet.kernel import settings
from tourniquet.kernel.errors import IntegrityError, OperatorError, StorageUnavailable
from tourniquet.record.objects import COMPLIANCE, PAGE_ROWS, Retention, Stored

SCHEME = "s3://"
CONNECT_SECONDS = 10
ANSWER_SECONDS = 60
TRIES = 4
CONNECTIONS = 16
PAGES_MOST = 100_000  # of one listing: 100 million versions
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_PREFIX = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", re.ASCII)
_PREFIX_CHARACTERS_MOST = 400
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
_FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLarge"})
_AWAY = frozenset(
    {"SlowDown", "Throttling", "TooManyRequests", "RequestTimeout", "OperationAborted"}
    | {"ConditionalRequestConflict", "ServiceUnavailable", "InternalError"}
)
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
_STATUS_SERVER = 500
_STATUS_BUSY = 429
_FEW_ROWS = 3  # enough to see the only version of a name, and that it is the only one


@dataclass(frozen=True)
class StoreUrl:
    """`s3://BUCKET/PREFIX`."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}".rstrip("/")


@dataclass(frozen=True)
class Credential:
    """Who asks."""

    name: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def is_store(text: str) -> bool:
    """Whether this names object storage and not a folder."""
    return text.startswith(SCHEME)


def parse_store_url(text: str, *, where: str) -> StoreUrl:
    """Bucket and prefix. Raises: OperatorError."""
    bucket, _, prefix = text.removeprefix(SCHEME).partition("/")
    prefix = prefix.rstrip("/")
    if (
        not is_store(text)
        or not _BUCKET.fullmatch(bucket)
        or (prefix and not _PREFIX.fullmatch(prefix))
        or len(prefix) > _PREFIX_CHARACTERS_MOST
    ):
        raise OperatorError(
            "This does not name a place in object storage.",
            where=where,
            remedy="Write s3://BUCKET/PREFIX, of letters, digits, dots, dashes, underscores.",
        )
    return StoreUrl(bucket, prefix)


def read_credential(file: Path, *, where: str) -> Credential:
    """A credential from a file in the form of AWS's; the first section. Raises: OperatorError."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
        section = parser[parser.sections()[0]]
        return Credential(
            section["aws_access_key_id"],
            section["aws_secret_access_key"],
            section.get("aws_session_token", ""),
        )
    except (OSError, UnicodeDecodeError, configparser.Error, IndexError, KeyError):
        raise OperatorError(
            "The file holds no credential.",
            where=where,
            remedy="Write [default], aws_access_key_id = … and aws_secret_access_key = … into it, "
            "readable by you alone.",
        ) from None


def environment_credential() -> Credential | None:
    """The credential of the settings; None: as botocore finds one. Raises: OperatorError."""
    name = settings.read("TOURNIQUET_STORE_ACCESS_KEY")
    secret = settings.read("TOURNIQUET_STORE_SECRET_KEY")
    if bool(name) != bool(secret):
        raise OperatorError(
            "One half of the credential is not set.",
            where="TOURNIQUET_STORE_ACCESS_KEY, TOURNIQUET_STORE_SECRET_KEY",
            remedy="Set both, or none.",
        )
    return Credential(name, secret) if name else None


class Refused(Exception):
    """The store answered no: its code, the status, its words."""

    def __init__(self, code: str, status: int) -> None:
        self.code, self.status = code, status
        super().__init__(f"{code} ({status})")


class S3Client:
    """One store, asked as one credential. For several threads."""

    def __init__(self, credential: Credential | None, *, tries: int = TRIES) -> None:
        """Raises: OperatorError when endpoint or credential are none."""
        import botocore.config  # noqa: PLC0415 (a fifth of a second that only stores need)
        import botocore.exceptions  # noqa: PLC0415
        import botocore.session  # noqa: PLC0415

        self._errors = botocore.exceptions
        endpoint = _endpoint()
        keys = {}
        if credential is not None:
            keys = {
                "aws_access_key_id": credential.name,
                "aws_secret_access_key": credential.secret,
                "aws_session_token": credential.token or None,
            }
        config = botocore.config.Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"mode": "standard", "total_max_attempts": tries},
            max_pool_connections=CONNECTIONS,
            s3={"addressing_style": "path" if endpoint else "auto"},
            request_checksum_calculation="when_required",  # older stores know Content-MD5 only
            response_checksum_validation="when_required",
        )
        try:
            session = botocore.session.get_session()
            self._client = session.create_client(
                "s3",
                region_name=settings.read("TOURNIQUET_STORE_REGION"),
                endpoint_url=endpoint,
                config=config,
                **keys,
            )
        except (self._errors.BotoCoreError, ValueError) as error:
            raise OperatorError(
                f"The object storage can't be used: {type(error).__name__}.",
                where="TOURNIQUET_STORE_ENDPOINT",
                remedy="Correct the settings that begin with TOURNIQUET_STORE.",
            ) from error

    def call(self, operation: str, **arguments: object) -> Mapping[str, Any]:
        """Ask. Raises: Refused; StorageUnavailable when there is no answer; OperatorError."""
        try:
            answer: Mapping[str, Any] = getattr(self._client, operation)(**arguments)
        except self._errors.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            raise Refused(code or str(status), status) from None
        except (
            self._errors.NoCredentialsError,
            self._errors.PartialCredentialsError,
            self._errors.CredentialRetrievalError,
        ):
            raise OperatorError(
                "There is no credential for the object storage.",
                where="TOURNIQUET_STORE_ACCESS_KEY",
                remedy="Set it, and TOURNIQUET_STORE_SECRET_KEY.",
            ) from None
        except (self._errors.BotoCoreError, OSError) as error:
            raise StorageUnavailable(
                f"The object storage does not answer: {type(error).__name__}.",
                where=operation,
                remedy="It is asked again. See whether it runs, and whether it can be reached.",
            ) from None
        else:
            return answer

    def read(self, answer: Mapping[str, Any], length: int) -> bytes:
        """The bytes that come with an answer, at most one more than `length`."""
        try:
            content: bytes = answer["Body"].read(length + 1)
        except (self._errors.BotoCoreError, self._errors.HTTPClientError, OSError) as error:
            raise StorageUnavailable(
                f"The object storage stopped in the middle: {type(error).__name__}."
            ) from None
        else:
            return content
        finally:
            answer["Body"].close()


class S3Objects:
    """One prefix of one bucket. See `Objects`."""

    def __init__(self, client: S3Client, url: StoreUrl) -> None:
        self._client = client
        self.url = url
        self._start = f"{url.prefix}/" if url.prefix else ""
        self._conditions = True

    def put(self, name: str, content: bytes, *, until: datetime | None) -> str | None:
        """See `Objects`."""
        arguments: dict[str, object] = {
            "Key": self._start + name,
            "Body": content,
            "ContentMD5": md5_of(content),  # against torn uploads
            "ContentType": "application/octet-stream",
        }
        if until is not None:
            arguments |= {"ObjectLockMode": COMPLIANCE, "ObjectLockRetainUntilDate": until}
        if self._conditions:
            try:
                return self._put({**arguments, "IfNoneMatch": "*"})
            except Refused as error:
                if error.code == "PreconditionFailed":
                    return None
                if error.code != "NotImplemented":
                    self._fail(error, name)
                self._conditions = False  # this store knows none: versions must do
        return self._put_over(arguments, name)

    def find(self, name: str) -> Stored | None:
        """See `Objects`."""
        for found in self.list(name, page=_FEW_ROWS):
            assert isinstance(found, Stored)
            return found if found.name == name else None
        return None

    def list(
        self, prefix: str, *, folders: bool = False, page: int = PAGE_ROWS
    ) -> Iterator[Stored | str]:
        """See `Objects`."""
        start = len(self._start)
        held: Stored | None = None  # versions come newest first: the last of a name is the first
        for answer in self._pages(self._start + prefix, folders=folders, rows=page):
            rows: list[tuple[str, Stored | None]] = [
                (one["Prefix"][start:], None) for one in answer.get("CommonPrefixes", ())
            ]
            rows += [
                (one["Key"][start:], _stored(one, start)) for one in answer.get("Versions", ())
            ]
            rows.sort(key=lambda row: row[0])  # keeps the order of the versions of one name
            for name, stored in rows:
                if held is not None and held.name != name:
                    yield held
                held = stored
                if stored is None:
                    yield name
        if held is not None:
            yield held

    def get(self, stored: Stored, at: int, length: int) -> bytes:
        """See `Objects`."""
        if not length:
            return b""
        try:
            answer = self._client.call(
                "get_object",
                Bucket=self.url.bucket,
                Key=self._start + stored.name,
                VersionId=stored.version,
                Range=f"bytes={at}-{at + length - 1}",
            )
        except Refused as error:
            if error.code in _GONE or error.code == "InvalidRange":
                raise IntegrityError("The object is gone, or shorter.", where=stored.name) from None
            self._fail(error, stored.name)
        content = self._client.read(answer, length)
        if len(content) != length:
            raise IntegrityError(
                f"The store gave {len(content)} bytes and not {length}.", where=stored.name
            )
        return content

    def retain(self, stored: Stored, until: datetime) -> None:
        """See `Objects`."""
        try:
            self._client.call(
                "put_object_retention",
                Bucket=self.url.bucket,
                Key=self._start + stored.name,
                VersionId=stored.version,
                Retention={"Mode": COMPLIANCE, "RetainUntilDate": until},
            )
        except Refused as error:
            locked = self.retention(stored)  # it may be locked for longer
            if locked is None or locked.mode != COMPLIANCE or locked.until < until:
                self._fail(error, stored.name)

    def retention(self, stored: Stored) -> Retention | None:
        """See `Objects`."""
        try:
            answer = self._client.call(
                "head_object",
                Bucket=self.url.bucket,
                Key=self._start + stored.name,
                VersionId=stored.version,
            )
        except Refused as error:
            if error.code in _GONE:
                raise IntegrityError("The object is gone.", where=stored.name) from None
            self._fail(error, stored.name)
        until = answer.get("ObjectLockRetainUntilDate")
        return Retention(str(answer["ObjectLockMode"]), until) if until else None

    def _put(self, arguments: Mapping[str, object]) -> str:
        answer = self._client.call("put_object", Bucket=self.url.bucket, **arguments)
        return str(answer.get("VersionId", ""))

    def _put_over(self, arguments: Mapping[str, object], name: str) -> str:
        try:
            return self._put(arguments)
        except Refused as error:
            self._fail(error, name)

    def _pages(self, prefix: str, *, folders: bool, rows: int) -> Iterator[Mapping[str, Any]]:
        arguments: dict[str, object] = {
            "Bucket": self.url.bucket,
            "Prefix": prefix,
            "MaxKeys": rows,
        }
        if folders:
            arguments["Delimiter"] = "/"
        for _ in range(PAGES_MOST):
            try:
                page = self._client.call("list_object_versions", **arguments)
            except Refused as error:
                self._fail(error, prefix)
            yield page
            if not page.get("IsTruncated"):
                return
            arguments["KeyMarker"] = page["NextKeyMarker"]
            arguments.pop("VersionIdMarker", None)
            if page.get("NextVersionIdMarker"):
                arguments["VersionIdMarker"] = page["NextVersionIdMarker"]
        raise IntegrityError("The listing does not end.", where=prefix)

    def _fail(self, error: Refused, name: str) -> Never:
        raise _error_of(error, f"{self.url}/{name}") from None


def open_objects(url: StoreUrl, credential: Credential | None = None) -> S3Objects:
    """The objects of a place, as the settings' credential or another. Raises: OperatorError."""
    return S3Objects(S3Client(credential or environment_credential()), url)


def md5_of(content: bytes) -> str:
    """The checksum that every store compares with what has come. It proves nothing else."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _stored(row: Mapping[str, Any], start: int) -> Stored:
    return Stored(row["Key"][start:], row["VersionId"], row["Size"], row["LastModified"])


def _error_of(error: Refused, where: str) -> OperatorError:
    """What a refusal means for who runs this."""
    if error.code in _FULL:
        return StorageUnavailable(
            f"The object storage takes no more ({error.code}).",
            where=where,
            remedy="Give it more room. The replica then goes on where it was.",
        )
    if error.code in _AWAY or error.status >= _STATUS_SERVER or error.status == _STATUS_BUSY:
        return StorageUnavailable(
            f"The object storage can't answer now ({error.code}).",
            where=where,
            remedy="It is asked again.",
        )
    remedies = {
        "NoSuchBucket": "Make the bucket, with object lock.",
        "RequestTimeTooSkewed": "Set this machine's clock right.",
        "InvalidRequest": "Make the bucket with object lock; it can't be added everywhere later.",
    }
    return OperatorError(
        f"The object storage refuses ({error.code}).",
        where=where,
        remedy=remedies.get(error.code, "See which rights the credential has, and whose it is."),
    )


def _endpoint() -> str | None:
    text = settings.read("TOURNIQUET_STORE_ENDPOINT")
    if not text:
        return None
    parts = urlsplit(text)
    fits = False
    with suppress(ValueError):
        fits = parts.port != 0 and bool(parts.hostname) and not parts.username
    if not fits or parts.scheme not in {"http", "https"} or parts.query or parts.fragment:
        raise OperatorError(
            "This is not the address of object storage.",
            where="TOURNIQUET_STORE_ENDPOINT",
            remedy="Write https://HOST:PORT.",
        )
    if parts.scheme == "http" and parts.hostname not in _HERE:
        raise OperatorError(
            "The record would go over the network in the clear.",
            where="TOURNIQUET_STORE_ENDPOINT",
            remedy="Use https; http is for this machine itself.",
        )
    return text
