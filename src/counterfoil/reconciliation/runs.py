"""Runs: our books against a provider's statement, by the same engine and rules as two files; what was found is kept."""

from __future__ import annotations

import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.operations.events import NewEvent, emit
from counterfoil.operations.work import Clock, Transactions
from counterfoil.reconciliation.books import StatementSide, our_movements, their_movements
from counterfoil.reconciliation.engines import DuckEngine
from counterfoil.reconciliation.outcome import Outcome, as_json, break_json, reconcile
from counterfoil.reconciliation.reading import read_table
from counterfoil.reconciliation.rules import RuleSet
from counterfoil.reconciliation.rules_file import load_rules

DAYS_MAX: Final = 366
ERROR_MAX: Final = 500
RULES_TEXT: Final = """
version = 1
name = "our books against the provider's statement"
compare = ["amount", "asset"]

[left]
name = "our books"

[right]
name = "the provider's statement"
expected_within_days = 1            # its webhook may still be on its way

[[pass]]
kind = "key"
name = "provider-id"
left = ["id"]
right = ["id"]
before_days = 3
after_days = 3

[[pass]]
kind = "reversal"                   # a payout that failed: the provider took the money and gave it back
before_days = 31
after_days = 31
"""


class StatementUnavailable(Problem):
    """The provider does not give its statement now."""

    kind = "busy"


class HasStatement(Protocol):
    """A provider that gives a statement."""

    def statement(self, first: str, last: str) -> bytes:
        """The statement of these days as a file."""


class Run(NamedTuple):
    """A run as it was recorded. `matched` and `breaks` count records and breaks; None while it runs or when it failed."""

    id: str
    program_id: str
    source: str
    first_on: date
    last_on: date
    state: str
    verdict: str | None
    actor: str
    started_at: datetime
    finished_at: datetime | None
    matched: int | None
    breaks: int | None
    notes: list[str]
    report: dict[str, Any] | None
    error: str | None


class FoundBreak(NamedTuple):
    """A break as a run found it; `at_stake` in minor units."""

    run_id: str
    number: int
    break_id: str
    kind: str
    severity: str
    asset: str
    at_stake: int
    cause: str
    detail: dict[str, Any]


def reconcile_provider(
    database: Transactions,
    clock: Clock,
    provider: HasStatement,
    *,
    run_id: str,
    program_id: str,
    source: str,
    first: date,
    last: date,
    actor: str,
) -> Run:
    """Hold the provider's statement of these days against our books, and keep what was found.

    Three stations: say that it runs and read our side; fetch and match with no transaction open; record. A run that could not
    conclude is kept as failed, never as reconciled. Raises InvalidInput, StatementUnavailable, and what broke the run.
    """
    if not first <= last or (last - first).days >= DAYS_MAX:
        raise InvalidInput("date", f"a range of 1 to {DAYS_MAX} days", got=f"{first} to {last}")
    with database.transaction() as conn:
        _begin(conn, run_id, program_id, source, first, last, actor, clock())
        ours = our_movements(conn, program_id, source, first=first, last=last)
    try:
        outcome, theirs = _match(ours, provider, first, last)
    except Exception as error:
        with database.transaction() as conn:
            _fail(conn, run_id, f"{type(error).__name__}: {error}"[:ERROR_MAX], clock())
        raise
    with database.transaction() as conn:
        _finish(conn, run_id, program_id, outcome, theirs, clock())
        return show_run(conn, run_id)


def _match(ours: Any, provider: HasStatement, first: date, last: date) -> tuple[Outcome, StatementSide]:
    with tempfile.TemporaryDirectory(prefix="counterfoil-reconcile-") as name:
        folder = Path(name)
        theirs = _fetch(provider, first, last, folder / "statement.csv")
        rules = _rules(last)
        engine = DuckEngine(folder)
        try:
            left = read_table(engine, ours, rules.left, "left", folder)
            right = read_table(engine, theirs.table, rules.right, "right", folder)
            return reconcile(engine, left, right, rules)[1], theirs
        finally:
            engine.close()


def _rules(last: date) -> RuleSet:
    return load_rules(RULES_TEXT).model_copy(update={"as_of": last})


def _fetch(provider: HasStatement, first: date, last: date, path: Path) -> StatementSide:
    try:
        path.write_bytes(provider.statement(first.isoformat(), last.isoformat()))
    except OSError:
        raise
    except Exception as error:
        raise StatementUnavailable(detail=f"{type(error).__name__}: {error}"[:ERROR_MAX]) from error
    return their_movements(path)


