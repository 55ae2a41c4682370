"""Two audit trails held against each other, row by row as they are read: what agrees is forgotten, so a million rows take seconds and the
room of what differs. Pure but for reading the files."""

from __future__ import annotations

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from counterfoil.proofs.trails import COLUMNS

Row = tuple[str, ...]  # by COLUMNS
CHUNK_CHARACTERS: Final = 1 << 20
ROW_CHARACTERS_MAX: Final = 4 << 20  # no row of ours comes near; what is longer is broken, and not looked at again and again
_NAME: Final = tuple(COLUMNS.index(one) for one in ("type", "id", "line"))
_SHORT: Final = tuple(COLUMNS.index(one) for one in ("at", "what", "amount", "asset"))


class TrailDifference(NamedTuple):
    """Where two trails differ: an entry that is in one alone, or a field of one that is in both."""

    what: str  # missing, added, differs
    type: str
    id: str
    line: str
    field: str
    expected: str
    actual: str


def differences(expected: Iterable[Row], actual: Iterable[Row]) -> list[TrailDifference]:
    """What the second trail lacks or says otherwise, in the order of the first, then what it has more, in its own.

    Rows are known by type, id and line, of several that are named alike the first by the first. What stands elsewhere in the other trail
    is waited for.
    """
    found: list[tuple[int, TrailDifference]] = []
    ours, theirs = _Waiting(), _Waiting()
    for place, (one, other) in enumerate(zip_longest(expected, actual)):
        if one == other and not ours.rows and not theirs.rows:
            continue
        if one is not None and (met := theirs.take(one)) is not None:
            found += [(place, each) for each in _differing(one, met[1])]
        elif one is not None:
            ours.put(place, one)
        if other is not None and (met := ours.take(other)) is not None:
            found += [(met[0], each) for each in _differing(met[1], other)]
        elif other is not None:
            theirs.put(place, other)
    found += [(place, _alone("missing", row)) for place, row in ours.left()]
    told = [each for _, each in sorted(found, key=lambda pair: pair[0])]
    return told + [_alone("added", row) for _, row in sorted(theirs.left())]


class _Waiting:
    """Rows of one trail that the other has not had yet, by their names."""

    def __init__(self) -> None:
        self.rows: dict[Row, deque[tuple[int, Row]]] = {}

    def put(self, place: int, row: Row) -> None:
        self.rows.setdefault(_name(row), deque()).append((place, row))

    def take(self, row: Row) -> tuple[int, Row] | None:
        """The first of this name."""
        found = self.rows.get(_name(row))
        if not found:
            return None
        first = found.popleft()
        if not found:
            del self.rows[_name(row)]
        return first

    def left(self) -> Iterator[tuple[int, Row]]:
        for those in self.rows.values():
            yield from those


def _name(row: Row) -> Row:
    return row[_NAME[0]], row[_NAME[1]], row[_NAME[2]]


def _differing(one: Row, other: Row) -> list[TrailDifference]:
    if one == other:
        return []
    fields = zip(COLUMNS, one, other, strict=True)
    return [
        TrailDifference("differs", one[_NAME[0]], one[_NAME[1]], one[_NAME[2]], column, ours, theirs)
        for column, ours, theirs in fields
        if ours != theirs
    ]


def _alone(what: str, row: Row) -> TrailDifference:
    said = " ".join(row[place] for place in _SHORT if row[place])
    expected, actual = (said, "") if what == "missing" else ("", said)
    return TrailDifference(what, row[_NAME[0]], row[_NAME[1]], row[_NAME[2]], "", expected, actual)


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a trail, as JSON or as CSV, one after the other. Raises ValueError for what is no trail, OSError."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = file.read(1)
        while first.isspace():
            first = file.read(1)
        file.seek(0)
        yield from _of_json(file) if first in ("{", "[") else _of_csv(file)


def _of_csv(file: TextIO) -> Iterator[Row]:
    rows = csv.reader(file)
    try:
        columns = next(rows, [])
        if not {"type", "id"} <= set(columns):
            raise ValueError("its first line names no columns of a trail")
        places = None if tuple(columns) == COLUMNS else [columns.index(one) if one in columns else -1 for one in COLUMNS]
        for row in rows:
            if not row:
                continue  # an empty line
            if len(row) != len(columns):
                raise ValueError(f"line {rows.line_num} has {len(row)} fields of {len(columns)}")
            yield tuple(row) if places is None else tuple("" if place < 0 else row[place] for place in places)
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _of_json(file: TextIO) -> Iterator[Row]:
    """The objects of the outermost list, each as soon as it is there: a list of all would take a gigabyte."""
    reader, text = json.JSONDecoder(), file.read(CHUNK_CHARACTERS)
    start = text.find("[")
    if start < 0 or (text[:start].strip() and '"rows"' not in text[:start]):
        raise ValueError("it has no list of rows")
    text = text[start + 1 :]
    place = 0
    while True:
        while text[place : place + 1].isspace() or text[place : place + 1] == ",":
            place += 1
        if text[place : place + 1] == "]":
            return
        try:
            row, place = reader.raw_decode(text, place)
        except RecursionError:
            raise ValueError("its rows are nested too deeply to be a trail's") from None
        except ValueError:
            more = file.read(CHUNK_CHARACTERS)
            if not more or len(text) - place > ROW_CHARACTERS_MAX:
                raise
            text, place = text[place:] + more, 0
            continue
        yield _row_of(row)


def _row_of(row: Any) -> Row:
    if not isinstance(row, dict):
        raise ValueError("its rows are not objects")
    return tuple("" if (value := row.get(name)) is None else str(value) for name in COLUMNS)
