"""A package as it is read: each byte of the container held against the one form that it may have, each file found by its name."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import Problem
from counterfoil.proofs.packages.container import FILES_MAX, TAIL_BYTES, PackedFile, directory, local_header, placed

PART: Final = 1 << 20
LINE_MAX: Final = 1 << 28
_ENTRY: Final = struct.Struct("<I8xH")
_ENTRY_BYTES: Final = 46
_EXTRA_BYTES: Final = 28


class ProofBroken(Problem, kind="invalid"):
    """This package is not as it must be."""

    def headline(self) -> str:
        """The sentence that names what is wrong."""
        return str(self.facts["said"])


_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6}Z", re.ASCII).fullmatch


def holds(right: bool, said: str) -> None:
    """Raise ProofBroken with this sentence unless it is right."""
    if not right:
        raise ProofBroken(said=said)


# What Python says of something that is of another form than a proof has.
UNBUILT: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError)


def unbuilt(error: Exception) -> str:
    """What is not as the form wants it, as far as Python says it."""
    return f"{error} is missing" if isinstance(error, KeyError) else f"{type(error).__name__}: {error}"


def not_built(error: Exception) -> str:
    """It as a sentence."""
    return f"It is not built as a proof is ({unbuilt(error)})."


def is_moment(given: object) -> bool:
    """Is it a moment in its one form? To write it again, and compare, takes three times as long."""
    try:
        return isinstance(given, str) and _MOMENT(given) is not None and bool(datetime.fromisoformat(given))
    except ValueError:
        return False


def read_json(raw: bytes, what: str) -> Any:
    """An object of JSON in its one form. Raises ProofBroken."""
    try:
        found = json.loads(raw.decode())  # bytes would be looked through for other encodings, which are not the one form
        written = canonical_json(found).encode()
    except (ValueError, RecursionError):
        raise ProofBroken(said=f"{what} cannot be read as JSON.") from None
    holds(written == raw, f"{what} is not written in its one form.")
    if not isinstance(found, dict):  # the sentence is only made where one is needed: this is asked of millions of entries
        raise ProofBroken(said=f"{what} is no object of JSON.")
    return found


class PackageFiles(ABC):
    """The files of a package, wherever they lie. Memory does not grow with them."""

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """The names of its files."""

    @abstractmethod
    def parts(self, name: str) -> Iterator[bytes]:
        """A file, piece by piece."""

    def whole(self, name: str) -> bytes:
        """A file that fits into memory."""
        return b"".join(self.parts(name))

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file without their ends. Raises ProofBroken when the last one has none."""
        rest = b""
        for part in self.parts(name):
            *found, rest = (rest + part).split(b"\n")
            holds(len(rest) <= LINE_MAX, f"A line of {name} is too long.")
            yield from found
        holds(not rest, f"The last line of {name} is cut off.")

    def json(self, name: str) -> Any:
        """A file of JSON. Raises ProofBroken."""
        return read_json(self.whole(name), name)


class OpenPackage(PackageFiles):
    """A container on the disk."""

    def __init__(self, path: Path) -> None:
        """Raises ProofBroken for a byte between the files that is not as it must be, and for a file with another CRC-32."""
        self._file = path.open("rb")
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        size = self._file.seek(0, 2)
        self.members = self._listed(size)
        names = [one.name for one in self.members]
        holds(names == sorted(set(names)), "The files of the container do not lie in their order.")
        self._places: dict[str, tuple[int, int]] = {}
        end = 0
        for one, at in placed(self.members):
            head = local_header(one)
            holds(self._at(at - len(head), len(head)) == head, f"What stands before {one.name} in the container was altered.")
            self._places[one.name] = (at, one.size)
            end = at + one.size
        holds(self._at(end, size - end) == directory(self.members), "The list at the end of the container was altered.")
        self._digests: dict[str, str] = {}
        for one in self.members:
            holds(self._read(one.name) == one.crc32, f"{one.name} is not what the container says of it (CRC-32).")

    def close(self) -> None:
        """Read no more of it."""
        self._file.close()

    @property
    def names(self) -> list[str]:
        """The names of its files."""
        return list(self._places)

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        return self._places[name][1]

    def parts(self, name: str) -> Iterator[bytes]:
        """A file, piece by piece."""
        at, left = self._places[name]
        while left:
            part = self._at(at, min(left, PART))
            holds(bool(part), f"{name} is cut off.")
            yield part
            at, left = at + len(part), left - len(part)

    def digest(self, name: str) -> str:
        """SHA-256 of a file."""
        return self._digests[name]

    def _listed(self, size: int) -> list[PackedFile]:
        """What the list at the end names; whether it is written as it must be is looked at afterwards, byte by byte."""
        holds(size >= TAIL_BYTES, "The file is too short to be a package.")
        tail = self._at(size - TAIL_BYTES, TAIL_BYTES)
        count, length, begin = struct.unpack_from("<QQQ", tail, 32)
        holds(count <= FILES_MAX and begin + length + TAIL_BYTES == size, "The end of the container is not as it must be.")
        raw, at, found = self._at(begin, length), 0, list[PackedFile]()
        while at < len(raw):
            holds(len(raw) - at >= _ENTRY_BYTES + _EXTRA_BYTES, "The list at the end of the container is cut off.")
            crc, named = _ENTRY.unpack_from(raw, at + 16)
            name = raw[at + _ENTRY_BYTES : at + _ENTRY_BYTES + named]
            behind = at + _ENTRY_BYTES + named
            holds(len(raw) >= behind + _EXTRA_BYTES and name.isascii(), "The list at the end of the container was altered.")
            found.append(PackedFile(name.decode(), struct.unpack_from("<Q", raw, behind + 4)[0], crc))
            at = behind + _EXTRA_BYTES
        holds(sum(one.size for one in found) < size, "The list at the end of the container was altered.")
        return found

    def _at(self, place: int, length: int) -> bytes:
        self._file.seek(place)
        return self._file.read(length)

    def _read(self, name: str) -> int:
        """The CRC-32 of a file, which is read once for it and for its SHA-256."""
        crc, found = 0, hashlib.sha256()
        for part in self.parts(name):
            crc = zlib.crc32(part, crc)
            found.update(part)
        self._digests[name] = found.hexdigest()
        return crc
