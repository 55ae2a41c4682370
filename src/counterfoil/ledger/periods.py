"""Periods: a moment before which the books are closed. It moves on by closing; moving it back is an act of two people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.ledger.problems import UnknownProgram


class PeriodNotLater(Problem):
    """The books are closed until that moment or a later one already."""


def close_period(
    conn: Connection[Any], program_id: str, *, until: datetime, reason: str, actor: str, now: datetime
) -> None:
    """Nothing effective before `until` is posted any more. Waits for those who are writing; whoever comes later is refused.

    Raises PeriodNotLater, UnknownProgram, InvalidInput.
    """
    if until.tzinfo is None or until > now:
        raise InvalidInput("until", "a moment with its time zone, not later than now", got=until.isoformat())
    if not reason.strip():
        raise InvalidInput("reason", "at least one word")
    if conn.execute("select from program where id = %s", [program_id]).fetchone() is None:
        raise UnknownProgram(program=program_id)
    # Alone in the program: who posts holds it shared until its transaction ends, so nobody can have read the old limit and
    # still be about to write before it.
    conn.execute("select pg_advisory_xact_lock(program_lock(%s))", [program_id])
    before = closed_until(conn, program_id)
    if before is not None and until <= before:
        raise PeriodNotLater(program=program_id, closed_until=before.isoformat())
    conn.execute(
        """insert into period_close (program_id, step, verb, closed_until, actor, reason, at)
           select %(program)s, 1 + count(*), 'close', %(until)s, %(actor)s, %(reason)s, %(now)s
           from period_close where program_id = %(program)s""",
        {"program": program_id, "until": until, "actor": actor, "reason": reason, "now": now},
    )


def closed_until(conn: Connection[Any], program_id: str) -> datetime | None:
    """Before this moment the program's books are closed; None when nothing is."""
    row = conn.execute(
        "select closed_until from period_close where program_id = %s order by step desc limit 1", [program_id]
    ).fetchone()
    return None if row is None else row[0]
