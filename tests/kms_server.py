"""AWS KMS as far as signing goes, over HTTP: Ed25519 and ML-DSA-44 keys, which moto does not have, with the limits that AWS
publishes.

(https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html)
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SPEC = "ECC_NIST_EDWARDS25519"
ML_DSA = "ML_DSA_44"
ALGORITHM = {SPEC: "ED25519_SHA_512", ML_DSA: "ML_DSA_SHAKE_256"}
MU_BYTES = 64
RAW_BYTES_MAX = 4_096


class KmsSaysNo(Exception):
    """An error as KMS words it."""

    def __init__(self, code: str, message: str = "", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@dataclass
class HeldKey:
    """A key: what it is told to be, whether it is switched off, and whether it signs something else than it is asked."""

    private: Any = field(default_factory=Ed25519PrivateKey.generate)
    spec: str = SPEC
    usage: str = "SIGN_VERIFY"
    enabled: bool = True
    lies: bool = False

    @property
    def public(self) -> bytes:
        return bytes(self.private.public_key().public_bytes_raw())

    def signed(self, algorithm: str | None, kind: str | None, message: bytes) -> bytes:
        """Raises KmsSaysNo for what KMS would refuse."""
        is_mu = kind == "EXTERNAL_MU" and self.spec == ML_DSA and len(message) == MU_BYTES
        if algorithm != ALGORITHM.get(self.spec) or not (is_mu or (kind == "RAW" and 1 <= len(message) <= RAW_BYTES_MAX)):
            raise KmsSaysNo("ValidationException", "1 validation error detected")
        return bytes(self.private.sign_mu(message) if is_mu else self.private.sign(b"something else" if self.lies else message))


def ml_dsa_key() -> HeldKey:
    return HeldKey(mldsa.MLDSA44PrivateKey.generate(), ML_DSA)


class FakeKms:
    """Keys by name. `asked`: each question that came, by its action; `failing`: what everybody is told instead of an answer."""

    def __init__(self) -> None:
        self.keys: dict[str, HeldKey] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.failing: KmsSaysNo | None = None
        self.url = ""

    def answer(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((action, body))
        if self.failing is not None:
            raise self.failing
        key = self.keys.get(body["KeyId"])
        if key is None:
            raise KmsSaysNo("NotFoundException", f"Alias {body['KeyId']} is not found.")
        if not key.enabled:
            raise KmsSaysNo("DisabledException", f"{body['KeyId']} is disabled.")
        if action == "GetPublicKey":
            der = key.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            told = {"KeyId": body["KeyId"], "PublicKey": base64.b64encode(der).decode(), "KeySpec": key.spec, "KeyUsage": key.usage}
            return {**told, "SigningAlgorithms": [ALGORITHM.get(key.spec, "")]}
        message = base64.b64decode(body["Message"])
        signature = key.signed(body.get("SigningAlgorithm"), body.get("MessageType"), message)
        return {"KeyId": body["KeyId"], "Signature": base64.b64encode(signature).decode(), "SigningAlgorithm": body["SigningAlgorithm"]}


@contextmanager
def kms_server() -> Iterator[FakeKms]:
    """It listens."""
    kms = FakeKms()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            action = self.headers["X-Amz-Target"].removeprefix("TrentService.")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                status, told = 200, kms.answer(action, body)
            except KmsSaysNo as no:
                status, told = no.status, {"__type": no.code, "message": no.message}
            out = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kms.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield kms
        finally:
            server.shutdown()
