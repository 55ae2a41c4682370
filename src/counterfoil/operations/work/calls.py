"""Calls: each order that was announced to a provider, as a row that is never cleared; and what came back, stored before it is applied.

A sender may freeze between its announcement and its call and go on hours later. So nothing concludes from an attempt's state that
nothing of it can land any more: it asks here. A call is *open* until its own definite answer is stored (accepted, later, refused)
or its horizon has passed (the longest that its connection can live and the provider can take). An attempt has *begun* when it has a
call, whatever became of it. The moments are the database's; `now` is its clock, read in the same transaction.

`begun(conn, ids, now=now)` is what the rules of a payout read: how many calls, how many open, when the first began (a provider
remembers its key from then), when the last is closed. "Proven not there" is a look-up that says so, made after `closed_at`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.problems import check
from counterfoil.operations.work.runner import Queue

HORIZON: Final = timedelta(minutes=15)
ANSWERS: Final = Queue("answers", "call_answer", ("stored",))
KINDS: Final = ("accepted", "later", "refused", "unclear")
DEFINITE_NO: Final = ("later", "refused")  # nothing came of that call


class NewCall(NamedTuple):
    """A call about to begin: for whom, under which key, and under which claim (worker and fence)."""

    id: str
    subject_id: str
    provider: str
    key: str
    payload_sha256: bytes
    worker: str
    fence: int


class Call(NamedTuple):
    """A call as it stands. `kind` and `answer` are None until something came back; open while `closed_at` is to come."""

    id: str
    subject_id: str
    number: int
    provider: str
    key: str
    worker: str
    fence: int
    announced_at: datetime
    horizon_at: datetime
    kind: str | None
    answer: dict[str, Any] | None
    answered_at: datetime | None
    applied_at: datetime | None
    closed_at: datetime

    def open(self, now: datetime) -> bool:
        """May it still land?"""
        return self.closed_at > now


class Begun(NamedTuple):
    """What is known of a subject's calls at a moment: how many there were, how many may still land, and since when, until when."""

    calls: int = 0
    open: int = 0
    first_at: datetime | None = None
    closed_at: datetime | None = None  # when the last of them is closed; in the future while one is open
    last_at: datetime | None = None  # when the last of them was announced
    noes: int = 0  # those that the provider answered with a definite no


def announce_calls(conn: Connection[Any], calls: Sequence[NewCall], *, now: datetime, horizons: Mapping[str, timedelta]) -> None:
    """Write down that calls begin, in the transaction that checked lease, fence and brakes; `horizons` by provider.

    From this commit on nobody may conclude from silence that nothing was sent. The subjects' rows are locked by the caller, so that each
    call has a number of its own, from 1.
    """
    check(all(horizons[one.provider] > timedelta() for one in calls), "a call can land for a while", horizons=str(horizons))
    if not calls:
        return
    conn.execute(
        """insert into call (id, subject_id, number, provider, key, payload_sha256, worker, fence, announced_at, horizon_at)
           select c.id, c.subject_id, coalesce((select max(number) from call where subject_id = c.subject_id), 0) + 1, c.provider, c.key,
                  c.payload_sha256, c.worker, c.fence, %s, c.horizon_at
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[], %s::bigint[], %s::timestamptz[])
             as c (id, subject_id, provider, key, payload_sha256, worker, fence, horizon_at)""",
        [now, *(list(column) for column in zip(*[(*one, now + horizons[one.provider]) for one in calls], strict=True))],
    )


def announce_call(conn: Connection[Any], new: NewCall, *, now: datetime, horizon: timedelta = HORIZON) -> None:
    """`announce_calls`, of one."""
    announce_calls(conn, [new], now=now, horizons={new.provider: horizon})


class CallAnswer(NamedTuple):
    """What came back of a call."""

    call_id: str
    kind: str
    answer: Mapping[str, Any]


def store_answers(conn: Connection[Any], answers: Sequence[CallAnswer], *, now: datetime, due_at: datetime) -> None:
    """Keep what came back, before anything is made of it; it is applied by whoever is first, from `due_at` on by anybody.

    A definite answer closes its call, also when it comes so late that it may move nothing.
    """
    check(all(one.kind in KINDS for one in answers), "an answer is of a known kind", kinds=str([one.kind for one in answers]))
    conn.execute(
        """insert into call_answer (id, kind, answer, answered_at, due_at)
           select a.*, %s, %s from unnest(%s::text[], %s::text[], %s::jsonb[]) as a (id, kind, answer)""",
        [now, due_at, [one.call_id for one in answers], [one.kind for one in answers], [Jsonb(one.answer) for one in answers]],
    )


def store_answer(conn: Connection[Any], call_id: str, *, kind: str, answer: Mapping[str, Any], now: datetime, due_at: datetime) -> None:
    """`store_answers`, of one."""
    store_answers(conn, [CallAnswer(call_id, kind, answer)], now=now, due_at=due_at)


def mark_applied(conn: Connection[Any], call_ids: Sequence[str], *, now: datetime) -> None:
    """These answers have had their effect."""
    conn.execute(
        """update call_answer set state = 'applied', applied_at = %s, due_at = null, lease_owner = null, lease_until = null,
                  last_error = null where id = any(%s) and state = 'stored'""",
        [now, list(call_ids)],
    )


def calls_of(conn: Connection[Any], subject_ids: Sequence[str]) -> list[Call]:
    """The calls of these subjects, the first one first; all of them, since what becomes of an attempt is decided on them."""
    return _calls(conn, "subject_id = any(%s) order by subject_id, number", [list(subject_ids)])


def calls_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Call]:
    """These calls, in id order."""
    return _calls(conn, "id = any(%s) order by id", [list(ids)])


def begun(conn: Connection[Any], subject_ids: Sequence[str], *, now: datetime) -> dict[str, Begun]:
    """What is known of each subject's calls; one that never called is there with `calls` 0."""
    rows = conn.execute(
        """select subject_id, count(*), count(*) filter (where closed_at > %s), min(announced_at), max(closed_at), max(announced_at),
                  count(*) filter (where kind = any(%s))
           from call_standing where subject_id = any(%s) group by subject_id""",
        [now, list(DEFINITE_NO), list(subject_ids)],
    ).fetchall()
    found = {row[0]: Begun(*row[1:]) for row in rows}
    return {one: found.get(one, Begun()) for one in subject_ids}


def _calls(conn: Connection[Any], ending: str, given: list[Any]) -> list[Call]:
    with conn.cursor(row_factory=class_row(Call)) as cur:
        return cur.execute(
            """select id, subject_id, number, provider, key, worker, fence, announced_at, horizon_at, kind, answer, answered_at,
                      applied_at, closed_at from call_standing where """
            + ending,
            given,
        ).fetchall()
