"""A person's signing key in a file: encrypted with a passphrase, for its owner alone. It never leaves this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Final

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.cli.core.secrets_asked import asked_unseen
from counterfoil.proofs.log.quantum import KindMissing, ml_dsa
from counterfoil.proofs.signing.kinds import ED25519, KeyKind

PASSPHRASE_MIN: Final = 12


class KeyFileRefused(Problem, kind="invalid"):
    """This file holds no Ed25519 or ML-DSA-44 key that this passphrase opens."""


def make_key_file(path: Path, passphrase: str, kind: KeyKind = ED25519) -> bytes:
    """A new key in a new file; its public half. Raises KeyFileRefused for a file that is there, InvalidInput for a short
    passphrase, KindMissing."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    if len(passphrase) < PASSPHRASE_MIN:
        raise InvalidInput("passphrase", f"at least {PASSPHRASE_MIN} characters")
    private = Ed25519PrivateKey.generate() if kind is ED25519 else ml_dsa().MLDSA44PrivateKey.generate()
    body = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(body)
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise KeyFileRefused(file=str(path), why="it is there already, and a key is never written over") from None
    public: bytes = private.public_key().public_bytes_raw()
    return public


class SigningKey:
    """A key that was opened, for one command."""

    def __init__(self, path: Path, passphrase: str) -> None:
        """Raises KeyFileRefused, KindMissing."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            found: Any = load_pem_private_key(path.read_bytes(), passphrase.encode())
        except UnsupportedAlgorithm:
            ml_dsa()  # it is missing here, or it is a key of yet another kind
            raise KeyFileRefused(file=str(path), why="a key of another kind") from None
        except (ValueError, TypeError, OSError) as error:
            raise KeyFileRefused(file=str(path), why=str(error)[:200]) from None
        if not isinstance(found, Ed25519PrivateKey) and not _is_ml_dsa(found):
            raise KeyFileRefused(file=str(path), why="a key of another kind")
        self._private = found
        self.public: bytes = found.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature of a message."""
        signature: bytes = self._private.sign(message)
        return signature


def _is_ml_dsa(key: Any) -> bool:
    try:
        return isinstance(key, ml_dsa().MLDSA44PrivateKey)
    except KindMissing:
        return False


def passphrase(*, from_stdin: bool, new: bool = False) -> str:
    """Asked for at the terminal, or the first line of standard input."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    said = "Passphrase of the new key" if new else "Passphrase of your key"
    return asked_unseen(said, instead="--passphrase-stdin", how="give it on standard input", again=new)
