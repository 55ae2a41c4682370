"""A store of copies in S3, or in what speaks its protocol: versions, Object Lock, SSE-KMS, and SHA-256 both ways.

S3 itself checks the SHA-256 of each part as it comes and tells it ever after; what it tells is held against what was sent, each time.
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html)
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any, Final, NamedTuple

from counterfoil.base.problems import Problem
from counterfoil.proofs.stores.objects import (
    PARTIAL,
    PIECE,
    CopyLocked,
    CopyRefused,
    FileToCopy,
    StoreAway,
    StoredObject,
    StoreFinding,
)

EXTRA: Final = "counterfoil[s3]"
PART_BYTES: Final = 16 << 20  # of a large file; S3 takes 10,000 of them, so the parts of a very large one are larger
PARTS_MAX: Final = 10_000
CONNECT_TIMEOUT_S: Final = 5
READ_TIMEOUT_S: Final = 30
TRIES_MAX: Final = 2
LOOK_S: Final = 3
_GONE: Final = frozenset({"404", "NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "405"})
_SHA256: Final = {"ChecksumAlgorithm": "SHA256"}


class S3LibraryMissing(Problem, kind="invalid"):
    """Copies in S3 need a library that is not installed."""

    todo = "pip install 'counterfoil[s3]'"


class S3Access(NamedTuple):
    """How a bucket is reached. Without `key` the usual places are asked: environment, profile, role of the machine. `looks`: somebody waits
    for the answer, so it is waited for a few seconds, once."""

    endpoint: str | None = None
    region: str | None = None
    key: str | None = None
    secret: str | None = None
    looks: bool = False


class S3Store:
    """A bucket, below `prefix`. `lock`: COMPLIANCE or GOVERNANCE, or None for none; `kms_key`: its id, or None for S3's own key."""

    def __init__(
        self, bucket: str, prefix: str, access: S3Access, *, lock: str | None, kms_key: str | None, part_bytes: int = PART_BYTES
    ) -> None:
        """Nothing is asked yet. Raises S3LibraryMissing."""
        self._bucket, self._prefix, self._lock, self._kms_key, self._part_bytes = bucket, prefix, lock, kms_key, part_bytes
        self._client = _client(access)

    @property
    def address(self) -> str:
        """As a URL."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def put(self, file: FileToCopy, sha256: str, locked_until: datetime | None, beat: Callable[[], None]) -> StoredObject:
        """In one piece or in parts, encrypted and locked as it is set; then what the bucket tells is held against what was sent."""
        bytes_ = file.path.stat().st_size
        with self._reached(file.key):
            sent = self._put_parts if bytes_ > self._part_bytes else self._put_whole
            version, checksum = sent(file, sha256, self._kept_as(sha256, locked_until, None if file.outlives_keys else self._kms_key), beat)
            found = self._look(file.key, version)
            if locked_until is not None and found.locked_until is None:  # some stores forget it of an object that came in parts
                self._client.put_object_retention(
                    **self._named(file.key, version),
                    Retention={"Mode": self._lock, "RetainUntilDate": locked_until},
                )
                found = self._look(file.key, version)
        _refuse_other(found, bytes_, checksum, locked_until if self._lock else None)
        return found

    def look(self, key: str, version: str) -> StoredObject:
        """Nothing of it is read: the bucket tells."""
        with self._reached(key):
            found = self._look(key, version)
            versions = self._versions(key)
        newest = next((one for one in versions if one["IsLatest"]), None)
        if newest is not None and newest["VersionId"] != version:
            over = "a delete marker" if "Size" not in newest else "another version"
            raise CopyRefused(key=key, because=f"{over} lies over it since {newest['LastModified']:%Y-%m-%d %H:%M} UTC; ours lies beneath")
        return found

    def fetch(self, key: str, version: str, sink: IO[bytes]) -> None:
        """Piece by piece."""
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

        with self._reached(key):
            body = self._client.get_object(**self._named(key, version))["Body"]
            try:
                while piece := body.read(PIECE):
                    sink.write(piece)
            except (IncompleteReadError, ResponseStreamingError) as error:
                raise CopyRefused(key=key, because="it ends too early") from error
            except ReadTimeoutError as error:
                raise StoreAway(store=self.address, because="it stopped sending") from error

    def find(self, prefix: str) -> Iterator[StoredObject]:
        """The first version of each; of a partial segment, which is written again, the last."""
        found: dict[str, list[dict[str, Any]]] = {}
        with self._reached(prefix):
            for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=self._full(prefix)):
                for one in page.get("Versions", []):
                    found.setdefault(one["Key"], []).append(one)
        for full, versions in sorted(found.items()):
            wanted = versions[0 if PARTIAL in full else -1]  # of one name they are listed the newest first
            key = full.removeprefix(self._full(""))
            with self._reached(key):
                yield self._look(key, wanted["VersionId"])._replace(others=len(versions) - 1)

    def drop(self, key: str, version: str) -> None:
        """That version, for good."""
        from botocore.exceptions import ClientError

        with self._reached(key):
            try:
                self._client.delete_object(**self._named(key, version))
            except ClientError as error:
                until = None
                with suppress(ClientError, CopyRefused):
                    until = self._look(key, version).locked_until
                if until is None:
                    raise
                raise CopyLocked(key=key, until=until.isoformat()) from error

    def examine(self) -> list[StoreFinding]:
        """The bucket, its versions, and its lock."""
        try:
            with self._reached(""):
                self._client.head_bucket(Bucket=self._bucket)
        except Problem as problem:
            return [StoreFinding("store", False, problem.sentence(), "Look at the address, the bucket's name, and the rights of the key.")]
        return [StoreFinding("store", True, f"{self.address} answers"), self._versioning(), self._locking()]

    def _versioning(self) -> StoreFinding:
        try:
            with self._reached(""):
                status = self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", "off")
        except Problem as problem:
            return StoreFinding("store versions", False, problem.sentence(), "Allow s3:GetBucketVersioning.")
        if status != "Enabled":
            said = "the bucket keeps no versions: what is written over is gone"
            return StoreFinding("store versions", False, said, "Turn versioning on.")
        return StoreFinding("store versions", True, "the bucket keeps every version")

    def _locking(self) -> StoreFinding:
        try:
            with self._reached(""):
                told = self._client.get_object_lock_configuration(Bucket=self._bucket)["ObjectLockConfiguration"]
        except Problem as problem:
            if self._lock is None:
                return StoreFinding("store lock", True, "nothing is locked, as it is set: whoever has the key may take copies away")
            do = "Turn Object Lock on for the bucket (s3:GetBucketObjectLockConfiguration must be allowed), or set COUNTERFOIL_STORE_LOCK."
            return StoreFinding("store lock", False, f"copies cannot be locked: {problem.facts.get('because')}", do)
        default = told.get("Rule", {}).get("DefaultRetention")
        own = f"; by default it locks everything: {default}" if default else ""
        if self._lock is None:
            return StoreFinding("store lock", True, f"the bucket can lock, and the settings say that nothing is{own}")
        return StoreFinding("store lock", told.get("ObjectLockEnabled") == "Enabled", f"copies are locked, {self._lock}{own}")

    def _put_whole(self, file: FileToCopy, sha256: str, kept: dict[str, Any], beat: Callable[[], None]) -> tuple[str, str]:
        body = file.path.read_bytes()
        _refuse_changed(file.key, hashlib.sha256(body).hexdigest(), sha256)
        beat()
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        done = self._client.put_object(**self._named(file.key), Body=body, ChecksumSHA256=checksum, **_SHA256, **kept)
        return done.get("VersionId", ""), checksum

    def _put_parts(self, file: FileToCopy, sha256: str, kept: dict[str, Any], beat: Callable[[], None]) -> tuple[str, str]:
        named, whole, every = self._named(file.key), hashlib.sha256(), b""
        size = max(self._part_bytes, -(-file.path.stat().st_size // PARTS_MAX))
        upload = named | {"UploadId": self._client.create_multipart_upload(**named, **_SHA256, **kept)["UploadId"]}
        parts: list[dict[str, Any]] = []
        try:
            with file.path.open("rb") as source:
                while body := source.read(size):
                    whole.update(body)
                    every += (digest := hashlib.sha256(body).digest())
                    told = {"PartNumber": len(parts) + 1, "ChecksumSHA256": base64.b64encode(digest).decode()}
                    done = self._client.upload_part(**upload, **told, Body=body, **_SHA256)
                    parts.append({**told, "ETag": done["ETag"]})
                    beat()
            _refuse_changed(file.key, whole.hexdigest(), sha256)
            done = self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        except BaseException:
            with suppress(Exception):  # what was begun and not ended costs money and is seen by nobody
                self._client.abort_multipart_upload(**upload)
            raise
        return done.get("VersionId", ""), f"{base64.b64encode(hashlib.sha256(every).digest()).decode()}-{len(parts)}"

    def _kept_as(self, sha256: str, locked_until: datetime | None, kms_key: str | None) -> dict[str, Any]:
        kept: dict[str, Any] = {"Metadata": {"sha256": sha256}, "ServerSideEncryption": "aws:kms" if kms_key else "AES256"}
        if kms_key:
            kept["SSEKMSKeyId"] = kms_key
        if self._lock is not None and locked_until is not None:
            kept |= {"ObjectLockMode": self._lock, "ObjectLockRetainUntilDate": locked_until}
        return kept

    def _look(self, key: str, version: str) -> StoredObject:
        from botocore.exceptions import ClientError

        try:
            told = self._client.head_object(**self._named(key, version), ChecksumMode="ENABLED")
        except ClientError as error:
            if _code(error) in _GONE:
                raise CopyRefused(key=key, because="it is not there any more") from error
            raise
        return StoredObject(
            key,
            told.get("VersionId", ""),
            told["ContentLength"],
            told.get("ChecksumSHA256", ""),
            told["Metadata"].get("sha256"),
            told.get("ObjectLockRetainUntilDate"),
        )

    def _versions(self, key: str) -> list[dict[str, Any]]:
        told = self._client.list_object_versions(Bucket=self._bucket, Prefix=self._full(key))
        found = [*told.get("Versions", []), *told.get("DeleteMarkers", [])]
        return [one for one in found if one["Key"] == self._full(key)]

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _named(self, key: str, version: str = "") -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._full(key)} | ({"VersionId": version} if version else {})

    @contextmanager
    def _reached(self, key: str) -> Iterator[None]:
        """What the library raises, as ours: with code and message alone, for what it was asked with holds the key's name."""
        from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

        try:
            yield
        except ClientError as error:
            because = f"{_code(error)}: {error.response.get('Error', {}).get('Message', '')}"[:300]
            raise StoreAway(store=self.address, key=key or None, because=because) from error
        except BotoCoreError as error:
            is_late = isinstance(error, ConnectTimeoutError | ReadTimeoutError)
            plain = "it did not answer in time" if is_late else "nobody answers at its address"
            because = plain if is_late or isinstance(error, EndpointConnectionError) else type(error).__name__
            raise StoreAway(store=self.address, key=key or None, because=because) from error


