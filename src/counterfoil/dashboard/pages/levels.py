"""The page of service levels and trends: what was promised and kept, and whether things get slower. Drawn by the server, as SVG."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.integrity.levels import OBJECTIVES, Level, levels_by_day, service_levels
from counterfoil.integrity.trends import DAYS, Trends, trends
from counterfoil.reconciliation.breaks.queries import OLD_AFTER, Filter, aged_over

COUNTED_EVERY: Final = timedelta(minutes=5)  # for Today; this page counts each time
WIDTH: Final = 960  # of a drawing, in its own units
HEIGHT: Final = 160
BAR_MIN: Final = 2  # what is there is seen
QUEUES_MAX: Final = 6  # the deepest are drawn; how many others there are is said


class Bar(NamedTuple):
    """A bar of a chart, in the drawing's units; `value` is None where nothing was measured, which is drawn otherwise than nothing."""

    x: int
    y: int
    width: int
    height: int
    label: str
    value: str | None


class Chart(NamedTuple):
    """A chart: `says` is what it shows, in words, `top` its highest value; without any value it is empty. `line`: where its limit is."""

    title: str
    says: str
    first: str
    last: str
    top: str
    bars: tuple[Bar, ...]
    empty: bool
    line: int | None = None


class LevelRow(NamedTuple):
    """A service level, and how it stands in words."""

    level: Level
    grade: Grade
    kept: str
    budget: str
    burn: str


class LevelsAnswer(NamedTuple):
    """What the page shows; None for who sees one program only: both are of the whole installation."""

    levels: tuple[LevelRow, ...] | None
    charts: tuple[Chart, ...] | None
    queues: tuple[Chart, ...] | None
    queues_more: int
    kept: tuple[Chart, ...] | None
    days: int
    measured_at: datetime


class KeptLevels:
    """The service levels of a while ago: they are counted over 30 days, which nobody does again for each look at Today."""

    def __init__(self) -> None:
        """Nothing is counted before `latest`."""
        self._lock = threading.Lock()
        self._last: tuple[datetime, tuple[Level, ...]] | None = None

    def latest(self, conn: Connection[Any], now: datetime) -> tuple[datetime, tuple[Level, ...]]:
        """When they were counted, and what was found; counted anew after five minutes, by one; others read what is there."""
        last = self._last
        if last is not None and (timedelta(0) <= now - last[0] < COUNTED_EVERY or self._lock.locked()):
            return last
        with self._lock:
            self._last = found = (now, tuple(service_levels(conn, now=now)))
        return found


def levels_answer(ask: SectionContext) -> LevelsAnswer:
    """Measured now."""
    now = ask.clock()
    if ask.only:
        return LevelsAnswer(None, None, None, 0, None, DAYS, now)
    levels = tuple(_row(one) for one in service_levels(ask.conn, now=now))
    found = trends(ask.conn, days=DAYS, now=now)
    queues = _queues(found)
    return LevelsAnswer(
        levels,
        (_processing(found), _payouts(found), _breaks(ask, now)),
        tuple(queues[:QUEUES_MAX]),
        max(0, len(queues) - QUEUES_MAX),
        _kept(ask, now),
        DAYS,
        now,
    )


def _row(one: Level) -> LevelRow:
    grades: dict[str, Grade] = {"kept": "right", "missed": "wrong", "not_measured": "unknown"}
    grade: Grade = "attention" if one.burning and one.verdict == "kept" else grades[one.verdict]
    kept = "not measured" if one.kept is None else f"{100 * one.kept:.3f} % of {one.counted:,}"
    if one.target == 1:
        budget = "none: each one counts"
    else:
        budget = "not known" if one.budget_used is None else f"{100 * one.budget_used:.0f} % used"
    burn = ", ".join(f"{rate:g} in {window}" for window, rate in one.burn.items() if rate is not None)
    return LevelRow(one, grade, kept, budget, burn or "nothing happened")


def chart(title: str, says: str, labels: Sequence[str], values: Sequence[float | None], unit: str, *, limit: float | None = None) -> Chart:
    """Bars side by side, each as high as its value; where there is none a gap with its own mark. A `limit` is drawn as a line."""
    highest = max((value for value in values if value is not None), default=0)
    top = max(highest, limit or 0)
    width = WIDTH // max(1, len(values))
    bars = []
    for place, (label, value) in enumerate(zip(labels, values, strict=True)):
        high = 0 if value is None or not top else max(BAR_MIN if value else 0, round(HEIGHT * value / top))
        told = None if value is None else _figure(value, unit)
        bars.append(Bar(place * width, HEIGHT - high, max(1, width - 3), high, label, told))
    empty = all(value is None for value in values)
    line = HEIGHT - round(HEIGHT * limit / top) if limit and top else None
    return Chart(title, says, labels[0] if labels else "", labels[-1] if labels else "", _figure(highest, unit), tuple(bars), empty, line)


def _figure(value: float, unit: str) -> str:
    """`0.4 s`, `3 %`, and what is counted: `1 break`, `2 breaks`."""
    return counted(int(value), unit) if len(unit) > 1 else f"{value:g} {unit}".strip()


def _processing(found: Trends) -> Chart:
    labels, values = [str(one.day) for one in found.processing], [one.p95_s for one in found.processing]
    says = "95 % of the intents of each day were complete within so many seconds of the customer's payment."
    return chart("How long intents took", says, labels, values, "s")


def _payouts(found: Trends) -> Chart:
    labels, values = [str(one.day) for one in found.payouts], [one.p95_h for one in found.payouts]
    says = "95 % of the payouts of batches approved on each day were executed within so many hours."
    return chart("How late payouts went out", says, labels, values, "h")


def _breaks(ask: SectionContext, now: datetime) -> Chart:
    found = aged_over(ask.conn, Filter(program_id=ask.program_id), days=DAYS, now=now)
    says = f"Breaks that were open at the end of each day for over {OLD_AFTER.days} days, whatever became of them since."
    return chart("How many old breaks were open", says, [str(one.day) for one in found], [one.old for one in found], "break")


def _kept(ask: SectionContext, now: datetime) -> tuple[Chart, ...]:
    """Of each objective what was not kept, by day: 99.9 of 100 and 95 of 100 look alike, what is left of them does not."""
    by_day = levels_by_day(ask.conn, days=DAYS, now=now)
    charts = []
    for one in OBJECTIVES:
        found = by_day[one.name]
        budget = round(100 * one.budget, 3)
        may = f"the line is at the {budget:g} % that may be" if budget else "none may be"
        shares = [None if day.bad_share is None else round(100 * day.bad_share, 3) for day in found]
        says = f"{one.says} What of each day was not kept, in per cent: {may}."
        charts.append(chart(one.name, says, [str(day.day) for day in found], shares, "%", limit=budget or None))
    return tuple(charts)


def _queues(found: Trends) -> list[Chart]:
    """A chart for each queue that ever held anything, by the hour of the day, the deepest first."""
    by_queue: dict[str, dict[int, float]] = {}
    deepest: dict[str, int] = {}
    for one in found.queues:
        by_queue.setdefault(one.queue, {})[one.hour] = one.depth_mean
        deepest[one.queue] = max(deepest.get(one.queue, 0), one.depth_max)
    hours = [f"{hour:02}:00" for hour in range(24)]
    names = sorted((name for name, most in deepest.items() if most), key=lambda name: (-deepest[name], name))
    says = "Rows due, on average, by the hour of the day (UTC); {:,} at the most."
    return [chart(name, says.format(deepest[name]), hours, [by_queue[name].get(hour) for hour in range(24)], "") for name in names]
