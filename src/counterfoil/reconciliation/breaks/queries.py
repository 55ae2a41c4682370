"""Reading breaks: lists, one in full, groups by cause with their age, and how many come and go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.money import Money
from counterfoil.base.problems import NotFound
from counterfoil.base.rows import row_by_id
from counterfoil.matching.findings.recorded import FindingDetail
from counterfoil.operations.noun_pages import ListCondition
from counterfoil.reconciliation.breaks.ages import AGES, BOUNDS
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.work import BREAK_COLUMNS, Break

GROUPS_MAX: Final = 500
FLOW_DAYS_MAX: Final = 92
_STATES: Final[Mapping[str, tuple[str, ...]]] = {
    "live": BREAK.open,
    "closed": BREAK.final,
    **{one: (one,) for one in BREAK.states()},
}
STATES: Final = tuple(_STATES)  # what a list may be narrowed to


class Filter(NamedTuple):
    """What a list of breaks is narrowed to; None does not narrow. `state` is a state, `live` or `closed`; `owner` "" is nobody."""

    program_id: str | None = None
    source: str | None = None
    state: str | None = None
    kind: str | None = None
    cause: str | None = None
    severity: str | None = None
    owner: str | None = None
    run_id: str | None = None  # found by it for the first or for the last time


class Remark(NamedTuple):
    """A comment, or that somebody became its owner (`text` names them; empty: nobody)."""

    number: int
    kind: str
    text: str
    actor: str
    at: datetime


class BreakGroup(NamedTuple):
    """Live breaks of one kind, cause and asset. `ages` are counts in the order of `AGES`."""

    kind: str
    cause: str
    asset: str
    number: int
    at_stake: Money
    oldest_at: datetime
    overdue: int
    ages: tuple[int, ...]


class AgeBand(NamedTuple):
    """How many live breaks of one asset are that old, and what is at stake in them."""

    age: str
    asset: str
    number: int
    at_stake: Money


OLD_AFTER: Final = timedelta(days=7)  # a break that is live for longer is old


class FlowDay(NamedTuple):
    """What came and went on a day (UTC), by how it went."""

    on: date
    opened: int
    matched: int
    accepted: int
    duplicate: int
    adjusted: int
    written_off: int

    @property
    def closed(self) -> int:
        """All that went."""
        return self.matched + self.accepted + self.duplicate + self.adjusted + self.written_off


class Flow(NamedTuple):
    """What came and went over a span of days; `peak` is the most on one day in either direction."""

    days: tuple[FlowDay, ...]
    opened: int
    closed: int
    peak: int


class AgedDay(NamedTuple):
    """The end of a day (UTC): how many breaks were live then, how many of them for over 7 days, and how old the oldest was, in whole days
    (None where none was live)."""

    day: date
    live: int
    old: int
    oldest_days: int | None


class Totals(NamedTuple):
    """Live breaks together: how many, how many of them past their due date, unassigned, critical, or waiting for a second person."""

    live: int
    overdue: int
    unowned: int
    critical: int
    pending: int


def list_breaks(conn: Connection[Any], by: Filter = Filter(), *, rows_max: int, after: str | None = None) -> list[Break]:
    """Breaks, newest first, keyset-paged by id."""
    with conn.cursor(row_factory=class_row(Break)) as cur:
        return cur.execute(
            f"""select {BREAK_COLUMNS} from break where {_WHERE} and (%(after)s::text is null or id < %(after)s)
                order by id desc limit %(rows_max)s""",
            {**_given(by), "after": after, "rows_max": rows_max},
        ).fetchall()


def breaks_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Break]:
    """These breaks, in any order."""
    with conn.cursor(row_factory=class_row(Break)) as cur:
        return cur.execute(f"select {BREAK_COLUMNS} from break where id = any(%s)", [list(ids)]).fetchall()


def narrowed_by(by: Filter) -> ListCondition:
    """The condition of what a list is narrowed to."""
    return ListCondition(_WHERE, _given(by))


def count_breaks(conn: Connection[Any], by: Filter = Filter()) -> int:
    """How many there are."""
    row = conn.execute(f"select count(*) from break where {_WHERE}", _given(by)).fetchone()
    return int(row[0]) if row else 0


def show_break(conn: Connection[Any], break_id: str) -> Break:
    """One break as it stands. Raises NotFound."""
    return row_by_id(conn, Break, "break", f"select {BREAK_COLUMNS} from break where id = %s", break_id)


def newest_cases(conn: Connection[Any], program_id: str, source: str, identities: Sequence[str]) -> dict[str, str]:
    """The newest break of each of these identities, by identity; one that was not filed is not in the answer."""
    return dict(
        conn.execute(
            """select identity, max(id) from break
               where program_id = %s and source = %s and identity = any(%s) group by identity""",
            [program_id, source, list(identities)],
        ).fetchall()
    )


def detail_of(conn: Connection[Any], case: Break) -> FindingDetail:
    """Both records, what differs, candidates, hypotheses with their tests and the safe action, as its last run found them."""
    row = conn.execute("select detail from run_finding where run_id = %s and number = %s", [case.last_run, case.last_number]).fetchone()
    if row is None:
        raise NotFound(what="finding", run=case.last_run, number=case.last_number)
    return FindingDetail.read(row[0])


def remarks_of(conn: Connection[Any], break_id: str) -> list[Remark]:
    """Comments and owners, in order."""
    with conn.cursor(row_factory=class_row(Remark)) as cur:
        return cur.execute(
            "select number, kind, text, actor, at from break_remark where break_id = %s order by number",
            [break_id],
        ).fetchall()


def recurrences_of(conn: Connection[Any], break_id: str) -> list[str]:
    """The breaks that came back after this one, oldest first."""
    rows = conn.execute("select id from break where recurs_of = %s order by id", [break_id]).fetchall()
    return [row[0] for row in rows]


def groups_of(conn: Connection[Any], by: Filter = Filter(), *, now: datetime) -> list[BreakGroup]:
    """Live breaks by kind, cause and asset: the largest amounts first within an asset."""
    rows = conn.execute(
        f"""select kind, cause, asset, count(*), sum(at_stake)::bigint, min(opened_at),
                   count(*) filter (where due_on < %(today)s), {_AGES_COUNTED}
            from break where {_WHERE} and state = any(%(live)s)
            group by kind, cause, asset order by asset, 5 desc, kind, cause limit %(rows_max)s""",
        {**_given(by), **_bounds(now), "live": list(BREAK.open), "rows_max": GROUPS_MAX},
    ).fetchall()
    return [
        BreakGroup(kind, cause, asset, number, Money(minor, asset), oldest, overdue, tuple(ages))
        for kind, cause, asset, number, minor, oldest, overdue, *ages in rows
    ]


def ages_of(conn: Connection[Any], by: Filter = Filter(), *, now: datetime) -> list[AgeBand]:
    """Live breaks by age and asset, every band of an asset that has any, the youngest first."""
    sums = ", ".join(f"coalesce(sum(at_stake) filter (where {band}), 0)::bigint" for band in _BANDS)
    rows = conn.execute(
        f"""select asset, {_AGES_COUNTED}, {sums} from break where {_WHERE} and state = any(%(live)s)
            group by asset order by asset limit %(rows_max)s""",
        {**_given(by), **_bounds(now), "live": list(BREAK.open), "rows_max": GROUPS_MAX},
    ).fetchall()
    count = len(AGES)
    return [AgeBand(age, asset, figures[at], Money(figures[count + at], asset)) for asset, *figures in rows for at, age in enumerate(AGES)]


def flow_of(conn: Connection[Any], by: Filter = Filter(), *, first: date, last: date) -> list[FlowDay]:
    """How many were opened and closed on each of these days, at most 92, the first one first; days without any count 0."""
    with conn.cursor(row_factory=class_row(FlowDay)) as cur:
        return cur.execute(
            f"""with days as (select day::date as on_day from generate_series(%(first)s::date, %(last)s::date, interval '1 day') as day
                              limit %(days_max)s),
                taken as (select (s.at at time zone 'UTC')::date as on_day, s.verb, s.to_state
                          from step s join (select * from break where {_WHERE}) b on b.id = s.subject_id
                          where s.machine = 'break' and s.at >= %(first)s::date and s.at < %(last)s::date + 1)
                select d.on_day as on, {_FLOWN}
                from days d left join taken t on t.on_day = d.on_day group by d.on_day order by d.on_day""",
            {**_given(by), "first": first, "last": last, "days_max": FLOW_DAYS_MAX},
        ).fetchall()


def flow_over(conn: Connection[Any], by: Filter = Filter(), *, first: date, last: date) -> Flow:
    """The flow of these days with its sums."""
    days = tuple(flow_of(conn, by, first=first, last=last))
    peak = max((max(one.opened, one.closed) for one in days), default=0)
    return Flow(days, sum(one.opened for one in days), sum(one.closed for one in days), peak)


def aged_over(conn: Connection[Any], by: Filter = Filter(), *, days: int, now: datetime) -> list[AgedDay]:
    """How many breaks were live at the end of each of the last `days` days, today until now, and how old the oldest of them was then."""
    with conn.cursor(row_factory=class_row(AgedDay)) as cur:
        return cur.execute(
            f"""with ends as (select d::date as day, least((d + interval '1 day') at time zone 'UTC', %(now)s) as ends_at
                              from generate_series((%(now)s at time zone 'UTC')::date - %(days)s + 1,
                                                   (%(now)s at time zone 'UTC')::date, interval '1 day') d),
                     steps as (select b.opened_at, s.to_state, s.at, lead(s.at) over (partition by s.subject_id order by s.step) as until
                               from step s join (select * from break where {_WHERE}) b on b.id = s.subject_id where s.machine = 'break'),
                     spans as (select opened_at, at, until from steps
                               where to_state = any(%(live)s) and (until is null or until >= (select min(ends_at) from ends)))
                select e.day, count(s.at)::integer as live,
                       count(s.at) filter (where s.opened_at <= e.ends_at - %(old)s)::integer as old,
                       floor(extract(epoch from max(e.ends_at - s.opened_at)) / 86400)::integer as oldest_days
                from ends e
                left join spans s on s.at < e.ends_at and (s.until is null or s.until >= e.ends_at)
                group by e.day order by e.day""",
            {**_given(by), "now": now, "days": days, "old": OLD_AFTER, "live": list(BREAK.open)},
        ).fetchall()


def totals_of(conn: Connection[Any], by: Filter = Filter(), *, now: datetime) -> Totals:
    """Live breaks, counted by what makes them urgent."""
    with conn.cursor(row_factory=class_row(Totals)) as cur:
        found = cur.execute(
            f"""select count(*) as live, count(*) filter (where due_on < %(today)s) as overdue,
                       count(*) filter (where owner is null) as unowned, count(*) filter (where severity = 'critical') as critical,
                       count(*) filter (where state = 'pending_adjustment') as pending
                from break where {_WHERE} and state = any(%(live)s)""",
            {**_given(by), "today": now.date(), "live": list(BREAK.open)},
        ).fetchone()
    return found or Totals(0, 0, 0, 0, 0)


_WHERE: Final = """(%(program_id)s::text is null or program_id = %(program_id)s)
    and (%(source)s::text is null or source = %(source)s)
    and (%(states)s::text[] is null or state = any(%(states)s))
    and (%(kind)s::text is null or kind = %(kind)s) and (%(cause)s::text is null or cause = %(cause)s)
    and (%(severity)s::text is null or severity = %(severity)s)
    and (%(owner)s::text is null or coalesce(owner, '') = %(owner)s)
    and (%(run_id)s::text is null or %(run_id)s in (first_run, last_run))"""
_BANDS: Final = tuple(
    " and ".join([f"opened_at <= %(days_{BOUNDS[at - 1]})s"] * (at > 0) + [f"opened_at > %(days_{days})s" for days in BOUNDS[at : at + 1]])
    for at in range(len(AGES))
)
_AGES_COUNTED: Final = ", ".join(f"count(*) filter (where {band})" for band in _BANDS)
_FLOWN: Final = ", ".join(
    ["count(*) filter (where t.verb = 'create') as opened"]
    + [f"count(*) filter (where t.to_state = '{state}') as {state}" for state in BREAK.final]
)


def _given(by: Filter) -> dict[str, Any]:
    states = None if by.state is None else list(_STATES.get(by.state, (by.state,)))
    return {**by._asdict(), "states": states}


def _bounds(now: datetime) -> dict[str, Any]:
    return {"today": now.date(), **{f"days_{days}": now - timedelta(days=days) for days in BOUNDS}}