def _client(access: S3Access) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise S3LibraryMissing(extra=EXTRA) from error
    return boto3.session.Session().client(
        "s3",
        endpoint_url=access.endpoint,
        region_name=access.region,
        aws_access_key_id=access.key,
        aws_secret_access_key=access.secret,
        config=Config(
            connect_timeout=LOOK_S if access.looks else CONNECT_TIMEOUT_S,
            read_timeout=LOOK_S if access.looks else READ_TIMEOUT_S,
            retries={"total_max_attempts": 1 if access.looks else TRIES_MAX, "mode": "standard"},
            s3={"addressing_style": "path" if access.endpoint else "auto"},
            request_checksum_calculation="when_required",  # ours are SHA-256, and are sent with each part
            response_checksum_validation="when_required",
        ),
    )


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def _refuse_changed(key: str, found: str, sha256: str) -> None:
    if found != sha256:
        raise CopyRefused(key=key, because="the file has another SHA-256 than it must have: it was changed since it was written")


def _refuse_other(found: StoredObject, bytes_: int, checksum: str, locked_until: datetime | None) -> None:
    """What the bucket tells of a copy is what was sent, kept as it was asked."""
    if found.bytes != bytes_:
        raise CopyRefused(key=found.key, because=f"the store has {found.bytes} bytes of it, and was sent {bytes_}")
    # Some stores leave the number of parts out.
    if found.checksum not in (checksum, checksum.partition("-")[0]):
        because = "the store tells another SHA-256 than was sent" if found.checksum else "the store tells no SHA-256 of it"
        raise CopyRefused(key=found.key, because=because)
    if locked_until is not None and (found.locked_until is None or found.locked_until.timestamp() + 1 < locked_until.timestamp()):
        raise CopyRefused(key=found.key, because=f"it must be locked until {locked_until:%Y-%m-%d}, and is {_locked(found)}")


def _locked(found: StoredObject) -> str:
    return "not locked" if found.locked_until is None else f"until {found.locked_until:%Y-%m-%d}"
