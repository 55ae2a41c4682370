"""ML-DSA-44 (FIPS 204), which a quantum computer does not break, where the library has it; and what it signs of a checkpoint.

The form is that of C2SP: https://c2sp.org/tlog-cosignature. It covers the three lines of a checkpoint and the name of who signs.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from counterfoil.base.problems import Problem

KEY_TYPE: Final = 6  # in a note: a cosignature of ML-DSA-44
KEY_BYTES: Final = 1312
SIGNATURE_BYTES: Final = 2420
STAMP_BYTES: Final = 8  # a moment stands before the signature; 0 says nothing of when
_LABEL: Final = b"subtree/v1\n\0"
_STAMP_MAX: Final = (1 << 63) - 1
_SEED_BYTES: Final = 32
_SEED_INFO: Final = b"counterfoil log key ML-DSA-44"


class KindMissing(Problem, kind="invalid"):
    """The library for signatures that is installed here has no ML-DSA-44."""

    todo = "Install a newer `cryptography`, one whose OpenSSL has it (3.5 or later), or take an Ed25519 key."


def ml_dsa() -> Any:
    """The part of the library that has it. Raises KindMissing."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa

        mldsa.MLDSA44PublicKey.from_public_bytes(bytes(KEY_BYTES))  # it may know the name, and be built without it
    except (ImportError, AttributeError, UnsupportedAlgorithm):
        raise KindMissing(algorithm="ML-DSA-44") from None
    return mldsa


def has_ml_dsa() -> bool:
    """Does the library have it?"""
    try:
        ml_dsa()
    except KindMissing:
        return False
    return True


def verifies_ml_dsa(public: bytes, signature: bytes, message: bytes) -> bool:
    """Did the owner of this ML-DSA-44 key sign this? Raises KindMissing."""
    from cryptography.exceptions import InvalidSignature

    if len(signature) != SIGNATURE_BYTES:
        return False
    try:
        ml_dsa().MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_beside(seed: bytes) -> Any:
    """The private ML-DSA-44 key that stands beside the Ed25519 key of this seed. Raises KindMissing.

    A quantum computer finds the scalar of an Ed25519 key, which is a digest of its seed, and not the seed. Who has the seed has both.
    """
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), _SEED_BYTES, salt=None, info=_SEED_INFO).derive(seed)
    return ml_dsa().MLDSA44PrivateKey.from_seed_bytes(derived)


def cosigned(name: str, origin: str, size: int, root: bytes, *, stamp: int = 0) -> bytes:
    """What is signed of a checkpoint: its whole tree, from leaf 0 on. `stamp` 0: nothing is said of when, or that it was the largest."""
    names = [struct.pack("B", len(one)) + one for one in (name.encode(), origin.encode())]
    return _LABEL + names[0] + struct.pack(">Q", stamp) + names[1] + struct.pack(">QQ", 0, size) + root


def is_cosigned(public: bytes, blob: bytes, name: str, origin: str, size: int, root: bytes) -> bool:
    """Is this, a moment and a signature, by this key over this checkpoint? Raises KindMissing."""
    if len(blob) != STAMP_BYTES + SIGNATURE_BYTES or max(len(one.encode()) for one in (name, origin)) > 255:
        return False
    (stamp,) = struct.unpack(">Q", blob[:STAMP_BYTES])
    return stamp <= _STAMP_MAX and verifies_ml_dsa(public, blob[STAMP_BYTES:], cosigned(name, origin, size, root, stamp=stamp))
