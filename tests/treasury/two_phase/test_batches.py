"""Messages between two servers that travel together: each is answered as it would be alone, whatever becomes of the others."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.secret import SigningSecret
from counterfoil.operations.webhooks.inbound import BODY_BYTES_MAX
from counterfoil.treasury.two_phase import answering_together
from counterfoil.treasury.two_phase.peers import (
    BATCH_BYTES_MAX,
    BATCH_MAX,
    AskedPart,
    HttpPeer,
    Message,
    NotUnderstood,
    PeerMessage,
    PeerQuestion,
    PeerReply,
    answers_body,
    batch_body,
    batch_id,
    in_batches,
    signed,
)
from counterfoil.treasury.two_phase.transactions import cancel_transaction
from counterfoil.wiring import ticks
from tests.treasury.two_phase.two_servers import SECRET, Line, Pair, Side

OTHER = SigningSecret(f"whsec_{base64.b64encode(hashlib.sha256(b'of somebody else').digest()).decode()}", "peers")


def rows(side: Side, query: str) -> list[Any]:
    with side.database.transaction(read_only=True) as conn:
        return conn.execute(query.encode()).fetchall()


def breaks(side: Side, table: str, when: str) -> Callable[[], None]:
    """Have the database of a side refuse some rows, as a fault that nobody thought of; what ends it."""
    with psycopg.connect(side.database.url) as owner:
        owner.execute(
            f"""create or replace function breaks() returns trigger language plpgsql set search_path = public, pg_temp as
                $$ begin if {when} then raise 'broken on purpose'; end if; return new; end $$;
                create trigger breaks before insert on {table} for each row execute function breaks()""".encode()
        )

    def mend() -> None:
        with psycopg.connect(side.database.url) as owner:
            owner.execute(f"drop trigger breaks on {table}".encode())

    return mend


def question(transaction: str, agent: str, amount: int = 30, side: str = "credit") -> PeerQuestion:
    return PeerQuestion(transaction, "task 7", [AskedPart(agent, side, "EUR", amount, 2)])


def test_many_go_in_one_batch_and_leave_every_record_that_they_leave_alone(pair: Pair) -> None:
    here, there = pair.north.agent(money=1000), pair.south.agent(money=1000)
    alone = pair.transfer(here, there, 10)
    pair.north.work()
    steps = "select verb, actor, cause from step where machine = 'transaction' and subject_id = '{}' order by step"
    by_one = rows(pair.north, steps.format(alone))
    theirs = rows(pair.south, "select distinct verb, actor, cause from step where machine = 'transaction' order by 1")
    ones = [pair.transfer(here, there, 10, back=number % 3 == 0) for number in range(30)]
    pair.north.work()
    assert pair.line.batches == [["prepare"] * 30, ["commit"] * 30]
    assert {pair.north.state(one) for one in ones} == {"committed"}
    assert Counter(pair.south.states()) == {"committed": 31}
    assert rows(pair.north, steps.format(ones[0])) == by_one
    assert rows(pair.south, "select distinct verb, actor, cause from step where machine = 'transaction' order by 1") == theirs
    assert (pair.north.money(here), pair.south.money(there)) == (1000 - 10 - 200 + 100, 1000 + 10 + 200 - 100)
    for side in (pair.north, pair.south):
        assert rows(side, "select count(*) from two_phase where due_at is not null") == [(0,)], "nothing that ended is looked at again"
    assert rows(pair.north, "select count(*) from two_phase_call where due_at is not null") == [(0,)]
    pair.still_true()


@pytest.mark.parametrize("lost", ["questions", "answers"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_batch_that_is_lost_is_asked_again_and_done_once(pair: Pair, lost: str, after: int) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    ones = [pair.transfer(here, there, 5) for _ in range(4)]
    if after:  # first all are prepared well, and then the line breaks
        pair.north.work(1)
        assert pair.line.batches == [["prepare"] * 4]
    setattr(pair.line, f"lose_{lost}", 4)  # in each tick the batch, and one of it that is asked alone
    pair.north.work(2)
    assert not {pair.north.state(one) for one in ones} & {"committed", "aborted"}
    assert getattr(pair.line, f"lose_{lost}") == 0, "it was lost"
    pair.north.work(8)
    assert {pair.north.state(one) for one in ones} == {"committed"} == set(pair.south.states())
    assert (pair.north.money(here), pair.south.money(there)) == (80, 20)
    pair.still_true()


def test_a_batch_that_is_sent_twice_is_done_once(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    pair.line.doubled = True
    for _ in range(4):
        pair.transfer(here, there, 5)
    pair.north.work()
    assert (Counter(pair.south.states()), pair.south.money(there)) == ({"committed": 4}, 20)
    pair.still_true()


def test_the_noes_in_a_batch_stop_nothing_but_their_own(pair: Pair) -> None:
    here, there, poor = pair.north.agent(money=100), pair.south.agent(money=50), pair.south.agent(money=5)
    good = [pair.transfer(here, there, 5) for _ in range(3)]
    bad = [pair.transfer(here, poor, 6, back=True), pair.transfer(here, make_id("agent"), 5)]
    pair.north.work()
    assert {pair.north.state(one) for one in good} == {"committed"}
    assert {pair.north.state(one) for one in bad} == {"aborted"}
    assert Counter(pair.south.states()) == {"committed": 3, "aborted": 1}, "of an agent that is not there nothing is written"
    assert (pair.north.money(here), pair.south.money(there), pair.south.money(poor)) == (85, 65, 5)
    whys = [row[0] for row in rows(pair.north, "select why from two_phase_vote where vote = 'no' order by why")]
    assert [("less than was asked for" in why, "agents of one program" in why) for why in whys] == [(False, True), (True, False)]
    pair.still_true()


@pytest.mark.parametrize("table", ["two_phase_vote", "two_phase_outcome"])
def test_one_that_fails_at_the_peer_is_asked_again_and_spoils_no_other(pair: Pair, table: str) -> None:
    here, there, odd = pair.north.agent(money=100), pair.south.agent(), pair.south.agent()
    ones = [pair.transfer(here, there, 5), pair.transfer(here, odd, 6), pair.transfer(here, there, 7)]
    mend = breaks(
        pair.south, table, f"exists (select from two_phase_participant where transaction_id = new.transaction_id and agent_id = '{odd}')"
    )
    pair.north.work(3)
    assert [pair.north.state(one) == "committed" for one in ones] == [True, False, True]
    assert pair.south.money(there) == 12
    [(said,)] = rows(pair.north, "select last_error from two_phase where last_error is not null")
    assert said.startswith(("500: ", "it failed here", "no answer: ")), "alone, or in a batch; or its connection had ended meanwhile"
    mend()
    pair.north.work(3)
    assert {pair.north.state(one) for one in ones} == {"committed"}
    assert pair.south.money(odd) == 6
    pair.still_true()


@pytest.mark.parametrize(("table", "which"), [("two_phase_vote", "new.number = 2"), ("two_phase_outcome", "new.number = 2")])
def test_an_answer_that_cannot_be_written_down_holds_up_no_other(pair: Pair, table: str, which: str) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    ones = [pair.transfer(here, there, 5) for _ in range(3)]
    mend = breaks(pair.north, table, f"{which} and new.transaction_id = '{ones[1]}'")
    pair.north.work(3)
    assert [pair.north.state(one) == "committed" for one in ones] == [True, False, True]
    mend()
    pair.north.work(3)
    assert {pair.north.state(one) for one in ones} == {"committed"}
    assert (pair.north.money(here), pair.south.money(there)) == (85, 15)
    pair.still_true()


class OfOld(Line):
    """A peer that takes no batches."""

    def ask_many(self, messages: Sequence[PeerMessage], *, now: Any) -> list[PeerReply | str]:
        self.batches.append([one.message for one in messages])
        raise NotUnderstood("422: batch is none of prepare, commit, cancel")


def test_a_peer_that_takes_no_batches_is_asked_one_by_one(pair: Pair) -> None:
    old = OfOld(HttpPeer(pair.south.url, SECRET, ours="north"))
    pair.north.wiring.peers["south"] = old  # type: ignore[index]
    here, there = pair.north.agent(money=100), pair.south.agent()
    for _ in range(3):
        pair.transfer(here, there, 5)
    pair.north.work()
    assert (Counter(old.asked), Counter(pair.south.states())) == ({"prepare": 3, "commit": 3}, {"committed": 3})
    pair.still_true()


class Choking(OfOld):
    """A peer that answers no batch, and never what it is asked of one transaction."""

    choke = ""

    def ask(self, message: Message, asked: PeerQuestion, *, now: Any) -> PeerReply:
        if asked.transaction == self.choke:
            raise NotUnderstood("no answer: TimeoutError")
        return super().ask(message, asked, now=now)


def test_one_that_a_peer_never_answers_is_not_always_the_first_that_it_is_asked(pair: Pair) -> None:
    choking = Choking(HttpPeer(pair.south.url, SECRET, ours="north"))
    pair.north.wiring.peers["south"] = choking  # type: ignore[index]
    here, there = pair.north.agent(money=100), pair.south.agent()
    ones = sorted(pair.transfer(here, there, 5) for _ in range(3))
    choking.choke = ones[0]
    pair.north.work(8)
    assert [pair.north.state(one) for one in ones] == ["preparing", "committed", "committed"]


def test_what_the_time_of_a_batch_is_not_enough_for_is_said_not_to_be_done(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    there, peer = pair.south.agent(), pair.line.peer
    mend = breaks(pair.south, "two_phase_vote", "true")
    monkeypatch.setattr(answering_together, "ANSWER_WITHIN_S", -1.0)
    asked = [PeerMessage("prepare", question(f"txn_{number}", there)) for number in range(3)]
    assert set(peer.ask_many(asked, now=now())) == {answering_together.NOT_YET}
    mend()
    assert set(peer.ask_many(asked, now=now())) == {PeerReply("yes")}


def test_commit_is_sent_only_when_its_decision_stands(pair: Pair) -> None:
    seen = list[tuple[int, int]]()

    class Looking(Line):
        def ask_many(self, messages: Sequence[PeerMessage], *, now: Any) -> list[PeerReply | str]:
            if messages[0].message == "commit":
                with psycopg.connect(pair.north.database.url) as other:
                    ids = [one.asked.transaction for one in messages]
                    query = "select count(*) from two_phase_decision where decision = 'commit' and transaction_id = any(%s)"
                    seen.append((len(ids), (other.execute(query, [ids]).fetchone() or (0,))[0]))
            return super().ask_many(messages, now=now)

    pair.north.wiring.peers["south"] = Looking(pair.line.peer)  # type: ignore[index]
    here, there = pair.north.agent(money=100), pair.south.agent()
    for _ in range(5):
        pair.transfer(here, there, 5)
    pair.north.work()
    assert seen == [(5, 5)]


class Held(Line):
    """A way on which the answer to a batch waits until it is let."""

    def __init__(self, peer: HttpPeer) -> None:
        super().__init__(peer)
        self.answered, self.let = threading.Event(), threading.Event()

    def ask_many(self, messages: Sequence[PeerMessage], *, now: Any) -> list[PeerReply | str]:
        told = super().ask_many(messages, now=now)
        self.answered.set()
        assert self.let.wait(30)
        return told


def test_a_coordinator_that_slept_over_the_decision_writes_nothing_when_it_wakes(pair: Pair) -> None:
    held = Held(pair.line.peer)
    pair.north.wiring.peers["south"] = held  # type: ignore[index]
    here, there = pair.north.agent(money=100), pair.south.agent()
    ones = [pair.transfer(here, there, 5) for _ in range(3)]
    run = ticks(pair.north.wiring, "worker:north")
    run["transactions"]()
    asleep = threading.Thread(target=run["peers"])
    asleep.start()
    try:
        assert held.answered.wait(20)
        with pair.north.database.transaction() as conn:
            for one in ones:
                cancel_transaction(conn, one, reason="it sleeps", actor="test", now=now())
        stands = rows(pair.north, "select * from two_phase_call order by transaction_id")
    finally:
        held.let.set()
        asleep.join(20)
    assert rows(pair.north, "select * from two_phase_call order by transaction_id") == stands
    assert rows(pair.north, "select count(*) from two_phase_vote v join two_phase_participant p using (transaction_id, number)"
                            " where p.peer is not null") == [(0,)]  # fmt: skip
    pair.north.wiring.peers["south"] = pair.line  # type: ignore[index]
    pair.north.work()
    assert {pair.north.state(one) for one in ones} == {"aborted"} == set(pair.south.states())
    pair.still_true()


def test_the_same_messages_in_several_batches_at_once_are_done_once(pair: Pair) -> None:
    there, peer = pair.south.agent(), pair.line.peer
    asked = [PeerMessage("prepare", question(f"txn_{number}", there, 1 + number)) for number in range(20)]
    with ThreadPoolExecutor(4) as callers:
        told = list(callers.map(lambda those: peer.ask_many(those, now=now()), [asked, asked[::-1], asked[5:], asked[:7]]))
    assert {answer for each in told for answer in each} == {PeerReply("yes")}
    assert Counter(pair.south.states()) == {"prepared": 20}
    pair.still_true()


def test_a_budget_is_kept_to_the_unit_by_batches_at_once(pair: Pair) -> None:
    payer, peer = pair.south.agent(money=1000, per_day=55), pair.line.peer
    batches = [[PeerMessage("prepare", question(f"txn_{place}_{number}", payer, 10, "debit")) for number in range(6)] for place in range(3)]
    with ThreadPoolExecutor(3) as callers:
        told = list(callers.map(lambda those: peer.ask_many(those, now=now()), batches))
    assert Counter(answer.answer if isinstance(answer, PeerReply) else answer for each in told for answer in each) == {"yes": 5, "no": 13}
    pair.still_true()


def test_what_is_asked_otherwise_or_contradicts_spoils_no_other_of_its_batch(pair: Pair) -> None:
    there, peer = pair.south.agent(), pair.line.peer
    assert peer.ask("prepare", question("txn_1", there), now=now()) == PeerReply("yes")
    asked = [
        PeerMessage("commit", question("txn_1", there, 31)),
        PeerMessage("commit", question("txn_2", there)),
        PeerMessage("prepare", question("txn_3", there)),
        PeerMessage("cancel", question("txn_4", there)),
        PeerMessage("prepare", PeerQuestion("txn_5", "task 7", [AskedPart(there, "credit", "EUR", 5, 6)])),
    ]
    told = peer.ask_many(asked, now=now())
    assert [one.split(":")[0] if isinstance(one, str) else one.answer for one in told] == [
        *("PeerAskedOtherwise", "PeerContradicts", "yes", "released", "no")
    ]
    asked = [PeerMessage("commit", question("txn_1", there)), PeerMessage("prepare", question("txn_4", there))]
    assert peer.ask_many(asked, now=now()) == [PeerReply("applied"), PeerReply("no", "abort was decided")]
    both = [PeerMessage("prepare", question("txn_6", there, 7)), PeerMessage("commit", question("txn_6", there, 7))]
    assert peer.ask_many(both, now=now()) == [PeerReply("yes"), PeerReply("applied")], "of one transaction, in their order"
    assert pair.south.money(there) == 37
    again = peer.ask_many(
        [PeerMessage("commit", question("txn_6", there, 7)), PeerMessage("cancel", question("txn_6", there, 7))], now=now()
    )
    assert [one.split(":")[0] if isinstance(one, str) else one.answer for one in again] == ["applied", "PeerContradicts"]


def asked_raw(pair: Pair, body: bytes, **more: Any) -> httpx2.Response:
    given = {"id": batch_id("north", body), "secret": SECRET, "now": now(), "path": "north"} | more
    headers = signed(body, given["id"], given["secret"], now=given["now"])
    return httpx2.post(f"{pair.south.url}/peers/{given['path']}/batch", content=body, headers=headers)


def test_nobody_else_sends_a_batch_and_none_is_read_in_two_ways(pair: Pair) -> None:
    there = pair.south.agent()
    asked = [PeerMessage("prepare", question(f"txn_{number}", there)) for number in range(2)]
    body = batch_body(asked, "north")
    assert asked_raw(pair, body, secret=OTHER).status_code == 401
    assert asked_raw(pair, body, now=now() - timedelta(minutes=6)).status_code == 401
    assert asked_raw(pair, body, path="east").status_code == 404
    assert asked_raw(pair, body, id="north.txn_0.prepare").status_code == 422
    assert asked_raw(pair, body, id=batch_id("south", body)).status_code == 422, "no batch of ours comes back to us as theirs"
    wrong = [
        batch_body(asked, "south"),
        batch_body([], "north"),
        batch_body([PeerMessage("prepare", question(f"txn_{number}", there)) for number in range(BATCH_MAX + 1)], "north"),
        json.dumps(json.loads(body)).encode(),
        body.replace(b'"prepare"', b'"explode"').replace(b".prepare", b".explode"),
        b'{"messages":[{"asked":{"participants":[],"reference":"\\ud800","transaction":"x"},"key":"north.x.cancel","message":"cancel"}]}',
        b'{"messages":7}',
        b"[]",
    ]
    assert [asked_raw(pair, one).status_code for one in wrong] == [422] * len(wrong)
    assert pair.south.states() == []
    assert [one["answer"] for one in asked_raw(pair, body).json()["answers"]] == ["yes", "yes"]


def test_an_answer_to_another_batch_is_not_believed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    there, peer = pair.south.agent(), pair.line.peer
    asked = [PeerMessage("prepare", question(f"txn_{number}", there)) for number in range(2)]
    monkeypatch.setattr("counterfoil.treasury.two_phase.peers.batch_id", lambda sender, body: batch_id(sender, body) + "x")
    with pytest.raises(NotUnderstood, match="422"):
        peer.ask_many(asked, now=now())


def test_a_batch_and_its_answers_are_as_large_as_the_other_side_takes() -> None:
    parts = [AskedPart(f"agent_{'x' * 30}{number}", "debit", "EUR", 10**18, 2) for number in range(90)]
    large = [PeerMessage("prepare", PeerQuestion(f"txn_{number}", "é" * 200, parts)) for number in range(60)]
    small = [PeerMessage("commit", question(f"txn_{number}", "agent_1")) for number in range(250)]
    for messages in (large, small, [large[0], *small, large[1]]):
        batches = in_batches(messages)
        assert [place for those in batches for place in those] == list(range(len(messages))), "each once, in order"
        bodies = [batch_body([messages[place] for place in those], "n" * 40) for those in batches]
        assert max(map(len, bodies)) <= BATCH_BYTES_MAX < BODY_BYTES_MAX
        assert max(map(len, batches)) <= BATCH_MAX
    assert [len(those) for those in in_batches(small)] == [100, 100, 50]
    keys = [one.key("n" * 40) for one in small[:BATCH_MAX]]
    for said in ("\U0001f600" * 9_999, '"\\\t\x1b' * 9_999):
        assert len(answers_body(keys, [said] * BATCH_MAX)) < BODY_BYTES_MAX
        assert len(answers_body(keys, [PeerReply("no", said)] * BATCH_MAX)) < BODY_BYTES_MAX
