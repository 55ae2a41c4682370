"""Signing what goes out (Standard Webhooks): `v1` by a secret that both sides hold, `v1a` by a key of ours that anybody may verify."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from counterfoil.base.secret import SIGNING_PREFIX, SigningSecret

SECRET_BYTES: Final = 32
SEED_BYTES: Final = 32
ENTROPY_BYTES: Final = SECRET_BYTES + SEED_BYTES
PUBLIC_PREFIX: Final = "whpk_"


class SigningPair(NamedTuple):
    """With what one endpoint's webhooks are signed; `seed` is of an Ed25519 key, base64."""

    secret: str
    seed: str

    @property
    def public_key(self) -> str:
        """As partners take it: `whpk_` and base64 of 32 bytes."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return PUBLIC_PREFIX + _text(_key(self.seed).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))


def new_pair(entropy: bytes) -> SigningPair:
    """A pair out of 64 random bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"{ENTROPY_BYTES} random bytes")
    return SigningPair(SIGNING_PREFIX + _text(entropy[:SECRET_BYTES]), _text(entropy[SECRET_BYTES:]))


def signature_headers(body: bytes, message_id: str, pairs: Sequence[SigningPair], *, now: datetime) -> dict[str, str]:
    """The headers of a webhook. While a secret rotates, it is signed by both, so that the partner may change at any moment."""
    stamp = str(int(now.timestamp()))
    told = f"{message_id}.{stamp}.".encode() + body
    signatures = [f"v1,{_text(hmac.digest(SigningSecret(one.secret, 'secret').key, told, hashlib.sha256))}" for one in pairs]
    signatures += [f"v1a,{_text(_key(one.seed).sign(told))}" for one in pairs]
    return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": " ".join(signatures)}


def _key(seed: str):  # type: ignore[no-untyped-def]
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
