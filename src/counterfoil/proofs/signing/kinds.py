"""Kinds of keys that sign proofs: Ed25519, and ML-DSA-44 (FIPS 204), which a quantum computer does not break, where the library has it.

A key's kind is known by its length. ML-DSA signs the message itself, with no context.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from counterfoil.base.problems import Problem
from counterfoil.proofs.log import notes


class KindMissing(Problem, kind="invalid"):
    """The library for signatures that is installed here has no ML-DSA-44."""

    todo = "Install a newer `cryptography`, one whose OpenSSL has it (3.5 or later), or take an Ed25519 key."


class KeyKind(NamedTuple):
    """A kind of key: its name, and how many bytes its public half and a signature have."""

    name: str
    key_bytes: int
    signature_bytes: int


ED25519: Final = KeyKind("Ed25519", 32, notes.SIGNATURE_BYTES)
ML_DSA_44: Final = KeyKind("ML-DSA-44", 1312, 2420)
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
    from cryptography.exceptions import InvalidSignature

    if kind_of(public_key) is not ML_DSA_44:
        return notes.verifies(public_key, signature, message)
    if len(signature) != ML_DSA_44.signature_bytes:
        return False
    try:
        ml_dsa().MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def ml_dsa() -> Any:
    """The part of the library that has it. Raises KindMissing."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        mldsa.MLDSA44PublicKey.from_public_bytes(bytes(ML_DSA_44.key_bytes))  # it may know the name, and be built without it
    except (ImportError, AttributeError, UnsupportedAlgorithm):
        raise KindMissing(kind=ML_DSA_44.name) from None
    return mldsa
