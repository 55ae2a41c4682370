"""Continuous reconciliation: what has happened since the watermark, everything from time to time, and both must say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.problems import Problem
from counterfoil.ledger.problems import UnknownAccount
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.reconciliation.bank_statements import has_bank_file
from counterfoil.reconciliation.runs.books import first_changed_day
from counterfoil.reconciliation.runs.pairings import Pairing
from counterfoil.reconciliation.runs.rows import Run, select_runs, show_run
from counterfoil.reconciliation.runs.run import RunContext, RunRequest, run_pairing

Scope = Literal["range", "recent", "full"]
OVERLAP: Final = timedelta(minutes=10)  # a writer that was slow to commit recorded before we read, and we did not see it
LISTED_MAX: Final = 100

EVENT_KINDS: Final = declare(
    critical={"reconciliation_disagrees": "A full reconciliation found something else than the runs before it had said."}
)


class RunPlan(NamedTuple):
    """What is to be reconciled: every source of `sources` in turn. `days` for the scope `range`, and for `full` of given days."""

    program_id: str
    sources: Sequence[Pairing]
    scope: Scope
    days: tuple[date, date] | None
    actor: str
    slot_at: datetime | None = None


class Tried(NamedTuple):
    """What became of one source: its run, or why there is none."""

    source: str
    run: Run | None
    problem: Problem | None


def reconcile_all(means: RunContext, wanted: RunPlan, make_id: Callable[[str], str]) -> list[Tried]:
    """Reconcile one source after another; one that fails holds no other up. Its failed run is kept.

    A mistake of ours is raised as what it is, once all the others are done.
    """
    found, mistakes = [], list[Exception]()
    for one in wanted.sources:
        try:
            found.append(Tried(one.name, reconcile_one(means, one, wanted, make_id), None))
        except Problem as problem:
            found.append(Tried(one.name, None, problem))
        except Exception as mistake:  # noqa: BLE001 - raised below
            mistakes.append(mistake)
    if mistakes:
        raise mistakes[0]
    return found


def reconcile_one(means: RunContext, one: Pairing, wanted: RunPlan, make_id: Callable[[str], str]) -> Run:
    """One source in the scope that is wanted. A full run without days is held against what the runs before it had said."""
    today = means.clock().astimezone(UTC).date()

    def run(scope: Scope, first: date, last: date) -> Run:
        asked = RunRequest(make_id("rec"), wanted.program_id, first, last, wanted.actor, scope, wanted.slot_at)
        return run_pairing(means, one, asked)

    if wanted.days is not None:
        return run("range", *wanted.days)
    with means.database.transaction() as conn:
        since, start = _since(conn, wanted.program_id, one, today), _start(conn, wanted.program_id, today)
    recent = run("recent", since if since is not None else start, today)
    if wanted.scope == "recent":
        return recent
    full = run("full", start, today)
    with means.database.transaction() as conn:
        return _compare(conn, full, recent, means.clock())


def sources_in_use(conn: Connection[Any], known: Sequence[Pairing], program_id: str) -> list[Pairing]:
    """Those that there is something to hold against: every provider's, and bank accounts of which a statement was imported."""
    return [one for one in known if one.provider is not None or has_bank_file(conn, program_id, one.account or "")]


def sources_of_agent(
    conn: Connection[Any], known: Sequence[Pairing], program_id: str, agent_id: str, days: tuple[date, date] | None
) -> list[Pairing]:
    """The sources through which an agent's money moved on these days (effective, UTC), or ever: a journal touches its account and theirs.

    Each is reconciled whole: what others say of it does not tell one agent's money from another's. Raises UnknownAccount.
    """
    name = f"treasury:agent:{agent_id}"
    accounts = conn.execute(
        "select a.id from account a join book b on b.id = a.book_id where b.program_id = %s and a.name = %s",
        [program_id, name],
    ).fetchall()
    if not accounts:
        raise UnknownAccount(program=program_id, account=name)
    first, last = days or (None, None)
    rows = conn.execute(
        """with own as (
               select id, segments_of(id) as segments from account where id = any(%(accounts)s)
           ), moved as (
               select p.journal_id, p.effective_at from own join posting p on p.segment = any(own.segments) and p.debit = own.id
               union all
               select p.journal_id, p.effective_at from own join posting p on p.segment = any(own.segments) and p.credit = own.id)
           select distinct a.name from moved m
           join posting p on p.journal_id = m.journal_id
           cross join lateral (values (p.debit), (p.credit)) as side (account)
           join account a on a.id = side.account
           where (m.effective_at at time zone 'UTC')::date
                 between coalesce(%(first)s::date, '-infinity') and coalesce(%(last)s, 'infinity')""",
        {"accounts": [row[0] for row in accounts], "first": first, "last": last},
    ).fetchall()
    touched = {row[0] for row in rows}
    return [one for one in known if one.account in touched or f"clearing:{one.provider}" in touched]


