"""Copies in S3: encrypted, locked, verified both ways; what was changed there is refused with the true reason."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from counterfoil.proofs.stores.objects import CopyLocked, CopyRefused, FileToCopy, StoreAway, fetch_verified
from counterfoil.proofs.stores.s3 import S3Access, S3Store
from tests.proofs.stores.conftest import PART_BYTES, Bucket
from tests.s3_server import client_of

SMALL = b"entries of a period\n" * 100
LARGE = bytes(range(256)) * (2 * PART_BYTES // 256 + 1)
UNTIL = datetime(2036, 1, 1, tzinfo=UTC)


def put(bucket: Bucket, path: Path, *, until: datetime | None = UNTIL, key: str = "k") -> Any:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return bucket.store.put(FileToCopy(key, path), digest, until, lambda: None)


def fetched(bucket: Bucket, found: Any, to: Path, body: bytes) -> bytes:
    fetch_verified(bucket.store, found, hashlib.sha256(body).hexdigest(), len(body), to)
    return to.read_bytes()


@pytest.mark.parametrize("body", [b"", SMALL, LARGE], ids=["empty", "in one piece", "in parts"])
def test_a_file_comes_back_as_it_was_put(bucket: Bucket, a_file: Callable[..., Path], tmp_path: Path, body: bytes) -> None:
    found = put(bucket, a_file(body))
    assert (found.bytes, found.locked_until) == (len(body), UNTIL)
    assert fetched(bucket, found, tmp_path / "back", body) == body
    told = bucket.other.head_object(**bucket.full("k"))
    assert told["ServerSideEncryption"] == "AES256"
    assert told["ObjectLockMode"] == "COMPLIANCE"


def test_a_key_of_kms_encrypts_where_one_is_set(access: S3Access, a_file: Callable[..., Path]) -> None:
    key = client_of(access, "kms").create_key()["KeyMetadata"]["Arn"]
    bucket = Bucket(access, kms_key=key)
    put(bucket, a_file(SMALL))
    told = bucket.other.head_object(**bucket.full("k"))
    assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == ("aws:kms", key)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["in one piece", "in parts"])
def test_what_must_outlive_keys_is_kept_under_none_of_ours(access: S3Access, a_file: Callable[..., Path], body: bytes) -> None:
    bucket = Bucket(access, kms_key=client_of(access, "kms").create_key()["KeyMetadata"]["Arn"])
    bucket.store.put(FileToCopy("k", a_file(body), outlives_keys=True), hashlib.sha256(body).hexdigest(), UNTIL, lambda: None)
    told = bucket.other.head_object(**bucket.full("k"))
    assert (told["ServerSideEncryption"], "SSEKMSKeyId" in told, told["ObjectLockMode"]) == ("AES256", False, "COMPLIANCE")


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["in one piece", "in parts"])
def test_nobody_takes_a_locked_copy_away_before_its_time(bucket: Bucket, a_file: Callable[..., Path], body: bytes) -> None:
    found = put(bucket, a_file(body))
    with pytest.raises(CopyLocked, match="2036"):
        bucket.store.drop("k", found.version)
    assert bucket.store.look("k", found.version).bytes == len(body)


def test_a_copy_without_a_lock_can_be_dropped_and_twice_is_no_harm(bucket: Bucket, a_file: Callable[..., Path]) -> None:
    found = put(bucket, a_file(SMALL), until=None)
    for _ in range(2):
        bucket.store.drop("k", found.version)
    with pytest.raises(CopyRefused, match="not there any more"):
        bucket.store.look("k", found.version)


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["in one piece", "in parts"])
def test_a_file_that_changed_since_it_was_written_is_not_copied(bucket: Bucket, a_file: Callable[..., Path], body: bytes) -> None:
    digest = hashlib.sha256(body).hexdigest()
    with pytest.raises(CopyRefused, match="changed since it was written"):
        bucket.store.put(FileToCopy("k", a_file(body[:-1] + b"!")), digest, UNTIL, lambda: None)
    assert "Versions" not in bucket.other.list_object_versions(Bucket=bucket.name)
    assert "Uploads" not in bucket.other.list_multipart_uploads(Bucket=bucket.name), "what was begun is not left behind"


def test_a_bucket_that_cannot_lock_takes_nothing_that_must_be_locked(access: S3Access, a_file: Callable[..., Path]) -> None:
    plain = Bucket(access, locks=False)
    with pytest.raises(StoreAway, match="ObjectLockConfiguration"):
        put(plain, a_file(SMALL))
    lock, versions = (next(one for one in plain.store.examine() if one.what == what) for what in ("store lock", "store versions"))
    assert not lock.good
    assert not versions.good
    assert "Turn Object Lock on" in lock.do


def test_a_good_bucket_is_found_good(bucket: Bucket) -> None:
    assert [(one.what, one.good) for one in bucket.store.examine()] == [("store", True), ("store versions", True), ("store lock", True)]


@pytest.mark.parametrize(
    ("done", "because"),
    [
        (lambda bucket, version: bucket.other.put_object(**bucket.full("k"), Body=b"x" * len(SMALL)), "another version lies over it"),
        (lambda bucket, version: bucket.other.delete_object(**bucket.full("k")), "a delete marker lies over it"),
        (lambda bucket, version: bucket.other.delete_object(**bucket.full("k"), VersionId=version), "not there any more"),
    ],
    ids=["written over", "deleted", "taken away"],
)
def test_what_somebody_did_to_a_copy_is_told(bucket: Bucket, a_file: Callable[..., Path], done: Any, because: str) -> None:
    found = put(bucket, a_file(SMALL), until=None)
    assert bucket.store.look("k", found.version).checksum == found.checksum
    done(bucket, found.version)
    with pytest.raises(CopyRefused, match=because):
        bucket.store.look("k", found.version)


def test_what_was_put_first_is_found_under_what_was_put_over_it(bucket: Bucket, a_file: Callable[..., Path], tmp_path: Path) -> None:
    put(bucket, a_file(SMALL), key="backups/bkp_1/dump.age")
    digest = hashlib.sha256(b"forged").hexdigest()
    bucket.other.put_object(**bucket.full("backups/bkp_1/dump.age"), Body=b"forged", Metadata={"sha256": digest})
    [one] = bucket.store.find("backups/")
    assert one.others == 1
    assert fetched(bucket, one, tmp_path / "back", SMALL) == SMALL


@pytest.mark.parametrize(("there", "because"), [(SMALL[:-1], "had 2000"), (SMALL[:-1] + b"!", "another SHA-256")], ids=["short", "changed"])
def test_bytes_that_are_not_those_that_were_put_are_refused(
    bucket: Bucket, a_file: Callable[..., Path], tmp_path: Path, there: bytes, because: str
) -> None:
    found = put(bucket, a_file(there), until=None)
    with pytest.raises(CopyRefused, match=because):
        fetched(bucket, found, tmp_path / "back", SMALL)
    assert not (tmp_path / "back").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "nothing half is left behind"


def test_a_store_that_breaks_off_gives_nothing(tmp_path: Path) -> None:
    class Breaks(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2000")
            self.end_headers()
            self.wfile.write(b"x" * 1000)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Breaks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    store = S3Store("copies", "", S3Access(f"http://127.0.0.1:{server.server_port}", "x", "AKIAX", "secret"), lock=None, kms_key=None)
    with pytest.raises(CopyRefused, match="ends too early"), (tmp_path / "back").open("wb") as sink:
        store.fetch("k", "v", sink)
    server.shutdown()


def test_a_store_that_does_not_answer_is_away_and_tells_no_secret() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret = base64.b64encode(b"of nobody else at all").decode()
    store = S3Store("copies", "", S3Access(f"http://127.0.0.1:{port}", "x", "AKIAX", secret), lock=None, kms_key=None)
    with pytest.raises(StoreAway) as caught:
        store.look("k", "v")
    [found] = store.examine()
    assert not found.good
    assert secret not in caught.value.sentence() + found.said + repr(store.__dict__["_client"])


@pytest.mark.parametrize(("listens", "because"), [(True, "it did not answer in time"), (False, "nobody answers at its address")])
def test_whoever_looks_at_a_store_that_hangs_or_is_gone_waits_some_seconds_and_is_told_which(listens: bool, because: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hangs:
        if not listens:
            hangs.close()
        access = S3Access(f"http://127.0.0.1:{hangs.getsockname()[1] if listens else 9}", "x", "AKIAX", "y", looks=True)
        began = time.monotonic()
        [found] = S3Store("copies", "", access, lock=None, kms_key=None).examine()
    assert because in found.said
    assert time.monotonic() - began < 12, "30 seconds, twice, is what a file may take that is copied"


def test_a_bucket_that_is_not_there_is_told_by_its_name(access: S3Access) -> None:
    [found] = S3Store("nowhere-at-all", "", access, lock=None, kms_key=None).examine()
    assert not found.good
    assert "s3://nowhere-at-all" in found.said


def test_a_lock_that_was_shortened_is_seen(bucket: Bucket, a_file: Callable[..., Path]) -> None:
    found = put(bucket, a_file(SMALL))
    sooner = {"Mode": "COMPLIANCE", "RetainUntilDate": UNTIL - timedelta(days=400)}
    bucket.other.put_object_retention(**bucket.full("k"), VersionId=found.version, Retention=sooner)  # which AWS itself refuses
    assert bucket.store.look("k", found.version).locked_until != UNTIL
