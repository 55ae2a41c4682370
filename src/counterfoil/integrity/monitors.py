"""What watches over the watching: workers, queues, schedules, and the sentinel's own runs; and client money as it was last drawn up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.integrity.levels import MONITORS as LEVEL_MONITORS
from counterfoil.integrity.runs import UNASKED
from counterfoil.integrity.standing import MONITORS as STANDING_MONITORS
from counterfoil.operations.work.queries import BACKLOG_ABOVE, SLOW_FROM, queue_depths
from counterfoil.operations.work.runner import Queue
from counterfoil.reconciliation.client_money import OWED
from counterfoil.reconciliation.reach import due_sources
from counterfoil.reconciliation.runs.schedule import WISH_COUNTS, after, given_up_at, set_schedules
from counterfoil.reconciliation.runs.slot_ends import newest_slots

SOURCE_LIMIT: Final = timedelta(hours=48)
INTERVALS_MAX: Final = 2
ROUND_MIN: Final = timedelta(minutes=1)  # so long a round of all monitors may take


class Backlog(NamedTuple):
    """A queue with too much in it, or work that waits too long."""

    queue: str
    due: int
    oldest_due_at: datetime | None
    severity: str


class Missed(NamedTuple):
    """A schedule that nobody completed since `due_at`, its first moment after the last completed run."""

    schedule: str
    cron: str
    completed_at: datetime | None
    due_at: datetime


class Undone(NamedTuple):
    """A moment of a schedule that somebody took and that was not done; `why` says how it ended."""

    schedule: str
    slot_at: datetime
    taken_at: datetime
    taken_by: str
    why: str


class Stale(NamedTuple):
    """A source that was not reconciled for too long, or never."""

    source: str
    program_id: str
    reconciled_at: datetime | None


def monitors(queues: Sequence[Queue]) -> tuple[Invariant, ...]:
    """Those that look at the whole installation; `CHECK_NOT_RUN` is the last: it looks at what the others answered."""

    def deep(conn: Connection[Any], now: datetime) -> Sequence[Backlog]:
        found = queue_depths(conn, queues, now=now)
        return [
            Backlog(one.name, one.due, one.oldest_due_at, "critical" if one.due > BACKLOG_ABOVE else "warning")
            for one in found
            if one.due >= SLOW_FROM
        ]

    depth = Invariant(
        "QUEUE_DEPTH",
        "Does no queue hold 100 or more rows that are due?",
        deep,
        "warning",
        "Workers are slow, or stand still; above 500 it is a backlog.",
        "P19",
        incident="P2",
        monitor=True,
    )
    watching = (_WORKER_DOWN, depth, _SHORTFALL, _NOT_COMPARED, _STALE_SOURCE, _JOB_NOT_RUN, _JOB_FAILED, _SCHEDULE_CONTESTED)
    return (*watching, *STANDING_MONITORS, *LEVEL_MONITORS, _CHECK_NOT_RUN)


def _missed(conn: Connection[Any], now: datetime) -> Sequence[Missed]:
    """Schedules of which two moments passed and nobody completed one. One that came to be known just now has that time, too. Of the
    sentinel a run counts that asked everything, whoever began it."""
    rows = conn.execute(
        """select s.name, s.cron, s.since,
                  case s.name when 'sentinel-full' then (select max(finished_at) from sentinel_run
                                                         where kind = 'full' and state = 'finished')
                              when 'sentinel-recent' then (select max(finished_at) from sentinel_run
                                                           where kind in ('recent', 'full') and state = 'finished')
                              else (select max(ended_at) from schedule_end e where e.name = s.name and e.error is null) end
           from reconciliation_schedule s where s.cron <> '' order by s.name"""
    ).fetchall()
    found = [
        Missed("monitors", f"every {every.total_seconds():g} s", done_at, done_at + every)
        for done_at, every in conn.execute(
            "select coalesce(done_at, asked_at), make_interval(secs => every_s) from monitor_round"
        ).fetchall()
        if now - done_at > INTERVALS_MAX * max(every, ROUND_MIN)
    ]
    for name, cron, since, completed in rows:
        last = max(since, completed or since)
        if now > given_up_at(cron, last):
            found.append(Missed(name, cron, completed, after(cron, last)))
    return found


def _undone(conn: Connection[Any], now: datetime) -> Sequence[Undone]:
    """Schedules that are wanted, whose newest moment was taken and not done. One still at work is none, for as long as its worker lives."""
    wanted, found = set_schedules(conn), list[Undone]()
    for one in newest_slots(conn, now=now).values():
        if one.name in wanted and one.outcome in ("failed", "never_ended"):
            why = f"it failed: {one.error}" if one.outcome == "failed" else "whoever took it never ended it"
            found.append(Undone(one.name, one.slot_at, one.taken_at, one.taken_by, why))
    return found


def _stale(conn: Connection[Any], now: datetime) -> Sequence[Stale]:
    """Sources through which money went and that no run read to its end for two days; of a new one, since its account was opened.

    A run about a time long past says nothing of what moved since: it counts when it reached to within two days of its own end.
    """
    rows = conn.execute(
        """select program_id, source, max(coalesce(confirmed_at, finished_at)) from reconciliation_run
           where state = 'finished' and last_on >= (coalesce(confirmed_at, finished_at) at time zone 'UTC')::date - 2
           group by program_id, source"""
    ).fetchall()
    last = {(row[0], row[1]): row[2] for row in rows}
    opened = {
        (row[0], row[1]): row[2]
        for row in conn.execute(
            """select b.program_id, a.name, min(a.opened_at) from account a join book b on b.id = a.book_id
               where a.name like 'clearing:%' or a.name like 'cash:bank:%' group by b.program_id, a.name"""
        )
    }
    found = []
    for one in due_sources(conn):
        at = last.get((one.program_id, one.source))
        if now - (at or opened[one.program_id, one.account]) > SOURCE_LIMIT:
            found.append(Stale(one.source, one.program_id, at))
    return found


_WORKER_DOWN: Final = Invariant(
    "WORKER_DOWN",
    "Was a worker heard of within the last minute?",
    """select 'workers', max(beat_at) as heard_at from worker
       having count(*) > 0 and coalesce(max(beat_at) filter (where stopped_at is null), '-infinity') < %(now)s - interval '1 minute'""",
    "critical",
    "Nothing is sent, settled or applied.",
    "P19",
    incident="P1",
    monitor=True,
)
_SHORTFALL: Final = Invariant(
    "CLIENT_MONEY_SHORTFALL",
    "Is all that is owed to owners held for them, as the last statement of client money says?",
    """select program_id || ' ' || asset as subject, program_id, on_day, owed, held, in_transit, difference
       from (select distinct on (program_id, asset) * from client_money order by program_id, asset, on_day desc, made_at desc) c
       where difference < 0""",
    "critical",
    "Owners could not be paid in full: top up from own funds, and tell the regulator in time.",
    "P17",
    incident="P1",
    monitor=True,
)
_NOT_COMPARED: Final = Invariant(
    "CLIENT_MONEY_STALE",
    "Was what is owed to owners held against what is held for them within two days, wherever money is owed?",
    # Without any statement: since the schedule is set, or since the book's first account was opened, whichever was later.
    f"""select b.program_id || ' ' || b.asset as subject, b.program_id, c.on_day as compared_for, s.at as not_compared_since,
               case when f.since is null then 'no schedule full is set: it draws up the statements' end as why
        from book b
        left join (select since from reconciliation_schedule where name = 'full' and cron <> '') f on true
        cross join lateral (select max(on_day) as on_day from client_money m where (m.program_id, m.asset) = (b.program_id, b.asset)) c
        cross join lateral (select case when c.on_day is not null then (c.on_day + 1)::timestamp at time zone 'UTC'
                                        else greatest(f.since, (select opened_at from account a
                                                                where a.id >= b.id::bigint << 40 and a.id < (b.id::bigint + 1) << 40
                                                                order by a.id limit 1)) end as at) s
        where s.at < %(now)s - interval '{SOURCE_LIMIT.total_seconds():.0f} s'
          and exists (select from account a where a.book_id = b.id and a.credits > a.debits
                      and a.name like any(array[{", ".join(f"'{one}%%'" for one in OWED)}]))
        order by 1""",
    "critical",
    "Nothing says that all of it is there: a shortfall of today would be seen by nobody. Set the schedule full "
    "(COUNTERFOIL_RECONCILE_FULL_CRON), or draw up a statement.",
    "P19",
    monitor=True,
)
_STALE_SOURCE: Final = Invariant(
    "STALE_SOURCE",
    "Was every source that money goes through reconciled within two days?",
    _stale,
    "critical",
    "Nothing is known of what moved since, and nothing of it is green.",
    "P19",
    monitor=True,
)
_JOB_NOT_RUN: Final = Invariant(
    "JOB_NOT_RUN",
    "Was every schedule completed before two of its moments passed?",
    _missed,
    "critical",
    "Nobody looked when somebody should have.",
    "P19",
    monitor=True,
)
_JOB_FAILED: Final = Invariant(
    "JOB_FAILED",
    "Was the newest moment of every schedule done by whoever took it?",
    _undone,
    "warning",
    "Somebody began, and tripped or was killed: what it should have done is not done, and its next moment may end the same way.",
    "P19",
    monitor=True,
)
_SCHEDULE_CONTESTED: Final = Invariant(
    "SCHEDULE_CONTESTED",
    "Do all workers have the same schedules in their settings?",
    f"""select w.name, w.worker, case when w.cron = '' then 'no schedule' else w.cron end as wants, w.since, s.cron as kept
        from schedule_wish w join reconciliation_schedule s on s.name = w.name
        where w.cron <> s.cron and s.cron <> '' and w.said_at > %(now)s - interval '{WISH_COUNTS.total_seconds():.0f} s'
          and w.since < %(now)s - interval '10 minutes'""",
    "warning",
    "A worker's settings say something else than another's; the schedule stays as it was, and what somebody changed has no effect.",
    "P19",
    monitor=True,
)
_CHECK_NOT_RUN: Final = Invariant(
    "CHECK_NOT_RUN",
    "Was every check asked to its end by the newest full run, and by the newest recent one, and everything within two days?",
    # Whether a schedule of full runs is kept, JOB_NOT_RUN asks; where none is set, nobody would miss them.
    # What a run that is under way has asked again counts; what it has not come to yet, the last one answered.
    f"""with looked_at as (
           select * from sentinel_run where state = 'running' or id in (
               select distinct on (kind) id from sentinel_run where state <> 'running' order by kind, number desc)),
       newest as (
           select distinct on (l.kind, c.code) c.code, l.kind, l.id as run, c.outcome, c.error
           from looked_at l join sentinel_check c on c.run_id = l.id order by l.kind, c.code, l.number desc)
       select code, kind, run, error from newest where outcome = 'failed'
       union all
       select 'the ' || kind || ' run', kind, id, error from (
           select distinct on (kind) * from sentinel_run where state <> 'running' order by kind, number desc) ended
       where state = 'cut_short' and error is distinct from failed || ' of ' || checks || ' {UNASKED}'
       union all
       select 'full runs', 'full', run, 'no schedule sentinel-full is set, and not everything was asked since ' || at
       from (select max(id) filter (where kind = 'full') as run,
                    coalesce(max(finished_at) filter (where kind = 'full' and state = 'finished'), min(started_at)) as at
             from sentinel_run where not exists (select from reconciliation_schedule where name = 'sentinel-full' and cron <> '')) l
       where at < %(now)s - interval '{SOURCE_LIMIT.total_seconds():.0f} s'""",
    "critical",
    "A check that was not asked is not one that holds.",
    "P19",
    monitor=True,
)
