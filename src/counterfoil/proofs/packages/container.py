"""The container of a package: a zip in one form only, so that the same files are the same bytes, and every other byte is an alteration.

Names in order, nothing compressed, no times, no rights, no comments, sizes always in 64 bits. Any zip program opens it. A reader holds
each byte that is no file's against this form.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_EPOCH: Final = (0, 0x21)  # 1980-01-01 00:00, the first moment that a zip can tell
_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_EXTRA: Final = struct.Struct("<HHQQ")
_EXTRA_CENTRAL: Final = struct.Struct("<HHQQQ")
_END64: Final = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR: Final = struct.Struct("<4sIQI")
_END: Final = struct.Struct("<4sHHHHIIH")
_VERSION: Final = 45  # 64-bit sizes
_UTF8: Final = 1 << 11
_FULL: Final = 0xFFFFFFFF
TAIL_BYTES: Final = _END64.size + _LOCATOR.size + _END.size
NAME_MAX: Final = 200
FILES_MAX: Final = 100


class PackedFile(NamedTuple):
    """A file of a package: its name, its size in bytes, and its CRC-32, which a zip wants before the bytes."""

    name: str
    size: int
    crc32: int


def member_of(name: str, body: bytes) -> PackedFile:
    """The member that these bytes are."""
    return PackedFile(name, len(body), zlib.crc32(body))


def in_order(members: Sequence[PackedFile]) -> list[PackedFile]:
    """As they lie in the container: by the bytes of their names."""
    return sorted(members, key=lambda one: one.name.encode())


def local_header(one: PackedFile) -> bytes:
    """What stands before a file's bytes."""
    name = one.name.encode()
    extra = _EXTRA.pack(1, 16, one.size, one.size)
    head = _LOCAL.pack(b"PK\x03\x04", _VERSION, _UTF8, 0, *_EPOCH, one.crc32, _FULL, _FULL, len(name), len(extra))
    return head + name + extra


def directory(members: Sequence[PackedFile]) -> bytes:
    """What stands behind the last file: the list of all, and where it begins."""
    at, entries = 0, list[bytes]()
    for one in members:
        name = one.name.encode()
        extra = _EXTRA_CENTRAL.pack(1, 24, one.size, one.size, at)
        entries.append(
            _CENTRAL.pack(
                b"PK\x01\x02",
                _VERSION,
                _VERSION,
                _UTF8,
                0,
                *_EPOCH,
                one.crc32,
                _FULL,
                _FULL,
                len(name),
                len(extra),
                0,
                0,
                0,
                0,
                _FULL,
            )
            + name
            + extra
        )
        at += len(local_header(one)) + one.size
    listed = b"".join(entries)
    count = len(members)
    return (
        listed
        + _END64.pack(b"PK\x06\x06", _END64.size - 12, _VERSION, _VERSION, 0, 0, count, count, len(listed), at)
        + _LOCATOR.pack(b"PK\x06\x07", 0, at + len(listed), 1)
        + _END.pack(b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, _FULL, _FULL, 0)
    )


def size_of(members: Sequence[PackedFile]) -> int:
    """How many bytes the container has."""
    return sum(len(local_header(one)) + one.size for one in members) + len(directory(in_order(members)))


def placed(members: Sequence[PackedFile]) -> Iterator[tuple[PackedFile, int]]:
    """Each member, and where its bytes begin."""
    at = 0
    for one in members:
        at += len(local_header(one))
        yield one, at
        at += one.size