def _start(conn: Connection[Any], program_id: str, today: date) -> date:
    """The day on which the program was opened, or its first journal took effect, whichever was earlier."""
    row = conn.execute(
        "select least(opened_at, (select min(effective_at) from journal where program_id = p.id)) from program p where id = %s",
        [program_id],
    ).fetchone()
    started: datetime | None = row[0] if row else None
    return min(started.astimezone(UTC).date(), today) if started else today


def _since(conn: Connection[Any], program_id: str, one: Pairing, today: date) -> date | None:
    """From which day on something may have changed since the last conclusion: the days in which items mature, and older days into
    which our books were written since. None when there is no conclusion yet."""
    row = conn.execute(
        """select max(last_on), max(read_until) from reconciliation_run
           where program_id = %s and source = %s and state = 'finished' and scope in ('recent', 'full')""",
        [program_id, one.name],
    ).fetchone()
    if row is None or row[0] is None:
        return None
    last: date = row[0]
    days = [min(last, today) - timedelta(days=one.wait_days)]
    if one.account is not None and row[1] is not None:
        changed = first_changed_day(conn, program_id, one.account, since=row[1] - OVERLAP)
        days += [changed] if changed else []
    return min(days)


def _compare(conn: Connection[Any], full: Run, recent: Run, now: datetime) -> Run:
    """Hold a full run against the sum of what the runs since the watermark had said, and keep the comparison with it."""
    if full.comparison is not None:
        return full
    said = standing_breaks(conn, full)
    found = _breaks_of(conn, full.id)
    only_full, only_before = sorted(found - said), sorted(said - found)
    comparison = {
        "with": recent.id,
        "agrees": not only_full and not only_before,
        "breaks": len(found),
        "only_in_full": only_full[:LISTED_MAX],
        "only_before": only_before[:LISTED_MAX],
        "differing": len(only_full) + len(only_before),
        "compared_at": now.isoformat(),
    }
    conn.execute("update reconciliation_run set comparison = %s where id = %s", [Jsonb(comparison), full.id])
    if not comparison["agrees"]:
        told = {"source": full.source, "with": recent.id, "differing": comparison["differing"]}
        emit(conn, [NewEvent("reconciliation_disagrees", full.program_id, full.id, told)], at=now)
    return show_run(conn, full.id)


def standing_breaks(conn: Connection[Any], full: Run) -> set[str]:
    """The breaks that stand by the runs since the watermark alone: of each day, what the latest of them that covers it found."""
    rows = conn.execute(
        """select distinct b.identity from reconciliation_run r join run_finding b on b.run_id = r.id
           where r.program_id = %(program)s and r.source = %(source)s and r.state = 'finished' and r.scope = 'recent'
             and not exists (
                 select from reconciliation_run later
                 where later.program_id = r.program_id and later.source = r.source and later.state = 'finished'
                   and later.scope = 'recent' and later.number > r.number
                   and coalesce(b.day, r.first_on) between later.first_on and later.last_on)
           order by b.identity""",
        {"program": full.program_id, "source": full.source},
    ).fetchall()
    return {row[0] for row in rows}


def watermark(conn: Connection[Any], program_id: str, source: str) -> date | None:
    """The last day up to which a source was brought to a conclusion."""
    found = select_runs(
        conn,
        "where program_id = %s and source = %s and state = 'finished' order by last_on desc, number desc limit 1",
        [program_id, source],
    )
    return found[0].last_on if found else None


def _breaks_of(conn: Connection[Any], run_id: str) -> set[str]:
    rows = conn.execute("select identity from run_finding where run_id = %s order by number", [run_id]).fetchall()
    return {row[0] for row in rows}
