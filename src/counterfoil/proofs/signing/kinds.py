"""Kinds of keys that sign proofs: Ed25519, and ML-DSA-44 (FIPS 204), which a quantum computer does not break, where the library has it.

A key's kind is known by its length. ML-DSA signs the message itself, with no context.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from counterfoil.proofs.log import notes, quantum
from counterfoil.proofs.log.quantum import ml_dsa, verifies_ml_dsa


class KeyKind(NamedTuple):
    """A kind of key: its name, and how many bytes its public half and a signature have."""

    name: str
    key_bytes: int
    signature_bytes: int


ED25519: Final = KeyKind("Ed25519", 32, notes.SIGNATURE_BYTES)
ML_DSA_44: Final = KeyKind("ML-DSA-44", quantum.KEY_BYTES, quantum.SIGNATURE_BYTES)
KINDS: Final = (ED25519, ML_DSA_44)


def kind_of(public_key: bytes) -> KeyKind | None:
    """Of which kind a public key is; None for what is no key."""
    return next((one for one in KINDS if one.key_bytes == len(public_key)), None)


def is_key(public_key: bytes) -> bool:
    """Is it a public key with which somebody can sign? Raises KindMissing."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    kind = kind_of(public_key)
    if kind is None:
        return False
    try:
        (Ed25519PublicKey if kind is ED25519 else ml_dsa().MLDSA44PublicKey).from_public_bytes(public_key)
    except ValueError:
        return False
    return True


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Did the owner of this key sign this? Raises KindMissing."""
    verified = verifies_ml_dsa if kind_of(public_key) is ML_DSA_44 else notes.verifies
    return verified(public_key, signature, message)
