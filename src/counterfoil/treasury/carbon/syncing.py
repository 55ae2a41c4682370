"""Asking the source, and posting what it says. Each day of a region is asked for outside of any transaction, and written down in one of
its own: a day that fails, or a region that our plan does not know, holds up no other. A source that is away is not asked for the rest.

While the window of a day is open, what the source changes is posted as a difference. After it nothing changes by itself: what differs is
a break, and a person who forces the sync of that day, with a reason, has it posted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog
from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.failpoints import reached
from counterfoil.base.ids import MakeId
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.rows import Records
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import CARBON_EMIT
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.noun_pages import PlainList, SortKey
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.treasury.carbon.figures import AgentDay, figures_of
from counterfoil.treasury.carbon.model import EMITTED, LOOKED_AFTER, UNIT, CarbonMeans, CarbonSync, DayOfRegion, emissions_of
from counterfoil.treasury.carbon.rules import EmittedFigure, bounds_of, window_ends
from counterfoil.treasury.carbon.watttime import CarbonLoginRefused, CarbonSourceAway, CarbonSourceRefuses, IntensityHistory

ACTOR: Final = "system:carbon"
DAYS_MAX: Final = 200  # of regions that are asked for at once; the others wait for the next time
AGAIN: Final = timedelta(hours=24)
ERROR_MAX: Final = 500
REST_S: Final = 60.0
_log = structlog.get_logger("counterfoil.carbon")


class CarbonNotSetUp(Problem):
    """No source of carbon figures is set up: see watttime_username and watttime_password."""


class DayDone(NamedTuple):
    """What a day of a region led to: points that were new or other, figures that were posted, and changes too late to be posted."""

    points: int
    posted: int
    breaks: int


class SyncWanted(NamedTuple):
    """Who wants the source asked, and for what: `forced` without a day asks for all within the window at once; with a `day` it also
    posts what differs after the window."""

    actor: str
    forced: bool = False
    day: date | None = None
    reason: str | None = None


def sync_carbon(
    database: Database, means: CarbonMeans, wanted: SyncWanted, *, make_id: MakeId, clock: Callable[[], datetime]
) -> CarbonSync:
    """Ask for every day that is due, and post. Raises CarbonNotSetUp, InvalidInput."""
    if means.source is None:
        raise CarbonNotSetUp
    started_at = clock()
    if wanted.day is not None and wanted.day > started_at.astimezone(UTC).date():
        raise InvalidInput("date", "today or a day that is past", got=wanted.day.isoformat())
    with database.transaction(read_only=True) as conn:
        due = _due(conn, means, wanted, started_at)
    sync_id, done, errors = make_id("csync"), DayDone(0, 0, 0), list[str]()

    def ask(one: DayOfRegion) -> Problem | None:
        nonlocal done
        try:
            found = _day(database, means, one, sync_id, wanted, make_id, clock)
        except Problem as problem:
            _log.warning("no carbon figures", region=one.region, day=str(one.day), problem=problem.sentence())
            errors.append(f"{one.region} on {one.day}: {problem.sentence()}")
            return problem
        done = DayDone(*(a + b for a, b in zip(done, found, strict=True)))
        return None

    asked = _ask_all(due, ask)
    error = "; ".join(errors)[:ERROR_MAX] or None
    made = CarbonSync(
        *(sync_id, wanted.actor, wanted.forced, wanted.reason, asked, len(errors), *done, error, started_at, clock()),
        left=len(due) - asked,
    )
    with database.transaction() as conn:
        _write(conn, made)
    return made


def _ask_all(due: Sequence[DayOfRegion], ask: Callable[[DayOfRegion], Problem | None]) -> int:
    """How many days were asked for. Of a region that is refused the newest days follow when all others had their turn, and none after
    another no: neither a region that our plan does not know nor days too old for it starve what can be had. Where the source does not
    answer anybody, the rest is left."""
    asked, days = 0, list(due)
    for _ in range(2):
        refused: set[str] = set()
        waiting: list[DayOfRegion] = []
        for one in days:
            if one.region in refused or asked == DAYS_MAX:
                waiting.append(one)
                continue
            asked += 1
            problem = ask(one)
            if isinstance(problem, CarbonSourceAway | CarbonLoginRefused):
                return asked
            if isinstance(problem, CarbonSourceRefuses):
                refused.add(one.region)
        days = waiting[::-1]
    return asked


def _due(conn: Connection[Any], means: CarbonMeans, wanted: SyncWanted, now: datetime) -> list[DayOfRegion]:
    """Days whose window is open; those that were never heard of, or got energy since; and, once a day, those whose window ended lately.
    The oldest first. Without force, a day that was heard of since the last time is left alone."""
    rows = conn.execute(
        """select e.region, e.day from (select region, day, max(at) as at from carbon_energy group by region, day) e
           left join lateral (select max(f.at) as at from carbon_fetch f where (f.region, f.day) = (e.region, e.day)) f on true
           where case when %(day)s::date is not null then e.day = %(day)s
                      else f.at is null or e.at > f.at or (e.day >= %(open)s and (%(forced)s or f.at <= %(recent)s))
                           or (e.day >= %(after)s and f.at <= %(again)s) end
           order by e.day, e.region""",
        {
            "day": wanted.day,
            "forced": wanted.forced,
            "open": (now - means.window).astimezone(UTC).date() - timedelta(days=1),
            "after": (now - means.window - LOOKED_AFTER).astimezone(UTC).date() - timedelta(days=1),
            "recent": now - means.every,
            "again": now - AGAIN,
        },
    ).fetchall()
    return [DayOfRegion(*row) for row in rows]


def _day(
    database: Database,
    means: CarbonMeans,
    one: DayOfRegion,
    sync_id: str,
    wanted: SyncWanted,
    make_id: MakeId,
    clock: Callable[[], datetime],
) -> DayDone:
    assert means.source is not None
    start, end = bounds_of(one.day)
    until = min(end, clock())
    found = means.source.historical(one.region, start, until)
    reached("carbon.before_record")
    with database.transaction() as conn:
        # Of two syncs at once the later writes down what it heard later.
        conn.execute("select pg_advisory_xact_lock(hashtextextended('carbon:' || %s || ':' || %s, 0))", [one.region, one.day.isoformat()])
        now = clock()
        points = _keep(conn, one, found, sync_id, until, now)
        may_post = (wanted.day is not None and wanted.forced) or now < window_ends(one.day, means.window)
        posted = breaks = 0
        for key, figure in figures_of(conn, one.day, region=one.region).items():
            said = _post(conn, key, one.day, figure, sync_id, wanted, may_post=may_post, make_id=make_id, now=now)
            posted += said is True
            breaks += said is False
    return DayDone(points, posted, breaks)


def _keep(conn: Connection[Any], one: DayOfRegion, found: IntensityHistory, sync_id: str, until: datetime, now: datetime) -> int:
    """Write down that it was heard, and every point that is new or another than before; how many those are."""
    conn.execute(
        """insert into carbon_fetch (region, day, at, sync_id, until, points) values (%s, %s, %s, %s, %s, %s) on conflict do nothing""",
        [one.region, one.day, now, sync_id, until, len(found.points)],
    )
    return conn.execute(
        """insert into carbon_intensity (region, point_at, number, period_s, value, model, sync_id, at)
           select %(region)s, g.at, coalesce(k.number, 0) + 1, g.period_s, g.value, %(model)s, %(sync)s, %(now)s
           from unnest(%(at)s::timestamptz[], %(period)s::integer[], %(value)s::numeric[]) as g (at, period_s, value)
           left join lateral (
               select number, period_s, value from carbon_intensity i
               where (i.region, i.point_at) = (%(region)s, g.at) order by number desc limit 1) k on true
           where (k.period_s, k.value) is distinct from (g.period_s, g.value)""",
        {
            "region": one.region,
            "model": found.model,
            "sync": sync_id,
            "now": now,
            "at": [point.at for point in found.points],
            "period": [point.period // timedelta(seconds=1) for point in found.points],
            "value": [point.value for point in found.points],
        },
    ).rowcount


def _post(
    conn: Connection[Any],
    key: AgentDay,
    day: date,
    figure: EmittedFigure,
    sync_id: str,
    wanted: SyncWanted,
    *,
    may_post: bool,
    make_id: MakeId,
    now: datetime,
) -> bool | None:
    """True when the figure was posted, False when it differs and is too late to be, None when there is nothing to post."""
    row = conn.execute(
        """select number, total, watt_hours from carbon_posting where (agent_id, region, day) = (%s, %s, %s)
           order by number desc limit 1""",
        [key.agent_id, key.region, day],
    ).fetchone()
    number, total, watt_hours = row or (0, 0, 0)
    grams = figure.grams - total
    if not grams:
        return None
    if not may_post and figure.watt_hours == watt_hours:  # the same energy and another figure: the source changed it too late
        told = {"agent": key.agent_id, "region": key.region, "day": day.isoformat(), "posted": str(total), "source": str(figure.grams)}
        _tell(conn, NewEvent("carbon_break", key.program_id, key.agent_id, told, once=f"{key.region}:{day}:{total}:{figure.grams}"), now)
        return False
    posting_id = make_id("cpost")
    conn.execute(
        """insert into carbon_posting (id, program_id, agent_id, region, day, number, grams, total, watt_hours, forced, sync_id, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            posting_id,
            *key,
            day,
            number + 1,
            grams,
            figure.grams,
            figure.watt_hours,
            wanted.forced,
            sync_id,
            now,
        ],
    )
    to = emissions_of(key.agent_id)
    journal = NewJournal(
        key=CARBON_EMIT.key(posting_id),
        kind=CARBON_EMIT.kind or "",
        lines=[(EMITTED, to, grams) if grams > 0 else (to, EMITTED, -grams)],
        asset=UNIT.code,
        actor=wanted.actor,
        effective_at=min(bounds_of(day)[1] - timedelta(microseconds=1), now),
        narrative=f"{figure.watt_hours} Wh in {key.region} on {day}",
        source=("carbon_posting", posting_id),
        space=CARBON_EMIT,
    )
    post_all(conn, [ProgramJournal(key.program_id, journal)], now=now)
    return True


