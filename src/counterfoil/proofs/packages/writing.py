"""Files of a package as they are written: into a folder that is not yet one of the store, each with its digests, never whole in memory."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.proofs.packages.container import PackedFile, directory, in_order, local_header

PART: Final = 1 << 20


class WrittenFile(NamedTuple):
    """A file as it was written; `sha256` in hex."""

    name: str
    sha256: str
    bytes: int
    crc32: int

    @property
    def member(self) -> PackedFile:
        """As a container wants it."""
        return PackedFile(self.name, self.bytes, self.crc32)


class FileWriter:
    """One file: what goes into it is digested on its way."""

    def __init__(self, file: BinaryIO) -> None:
        """Into this file."""
        self._file, self._sha256, self._crc, self._bytes = file, hashlib.sha256(), 0, 0

    def write(self, part: bytes) -> None:
        """The next bytes."""
        self._file.write(part)
        self._sha256.update(part)
        self._crc = zlib.crc32(part, self._crc)
        self._bytes += len(part)

    def written(self, name: str) -> WrittenFile:
        """What it has become."""
        return WrittenFile(name, self._sha256.hexdigest(), self._bytes, self._crc)


def parts_of(path: Path) -> Iterator[bytes]:
    """A file, piece by piece."""
    with path.open("rb") as file:
        while part := file.read(PART):
            yield part


def digest_of(path: Path) -> str:
    """Its SHA-256 in hex, as it lies there; of a file that is not there, empty."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class PackageFolder:
    """A folder that becomes a package: files are added, and then no more."""

    def __init__(self, folder: Path) -> None:
        """It is made, and must not be there."""
        folder.mkdir(parents=True)
        self.folder = folder
        self.files: dict[str, WrittenFile] = {}

    @contextmanager
    def file(self, name: str) -> Iterator[FileWriter]:
        """Add a file, part by part; on the disk before it counts, and not to be written afterwards."""
        with open(os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as out:
            writer = FileWriter(out)
            yield writer
            out.flush()
            os.fsync(out.fileno())
        self.files[name] = writer.written(name)

    def add(self, name: str, body: bytes) -> WrittenFile:
        """Add a file that is there whole."""
        with self.file(name) as out:
            out.write(body)
        return self.files[name]

    def add_json(self, name: str, told: Any) -> WrittenFile:
        """Add a file of JSON in its one form."""
        return self.add(name, canonical_json(told).encode())

    def add_lines(self, name: str, lines: Iterable[Any]) -> WrittenFile:
        """Add a file with one JSON in each line."""
        with self.file(name) as out:
            for one in lines:
                out.write(canonical_json(one).encode() + b"\n")
        return self.files[name]


def container_parts(folder: Path, files: Sequence[WrittenFile], envelope: WrittenFile, body: bytes) -> Iterator[bytes]:
    """The container of these files and the envelope, piece by piece: the same files are the same bytes."""
    members = in_order([one.member for one in (*files, envelope)])
    for one in members:
        yield local_header(one)
        if one.name == envelope.name:
            yield body
            continue
        yield from parts_of(folder / one.name)
    yield directory(members)
