"""The drawing of the money map: parts as boxes from left to right, what moved on the day as lines between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.dashboard.web.sections import Grade

OUTSIDE: Final = "Outside"
WIDTH, BOX, GAP_X, HEIGHT, GAP_Y = 1_000, 140, 32, 60, 18
THICK_MAX: Final = 11
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


class MapDrawing(NamedTuple):
    """All of it, within `WIDTH` and `height`."""

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
    steps = [step for way in ways for step in _steps(way, boxes)]
    for kind, at, used in (("", 0, any(not giver for giver, *_ in steps)), ("out", LAST, any(taker == "out" for _, taker, *_ in steps))):
        if used:
            boxes[kind] = MapBox(kind, OUTSIDE, _x(at), _y(0, 1, height), "plain", None, "who pays" if at == 0 else "who is paid")
    most = max((amount.minor for *_, amount in steps), default=1)
    grades = {one.kind: one.grade for one in parts if one.is_place}
    lines = [
        MapLine(
            boxes[giver].words,
            boxes[taker].words,
            amount,
            _path(boxes[giver], boxes[taker]),
            1 + amount.minor * (THICK_MAX - 1) // most,
            grades.get(giver) or grades.get(taker) or grades.get(through) or "plain",
        )
        for giver, taker, through, amount in sorted(steps, key=lambda step: -step[3].minor)
    ]
    return MapDrawing(tuple(boxes.values()), tuple(lines), height)


def _steps(way: MapWay, boxes: Mapping[str, MapBox]) -> list[tuple[str, str, str, Money]]:
    """The lines of a way: what comes in goes into its place first; what leaves goes straight out."""
    giver, taker = way.giver, way.taker or "out"
    if not giver and way.through in boxes:
        return [("", way.through, way.through, way.amount), (way.through, taker, way.through, way.amount)]
    return [(giver, taker, way.through, way.amount)] if giver in boxes or not giver else []


def _x(column: int) -> int:
    return column * (BOX + GAP_X)


def _y(row: int, rows: int, height: int) -> int:
    return (height - (rows * (HEIGHT + GAP_Y) - GAP_Y)) // 2 + row * (HEIGHT + GAP_Y)


def _path(giver: MapBox, taker: MapBox) -> str:
    """From the right of one to the left of the other; back, from the left to the right, a little below; within a column, around it."""
    from_y, to_y = giver.y + HEIGHT // 2, taker.y + HEIGHT // 2
    if taker.x > giver.x:
        from_x, to_x = giver.x + BOX, taker.x
        bend = max((to_x - from_x) // 2, GAP_X // 2)
        return f"M{from_x} {from_y}C{from_x + bend} {from_y} {to_x - bend} {to_y} {to_x} {to_y}"
    if taker.x < giver.x:
        from_x, to_x, down = giver.x, taker.x + BOX, HEIGHT // 4
        bend = max((from_x - to_x) // 2, GAP_X // 2)
        return f"M{from_x} {from_y + down}C{from_x - bend} {from_y + down} {to_x + bend} {to_y + down} {to_x} {to_y + down}"
    side = giver.x + BOX
    return f"M{side} {from_y}C{side + GAP_X} {from_y} {side + GAP_X} {to_y} {side} {to_y}"
