"""Conflicts: two words about an attempt that exclude each other. One is open until the provider's present word or two people end it.

While a conflict is open nothing of its settlement is retried, issued anew, sent or released: the money may be out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.formats.amounts import told_amount
from counterfoil.base.machine import Move, record_birth, take_steps
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.machines import PROVIDER_CONFLICT, RESERVING, SENDING
from counterfoil.payouts.provider_payouts.outcome_rules import Conflict, OutcomeDecision


class ConflictRow(NamedTuple):
    """A conflict as it stands: open, settled (by the provider's present word), paid or not_paid (found by two people).

    `fact`: the word as it was said.
    """

    id: str
    provider_payout_id: str
    number: int
    said: str
    expected: str
    fact: dict[str, Any]
    at: datetime
    state: str
    state_at: datetime


def open_conflicts(conn: Connection[Any], decisions: Sequence[OutcomeDecision], *, now: datetime) -> None:
    """Open the conflicts of these decisions and tell each once; one that is open already stays as it was said first."""
    for one in decisions:
        if one.conflict is None:
            continue
        said, expected = _told(conn, one.conflict)
        fact = one.fact._asdict() | {"occurred_at": one.fact.occurred_at.isoformat()} if one.fact else {}
        row = conn.execute(
            """insert into provider_conflict (id, provider_payout_id, number, said, expected, fact, at, state, state_at)
               select %(attempt)s || '.' || n.number, %(attempt)s, n.number, %(said)s, %(expected)s, %(fact)s, %(now)s, 'open', %(now)s
               from (select coalesce(max(number), 0) + 1 as number from provider_conflict
                     where provider_payout_id = %(attempt)s) n
               on conflict (provider_payout_id, said) where state = 'open' do nothing returning id""",
            {
                "attempt": one.standing.id,
                "said": said,
                "expected": expected,
                "fact": Jsonb(fact),
                "now": now,
            },
        ).fetchone()
        if row is not None:
            record_birth(conn, PROVIDER_CONFLICT, [row[0]], "open", actor="system:worker", at=now)
            told = {"said": said, "expected": expected, "payoutId": one.standing.payout_id}
            event = NewEvent("provider_status_conflict", one.standing.program_id, one.standing.id, told, once=row[0])
            emit(conn, [event], at=now)


def _told(conn: Connection[Any], one: Conflict) -> tuple[str, str]:
    """Both words for people."""
    theirs, ours = (told_amount(conn, *each) for each in one.amounts) if one.amounts else ("", "")
    return f"{one.said} {theirs}".strip(), f"{one.expected} {ours}".strip()


def settle_conflicts(conn: Connection[Any], attempt_ids: Sequence[str], *, actor: str, now: datetime) -> None:
    """The provider's present word ends every open conflict of these attempts; what waited for them is due."""
    if not attempt_ids:
        return
    rows = conn.execute(
        """select id, provider_payout_id from provider_conflict where provider_payout_id = any(%s) and state = 'open'
           order by id for update""",
        [list(attempt_ids)],
    ).fetchall()
    if rows:
        moves = [Move(row[0], "open", "settle") for row in rows]
        take_steps(conn, PROVIDER_CONFLICT, moves, actor=actor, at=now, cause="look_up")
        rewake(conn, [row[1] for row in rows], now)


def rewake(conn: Connection[Any], attempt_ids: Sequence[str], now: datetime) -> None:
    """Payouts and queued attempts of the same settlements waited behind the conflict."""
    settlements = """select mine.settlement_id from provider_payout pp join payout mine on mine.id = pp.payout_id
                     where pp.id = any(%(ids)s)"""
    given = {"ids": list(attempt_ids), "now": now}
    conn.execute(
        f"""update payout set due_at = %(now)s, attempt = 0, last_error = null
            where state = 'pending' and settlement_id in ({settlements})""",
        given,
    )
    conn.execute(
        f"""update provider_payout set due_at = %(now)s
            where state = 'queued' and payout_id in (select id from payout where settlement_id in ({settlements}))""",
        given,
    )
    wake(conn, RESERVING, SENDING)


def in_conflict(conn: Connection[Any], settlement_ids: Iterable[str]) -> dict[str, str]:
    """Which of these settlements have an open conflict on any of their attempts, and which: a brake on all that they still wait for."""
    rows = conn.execute(
        """select p.settlement_id, c.id, pp.provider, pp.id, c.said, c.expected from provider_conflict c
           join provider_payout pp on pp.id = c.provider_payout_id join payout p on p.id = pp.payout_id
           where c.state = 'open' and p.settlement_id = any(%s) order by p.settlement_id, c.at desc, c.id desc""",
        [sorted(set(settlement_ids))],
    ).fetchall()
    return {
        row[0]: f"{row[2]} contradicts itself about attempt {row[3]}: it said {row[4]}, expected was {row[5]}; end conflict {row[1]} first"
        for row in rows
    }


def attempts_in_conflict(conn: Connection[Any], attempt_ids: Sequence[str]) -> set[str]:
    """Which of these attempts have an open conflict."""
    rows = conn.execute(
        "select distinct provider_payout_id from provider_conflict where provider_payout_id = any(%s) and state = 'open'",
        [list(attempt_ids)],
    ).fetchall()
    return {row[0] for row in rows}


def conflicts_of(conn: Connection[Any], payout_id: str) -> list[ConflictRow]:
    """Where the provider contradicted itself or us about a payout, oldest first, with how each ended."""
    with conn.cursor(row_factory=class_row(ConflictRow)) as cur:
        return cur.execute(
            """select c.id, c.provider_payout_id, c.number, c.said, c.expected, c.fact, c.at, c.state, c.state_at
               from provider_conflict c join provider_payout pp on pp.id = c.provider_payout_id
               where pp.payout_id = %s order by c.at, c.provider_payout_id, c.number""",
            [payout_id],
        ).fetchall()
