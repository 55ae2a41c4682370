"""Periods: a moment before which the books are closed. It moves on by closing; moving it back is an act of two people.

What has happened before it and becomes known after it is booked all the same: on the first open day, with its own day beside it
(see `journals.key_spaces`). A person's journal with an earlier date is refused: the person chooses another date, or two reopen.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.ledger.problems import ReopenNeedsTwo, UnknownProgram
from counterfoil.operations.access.access import Caller
from counterfoil.operations.approvals import Paired, Proposal, propose


class PeriodNotLater(Problem):
    """The books are closed until that moment or a later one already."""


class PeriodNotEarlier(Problem):
    """Reopening moves the limit back: the books are closed until that moment or an earlier one already, or not at all."""


REASON_MAX: Final = 2_000
MACHINE: Final = "period"  # as approvals name it; it has no states of its own


def close_period(conn: Connection[Any], program_id: str, *, until: datetime, reason: str, actor: str, now: datetime) -> None:
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


def reopen_period(
    conn: Connection[Any],
    program_id: str,
    *,
    until: datetime,
    approval_id: str,
    reason: str,
    maker: str,
    checker: str,
    now: datetime,
) -> None:
    """From now on what is effective at or after `until` is posted again. Two people: `maker` proposed exactly this, `checker` approved.

    `approval_id` is the proposal; the database looks it up and takes it once. What was booked late meanwhile stays where it is.
    Raises PeriodNotEarlier, ReopenNeedsTwo, UnknownProgram, InvalidInput.
    """
    if not reason.strip():
        raise InvalidInput("reason", "at least one word")
    if maker == checker:
        raise ReopenNeedsTwo(maker=maker)
    before = earlier_than_closed(conn, program_id, until)
    conn.execute(
        """insert into period_close (program_id, step, verb, closed_until, actor, approved_by, approval_id, reason, at)
           select %(program)s, 1 + count(*), 'reopen', %(until)s, %(maker)s, %(checker)s, %(approval)s, %(reason)s, %(now)s
           from period_close where program_id = %(program)s""",
        {
            "program": program_id,
            "until": until,
            "maker": maker,
            "checker": checker,
            "approval": approval_id,
            "reason": f"{reason} (was closed until {before.isoformat()})"[:REASON_MAX],
            "now": now,
        },
    )


def propose_reopening(
    conn: Connection[Any],
    program_id: str,
    proposal_id: str,
    *,
    until: datetime,
    reason: str,
    by: Caller,
    now: datetime,
) -> Proposal:
    """Propose to reopen what is effective at or after `until`; another person approves it within 24 hours, and then it is done.

    Raises PeriodNotEarlier, UnknownProgram, InvalidInput, and what `approvals.propose` raises.
    """
    earlier_than_closed(conn, program_id, until)
    payload = {"until": until.astimezone(UTC).isoformat()}
    return propose(
        conn,
        proposal_id,
        machine=MACHINE,
        subject_id=program_id,
        verb="reopen",
        payload=payload,
        reason=reason,
        by=by,
        now=now,
        program_id=program_id,
    )


def _do(conn: Connection[Any], one: Proposal, by: Caller, now: datetime) -> str:
    until = datetime.fromisoformat(one.payload["until"])
    reopen_period(
        conn,
        one.subject_id,
        until=until,
        approval_id=one.id,
        reason=one.reason,
        maker=one.maker,
        checker=by.actor,
        now=now,
    )
    return one.subject_id


def earlier_than_closed(conn: Connection[Any], program_id: str, until: datetime) -> datetime:
    """Until when the books are closed, if that is after `until`; waits for who closes or reopens at this moment.

    Raises PeriodNotEarlier, UnknownProgram, InvalidInput.
    """
    if until.tzinfo is None:
        raise InvalidInput("until", "a moment with its time zone", got=until.isoformat())
    if conn.execute("select from program where id = %s", [program_id]).fetchone() is None:
        raise UnknownProgram(program=program_id)
    conn.execute("select pg_advisory_xact_lock(program_lock(%s))", [program_id])
    before = closed_until(conn, program_id)
    if before is None or until >= before:
        raise PeriodNotEarlier(program=program_id, closed_until=before.isoformat() if before else None)
    return before


def closed_until(conn: Connection[Any], program_id: str) -> datetime | None:
    """Before this moment the program's books are closed; None when nothing is."""
    row = conn.execute("select closed_until from period_close where program_id = %s order by step desc limit 1", [program_id]).fetchone()
    return None if row is None else row[0]


PAIRED: Final = (Paired(MACHINE, "reopen", _do, label="Reopen a closed period"),)  # what takes two people
