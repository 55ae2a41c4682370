"""Two servers with two databases: money that moves between their agents, wholly or not at all, whatever happens to the messages."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.base.problems import TooLarge
from counterfoil.base.secret import SigningSecret
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.operations.work.queries import queue_depths
from counterfoil.payouts.batches.facts import treasuries_of
from counterfoil.payouts.providers_in_use import providers_not_set
from counterfoil.reconciliation.client_money import compute
from counterfoil.reconciliation.reach import due_sources
from counterfoil.treasury.two_phase.model import MOVING, participants_of, show_transaction
from counterfoil.treasury.two_phase.peers import (
    AskedPart,
    NotUnderstood,
    PeerQuestion,
    PeerReply,
    PeersRefused,
    parse_peers,
    signed,
)
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction, cancel_transaction
from counterfoil.wiring import loops, ticks
from tests.builders import PROGRAM
from tests.treasury.purse import an_agent, give, mandate
from tests.treasury.two_phase.two_servers import SECRET, Pair, Strange, Unreadable

OTHER = SigningSecret(f"whsec_{base64.b64encode(hashlib.sha256(b'of somebody else').digest()).decode()}", "peers")


def test_money_moves_between_two_servers_and_back(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent(money=50)
    one = pair.transfer(here, there, 30)
    pair.north.work()
    assert (pair.north.state(one), pair.south.states()) == ("committed", ["committed"])
    assert (pair.north.money(here), pair.south.money(there), pair.north.clearing("south")) == (70, 80, 30)
    pair.still_true()
    back = pair.transfer(here, there, 80, back=True)
    pair.north.work()
    assert (pair.north.state(back), pair.north.money(here), pair.south.money(there)) == ("committed", 150, 0)
    assert pair.north.clearing("south") == -50
    pair.still_true()


def test_a_no_of_the_other_server_stops_all_of_it_and_says_why(pair: Pair) -> None:
    here, poor = pair.north.agent(money=100), pair.south.agent(money=5)
    one = pair.transfer(here, poor, 6, back=True)
    pair.north.work()
    assert (pair.north.state(one), pair.south.states()) == ("aborted", ["aborted"])
    with pair.north.database.transaction(read_only=True) as conn:
        [why] = conn.execute("select why from two_phase_vote where vote = 'no'").fetchone() or [""]
    assert why.startswith("south: ")
    assert (pair.north.money(here), pair.south.money(poor)) == (100, 5)
    pair.still_true()


def test_an_agent_that_is_not_there_is_a_no(pair: Pair) -> None:
    here = pair.north.agent(money=100)
    one = pair.transfer(here, make_id("agent"), 6)
    pair.north.work()
    assert (pair.north.state(one), pair.south.states()) == ("aborted", [])
    pair.still_true()


@pytest.mark.parametrize("lost", ["questions", "answers"])
@pytest.mark.parametrize("after", [0, 1])
def test_what_is_lost_is_asked_again_and_done_once(pair: Pair, lost: str, after: int) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    one = pair.transfer(here, there, 30)
    if after:  # first it is prepared well, and then the line breaks
        pair.north.work(1)
        assert pair.line.asked == ["prepare"]
    setattr(pair.line, f"lose_{lost}", 2)
    pair.north.work(2)
    assert pair.north.state(one) not in ("committed", "aborted")
    assert getattr(pair.line, f"lose_{lost}") < 2, "it was lost"
    pair.north.work(8)
    assert (pair.north.state(one), pair.south.states()) == ("committed", ["committed"])
    assert (pair.north.money(here), pair.south.money(there)) == (70, 30)
    pair.still_true()


def test_what_is_sent_twice_is_done_once(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    pair.line.doubled = True
    one = pair.transfer(here, there, 30)
    pair.north.work()
    assert (pair.north.state(one), pair.south.money(there)) == ("committed", 30)
    pair.still_true()


def test_a_server_that_is_away_at_first_lets_the_time_run_out_and_releases_when_it_is_back(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    pair.line.lose_answers = 99
    one = pair.transfer(here, there, 30, time_out=timedelta(seconds=1))
    pair.north.work(1)
    assert pair.south.states() == ["prepared"], "it promised, and nobody heard it"
    with pair.north.database.transaction() as conn:
        cancel_transaction(conn, one, reason="nobody answers", actor="test", now=now())
    pair.north.work(2)
    assert pair.north.state(one) == "aborting"
    pair.line.lose_answers = 0
    pair.north.work(4)
    assert (pair.north.state(one), pair.south.states(), pair.south.money(there)) == ("aborted", ["aborted"], 0)
    pair.still_true()


def test_a_cancel_that_comes_before_its_prepare_leaves_a_no(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    one = pair.transfer(here, there, 30)
    with pair.north.database.transaction() as conn:
        cancel_transaction(conn, one, reason="not needed", actor="test", now=now())
    pair.north.work()
    assert (pair.north.state(one), pair.south.states()) == ("aborted", ["aborted"])
    late = PeerQuestion(one, "task 7", [AskedPart(there, "credit", "EUR", 30, 2)])
    assert pair.line.peer.ask("prepare", late, now=now()) == PeerReply("no", "abort was decided")
    pair.still_true()


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (TooLarge(field="body"), "TooLarge"),
        (KeyError("why"), "KeyError"),
        (NotUnderstood("an answer with \x00 in it"), "with ␀ in it"),
        (PeerReply("\x00"), "answered ␀ to prepare"),
        (Unreadable(), "what it answered"),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_one_peer_that_breaks_what_asks_it_stops_no_other(pair: Pair, answers: Any, said: str, count: int) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    strange = Strange(answers)
    pair.north.wiring.peers["strange"] = strange  # type: ignore[index]
    broken, *_ = [pair.transfer(here, make_id("agent"), 5, peer="strange") for _ in range(count)]
    good = pair.transfer(here, there, 30)
    pair.north.work()
    assert (strange.asked if count == 1 else strange.batches) > 1, "it is asked again"
    assert (pair.north.state(good), pair.south.money(there)) == ("committed", 30)
    with pair.north.database.transaction(read_only=True) as conn:
        one = show_transaction(conn, broken)
    assert one.state == "preparing"
    assert said in str(one.last_error)


def test_a_no_with_a_reason_that_no_record_can_hold_is_a_no(pair: Pair) -> None:
    pair.north.wiring.peers["strange"] = Strange(PeerReply("no", "a \x00 and half a \ud800"))  # type: ignore[index]
    one = pair.transfer(pair.north.agent(money=100), make_id("agent"), 5, peer="strange")
    pair.north.work(2)
    assert pair.north.state(one) == "aborting"


def test_an_asset_that_the_peer_counts_in_other_units_is_a_no_and_nothing_moves(pair: Pair) -> None:
    for side, scale in ((pair.north, 6), (pair.south, 2)):
        with side.database.transaction() as conn:
            open_program(conn, PROGRAM, name="Main", assets=[Asset("USDC", scale)], now=now())
            open_accounts(conn, PROGRAM, ["cash:bank:own"], asset="USDC", actor="test", now=now())
    with pair.north.database.transaction() as conn:
        here = an_agent(conn)
        give(conn, here, 5_000_000, asset="USDC")
        mandate(conn, here, asset="USDC")
    there = pair.south.agent()
    one = pair.transfer(here, there, 5_000_000, asset="USDC")
    pair.north.work()
    assert pair.north.state(one) == "aborted"
    with pair.north.database.transaction(read_only=True) as conn:
        noes = [part.why for part in participants_of(conn, one) if part.vote == "no"]
    assert "USDC with 2 decimals, as it has here" in str(noes), "the reason is the true one"
    pair.still_true()


def test_what_servers_owe_each_other_is_no_provider_of_payouts(pair: Pair) -> None:
    pair.transfer(pair.north.agent(money=100), pair.south.agent(), 30)
    pair.north.work()
    for side, other in ((pair.north, "south"), (pair.south, "north")):
        with side.database.transaction(read_only=True) as conn:
            assert conn.execute("select debits <> credits from account where name = %s", [f"clearing:{other}"]).fetchall() == [(True,)]
            assert [str(one) for one in due_sources(conn) if one.source == other] == []
            assert [one for one in providers_not_set(conn, (), now=now()) if one.name == other] == []
            assert [key for key in treasuries_of(conn, PROGRAM) if key[0] == other] == []


def test_what_we_owe_a_peer_is_owed_and_what_it_owes_us_is_not_held(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    pair.transfer(here, there, 30)
    pair.north.work()
    found = {}
    for side in (pair.north, pair.south):
        with side.database.transaction(read_only=True) as conn:
            found[side.name] = compute(conn, PROGRAM, "EUR", now().date())
    assert [place["account"] for each in found.values() for place in each["places"]] == [], "no place of ours"
    assert [each["not_checked"] for each in found.values()] == [[], []], "and nothing that a statement would have to say"
    owners = {name: {one["owner"]: one["counted"] for one in each["owners"]} for name, each in found.items()}
    assert owners["north"] == {f"agent:{here}": "70", "peer:south": "30"}
    assert owners["south"] == {f"agent:{there}": "30", "peer:north": "0"}
    assert (found["north"]["owed"], found["south"]["owed"], found["south"]["not_netted"]) == ("100", "30", "-30")


def test_a_peer_that_does_not_answer_is_seen_at_its_queue(pair: Pair) -> None:
    def silent() -> tuple[str, list[tuple[str, int, int, str]]]:
        with pair.north.database.transaction(read_only=True) as conn:
            [depth] = queue_depths(conn, [MOVING], now=now())
        return depth.depth, [(one.peer, one.waiting, one.attempts, str(one.last_error)) for one in depth.peers_silent]

    here, there = pair.north.agent(money=100), pair.south.agent()
    pair.line.lose_questions = 99
    for _ in range(3):
        pair.transfer(here, there, 5)
    assert silent() == ("fine", [])
    pair.north.work(2)
    assert silent() == ("slow", [("south", 3, 2, "the question was lost")])
    pair.line.lose_questions = 0
    pair.north.work(3)
    assert silent() == ("fine", [])


def test_a_deaf_peer_leaves_room_for_the_others(pair: Pair) -> None:
    here, there = pair.north.agent(money=1000), pair.south.agent()
    deaf = Strange(NotUnderstood("no answer"))
    pair.north.wiring.peers["deaf"] = deaf  # type: ignore[index]
    for _ in range(70):
        pair.transfer(here, make_id("agent"), 1, peer="deaf")
    good = pair.transfer(here, there, 30)
    run = ticks(pair.north.wiring, "worker:north")
    for job in ("transactions", "peers"):
        run[job]()
    assert (deaf.batches, deaf.asked) == (1, 1), "all of it once, and one of it alone"
    with pair.north.database.transaction(read_only=True) as conn:
        assert [part.vote for part in participants_of(conn, good) if part.peer] == ["yes"], "though it was begun last"


class Slow:
    """A peer that does not answer until it is let."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()

    def ask(self, message: Any, asked: PeerQuestion, *, now: Any) -> PeerReply:
        self.asked.set()
        assert self.let.wait(30)
        return PeerReply("no", "too late")


