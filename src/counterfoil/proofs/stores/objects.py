"""What a store of copies can do, whatever it is: take a file, tell what lies there, give it back verified, and let it go in its time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Final, NamedTuple, Protocol

from counterfoil.base.problems import Problem

PIECE: Final = 1 << 20
PARTIAL: Final = ".partial"  # of the log of writes: its newest segment, which is copied anew each time


class StoreAway(Problem, kind="busy"):
    """The store of copies does not answer, or not to us."""

    todo = "Nothing is lost: what waits is copied when it answers. `counterfoil doctor` says what is wrong with it."


class CopyRefused(Problem):
    """What lies in the store is not what was put there, or is not kept as it must be."""

    todo = (
        "Believe no figure of it. Find out who can write there, compare with the original, and have it copied anew (`counterfoil copies "
        "renew`)."
    )


class CopyLocked(Problem):
    """The store keeps this copy until a time that is still to come: nobody can take it away before."""

    todo = "Wait; it is taken away by itself afterwards."


class FileToCopy(NamedTuple):
    """A file that is to lie in the store, too. `key`: its name there; `subject_id`: the proof or backup that it is of; `sha256`: what it
    must have, where something signed says so; `locked`: for how long nobody may take the copy away; `changes`: it is written again;
    `outlives_keys`: whoever takes a key of ours for encryption away must not make it unreadable, so it is kept under none; `holds`: the
    pattern of names of which it holds every smaller one, so that those of them that wait still are wanted no more."""

    key: str
    path: Path
    subject_id: str | None = None
    sha256: str | None = None
    locked: timedelta | None = None
    changes: bool = False
    outlives_keys: bool = False
    holds: str = ""


class StoredObject(NamedTuple):
    """A file as the store tells of it. `checksum`: what the store itself reckons of its bytes; `sha256`: what was said when it was put."""

    key: str
    version: str
    bytes: int
    checksum: str
    sha256: str | None
    locked_until: datetime | None
    others: int = 0  # other versions of the same name


class StoreFinding(NamedTuple):
    """One thing that was looked at in a store: is it well, what is there, and what to do."""

    what: str
    good: bool
    said: str
    do: str = ""


class ObjectStore(Protocol):
    """A folder, or a bucket. What is put is never written again; every call may take as long as the network does."""

    @property
    def address(self) -> str:
        """What it is called: two stores with one address are the same."""

    def put(self, file: FileToCopy, sha256: str, locked_until: datetime | None, beat: Callable[[], None]) -> StoredObject:
        """Keep a file, and say what the store then tells of it. `beat` is called from time to time while a large one goes.

        Raises StoreAway, CopyRefused.
        """

    def look(self, key: str, version: str) -> StoredObject:
        """What lies there now, and that nothing lies over it. Raises StoreAway, CopyRefused."""

    def fetch(self, key: str, version: str, sink: IO[bytes]) -> None:
        """Its bytes. Raises StoreAway, CopyRefused when they end too early."""

    def find(self, prefix: str) -> Iterator[StoredObject]:
        """Everything below a name: of each the version that was put first, which no later one can take the place of. Raises StoreAway."""

    def drop(self, key: str, version: str) -> None:
        """Take one away; no harm when it is gone. Raises StoreAway, CopyLocked."""

    def examine(self) -> list[StoreFinding]:
        """Whether it is there and keeps what it must. Raises nothing: what is wrong is found."""


def fetch_verified(store: ObjectStore, one: StoredObject, sha256: str, bytes_: int, to: Path) -> None:
    """A file out of the store, at `to` only when it is the one that was put. Raises StoreAway, CopyRefused."""
    fresh = to.with_name(f".{to.name}.new")
    sink = _Counted(fresh.open("wb"))
    try:
        with sink.file:
            store.fetch(one.key, one.version, sink)  # type: ignore[arg-type]
        if sink.bytes != bytes_:
            raise CopyRefused(key=one.key, because=f"it has {sink.bytes} bytes, and had {bytes_}")
        if sink.digest.hexdigest() != sha256:
            raise CopyRefused(key=one.key, because="it has another SHA-256 than when it was put there")
        fresh.chmod(0o400)
        fresh.replace(to)
    finally:
        fresh.unlink(missing_ok=True)


class _Counted:
    """Counts and digests what passes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.digest, self.bytes = file, hashlib.sha256(), 0

    def write(self, piece: bytes) -> int:
        self.digest.update(piece)
        self.bytes += len(piece)
        return self.file.write(piece)
