"""The keys of an installation that has a private database: one in each line of a file in its data folder, for its owner alone."""

from __future__ import annotations

import base64
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from counterfoil.base.encryption.keys import parse_keys
from counterfoil.base.problems import Problem
from counterfoil.base.secret import ENCRYPTION_BYTES, EncryptionKey, weakness

FILE: Final = "encryption.keys"
Entropy = Callable[[int], bytes]


class KeyFileOpen(Problem, kind="invalid"):
    """Others can read this file of keys, so they may know them; take their right away (`chmod 600`)."""


def kept_keys(folder: Path, entropy: Entropy) -> list[EncryptionKey]:
    """The keys in the file; where there is none it is made, once, whoever comes first. Raises KeyFileOpen, WeakSecret."""
    path = folder / FILE
    if not path.exists():
        with alone_in(folder):
            if not path.exists():
                put_lines(path, [new_key(entropy)])
    return read_keys(path)


def read_keys(path: Path) -> list[EncryptionKey]:
    """The keys in a file that is there. Raises KeyFileOpen, WeakSecret."""
    return parse_keys(read_closed(path), str(path))


def read_closed(path: Path) -> str:
    """The text of a file that nobody else can read. Raises KeyFileOpen."""
    if (mode := path.stat().st_mode & 0o077) and os.name == "posix":
        raise KeyFileOpen(path=str(path), mode=oct(mode))
    return path.read_text("ascii")


def put_first(folder: Path, text: str) -> Path:
    """Make this key the first in the file, before those that are there; written whole, or not at all."""
    path = folder / FILE
    with alone_in(folder):
        known = [one.reveal() for one in read_keys(path)] if path.exists() else []
        put_lines(path, [text, *known])
    return path


def new_key(entropy: Entropy) -> str:
    """A fresh key, as text; drawn again in the rare case that its text reads like a placeholder."""
    while True:
        text = base64.b64encode(entropy(ENCRYPTION_BYTES)).decode()
        if weakness(text) is None:
            return text


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """One process at a time: two that add a key at once would each leave out the other's, and what it encrypted."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def put_lines(path: Path, lines: Sequence[str]) -> None:
    """Write a file for its owner alone, whole or not at all.

    A key that was used and is not on the disk is a key that is lost: file and folder are synced before anybody reads it."""
    fresh = path.with_name(f"{path.name}.new")  # what a killed process left is written over
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
        os.fchmod(out.fileno(), 0o600)
        out.write("\n".join(lines) + "\n")
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
