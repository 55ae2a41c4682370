"""The coordinator's side of messages to peers: what is due is asked outside of any transaction, and the answer is written down in one.

A message may be sent again at any time, by two workers at once too: the peer answers as before, and each record here is made once. An
answer that came too late for its question moves nothing. What is due to a peer goes out in batches, some in flight side by side; what a
batch keeps from being answered is asked one by one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import Connection

from counterfoil.base.failpoints import reached
from counterfoil.operations.work.jobs import NOT_SET_UP, Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.treasury.two_phase.model import MOVING, participants_of_each, scales_of, transactions_of
from counterfoil.treasury.two_phase.peers import BATCH_MAX, LIMIT_S, NotUnderstood, Peer, PeerReply, asked_of, in_batches
from counterfoil.treasury.two_phase.writing_down import MESSAGE_IN, Again, PeerCall, ask_again, write_down

NOT_SET_UP_MAX: Final = 64  # of peers that are not set up: they are not asked, and only told so
IN_FLIGHT_MAX: Final = 4  # batches that one peer is asked side by side
REST_S: Final = 1.0
IN_HAND: Final = timedelta(seconds=6 * LIMIT_S)  # for so long, to ask and to write down, another worker leaves it alone
_log = structlog.get_logger("counterfoil.two_phase")


def call_peers(context: JobContext, peer: str | None) -> Tally:
    """One tick of a peer, in a lane of its own: ask it what is due, in batches side by side, and write each one's answers down as they
    come."""
    runner = context.runner
    with runner.database.transaction() as conn:
        due = _claim(conn, peer or NOT_SET_UP, sorted(context.peers), runner.clock(conn))
    if not due:
        return Tally()
    failed = 0
    batches = [[due[place] for place in places] for places in in_batches([one.told() for one in due])]
    with ThreadPoolExecutor(max_workers=IN_FLIGHT_MAX, thread_name_prefix="peers") as callers:
        asked = {callers.submit(_ask_all, context.peers.get(those[0].peer), those, context.clock()): those for those in batches}
        for answers in as_completed(asked):
            reached("peers.before_record")
            failed += write_down(runner, list(zip(asked[answers], answers.result(), strict=True)))
    return Tally(handled=len(due) - failed, failed=failed)


def _claim(conn: Connection[Any], peer: str, set_up: Sequence[str], now: datetime) -> list[PeerCall]:
    """What is due to be asked of a peer; in the lane NOT_SET_UP, of all that are not."""
    rows = conn.execute(
        """update two_phase_call c set due_at = %(later)s
           from (select w.transaction_id, w.peer from two_phase_call w join two_phase t on t.id = w.transaction_id
                 where w.due_at <= %(now)s and case when %(peer)s = '' then w.peer <> all(%(set_up)s) else w.peer = %(peer)s end
                       and not exists (
                     select from queue_paused q where q.queue = %(queue)s and q.provider = '' and q.program_id in ('', t.program_id))
                 order by w.due_at, w.transaction_id limit %(rows)s for update of w skip locked) due
           where (c.transaction_id, c.peer) = (due.transaction_id, due.peer)
           returning c.transaction_id, c.peer, c.attempt""",
        {
            "now": now,
            "later": now + IN_HAND,
            "queue": MOVING.name,
            "peer": peer,
            "set_up": list(set_up),
            "rows": IN_FLIGHT_MAX * BATCH_MAX if peer else NOT_SET_UP_MAX,
        },
    ).fetchall()
    ids = sorted({row[0] for row in rows})
    ones, parts = {one.id: one for one in transactions_of(conn, ids)}, participants_of_each(conn, ids)
    scales = {program_id: scales_of(conn, program_id) for program_id in sorted({one.program_id for one in ones.values()})}
    found, over = [], []
    for transaction_id, peer, attempt in sorted(rows):
        one = ones[transaction_id]
        message = MESSAGE_IN.get(one.state)
        if message is None:
            over.append(Again(transaction_id, peer, None))
        else:
            theirs = [each for each in parts[one.id] if each.peer == peer]
            found.append(PeerCall(one.id, peer, attempt, message, asked_of(one.id, one.reference, theirs, scales[one.program_id])))
    ask_again(conn, over)
    return found


def _ask_all(peer: Peer | None, calls: Sequence[PeerCall], now: datetime) -> list[PeerReply | str]:
    """The answer to each, or why there is none.

    Where a batch gets no answer, the peer may be away, or one message may keep the others from being answered, or it takes no batches. So
    one is asked alone, each time another one, and if that is answered, the others are too, until one is not, or it takes too long.
    """
    end_s = time.monotonic() + 3 * LIMIT_S
    if peer is None or len(calls) == 1:
        return [_ask(peer, one, now) for one in calls]
    try:
        return peer.ask_many([one.told() for one in calls], now=now)
    except NotUnderstood as error:
        said = str(error)
    except Exception as error:  # noqa: BLE001 - one peer that breaks what asks it must not stop the others
        _log.exception("peer could not be asked", peer=calls[0].peer, messages=len(calls))
        said = f"{type(error).__name__}: {error}"
    first = max(one.attempt for one in calls) % len(calls)
    found: dict[int, PeerReply | str] = {}
    for place in (*range(first, len(calls)), *range(first)):
        found[place] = answer = _ask(peer, calls[place], now)
        if isinstance(answer, str) or time.monotonic() >= end_s:
            break
    return [found.get(place, said) for place in range(len(calls))]


def _ask(peer: Peer | None, one: PeerCall, now: datetime) -> PeerReply | str:
    """The answer, or why there is none."""
    if peer is None:
        return f"the peer {one.peer} is not set up here"
    try:
        return peer.ask(one.message, one.asked, now=now)
    except NotUnderstood as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - one peer that breaks what asks it must not stop the others
        _log.exception("peer could not be asked", transaction=one.transaction_id, peer=one.peer)
        return f"{type(error).__name__}: {error}"


JOBS: Final = (
    Job(
        "peers",
        None,
        call_peers,
        "Asks the peers that take part in transactions, again and again until they have answered.",
        every=REST_S,
        per_peer=True,
        woken_by=MOVING,
    ),
)