def _begin(
    conn: Connection[Any], run_id: str, program_id: str, source: str, first: date, last: date, actor: str, now: datetime
) -> None:
    conn.execute(
        """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, actor, started_at)
           values (%s, %s, %s, %s, %s, 'running', %s, %s)""",
        [run_id, program_id, source, first, last, actor, now],
    )


def _fail(conn: Connection[Any], run_id: str, error: str, now: datetime) -> None:
    conn.execute(
        "update reconciliation_run set state = 'failed', error = %s, finished_at = %s where id = %s",
        [error, now, run_id],
    )


def _finish(
    conn: Connection[Any], run_id: str, program_id: str, outcome: Outcome, theirs: StatementSide, now: datetime
) -> None:
    report = {name: value for name, value in as_json(outcome).items() if name != "breaks"}
    matched = sum(row.matched.rows for row in outcome.footing if row.side == "left")
    conn.execute(
        """update reconciliation_run set state = 'finished', verdict = %s, finished_at = %s, statement_sha256 = %s,
                  rules_sha256 = %s, matched = %s, breaks = %s, notes = %s, report = %s where id = %s""",
        [
            outcome.verdict, now, bytes.fromhex(theirs.sha256), outcome.rules_sha256, matched, outcome.breaks_total,
            theirs.notes, Jsonb(report), run_id,
        ],
    )  # fmt: skip
    with conn.cursor() as cur:
        cur.executemany(
            """insert into reconciliation_break (run_id, number, break_id, kind, severity, asset, at_stake, cause, detail)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    run_id,
                    number,
                    one.id,
                    one.kind,
                    one.severity,
                    one.asset,
                    one.at_stake,
                    one.cause,
                    Jsonb(break_json(one)),
                )
                for number, one in enumerate(outcome.breaks, start=1)
            ],
        )
    told = {"verdict": outcome.verdict, "breaks": outcome.breaks_total}
    emit(conn, [NewEvent("reconciliation_finished", program_id, run_id, told)], at=now)


def show_run(conn: Connection[Any], run_id: str) -> Run:
    """One run. Raises NotFound."""
    found = _select(conn, "where id = %s", [run_id])
    if not found:
        raise NotFound(what="reconciliation run", id=run_id)
    return found[0]


def list_runs(
    conn: Connection[Any], *, rows_max: int, after: str | None = None, source: str | None = None
) -> list[Run]:
    """Runs, newest first, keyset-paged by id."""
    return _select(
        conn,
        """where (%(source)s::text is null or source = %(source)s) and (%(after)s::text is null or id < %(after)s)
           order by id desc limit %(rows_max)s""",
        {"source": source, "after": after, "rows_max": rows_max},
    )


def latest_runs(conn: Connection[Any], *, rows_max: int = 100) -> list[Run]:
    """The last run of each program and source, whatever became of it."""
    return _select(
        conn,
        """where id in (select distinct on (program_id, source) id from reconciliation_run
                        order by program_id, source, started_at desc, id desc)
           order by program_id, source limit %s""",
        [rows_max],
    )


def runs_between(conn: Connection[Any], *, first: date, last: date, rows_max: int = 100) -> list[Run]:
    """Finished and failed runs whose range touches these days, newest first: the reconciliation report of a time range."""
    return _select(
        conn,
        "where last_on >= %s and first_on <= %s and state <> 'running' order by id desc limit %s",
        [first, last, rows_max],
    )


def breaks_of(conn: Connection[Any], run_id: str, *, rows_max: int = 500, after: int = 0) -> list[FoundBreak]:
    """The breaks of a run, in their fixed order, from number `after` + 1 on."""
    with conn.cursor(row_factory=class_row(FoundBreak)) as cur:
        return cur.execute(
            """select run_id, number, break_id, kind, severity, asset, at_stake, cause, detail
               from reconciliation_break where run_id = %s and number > %s order by number limit %s""",
            [run_id, after, rows_max],
        ).fetchall()


def _select(conn: Connection[Any], ending: str, given: Any) -> list[Run]:
    with conn.cursor(row_factory=class_row(Run)) as cur:
        return cur.execute(
            """select id, program_id, source, first_on, last_on, state, verdict, actor, started_at, finished_at, matched,
                      breaks, notes, report, error from reconciliation_run """
            + ending,
            given,
        ).fetchall()
