"""Whether the grams in the books are what the source says: lag first, then a break. Nothing that was not compared is green."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.treasury.carbon.billing import BilledDay, billed_days, billing_verdict
from counterfoil.treasury.carbon.figures import AgentDay, booked_of, figures_of, heard_of
from counterfoil.treasury.carbon.model import LOOKED_AFTER, CarbonMeans
from counterfoil.treasury.carbon.rules import WORST_FIRST, DayVerdict, EmittedFigure, Verdict, bounds_of, judge, window_ends
from counterfoil.treasury.verification.rules import AgentFinding


class CarbonLine(NamedTuple):
    """An agent's day in a region. Grams: `source` by the source's figures, `ledger` in the books, and how they differ. `uncovered`: Wh
    that the source says nothing of yet. `heard_at`: when it was last heard."""

    program_id: str
    agent_id: str
    region: str
    asset: str
    watt_hours: int
    uncovered: int
    source: int
    ledger: int
    difference: int
    verdict: Verdict
    why: str
    heard_at: datetime | None


class CarbonDay(NamedTuple):
    """A day. `verdict`: the worst of its lines and of what was billed of it, NOTHING where no energy was used; `final`: the source's time
    for changes is over, and it was heard since. `break_at`: when what differs becomes a break. `billing`: of the source's bills alone,
    NOTHING where none speaks of the day; that says nothing of the lines."""

    day: date
    verdict: DayVerdict
    final: bool
    break_at: datetime
    lines: list[CarbonLine]
    next_step: str
    billing: DayVerdict
    bill_days: list[BilledDay]


def verify_day(conn: Connection[Any], means: CarbonMeans, day: date, *, now: datetime, program_id: str | None = None) -> CarbonDay:
    """The grams of a day, of every agent and region. Raises InvalidInput for a day that is to come."""
    if bounds_of(day)[0] > now:
        raise InvalidInput("date", "today or a day that is past", got=day.isoformat())
    lines = lines_of(conn, means, day, now=now, program_id=program_id)
    billed = billed_days(conn, means, day, day, now=now, program_id=program_id)
    by_figures: DayVerdict = min({one.verdict for one in lines}, key=WORST_FIRST.index, default="NOTHING")
    billing = billing_verdict(billed)
    verdict = min(by_figures, billing, key=WORST_FIRST.index)
    break_at = window_ends(day, means.window)
    heard = [line.heard_at for line in lines]
    final = bool(heard) and all(at is not None and at >= break_at for at in heard)
    worst = next((one for one in billed if one.verdict == verdict != by_figures), None)
    if worst is not None:  # the bill is the worse of the two
        step = f"{worst.region}: {worst.why}. {worst.next_step}" + (f" {worst.command}" if worst.command else "")
    else:
        step = _next_step(verdict, final, break_at, day)
    return CarbonDay(day, verdict, final, break_at, lines, step, billing, billed)


def lines_of(
    conn: Connection[Any],
    means: CarbonMeans,
    day: date,
    *,
    now: datetime,
    program_id: str | None = None,
    agent_id: str | None = None,
) -> list[CarbonLine]:
    """Of every agent and region with energy or grams on that day."""
    figures = figures_of(conn, day, program_id=program_id, agent_id=agent_id)
    booked = booked_of(conn, day, day, program_id=program_id, agent_id=agent_id).get(day, {})
    heard = {region: heard_of(conn, region, day) for region in {one.region for one in (*figures, *booked)}}
    return [
        _line(key, figures.get(key, EmittedFigure(0, 0, 0)), booked.get(key, 0), heard[key.region], means, day, now)
        for key in sorted({*figures, *booked})
    ]


def _line(
    key: AgentDay, figure: EmittedFigure, ledger: int, heard: datetime | None, means: CarbonMeans, day: date, now: datetime
) -> CarbonLine:
    difference = ledger - figure.grams
    verdict = judge(difference, figure.uncovered, day=day, window=means.window, now=now)
    why = _why(difference, figure.uncovered, heard, means)
    return CarbonLine(
        *key, "CO2E", figure.watt_hours + figure.uncovered, figure.uncovered, figure.grams, ledger, difference, verdict, why, heard
    )


def _why(difference: int, uncovered: int, heard: datetime | None, means: CarbonMeans) -> str:
    if means.source is None and (difference or uncovered):
        return "no source of carbon figures is set up"
    if heard is None and uncovered:
        return "the source was not heard of this day"
    if uncovered:
        return f"the source says nothing yet of {uncovered} Wh"
    if difference:
        return "the source says something else than what was posted"
    return "all of it is compared, and the same"


def _next_step(verdict: DayVerdict, final: bool, break_at: datetime, day: date) -> str:
    if verdict == "BREAK":
        return f'Look at the lines; to post what the source says now: counterfoil carbon sync --force --date {day} --reason "…"'
    if verdict == "SYNC_LAG":
        return (
            f"Wait for the next sync; it becomes a break at {break_at:%Y-%m-%d %H:%M} UTC. To ask at once: counterfoil carbon sync --force"
        )
    if verdict == "NOTHING":
        return "No energy of this day was recorded, so nothing was compared."
    return "Nothing to do." if final else f"Nothing to do; the source may still change it until {break_at:%Y-%m-%d %H:%M} UTC."


def days_looked_at(means: CarbonMeans, now: datetime) -> list[date]:
    """The days that are over and whose window is open, or ended lately enough for the source to be asked of them; the newest first."""
    last = now.astimezone(UTC).date() - timedelta(days=1)
    first = (now - means.window - LOOKED_AFTER).astimezone(UTC).date() - timedelta(days=1)
    return [last - timedelta(days=back) for back in range((last - first).days + 1)]


def explain_agent(conn: Connection[Any], means: CarbonMeans, agent_id: str, *, now: datetime) -> list[AgentFinding]:
    """What is wrong with an agent's grams of the last days, as symptom, cause and the one safe thing to do."""
    found: list[AgentFinding] = []
    for day in (now.astimezone(UTC).date(), *days_looked_at(means, now)):
        lines = lines_of(conn, means, day, now=now, agent_id=agent_id)
        found += [_finding(line, day, window_ends(day, means.window)) for line in lines if line.verdict != "AGREES"]
    return found


def _finding(line: CarbonLine, day: date, break_at: datetime) -> AgentFinding:
    evidence = f"{line.region} on {day}: {line.ledger} g in the books, {line.source} g by the source; {line.why}"
    if line.verdict == "SYNC_LAG":
        resolution = f"Wait for the next sync; it becomes a break at {break_at:%Y-%m-%d %H:%M} UTC."
        return AgentFinding("CO2E", "carbon mismatch", "sync lag", evidence, resolution, f"counterfoil carbon verify --date {day}")
    return AgentFinding(
        "CO2E",
        "carbon mismatch",
        "changed figure" if not line.uncovered else "missing figure",
        evidence,
        "Post what the source says now, with a reason, when it is right.",
        f"counterfoil carbon sync --force --date {day} --reason …",
    )
