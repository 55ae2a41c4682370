"""A store of copies in a folder, such as a share of another machine. It keeps files read-only; nothing but our own word locks them."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

from counterfoil.proofs.log.checkpoints import write_read_only
from counterfoil.proofs.packages.writing import digest_of, parts_of
from counterfoil.proofs.stores.objects import PIECE, CopyRefused, FileToCopy, StoreAway, StoredObject, StoreFinding


class FolderStore:
    """A folder that is there already: one that is not is a share that is not mounted, and nothing is written in its place."""

    def __init__(self, folder: Path) -> None:
        """Where copies lie."""
        self.folder = folder

    @property
    def address(self) -> str:
        """As a URL."""
        return f"file://{self.folder}"

    def put(self, file: FileToCopy, sha256: str, locked_until: datetime | None, beat: Callable[[], None]) -> StoredObject:
        """Whole or not at all, and on the disk."""
        place = self._place(file.key)
        with self._reached():
            if place.exists() and not file.changes and digest_of(place) != sha256:
                raise CopyRefused(
                    key=file.key, because="another file lies there already: it was changed, or another installation copies here"
                )
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_read_only(place, _beaten(parts_of(file.path), beat))
        found = self.look(file.key, "")
        if found.sha256 != sha256:
            raise CopyRefused(key=file.key, because="the file has another SHA-256 than it must have: it was changed since it was written")
        return found._replace(locked_until=locked_until)

    def look(self, key: str, version: str) -> StoredObject:  # noqa: ARG002 - there is one version of a file
        """Reads all of it."""
        place = self._place(key)
        with self._reached():
            if not place.is_file():
                raise CopyRefused(key=key, because="it is not there any more")
            digest = digest_of(place)
            return StoredObject(key, "", place.stat().st_size, base64.b64encode(bytes.fromhex(digest)).decode(), digest, None)

    def fetch(self, key: str, version: str, sink: IO[bytes]) -> None:  # noqa: ARG002
        """Piece by piece."""
        place = self._place(key)
        with self._reached():
            if not place.is_file():
                raise CopyRefused(key=key, because="it is not there any more")
            with place.open("rb") as file:
                shutil.copyfileobj(file, sink, PIECE)

    def find(self, prefix: str) -> Iterator[StoredObject]:
        """In the order of their names."""
        with self._reached():
            found = sorted(path for path in self.folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        for path in found:
            key = path.relative_to(self.folder).as_posix()
            if key.startswith(prefix):
                yield self.look(key, "")

    def drop(self, key: str, version: str) -> None:  # noqa: ARG002
        """The file alone; its folder stays."""
        with self._reached():
            self._place(key).unlink(missing_ok=True)

    def examine(self) -> list[StoreFinding]:
        """Is it there, and may we write?"""
        if not self.folder.is_dir():
            return [StoreFinding("store", False, f"{self.folder} is not there", "Mount the share, or make the folder.")]
        if not os.access(self.folder, os.W_OK):
            return [StoreFinding("store", False, f"{self.folder} may not be written to", "Give this user the right to write there.")]
        said = f"copies go to {self.folder}; a folder locks nothing, so whoever may write there may take them away"
        return [StoreFinding("store", True, said)]

    def _place(self, key: str) -> Path:
        found = (self.folder / key).resolve()
        if not found.is_relative_to(self.folder.resolve()):
            raise CopyRefused(key=key[:200], because="it is no name in this folder")
        return found

    @contextmanager
    def _reached(self) -> Iterator[None]:
        if not self.folder.is_dir():
            raise StoreAway(store=self.address, because="the folder is not there")
        try:
            yield
        except OSError as error:
            raise StoreAway(store=self.address, because=f"{error.strerror or type(error).__name__}") from error


def _beaten(parts: Iterator[bytes], beat: Callable[[], None]) -> Iterator[bytes]:
    for part in parts:
        yield part
        beat()
