"""Runs of the sentinel as rows: how they begin, show that they live, end, and are found again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.machine import Machine, record_birth, take_step
from counterfoil.base.problems import NotFound
from counterfoil.integrity.asking import CheckReply
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import First, Narrow, SortKey
from counterfoil.operations.verbs import Noun, Part

ACTOR: Final = "system:sentinel"
SILENT_AFTER: Final = timedelta(minutes=15)  # longer than any one check may take
CHECKS_MAX: Final = 1_000

SENTINEL_RUN: Final = Machine(
    name="sentinel_run",
    table="sentinel_run",
    initial=("running",),
    transitions={("running", "finish"): "finished", ("running", "cut_short"): "cut_short"},
)
EVENT_KINDS: Final = declare(
    debug={"sentinel_finished": "Every check was asked; what was found is among the alerts."},
    critical={"sentinel_cut_short": "A run of the sentinel did not ask everything: what it did not ask is not known."},
)


class SentinelRun(NamedTuple):
    """A run: `since` is null where it asked of everything; `watermark` is up to when it looked; `touched` counts what it asked of."""

    id: str
    number: int
    kind: str
    state: str
    verdict: str
    actor: str
    slot_at: datetime | None
    started_at: datetime
    finished_at: datetime | None
    took_ms: int | None
    since: datetime | None
    watermark: datetime | None
    touched: dict[str, int]
    checks: int
    holding: int
    broken: int
    failed: int
    findings: int
    opened: int
    progress: str | None
    error: str | None
    not_asked: int  # checks that this run did not ask, or has not come to yet; of `unasked` it says nothing
    unasked: list[str]


class CheckAnswer(NamedTuple):
    """What one check answered in a run: holds, broken or failed; how many rows it found, and how long it took."""

    code: str
    outcome: str
    findings: int
    took_ms: int
    error: str | None
    at: datetime


def begin_run(
    conn: Connection[Any],
    run_id: str,
    kind: str,
    *,
    since: datetime | None,
    actor: str,
    slot_at: datetime | None,
    now: datetime,
    codes: Sequence[str] = (),
) -> None:
    """Say that a run has begun that could ask all of `codes`, and that those are cut short whose process is gone."""
    bury_runs(conn, now=now)
    conn.execute(
        """insert into sentinel_run (id, kind, actor, slot_at, started_at, beat_at, since, unasked, state, state_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, 'running', %s)""",
        [run_id, kind, actor, slot_at, now, now, since, list(codes), now],
    )
    record_birth(conn, SENTINEL_RUN, [run_id], "running", actor=actor, at=now)


def note_answer(conn: Connection[Any], run_id: str, place: int, answer: CheckReply, *, opened: int, now: datetime) -> None:
    """Keep what a check answered, and count it."""
    conn.execute(
        """insert into sentinel_check (run_id, place, code, outcome, findings, took_ms, error, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [run_id, place, answer.code, answer.outcome, answer.total, answer.took_ms, answer.error, now],
    )
    conn.execute(
        """update sentinel_run set beat_at = %(now)s, progress = %(code)s, checks = checks + 1, unasked = array_remove(unasked, %(code)s),
                  holding = holding + (%(outcome)s = 'holds')::int,
                  broken = broken + (%(outcome)s = 'broken')::int, failed = failed + (%(outcome)s = 'failed')::int,
                  findings = findings + %(total)s, opened = opened + %(opened)s
           where id = %(id)s""",
        {"id": run_id, "now": now, "code": answer.code, "outcome": answer.outcome, "total": answer.total, "opened": opened},
    )


UNASKED: Final = "checks could not be asked"  # said of a run that was cut short by them alone


def end_run(
    conn: Connection[Any], run_id: str, *, watermark: datetime | None, touched: dict[str, int], error: str | None, now: datetime
) -> SentinelRun:
    """It is over. With an `error`, or when a check failed, it is cut short, and nobody may call it green."""
    run = show_run(conn, run_id)
    if run.failed and error is None:
        error = f"{run.failed} of {run.checks} {UNASKED}"
    conn.execute(
        """update sentinel_run set finished_at = %s, watermark = %s, touched = %s, error = %s, progress = null
           where id = %s and state = 'running'""",
        [now, watermark, Jsonb(touched), error, run_id],
    )
    if run.state == "running":
        _end(conn, run_id, error, now)
    return show_run(conn, run_id)


def _end(conn: Connection[Any], run_id: str, error: str | None, now: datetime) -> None:
    take_step(conn, SENTINEL_RUN, run_id, "running", "cut_short" if error else "finish", actor=ACTOR, at=now, cause=error)
    name = "sentinel_cut_short" if error else "sentinel_finished"
    emit(conn, [NewEvent(name, "", run_id, {"error": error} if error else {})], at=now)


