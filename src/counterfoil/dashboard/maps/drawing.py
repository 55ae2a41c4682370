"""The drawing of the money map: parts as boxes from left to right, what moved on the day as lines between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.maps.lanes import BOX, GAP_X, GAP_Y, HEIGHT, Course, Spot, laid_out
from counterfoil.dashboard.web.sections import Grade

OUTSIDE: Final = "Outside"
RIBBON_MIN: Final = 5
EDGE: Final = 96  # how wide a box of the world outside is
# The column of a part; what is not named stands with those who are owed.
COLUMNS: Final[Mapping[str, int]] = {
    "escrow:*": 2,
    "refund_payable:customer:*": 2,
    "suspense": 2,
    "in_transit:*": 4,
}
PLACE, OWED, LAST = 1, 3, 5


class MapBox(NamedTuple):
    """A part, or one of the two boxes of the world outside, which have no balance and are less wide."""

    kind: str
    words: str
    x: int
    y: int
    wide: int
    grade: Grade
    hue: int | None
    balance: Money | None
    said: str
    came: Money | None  # on the day; of the outside what it paid, and what it was paid
    went: Money | None


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
    """All of it, within `width` and `height`."""

    boxes: tuple[MapBox, ...]
    lines: tuple[MapLine, ...]
    width: int
    height: int


class MapHeld(NamedTuple):
    """A part as it is drawn: in the column of places, or of whose it is."""

    kind: str
    words: str
    is_place: bool
    grade: Grade
    hue: int
    balance: Money
    said: str
    came: Money
    went: Money


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
    boxes = {one.kind: _box(one, _x(at), _y(row, len(column), height)) for at, column in columns.items() for row, one in enumerate(column)}
    steps = _together(step for way in ways for step in _steps(way, boxes))
    paid, received = ([one.amount for one in steps if which(one)] for which in (lambda one: not one.giver, lambda one: one.taker == "out"))
    if paid:
        boxes[""] = MapBox("", OUTSIDE, _x(0), _y(0, 1, height), EDGE, "plain", None, None, "who pays", _sum(paid), None)
    if received:
        boxes["out"] = MapBox("out", OUTSIDE, _x(LAST), _y(0, 1, height), EDGE, "plain", None, None, "who is paid", None, _sum(received))
    spots = {kind: Spot(box.x, box.y, box.wide) for kind, box in boxes.items()}
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
    return MapDrawing(tuple(boxes.values()), tuple(lines), _x(LAST) + EDGE, max([height, *(line.lowest for line in laid)]))


def _box(one: MapHeld, x: int, y: int) -> MapBox:
    came, went = (moved if moved.minor else None for moved in (one.came, one.went))
    return MapBox(one.kind, one.words, x, y, BOX, one.grade, one.hue, one.balance, one.said, came, went)


def _sum(amounts: Sequence[Money]) -> Money:
    return Money(sum(one.minor for one in amounts), amounts[0].asset)


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
    """The world outside is less wide than the others: it has no balance."""
    return 0 if column == 0 else EDGE + GAP_X + (column - 1) * (BOX + GAP_X)


def _y(row: int, rows: int, height: int) -> int:
    return (height - (rows * (HEIGHT + GAP_Y) - GAP_Y)) // 2 + row * (HEIGHT + GAP_Y)