def test_while_one_peer_is_waited_for_another_is_asked_again_and_again(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    slow = Slow()
    pair.north.wiring.peers["slow"] = slow  # type: ignore[index]
    waits, good = pair.transfer(here, make_id("agent"), 5, peer="slow"), pair.transfer(here, there, 30)
    run = {loop.name: loop.tick for loop in loops(pair.north.wiring, "worker:north", poll_s=1)}
    run["transactions"]()
    waiting = threading.Thread(target=run["peers:slow"])
    waiting.start()
    try:
        assert slow.asked.wait(20)
        for _ in range(3):
            run["peers:south"]()
            run["transactions"]()
        assert (pair.north.state(good), pair.south.money(there)) == ("committed", 30), "asked twice, while the other is still waited for"
        assert (waiting.is_alive(), pair.north.state(waits)) == (True, "preparing")
    finally:
        slow.let.set()
        waiting.join(20)
    assert pair.north.state(waits) == "aborting", "its answer is written down when it comes"


def test_what_no_longer_has_a_peer_says_so_and_is_asked_again(pair: Pair) -> None:
    one = pair.transfer(pair.north.agent(money=100), make_id("agent"), 5, peer="gone")
    pair.north.work(1)
    with pair.north.database.transaction(read_only=True) as conn:
        assert "the peer gone is not set up here" in str(show_transaction(conn, one).last_error)
    pair.north.wiring.peers["gone"] = Strange(PeerReply("no", "here again"))  # type: ignore[index]
    pair.north.work(2)
    assert pair.north.state(one) == "aborting"


def test_the_answer_of_one_peer_leaves_what_is_wrong_with_another(pair: Pair) -> None:
    here, there = pair.north.agent(money=100), pair.south.agent()
    pair.north.wiring.peers["adeaf"] = Strange(NotUnderstood("it says nothing"))  # type: ignore[index]
    with pair.north.database.transaction() as conn:
        parts = [
            NewParticipant(here, "debit", "EUR", 30),
            NewParticipant(there, "credit", "EUR", 10, "south"),
            NewParticipant(make_id("agent"), "credit", "EUR", 20, "adeaf"),
        ]
        new = NewTransaction(PROGRAM, "task 7", parts, peers=frozenset({"south", "adeaf"}))
        one = begin_transaction(conn, make_id("txn"), new, actor="test", now=now()).id
    pair.north.work(2)
    with pair.north.database.transaction(read_only=True) as conn:
        assert [part.vote for part in participants_of(conn, one) if part.peer == "south"] == ["yes"], "it answered after the other"
        assert "it says nothing" in str(show_transaction(conn, one).last_error)


@pytest.mark.parametrize(
    "given",
    [
        "east",
        "east http://east.example:7x SECRET",
        "east http://east.example:70000 SECRET",
        "east http:// SECRET",
        "east ftp://east.example SECRET",
        "north http://north.example SECRET",
        "simulator http://east.example SECRET",
        "east http://east.example SECRET, east http://east.example SECRET",
    ],
)
def test_a_setting_of_peers_that_cannot_be_used_is_refused_at_the_start(given: str) -> None:
    secret = f"whsec_{base64.b64encode(SECRET.key).decode()}"
    with pytest.raises(PeersRefused):
        parse_peers(given.replace("SECRET", secret), ours="north", providers={"simulator"})
    assert set(parse_peers(f"east http://[::1]:8080/x {secret}, west https://west.example {secret}", ours="north")) == {"east", "west"}


def asked_raw(pair: Pair, body: bytes, message: str = "prepare", **more: Any) -> httpx2.Response:
    """A request by hand, signed as `more` says."""
    told = json.loads(body)
    given = {"id": f"north.{told['transaction']}.{message}", "secret": SECRET, "now": now(), "path": "north"} | more
    headers = signed(body, given["id"], given["secret"], now=given["now"])
    return httpx2.post(f"{pair.south.url}/peers/{given['path']}/{message}", content=body, headers=headers)


def test_nobody_else_asks_and_nothing_is_asked_in_two_ways(pair: Pair) -> None:
    there = pair.south.agent()
    asked = PeerQuestion("txn_1", "task", [AskedPart(there, "credit", "EUR", 30, 2)])
    body = asked.body()
    assert asked_raw(pair, body, secret=OTHER).status_code == 401
    assert asked_raw(pair, body, now=now() - timedelta(minutes=6)).status_code == 401
    assert asked_raw(pair, body, path="east").status_code == 404
    assert asked_raw(pair, body, id="south.txn_1.prepare").status_code == 422, "no question of ours comes back to us as theirs"
    assert asked_raw(pair, body, id="north.txn_1.commit").status_code == 422
    assert asked_raw(pair, body, "commit").status_code == 409, "nothing was promised"
    assert pair.south.states() == []
    assert asked_raw(pair, body).json()["answer"] == "yes"
    other = PeerQuestion("txn_1", "task", [AskedPart(there, "credit", "EUR", 31, 2)]).body()
    for message in ("prepare", "commit", "cancel"):
        assert asked_raw(pair, other, message).json()["type"].endswith("PeerAskedOtherwise")
    assert asked_raw(pair, body, "commit").json()["answer"] == "applied"
    assert asked_raw(pair, body, "cancel").json()["type"].endswith("PeerContradicts")
    assert pair.south.money(there) == 30


def test_what_was_promised_to_a_peer_is_nobodys_to_decide_here(pair: Pair) -> None:
    there = pair.south.agent()
    asked_raw(pair, PeerQuestion("txn_1", "task", [AskedPart(there, "credit", "EUR", 30, 2)]).body())
    with pair.south.database.transaction() as conn:
        [one] = [row[0] for row in conn.execute("select id from two_phase")]
        with pytest.raises(Exception, match="north decides it"), conn.transaction():
            cancel_transaction(conn, one, reason="tired", actor="test", now=now())
    run = ticks(pair.south.wiring, "worker:south")
    run["transactions"]()
    assert pair.south.states() == ["prepared"]
