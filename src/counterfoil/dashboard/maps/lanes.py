"""How the lines of the money map run: beside each other at the edge of a box, and never behind a box that they have nothing to do with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

BOX, GAP_X, HEIGHT, GAP_Y = 146, 48, 84, 14
THICK_MAX: Final = 38  # of all lines at one edge of a box together
APART: Final = 2  # between two of them
CLEAR: Final = 4  # between a line and a box that it passes
LANES_STEP, LANES_BELOW = 3, 150  # where lanes are tried, and how far below all boxes
Edge = Literal["left", "right"]


class Spot(NamedTuple):
    """Where a box lies: its upper left corner, and how wide it is."""

    x: int
    y: int
    wide: int = BOX

    @property
    def middle(self) -> int:
        """Halfway down."""
        return self.y + HEIGHT // 2

    def edge(self, one: Edge) -> int:
        """Where its left or right edge is."""
        return self.x + (self.wide if one == "right" else 0)


class Course(NamedTuple):
    """What moves from one box to another, by their names, and how much."""

    giver: str
    taker: str
    minor: int


class Ribbon(NamedTuple):
    """A line as it is drawn. `lane`: how high it passes the columns between, where there are any."""

    from_x: int
    from_y: int
    to_x: int
    to_y: int
    thick: int
    lane: int | None

    def path(self) -> str:
        """What a browser draws. Within a column it goes around by the right side."""
        (x, y), (end_x, end_y), half = (self.from_x, self.from_y), (self.to_x, self.to_y), GAP_X // 2
        if x == end_x:
            return f"M{x} {y}C{x + GAP_X} {y} {x + GAP_X} {end_y} {x} {end_y}"
        way = 1 if end_x > x else -1
        if self.lane is None:
            bend = max(abs(end_x - x) // 2, half) * way
            return f"M{x} {y}C{x + bend} {y} {end_x - bend} {end_y} {end_x} {end_y}"
        over, off = x + GAP_X * way, end_x - GAP_X * way
        into = f"C{x + half * way} {y} {over - half * way} {self.lane} {over} {self.lane}"
        return f"M{x} {y}{into}H{off}C{off + half * way} {self.lane} {end_x - half * way} {end_y} {end_x} {end_y}"

    @property
    def lowest(self) -> int:
        """So far down it reaches."""
        return max(self.from_y, self.to_y, self.lane or 0) + self.thick // 2 + APART


def laid_out(boxes: Mapping[str, Spot], courses: Sequence[Course], height: int) -> list[Ribbon]:
    """A line for each, in their order. `height`: of all boxes."""
    sums: dict[tuple[str, Edge], int] = {}
    for one in courses:
        for end in _ends(boxes, one):
            sums[end] = sums.get(end, 0) + one.minor
    most = max(sums.values(), default=1) or 1
    thick = [1 + one.minor * (THICK_MAX - 1) // most for one in courses]
    lanes = _lanes(boxes, courses, thick, height)
    at = _ports(boxes, courses, thick, lanes)
    lines = []
    for number, one in enumerate(courses):
        giver, taker = _ends(boxes, one)
        from_x, to_x = boxes[one.giver].edge(giver[1]), boxes[one.taker].edge(taker[1])
        lines.append(Ribbon(from_x, at[number, "giver"], to_x, at[number, "taker"], thick[number], lanes[number]))
    return lines


def _ends(boxes: Mapping[str, Spot], one: Course) -> tuple[tuple[str, Edge], tuple[str, Edge]]:
    """The edges at which it begins and ends."""
    from_x, to_x = boxes[one.giver].x, boxes[one.taker].x
    leaves: Edge = "left" if to_x < from_x else "right"
    comes: Edge = "left" if to_x > from_x else "right"
    return (one.giver, leaves), (one.taker, comes)


def _lanes(boxes: Mapping[str, Spot], courses: Sequence[Course], thick: Sequence[int], height: int) -> list[int | None]:
    """Each that passes a column goes where no box of it lies, nor another line; the way about is as short as may be."""
    taken: list[tuple[int, int, int, int]] = []  # from where to where, how high, how thick
    lanes: list[int | None] = []
    for one, wide in zip(courses, thick, strict=True):
        giver, taker = boxes[one.giver], boxes[one.taker]
        left, right = sorted((giver.x, taker.x))
        passed = [box for box in boxes.values() if left < box.x < right]
        if not passed:
            lanes.append(None)
            continue
        beside = wide // 2 + CLEAR
        tried = sorted(
            {giver.middle, taker.middle, *range(beside, height + LANES_BELOW, LANES_STEP)},
            key=lambda lane: (abs(lane - giver.middle) + abs(lane - taker.middle), lane),
        )
        found = next(
            (
                lane
                for lane in tried
                if not any(box.y - beside < lane < box.y + HEIGHT + beside for box in passed)
                and not any(a < right and left < b and abs(lane - y) < (wide + other) // 2 + APART for a, b, y, other in taken)
            ),
            height + LANES_BELOW,
        )
        taken.append((left, right, found, wide))
        lanes.append(found)
    return lanes


def _ports(
    boxes: Mapping[str, Spot], courses: Sequence[Course], thick: Sequence[int], lanes: Sequence[int | None]
) -> dict[tuple[int, Literal["giver", "taker"]], int]:
    """How high each begins and ends: side by side at its edge, in the order of where they go, so that they do not cross."""
    edges: dict[tuple[str, Edge], list[tuple[int, int, Literal["giver", "taker"]]]] = {}
    for number, (one, lane) in enumerate(zip(courses, lanes, strict=True)):
        giver, taker = _ends(boxes, one)
        edges.setdefault(giver, []).append((boxes[one.taker].middle if lane is None else lane, number, "giver"))
        edges.setdefault(taker, []).append((boxes[one.giver].middle if lane is None else lane, number, "taker"))
    at: dict[tuple[int, Literal["giver", "taker"]], int] = {}
    for (kind, _), met in edges.items():
        met.sort()
        wide = [thick[number] for _, number, _ in met]
        apart = APART if sum(wide) + APART * (len(wide) - 1) <= HEIGHT else 0
        down = boxes[kind].middle - (sum(wide) + apart * (len(wide) - 1)) // 2
        starts = [down]
        for before, _ in pairwise(wide):
            starts.append(starts[-1] + before + apart)
        for (_, number, end), start, thickness in zip(met, starts, wide, strict=True):
            at[number, end] = start + thickness // 2
    return at
