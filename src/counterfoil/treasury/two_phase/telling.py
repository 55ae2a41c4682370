"""The coordinator's side of messages to peers: what is due is asked outside of any transaction, and the answer is written down in one.

A message may be sent again at any time, by two workers at once too: the peer answers as before, and each record here is made once. An
answer that came too late for its question moves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import structlog
from psycopg import Connection

from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy, DatabaseAway
from counterfoil.base.text import cleaned
from counterfoil.ledger.write_context import enter
from counterfoil.operations.work.jobs import NOT_SET_UP, Job, JobContext
from counterfoil.operations.work.runner import ERROR_TEXT_MAX, Runner, Tally, wake
from counterfoil.treasury.two_phase.model import MOVING, Participant, Transaction, participants_of, scales_of, show_transaction
from counterfoil.treasury.two_phase.participants import apply_participant, prepare_participant, release_participant
from counterfoil.treasury.two_phase.peers import LIMIT_S, Message, NotUnderstood, Peer, PeerQuestion, PeerReply, asked_of
from counterfoil.treasury.two_phase.transactions import ACTOR, Decided, decide, finish_transaction, note_votes

MESSAGE_IN: Final[Mapping[str, Message]] = {"preparing": "prepare", "committing": "commit", "aborting": "cancel"}
NOT_SET_UP_MAX: Final = 64  # of peers that are not set up: they are not asked, and only told so
OF_A_PEER_MAX: Final = 8  # asked of one peer side by side
REST_S: Final = 1.0
AGAIN_MAX: Final = timedelta(minutes=1)
IN_HAND: Final = timedelta(seconds=6 * LIMIT_S)  # for so long, to ask and to write down, another worker leaves it alone
_log = structlog.get_logger("counterfoil.two_phase")


class PeerCall(NamedTuple):
    """A message that is due, and what it asks."""

    transaction_id: str
    peer: str
    attempt: int
    message: Message
    asked: PeerQuestion


def call_peers(context: JobContext, peer: str | None) -> Tally:
    """One tick of a peer, in a lane of its own: ask it what is due, side by side, and write each answer down as it comes."""
    runner = context.runner
    with runner.database.transaction() as conn:
        due = _claim(conn, peer or NOT_SET_UP, sorted(context.peers), runner.clock(conn))
    if not due:
        return Tally()
    failed = 0
    with ThreadPoolExecutor(max_workers=OF_A_PEER_MAX, thread_name_prefix="peers") as callers:
        asked = {callers.submit(_ask, context.peers.get(one.peer), one, context.clock()): one for one in due}
        for answer in as_completed(asked):
            reached("peers.before_record")
            failed += not _written(runner, asked[answer], answer.result())
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
            "rows": OF_A_PEER_MAX if peer else NOT_SET_UP_MAX,
        },
    ).fetchall()
    found = []
    for transaction_id, peer, attempt in sorted(rows):
        one = show_transaction(conn, transaction_id)
        message = MESSAGE_IN.get(one.state)
        if message is None:
            _again(conn, transaction_id, peer, None)
        else:
            asked = asked_of(one.id, one.reference, _parts(conn, one, peer), scales_of(conn, one.program_id))
            found.append(PeerCall(transaction_id, peer, attempt, message, asked))
    return found


def _parts(conn: Connection[Any], one: Transaction, peer: str) -> list[Participant]:
    return [each for each in participants_of(conn, one.id) if each.peer == peer]


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


def _written(runner: Runner, one: PeerCall, answer: PeerReply | str) -> bool:
    """False when it is to be asked again: it was not answered, or the answer could not be written down. It holds no other up.

    Raises DatabaseAway.
    """
    try:
        with runner.database.transaction() as conn:
            return _record(conn, one, answer, runner.clock(conn))
    except DatabaseAway:
        raise
    except Busy:  # nobody's fault: it is asked again when it is no longer in hand
        return False
    except Exception as error:  # noqa: BLE001 - the same
        _log.exception("answer not written down", transaction=one.transaction_id, peer=one.peer)
        return _put_back(runner, one, f"{type(error).__name__}: {error}")


def _put_back(runner: Runner, one: PeerCall, said: str) -> bool:
    try:
        with runner.database.transaction() as conn:
            if MESSAGE_IN.get(show_transaction(conn, one.transaction_id, lock=True).state) == one.message:
                _again(conn, one.transaction_id, one.peer, _next(one, runner.clock(conn)), said=said)
    except DatabaseAway:
        raise
    except Exception:  # noqa: BLE001 - it is asked again when it is no longer in hand
        _log.exception("not put back", transaction=one.transaction_id, peer=one.peer)
    return False


def _next(one: PeerCall, now: datetime) -> datetime:
    return now + min(AGAIN_MAX, timedelta(seconds=2 ** min(one.attempt, 6)))


def _record(conn: Connection[Any], call: PeerCall, answer: PeerReply | str, now: datetime) -> bool:
    """Write down what was answered; False when it is to be asked again."""
    one = show_transaction(conn, call.transaction_id, lock=True)
    if MESSAGE_IN.get(one.state) != call.message:
        return True  # it went on meanwhile, and what is due now was written then
    wanted = {"prepare": ("yes", "no"), "commit": ("applied",), "cancel": ("released",)}[call.message]
    if isinstance(answer, str) or answer.answer not in wanted:
        said = answer if isinstance(answer, str) else f"{call.peer} answered {answer.answer} to {call.message}"
        _log.warning("peer asked again", transaction=one.id, peer=call.peer, said=said)
        _again(conn, one.id, call.peer, _next(call, now), said=said)
        return False
    _again(conn, one.id, call.peer, None)
    enter(conn, one.program_id, alone=True)
    if call.message == "prepare":
        _voted(conn, one, call.peer, answer, now)
    else:
        follow = apply_participant if call.message == "commit" else release_participant
        for part in _parts(conn, one, call.peer):
            follow(conn, one, part.number, actor=ACTOR, now=now)
        finish_transaction(conn, one.id, actor=ACTOR, now=now)
    wake(conn, MOVING)
    return True


def _voted(conn: Connection[Any], one: Transaction, peer: str, answer: PeerReply, now: datetime) -> None:
    """The peer's vote is ours once it is written here, with what the two servers will owe each other held as well."""
    parts = _parts(conn, one, peer)
    if answer.answer == "no":
        why = cleaned(f"{peer}: {answer.why or 'no'}")[:500]
        conn.execute(
            "insert into two_phase_vote (transaction_id, number, program_id, vote, why, at) values (%s, %s, %s, 'no', %s, %s)",
            [one.id, parts[0].number, one.program_id, why, now],
        )
        decide(conn, one, "abort", Decided("no_vote", ACTOR, why), now=now)
        return
    for part in parts:
        vote = prepare_participant(conn, one, part.number, actor=ACTOR, now=now)
        if not vote.yes:
            decide(conn, one, "abort", Decided("no_vote", ACTOR, vote.why), now=now)
            return
    note_votes(conn, one.id, actor=ACTOR, now=now)


def _again(conn: Connection[Any], transaction_id: str, peer: str, due_at: datetime | None, *, said: str | None = None) -> None:
    said = said and cleaned(said)[:ERROR_TEXT_MAX]
    conn.execute(
        """update two_phase_call set due_at = %s, last_error = %s, attempt = case when %s::text is null then 0 else attempt + 1 end
           where (transaction_id, peer) = (%s, %s)""",
        [due_at, said, said, transaction_id, peer],
    )
    conn.execute(  # an answer of one peer leaves what is wrong with another
        """update two_phase t set last_error = coalesce(%s, (
               select c.last_error from two_phase_call c where c.transaction_id = t.id and c.last_error is not null
               order by c.peer limit 1))
           where t.id = %s""",
        [said, transaction_id],
    )


JOBS: Final = (
    Job(
        "peers",
        None,
        call_peers,
        "Asks the peers that take part in transactions, again and again until they have answered.",
        every=lambda _: REST_S,
        per_peer=True,
        woken_by=MOVING,
    ),
)
