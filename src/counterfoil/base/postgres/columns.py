"""Columns as parameters: a whole column of numbers, moments or ids, packed at once in PostgreSQL's binary form of a list.

Where hundreds of rows are written by each statement, looking at each value in turn is most of what writing them takes here. Importing
this is enough: connections that are made later can send them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_EPOCH_US: Final = 946_684_800_000_000  # PostgreSQL counts from 2000
_HEAD: Final = struct.Struct(">iiIii").pack  # dimensions, whether there are nulls, type, length, first index
_ID_HEAD: Final = b"\0\0\0\x10"
_NULL: Final = b"\xff\xff\xff\xff"
_INT8, _TIMESTAMPTZ, _UUID = 20, 1184, 2950


class Numbers(NamedTuple):
    """A bigint[]."""

    values: Sequence[int]


class Moments(NamedTuple):
    """A timestamptz[], given in microseconds since 1970."""

    values: Sequence[int]


class Ids(NamedTuple):
    """A uuid[], given as 16 bytes each; None is null."""

    values: Sequence[bytes | None]


class _ColumnDumper(Dumper):
    format = Format.BINARY


class _NumbersDumper(_ColumnDumper):
    oid = 1016

    def dump(self, obj: Any) -> bytes:
        return _packed(_INT8, obj.values)


class _MomentsDumper(_ColumnDumper):
    oid = 1185

    def dump(self, obj: Any) -> bytes:
        return _packed(_TIMESTAMPTZ, [us - _EPOCH_US for us in obj.values])


class _IdsDumper(_ColumnDumper):
    oid = 2951

    def dump(self, obj: Any) -> bytes:
        values = obj.values
        if None in values:
            rows = b"".join([_NULL if one is None else _ID_HEAD + one for one in values])
        else:
            rows = _ID_HEAD + _ID_HEAD.join(values)
        return _HEAD(1, None in values, _UUID, len(values), 1) + rows


def _packed(type_: int, numbers: Sequence[int]) -> bytes:
    count = len(numbers)
    sized = [8] * (2 * count)
    sized[1::2] = numbers
    return _HEAD(1, 0, type_, count, 1) + struct.pack(">" + "iq" * count, *sized)


for _kind, _dumper in ((Numbers, _NumbersDumper), (Moments, _MomentsDumper), (Ids, _IdsDumper)):
    psycopg.adapters.register_dumper(_kind, _dumper)