def _tell(conn: Connection[Any], event: NewEvent, now: datetime) -> None:
    """Once: every sync finds it again."""
    if conn.execute("select 1 from event where id = %s", [event.id()]).fetchone() is None:
        emit(conn, [event], at=now)


def _write(conn: Connection[Any], made: CarbonSync) -> None:
    conn.execute(
        """insert into carbon_sync (id, actor, forced, reason, days, failed, points, posted, breaks, error, started_at, ended_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        made[:12],
    )
    if made.failed:
        programs = [row[0] for row in conn.execute("select distinct program_id from carbon_energy order by 1")]
        told = {"days": made.days, "failed": made.failed, "error": made.error}
        emit(conn, [NewEvent("carbon_sync_failed", one, made.id, told, once=made.id) for one in programs], at=made.ended_at)


SYNCS: Final = Records(
    CarbonSync,
    "select id, actor, forced, reason, days, failed, points, posted, breaks, error, started_at, ended_at from carbon_sync",
    "carbon sync",
)
list_syncs: Final = SYNCS.newest
SYNC_LIST: Final = PlainList(
    "carbon syncs",
    "csync",
    "carbon_sync",
    SYNCS.by_id,
    (SortKey("started_at", datetime), SortKey("failed", int), SortKey("posted", int), SortKey("breaks", int)),
)


def sync_due(context: JobContext, _: str | None) -> Tally:
    """One tick: ask, when the last time is long enough ago and there is energy to ask for."""
    means: CarbonMeans = context.carbon
    if means.source is None:
        return Tally()
    with context.database.transaction(read_only=True) as conn:
        now = context.clock()
        asked = conn.execute("select 1 from carbon_sync where actor = %s and started_at > %s", [ACTOR, now - means.every]).fetchone()
        due = [] if asked else _due(conn, means, SyncWanted(ACTOR), now)
    if not due:
        return Tally()
    made = sync_carbon(context.database, means, SyncWanted(ACTOR), make_id=context.make_id, clock=context.clock)
    return Tally(handled=made.days - made.failed, failed=made.failed)


JOBS: Final = (
    Job(
        "carbon",
        None,
        sync_due,
        "Asks the source of carbon figures for what is due, and posts the grams that agents emitted.",
        every=REST_S,
    ),
)
