"""Breaks as lasting cases: one for each thing that does not agree, from the run that found it first until it is closed.

Every finished run calls `file_breaks`, in the transaction that records it and after its rows are written. What becomes of each case is
decided in `life`; here it is read, decided and written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import ENTROPY_BYTES, new_id
from counterfoil.base.machine import Machine, Move, listed, record_birth, take_steps
from counterfoil.reconciliation.breaks.sights import whole_of

BREAK: Final = Machine(
    name="break",
    table="break",
    initial=("open",),
    transitions={
        ("open", "investigate"): "investigating",
        ("open", "match"): "matched",
        ("open", "wait"): "timing",
        ("timing", "match"): "matched",
        ("timing", "mature"): "open",
        ("investigating", "match"): "matched",
        ("investigating", "propose"): "pending_adjustment",
        ("investigating", "accept"): "accepted",
        ("investigating", "mark_duplicate"): "duplicate",
        ("investigating", "reopen"): "open",
        ("pending_adjustment", "adjust"): "adjusted",
        ("pending_adjustment", "write_off"): "written_off",
        ("pending_adjustment", "withdraw"): "investigating",
    },
    reasoned=frozenset({"accept"}),
    paired=frozenset({"adjust", "write_off"}),
)
DUE_DAYS: Final[Mapping[str, int]] = {"critical": 1, "high": 2, "medium": 5, "low": 10}
ACTOR: Final = "system:reconciliation"
STANDS: Final = f"(o.state in {listed(BREAK.open)} or (o.state = 'accepted' and o.gone_run is null))"
MATURED_MAX: Final = 1_000  # in one tick; the next takes the others
LOCK_WAIT_MS: Final = 30_000  # ten thousand breaks are filed in less; who waits for less would fail a run that has nothing wrong
_LOCKS: Final = 4_271_007


def lock_source(conn: Connection[Any], program_id: str, source: str) -> None:
    """Number runs, file them and post for them one after another: all sources of a provider together, for they tell of one thing."""
    conn.execute("select set_config('lock_timeout', %s, true)", [str(LOCK_WAIT_MS)])
    words = [f"{program_id}\x1f{whole_of(source)}", _LOCKS]
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, %s))", words)


def newest_number(conn: Connection[Any]) -> int:
    """The newest number that was given to a run: whoever has that or a lower one has begun to read already."""
    row = conn.execute("select coalesce(pg_sequence_last_value('reconciliation_run_number'), 0)").fetchone()
    return int(row[0]) if row else 0


def due_on(severity: str, opened_at: datetime) -> date:
    """By when somebody should have closed it: critical in a day, high in two, medium in five, low in ten."""
    return opened_at.date() + timedelta(days=DUE_DAYS[severity])


def make_copies(conn: Connection[Any], copies: Mapping[str, str]) -> None:
    """Name of which case each is a copy; what was a copy of theirs is one of the same from now on."""
    if copies:
        conn.execute(
            """update break b set duplicate_of = t.original from unnest(%s::text[], %s::text[]) as t (copy, original)
               where b.id = t.copy or (b.duplicate_of = t.copy and b.id <> t.original)""",
            [list(copies), list(copies.values())],
        )


def open_copies(conn: Connection[Any], closed: Sequence[str], *, cause: str, actor: str, now: datetime, since: int = 0) -> int:
    """What was shown through cases that are closed now stands for itself again, as a new case that names the old one; how many.

    Only what is still found, by a run as new as number `since` at least: an older view of it says nothing about after the closing.
    """
    rows = conn.execute(
        """select id, severity from break b
           where duplicate_of = any(%s) and state = 'duplicate' and gone_run is null and seen_number >= %s
             and not exists (select from break later where (later.program_id, later.source, later.identity)
                                                         = (b.program_id, b.source, b.identity) and later.id > b.id)
           order by id for update""",
        [list(closed), since],
    ).fetchall()
    if not rows:
        return 0
    made = [(old, drawn_id("break", f"{cause}:{old}", now), due_on(severity, now)) for old, severity in rows]
    conn.execute(
        """insert into break (id, program_id, source, identity, subject, kind, severity, asset, at_stake, difference, cause, record_id,
                  reference, first_on, last_on, first_run, last_run, last_number, seen_number, evidence_sha256, recurs_of, owner,
                  due_on, opened_at, state, state_at)
           select t.made, b.program_id, b.source, b.identity, b.subject, b.kind, b.severity, b.asset, b.at_stake, b.difference, b.cause,
                  b.record_id, b.reference, b.first_on, b.last_on, b.last_run, b.last_run, b.last_number, b.seen_number,
                  b.evidence_sha256, b.id, null, t.due_on, %(now)s, 'open', %(now)s
           from unnest(%(old)s::text[], %(made)s::text[], %(due)s::date[]) as t (old, made, due_on) join break b on b.id = t.old""",
        {
            "now": now,
            "old": [one[0] for one in made],
            "made": [one[1] for one in made],
            "due": [one[2] for one in made],
        },
    )
    record_birth(conn, BREAK, [one[1] for one in made], "open", actor=actor, at=now, cause=cause)
    return len(made)


def drawn_id(prefix: str, seed: str, now: datetime) -> str:
    """An id that follows from what it is made for, so that it is the same however often that is tried."""
    return new_id(prefix, now=now, entropy=hashlib.sha256(seed.encode()).digest()[:ENTROPY_BYTES])


def mature_due(conn: Connection[Any], *, now: datetime, rows_max: int = MATURED_MAX) -> int:
    """Open what waited for its partner longer than its window, also where no run comes by; returns how many."""
    rows = conn.execute(
        """select id, state from break where state = 'timing' and due_on < %s order by due_on, id limit %s
           for update skip locked""",
        [now.date(), rows_max],
    ).fetchall()
    moves = [Move(break_id, state, "mature") for break_id, state in rows]
    take_steps(conn, BREAK, moves, actor=ACTOR, at=now, reason="its window is over")
    return len(moves)
