"""Stores to copy to: a bucket that locks, and a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from counterfoil.proofs.stores.s3 import S3Access, S3Store
from tests.s3_server import a_bucket, s3_server

_numbers = count()
PART_BYTES = 5 << 20  # the least that S3 takes


@pytest.fixture(scope="module")
def access() -> Iterator[S3Access]:
    with s3_server() as reached:
        yield reached


class Bucket:
    """A bucket, our store in it, and somebody else who has its key."""

    def __init__(self, access: S3Access, *, locks: bool = True, lock: str | None = "COMPLIANCE", kms_key: str | None = None) -> None:
        self.name = f"copies-{next(_numbers)}"
        self.other = a_bucket(access, self.name, lock=locks)
        self.store = S3Store(self.name, "books", access, lock=lock, kms_key=kms_key, part_bytes=PART_BYTES)

    def full(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.name, "Key": f"books/{key}"}


@pytest.fixture
def bucket(access: S3Access) -> Bucket:
    return Bucket(access)


@pytest.fixture
def a_file(tmp_path: Path) -> Callable[..., Path]:
    def made(body: bytes, name: str = "file") -> Path:
        path = tmp_path / name
        path.write_bytes(body)
        return path

    return made
