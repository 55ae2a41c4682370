"""The envelope of a proof's signatures: DSSE, with an in-toto statement over every file of the package (both are open formats).

securesystemslib counts one key under two names twice, so who may count with whom is decided here and in the verifiers, not by it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from counterfoil.base.formats.canonical import canonical_json

PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:counterfoil:proof:1"


class Signed(NamedTuple):
    """A signature: by which public key, and its bytes."""

    public_key: bytes
    signature: bytes


def key_id(public_key: bytes) -> str:
    """How an envelope names a key: by its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()


def statement(files: Mapping[str, str], manifest: Mapping[str, Any], *, number: int, requested_at: str) -> bytes:
    """What is signed: every file by its SHA-256, which proof it is, and when its signatures were asked for."""
    told = {
        "_type": STATEMENT_TYPE,
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "proof_id": manifest["proof_id"],
            "origin": manifest["origin"],
            "period": manifest["period"],
            "request": number,
            "requested_at": requested_at,
        },
        "subject": [{"name": name, "digest": {"sha256": files[name]}} for name in sorted(files)],
    }
    return canonical_json(told).encode()


def to_sign(body: bytes) -> bytes:
    """The bytes that a key signs: DSSE's encoding of type and payload."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)


def envelope(body: bytes, signatures: Sequence[Signed]) -> bytes:
    """The file `manifest.dsse.json`."""
    told = {
        "payload": base64.b64encode(body).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": key_id(one.public_key), "sig": base64.b64encode(one.signature).decode()}
            for one in sorted(signatures, key=lambda one: key_id(one.public_key))
        ],
    }
    return canonical_json(told).encode()
