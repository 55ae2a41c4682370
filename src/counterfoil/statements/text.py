"""Bytes to text: which encoding a file has, its hash, and its lines with their numbers, as a stream."""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.statements.shape import LINE_CHARS_MAX, SourceBroken

CHUNK_BYTES: Final = 1024**2
BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
NOT_IN_CP1252: Final = frozenset(b"\x81\x8d\x8f\x90\x9d")


class Content(NamedTuple):
    """A file's hash and the encoding in which every byte of it can be read."""

    sha256: str
    encoding: str
    head: bytes


def content_of(path: Path) -> Content:
    """Read the file once: its SHA-256, its encoding, its first bytes.

    A byte order mark decides; else UTF-16 shows by its zero bytes; else UTF-8 if every byte fits; else Windows-1252, and
    Latin-1 where a byte has no meaning there.
    """
    digest, seen, head = hashlib.sha256(), bytearray(256), b""
    decoder, is_utf8 = codecs.getincrementaldecoder("utf-8")(), True
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            head = head or chunk[:65_536]
            for byte in set(chunk):
                seen[byte] = 1
            if is_utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
    if is_utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf8 = False
    return Content(digest.hexdigest(), _encoding(head, is_utf8, seen), head)


def digest_of(path: Path) -> str:
    """The file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _encoding(head: bytes, is_utf8: bool, seen: bytearray) -> str:
    for mark, name in BOMS:
        if head.startswith(mark):
            return name
    if head[:64].count(0) * 3 >= len(head[:64]) > 1:
        return "utf-16-le" if head[1:64:2].count(0) > head[0:64:2].count(0) else "utf-16-be"
    if is_utf8:
        return "utf-8"
    return "latin-1" if any(seen[byte] for byte in NOT_IN_CP1252) else "cp1252"


def numbered_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """The file's lines, from 1, without their ends (`\\n`, `\\r\\n`, `\\r`). Raises SourceBroken."""
    number = 0
    try:
        with path.open(encoding=encoding, newline=None) as file:
            while text := file.readline(LINE_CHARS_MAX + 1):
                number += 1
                if len(text) > LINE_CHARS_MAX:
                    raise SourceBroken(path.name, number, None, f"the line is longer than {LINE_CHARS_MAX} characters")
                yield number, text.rstrip("\n")
    except UnicodeError:
        raise SourceBroken(path.name, number + 1, None, f"the file ends inside a character ({encoding})") from None


def whole_text(path: Path, encoding: str) -> str:
    """The whole file, for formats that are small by nature. Raises SourceBroken."""
    try:
        return path.read_text(encoding=encoding)
    except UnicodeError:
        raise SourceBroken(path.name, None, None, f"the file cannot be read as {encoding}") from None
