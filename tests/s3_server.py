"""S3 and KMS in a process of their own, by moto's server; and buckets in it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from counterfoil.proofs.stores.s3 import S3Access

REGION = "eu-central-1"
START_S = 30.0


@contextmanager
def s3_server() -> Iterator[S3Access]:
    """How it is reached."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    access = S3Access(f"http://127.0.0.1:{port}", REGION, "AKIAOFTESTSALONE", "9dK3mQ7vXr2LtY8wPz5NcB4h")
    try:
        ends = time.monotonic() + START_S
        while True:
            try:
                client_of(access).list_buckets()
                break
            except BotoCoreError:
                assert server.poll() is None, "moto's server has ended"
                assert time.monotonic() < ends, "moto's server does not answer"
                time.sleep(0.1)
        yield access
    finally:
        server.kill()
        server.wait()


def client_of(access: S3Access, what: str = "s3") -> Any:
    return boto3.session.Session().client(
        what,
        endpoint_url=access.endpoint,
        region_name=access.region,
        aws_access_key_id=access.key,
        aws_secret_access_key=access.secret,
        config=Config(s3={"addressing_style": "path"}),
    )


def a_bucket(access: S3Access, name: str, *, lock: bool = True) -> Any:
    """A fresh bucket, with versions and Object Lock or without either; a client to be somebody else with."""
    client = client_of(access)
    place = {"LocationConstraint": REGION}
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock, CreateBucketConfiguration=place)
    return client
