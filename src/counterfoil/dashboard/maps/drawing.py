"""The drawing of the money map: parts as boxes from left to right, what moved on the day as lines between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.maps.lanes import BOX, GAP_X, GAP_Y, HEIGHT, Course, Spot, laid_out
from counterfoil.dashboard.web.sections import Grade

OUTSIDE: Final = "Outside"
RIBBON_MIN: Final = 5
# The column of a part; what is not named stands with those who are owed.
COLUMNS: Final[Mapping[str, int]] = {
    "escrow:*": 2,
    "refund_payable:customer:*": 2,
    "suspense": 2,
    "in_transit:*": 4,
}
PLACE, OWED, LAST = 1, 3, 5


class MapBox(NamedTuple):
    """A part, or one of the two boxes of the world outside, which have no balance."""

    kind: str
    words: str
    x: int
    y: int
    grade: Grade
    balance: Money | None
    said: str


class MapLine(NamedTuple):
    """What moved from one box to another on the day: the path of its line, how thick it is, and whether the other side said so, too."""

    giver: str
    taker: str
    amount: Money
    path: str
    thick: int
    grade: Grade

    @property
    def is_thin(self) -> bool:
        """Is it a line with a tip, and no ribbon?"""
        return self.thick < RIBBON_MIN


class MapDrawing(NamedTuple):
    """All of it, within `height`."""

    boxes: tuple[MapBox, ...]
    lines: tuple[MapLine, ...]
    height: int


class MapHeld(NamedTuple):
    """A part as it is drawn: in the column of places, or of whose it is."""

    kind: str
    words: str
    is_place: bool
    grade: Grade
    balance: Money
    said: str


class MapWay(NamedTuple):
    """What moved from one part to another; `through`: the place that it came in by or left."""

    giver: str
    taker: str
    through: str
    amount: Money


def drawn(parts: Sequence[MapHeld], ways: Sequence[MapWay]) -> MapDrawing:
    """Places the boxes in their columns, each column in the middle, and leads a line along each way, through its place where it came in."""
    columns: dict[int, list[MapHeld]] = {}
    for one in parts:
        columns.setdefault(PLACE if one.is_place else COLUMNS.get(one.kind, OWED), []).append(one)
    tall = max((len(column) for column in columns.values()), default=1)
    height = tall * (HEIGHT + GAP_Y) - GAP_Y + 2
    boxes = {
        one.kind: MapBox(one.kind, one.words, _x(at), _y(row, len(column), height), one.grade, one.balance, one.said)
        for at, column in columns.items()
        for row, one in enumerate(column)
    }
    steps = _together(step for way in ways for step in _steps(way, boxes))
    for kind, at, used in (("", 0, any(not one.giver for one in steps)), ("out", LAST, any(one.taker == "out" for one in steps))):
        if used:
            boxes[kind] = MapBox(kind, OUTSIDE, _x(at), _y(0, 1, height), "plain", None, "who pays" if at == 0 else "who is paid")
    spots = {kind: Spot(box.x, box.y) for kind, box in boxes.items()}
    laid = laid_out(spots, [Course(one.giver, one.taker, one.amount.minor) for one in steps], height)
    grades = {one.kind: one.grade for one in parts if one.is_place}
    lines = [
        MapLine(
            boxes[one.giver].words,
            boxes[one.taker].words,
            one.amount,
            line.path(),
            line.thick,
            grades.get(one.giver) or grades.get(one.taker) or grades.get(one.through) or "plain",
        )
        for one, line in zip(steps, laid, strict=True)
    ]
    return MapDrawing(tuple(boxes.values()), tuple(lines), max([height, *(line.lowest for line in laid)]))


def _steps(way: MapWay, boxes: Mapping[str, MapBox]) -> list[MapWay]:
    """The lines of a way: what comes in goes into its place first; what leaves goes straight out."""
    giver, taker = way.giver, way.taker or "out"
    if not giver and way.through in boxes:
        return [MapWay("", way.through, way.through, way.amount), MapWay(way.through, taker, way.through, way.amount)]
    return [MapWay(giver, taker, way.through, way.amount)] if giver in boxes or not giver else []


def _together(steps: Iterable[MapWay]) -> list[MapWay]:
    """One line for all that goes the same way, the largest first."""
    found: dict[tuple[str, str, str], Money] = {}
    for one in steps:
        key = (one.giver, one.taker, one.through)
        found[key] = found[key].plus(one.amount) if key in found else one.amount
    return sorted((MapWay(*key, amount) for key, amount in found.items()), key=lambda one: -one.amount.minor)


def _x(column: int) -> int:
    return column * (BOX + GAP_X)


def _y(row: int, rows: int, height: int) -> int:
    return (height - (rows * (HEIGHT + GAP_Y) - GAP_Y)) // 2 + row * (HEIGHT + GAP_Y)
