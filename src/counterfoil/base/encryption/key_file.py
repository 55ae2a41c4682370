"""The keys of an installation that has a private database: one in each line of a file in its data folder, for its owner alone."""

from __future__ import annotations

import base64
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

from counterfoil.base.encryption.keys import parse_keys
from counterfoil.base.problems import Kind, Problem
from counterfoil.base.secret import ENCRYPTION_BYTES, EncryptionKey, weakness

FILE: Final = "encryption.keys"
Entropy = Callable[[int], bytes]


class KeyFileOpen(Problem):
    """Others can read the file with the encryption keys, so they may know them; take their right away (`chmod 600`)."""

    kind: ClassVar[Kind] = "invalid"


def kept_keys(folder: Path, entropy: Entropy) -> list[EncryptionKey]:
    """The keys in the file; where there is none it is made, once, whoever comes first. Raises KeyFileOpen, WeakSecret."""
    path = folder / FILE
    if not path.exists():
        with _alone(folder):
            if not path.exists():
                _put(path, [new_key(entropy)])
    return read_keys(path)


def read_keys(path: Path) -> list[EncryptionKey]:
    """The keys in a file that is there. Raises KeyFileOpen, WeakSecret."""
    if (mode := path.stat().st_mode & 0o077) and os.name == "posix":
        raise KeyFileOpen(path=str(path), mode=oct(mode))
    return parse_keys(path.read_text("ascii"), str(path))


def put_first(folder: Path, text: str) -> Path:
    """Make this key the first in the file, before those that are there; written whole, or not at all."""
    path = folder / FILE
    with _alone(folder):
        known = [one.reveal() for one in read_keys(path)] if path.exists() else []
        _put(path, [text, *known])
    return path


def new_key(entropy: Entropy) -> str:
    """A fresh key, as text; drawn again in the rare case that its text reads like a placeholder."""
    while True:
        text = base64.b64encode(entropy(ENCRYPTION_BYTES)).decode()
        if weakness(text) is None:
            return text


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: two that add a key at once would each leave out the other's, and what it encrypted."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _put(path: Path, keys: Sequence[str]) -> None:
    """A key that was used and is not on the disk is a key that is lost: file and folder are synced before anybody reads it."""
    fresh = path.with_name(f"{path.name}.new")  # what a killed process left is written over
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write("\n".join(keys) + "\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
