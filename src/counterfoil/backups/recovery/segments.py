"""Files of the log of writes, by the names that PostgreSQL gives them; pure.

A file's name is its timeline and its number; its first page says the same again, and of which server it is
(`XLogLongPageHeaderData` of PostgreSQL's access/xlog_internal.h).
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

NAME: Final = re.compile(r"^[0-9A-F]{24}$")
PARTIAL: Final = ".partial"
HEADER: Final = struct.Struct("<HHIQI4xQII")  # magic, info, timeline, address, left of a record, server, bytes of a segment, of a page
ID_BYTES: Final = 1 << 32  # of the log, that one middle part of a name stands for


class Segment(NamedTuple):
    """A file of the log: of which timeline, and the how-many-eth it is."""

    timeline: int
    number: int

    def name(self, segment_bytes: int) -> str:
        """As PostgreSQL calls it."""
        each = ID_BYTES // segment_bytes
        return f"{self.timeline:08X}{self.number // each:08X}{self.number % each:08X}"

    def start(self, segment_bytes: int) -> int:
        """Where it begins in the log."""
        return self.number * segment_bytes

    def end(self, segment_bytes: int) -> int:
        """Where the next begins."""
        return self.start(segment_bytes) + segment_bytes


def segment_named(name: str, segment_bytes: int) -> Segment | None:
    """The segment of this name; None for another file."""
    if not NAME.match(name):
        return None
    return Segment(int(name[:8], 16), int(name[8:16], 16) * (ID_BYTES // segment_bytes) + int(name[16:], 16))


def segment_at(timeline: int, place: int, segment_bytes: int) -> Segment:
    """The one that a place in the log lies in."""
    return Segment(timeline, place // segment_bytes)


def header_says(head: bytes, segment: Segment, *, system: str, segment_bytes: int) -> str | None:
    """Why these first bytes are not of this segment of this server; None when they are."""
    if len(head) < HEADER.size:
        return "it is too short"
    _, _, timeline, address, _, found, each, _ = HEADER.unpack_from(head)
    if str(found) != system:
        return f"its first page is of server {found}"
    if (timeline, address, each) != (segment.timeline, segment.start(segment_bytes), segment_bytes):
        return "its first page is of another place in the log"
    return None