def bury_runs(conn: Connection[Any], *, now: datetime) -> int:
    """Runs whose process was killed are cut short, and say at which check; returns how many there were."""
    rows = conn.execute(
        """update sentinel_run set finished_at = %(now)s,
                  error = 'its process was gone: nothing was heard of it' || coalesce(' after the check ' || progress, '')
           where state = 'running' and beat_at < %(dead)s returning id, error""",
        {"now": now, "dead": now - SILENT_AFTER},
    ).fetchall()
    for run_id, error in rows:
        _end(conn, run_id, error, now)
    return len(rows)


def watermark_of(conn: Connection[Any]) -> datetime | None:
    """Up to when everything was looked at by some run; None when no full run ever came to its end."""
    row = conn.execute(
        """select max(watermark) from sentinel_run
           where watermark is not null and number >= (select min(number) from sentinel_run where kind = 'full' and watermark is not null)"""
    ).fetchone()
    return row[0] if row else None


def newest_run(conn: Connection[Any], kind: str) -> SentinelRun | None:
    """The newest run of a kind that is over."""
    found = _select(conn, "where kind = %s and state <> 'running' order by number desc limit 1", [kind])
    return found[0] if found else None


def show_run(conn: Connection[Any], run_id: str) -> SentinelRun:
    """One run. Raises NotFound."""
    found = _select(conn, "where id = %s", [run_id])
    if not found:
        raise NotFound(what="sentinel run", id=run_id)
    return found[0]


def list_runs(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> Sequence[SentinelRun]:
    """Runs, newest first."""
    given = [after, after, state, state, rows_max]
    return _select(conn, "where (%s::text is null or id < %s) and (%s::text is null or state = %s) order by id desc limit %s", given)


def _runs_by_id(conn: Connection[Any], ids: Sequence[str]) -> Sequence[SentinelRun]:
    return _select(conn, "where id = any(%s)", [list(ids)])


def answers_of(conn: Connection[Any], run_id: str, *, rows_max: int = CHECKS_MAX) -> Sequence[CheckAnswer]:
    """What each check answered, in the order in which they were asked."""
    with conn.cursor(row_factory=class_row(CheckAnswer)) as cur:
        return cur.execute(
            "select code, outcome, findings, took_ms, error, at from sentinel_check where run_id = %s order by place limit %s",
            [run_id, rows_max],
        ).fetchall()


def newest_answers(conn: Connection[Any], monitors: Collection[str]) -> dict[str, CheckAnswer]:
    """The newest answer of each check, by its code, of the newest full run and all that came after it.

    That what is new holds says nothing of all the rest: a recent run's `holds` counts of `monitors` alone, which every run asks in full.
    """
    with conn.cursor(row_factory=class_row(CheckAnswer)) as cur:
        rows = cur.execute(
            """select distinct on (c.code) c.code, c.outcome, c.findings, c.took_ms, c.error, c.at
               from sentinel_run r join sentinel_check c on c.run_id = r.id
               where r.number >= coalesce((select max(number) from sentinel_run where kind = 'full' and state <> 'running'), 0)
                 and (r.kind = 'full' or c.outcome <> 'holds' or c.code = any(%s))
               order by c.code, r.number desc""",
            [list(monitors)],
        ).fetchall()
    return {one.code: one for one in rows}


def _select(conn: Connection[Any], ending: str, given: list[Any]) -> list[SentinelRun]:
    with conn.cursor(row_factory=class_row(SentinelRun)) as cur:
        return cur.execute(
            """select id, number, kind, state,
                      case when state = 'running' then 'unknown' when broken > 0 then 'broken' when state = 'cut_short' then 'unknown'
                           else 'holds' end as verdict,
                      actor, slot_at, started_at, finished_at,
                      (extract(epoch from finished_at - started_at) * 1000)::bigint as took_ms, since, watermark, touched, checks, holding,
                      broken, failed, findings, opened, progress, error,
                      cardinality(unasked) as not_asked, unasked
               from sentinel_run """
            + ending,
            given,
        ).fetchall()


SENTINEL_NOUN: Final = Noun(
    "sentinel_run",
    "sentinel-runs",
    "srun",
    SENTINEL_RUN,
    (),
    show_run,
    row=SentinelRun,
    rows=list_runs,
    by_id=_runs_by_id,
    sorts=(SortKey("started_at", datetime), SortKey("findings", int), SortKey("opened", int)),
    narrows=(Narrow("kind", "t.kind = %(kind)s", "Only runs of this kind: full, recent or monitors."),),
    help="What was checked, up to when, and what was found.",
    parts=(Part("answers", CheckAnswer, answers_of),),
    columns=(
        "id",
        "kind",
        "state",
        "verdict",
        "started_at",
        "took_ms",
        "watermark",
        "checks",
        "broken",
        "failed",
        "not_asked",
        "findings",
        "opened",
    ),
    first=First("A worker makes one each five minutes; at once by hand.", "counterfoil sentinel run"),
)
