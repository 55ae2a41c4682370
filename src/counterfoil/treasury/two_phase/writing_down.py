"""What peers answered, written down: the usual answers by sets, the others one by one, and what broke a set alone.

Each record is made once, however often an answer comes; one that came too late for its question moves nothing. The decision is written
where the last vote is, and sent to nobody before that stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

import structlog
from psycopg import Connection

from counterfoil.base.problems import Busy, DatabaseAway
from counterfoil.base.text import cleaned
from counterfoil.ledger.write_context import enter
from counterfoil.operations.work.runner import ERROR_TEXT_MAX, Runner, wake
from counterfoil.treasury.two_phase.model import (
    MOVING,
    Participant,
    Transaction,
    participants_of,
    participants_of_each,
    show_transaction,
    transactions_of,
)
from counterfoil.treasury.two_phase.moving import decide_together, finish_together, vote_of_peer
from counterfoil.treasury.two_phase.participants import apply_participant, prepare_participant, release_participant
from counterfoil.treasury.two_phase.peers import Message, PeerMessage, PeerQuestion, PeerReply
from counterfoil.treasury.two_phase.transactions import ACTOR, Decided, decide, finish_transaction, note_votes

MESSAGE_IN: Final[Mapping[str, Message]] = {"preparing": "prepare", "committing": "commit", "aborting": "cancel"}
ANSWERS: Final[Mapping[Message, tuple[str, ...]]] = {"prepare": ("yes", "no"), "commit": ("applied",), "cancel": ("released",)}
USUAL: Final = (("prepare", "yes"), ("commit", "applied"))
AGAIN_MAX: Final = timedelta(minutes=1)
_log = structlog.get_logger("counterfoil.two_phase")


class PeerCall(NamedTuple):
    """A message that is due, and what it asks."""

    transaction_id: str
    peer: str
    attempt: int
    message: Message
    asked: PeerQuestion

    def told(self) -> PeerMessage:
        """As it is sent."""
        return PeerMessage(self.message, self.asked)

    def next(self, now: datetime) -> datetime:
        """When it is asked again that was asked in vain."""
        return now + min(AGAIN_MAX, timedelta(seconds=2 ** min(self.attempt, 6)))


Answered = tuple[PeerCall, PeerReply | str]  # a question, and its answer or why there is none


class Again(NamedTuple):
    """What a peer is to be asked: when, None for no more, and what went wrong, if anything did."""

    transaction_id: str
    peer: str
    due_at: datetime | None
    said: str | None = None


def write_down(runner: Runner, told: Sequence[Answered]) -> int:
    """Write these answers down. How many are to be asked again: they were not answered, or the answer could not be written down. None
    holds another up. Raises DatabaseAway."""
    if len(told) > 1:
        try:
            with runner.database.transaction() as conn:
                return _by_sets(conn, told, runner.clock(conn))
        except DatabaseAway:
            raise
        except Exception as error:  # noqa: BLE001 - one answer must not stop the others
            _log.warning("answers not written down together, doing it singly", error=str(error)[:ERROR_TEXT_MAX])
    return sum(not _alone(runner, call, answer) for call, answer in told)


def _alone(runner: Runner, one: PeerCall, answer: PeerReply | str) -> bool:
    try:
        with runner.database.transaction() as conn:
            return _record(conn, one, answer, runner.clock(conn))
    except DatabaseAway:
        raise
    except Busy:  # nobody's fault: it is asked again when it is no longer in hand
        return False
    except Exception as error:  # noqa: BLE001 - one answer must not stop the others
        _log.exception("answer not written down", transaction=one.transaction_id, peer=one.peer)
        return _put_back(runner, one, f"{type(error).__name__}: {error}")


def _put_back(runner: Runner, one: PeerCall, said: str) -> bool:
    try:
        with runner.database.transaction() as conn:
            if MESSAGE_IN.get(show_transaction(conn, one.transaction_id, lock=True).state) == one.message:
                ask_again(conn, [Again(one.transaction_id, one.peer, one.next(runner.clock(conn)), said)])
    except DatabaseAway:
        raise
    except Exception:  # noqa: BLE001 - it is asked again when it is no longer in hand
        _log.exception("not put back", transaction=one.transaction_id, peer=one.peer)
    return False


def _by_sets(conn: Connection[Any], told: Sequence[Answered], now: datetime) -> int:
    ids = sorted({call.transaction_id for call, _ in told})
    conn.execute("select from two_phase where id = any(%s) order by id for update", [ids])  # first the rows, then what others wrote
    ones = {one.id: one for one in transactions_of(conn, ids)}
    current = [(call, answer) for call, answer in told if MESSAGE_IN.get(ones[call.transaction_id].state) == call.message]
    in_vain = [(call, answer) for call, answer in current if isinstance(answer, str) or answer.answer not in ANSWERS[call.message]]
    usual = [(call, answer.answer) for call, answer in current if isinstance(answer, PeerReply) and (call.message, answer.answer) in USUAL]
    _ask_in_vain(conn, in_vain, now)
    by_kind = sorted((ones[call.transaction_id].program_id, call.peer, said, call.transaction_id) for call, said in usual)
    for (program_id, peer, said), group in groupby(by_kind, lambda row: row[:3]):
        _usual(conn, program_id, peer, said, [ones[row[3]] for row in group], now)
    for call, answer in current:
        if isinstance(answer, PeerReply) and answer.answer in ANSWERS[call.message] and (call.message, answer.answer) not in USUAL:
            _follow(conn, show_transaction(conn, call.transaction_id), call, answer, now)
    if len(current) > len(in_vain):
        wake(conn, MOVING)
    return len(in_vain)


def _usual(conn: Connection[Any], program_id: str, peer: str, said: str, ones: Sequence[Transaction], now: datetime) -> None:
    """A peer promised its part of these, or applied it."""
    ask_again(conn, [Again(one.id, peer, None) for one in ones])
    enter(conn, program_id, alone=True)
    if said == "applied":
        finish_together(conn, program_id, ones, now=now, peer=peer)
        return
    parts = participants_of_each(conn, [one.id for one in ones])
    prepared = vote_of_peer(conn, program_id, ones, parts, peer, now=now)
    decide_together(conn, program_id, prepared, parts, now=now)
    finish_together(conn, program_id, prepared, now=now)


def _record(conn: Connection[Any], call: PeerCall, answer: PeerReply | str, now: datetime) -> bool:
    """Write down what was answered; False when it is to be asked again."""
    one = show_transaction(conn, call.transaction_id, lock=True)
    if MESSAGE_IN.get(one.state) != call.message:
        return True  # it went on meanwhile, and what is due now was written then
    if isinstance(answer, str) or answer.answer not in ANSWERS[call.message]:
        _ask_in_vain(conn, [(call, answer)], now)
        return False
    _follow(conn, one, call, answer, now)
    wake(conn, MOVING)
    return True


def _follow(conn: Connection[Any], one: Transaction, call: PeerCall, answer: PeerReply, now: datetime) -> None:
    ask_again(conn, [Again(one.id, call.peer, None)])
    enter(conn, one.program_id, alone=True)
    if call.message == "prepare":
        _voted(conn, one, call.peer, answer, now)
        return
    follow = apply_participant if call.message == "commit" else release_participant
    for part in _parts(conn, one, call.peer):
        follow(conn, one, part.number, actor=ACTOR, now=now)
    finish_transaction(conn, one.id, actor=ACTOR, now=now)


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


def _parts(conn: Connection[Any], one: Transaction, peer: str) -> list[Participant]:
    return [each for each in participants_of(conn, one.id) if each.peer == peer]


def _ask_in_vain(conn: Connection[Any], told: Sequence[Answered], now: datetime) -> None:
    again = []
    for call, answer in told:
        said = answer if isinstance(answer, str) else f"{call.peer} answered {answer.answer} to {call.message}"
        again.append(Again(call.transaction_id, call.peer, call.next(now), said))
    if again:
        _log.warning("peer asked again", transaction=again[0].transaction_id, peer=again[0].peer, said=again[0].said, messages=len(again))
    ask_again(conn, again)


def ask_again(conn: Connection[Any], told: Sequence[Again]) -> None:
    """Write down when a peer is asked what, and what went wrong, which is seen on the transaction too."""
    if not told:
        return
    saids = [one.said and cleaned(one.said)[:ERROR_TEXT_MAX] for one in told]
    columns = [[one.transaction_id for one in told], [one.peer for one in told], [one.due_at for one in told], saids]
    conn.execute(
        """update two_phase_call c
           set due_at = a.due_at, last_error = a.said, attempt = case when a.said is null then 0 else c.attempt + 1 end
           from unnest(%b::text[], %b::text[], %b::timestamptz[], %b::text[]) as a (id, peer, due_at, said)
           where (c.transaction_id, c.peer) = (a.id, a.peer)""",
        columns,
    )
    conn.execute(  # an answer of one peer leaves what is wrong with another
        """update two_phase t set last_error = w.said
           from (select a.id, coalesce(max(a.said), (
                            select c.last_error from two_phase_call c where c.transaction_id = a.id and c.last_error is not null
                            order by c.peer limit 1)) as said
                 from unnest(%b::text[], %b::text[]) as a (id, said) group by a.id) w
           where t.id = w.id and t.last_error is distinct from w.said""",
        [columns[0], saids],
    )
