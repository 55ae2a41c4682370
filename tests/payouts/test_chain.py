"""Payouts on a chain, from the invoice to the token, on a real node: nothing is paid twice, whatever becomes of bytes, blocks and nodes.

The node is anvil, from npm. eth-tester was the other choice, and needs pip alone; but it has no pool that a transaction is dropped from or
replaced in, no socket on which an answer is lost, and no reorganisation that leaves the rest of the chain as it was. These are what is
tested here, so the tests are left out, with this reason, where there is no anvil.
"""

from __future__ import annotations

import threading

import psycopg
import pytest
from structlog.testing import capture_logs

from counterfoil.operations.providers.conformance.chain_node import find_anvil, running_node
from tests.operations.providers.how import NEEDS_ANVIL, NEEDS_EVM
from tests.simulators import spawn_simulator

pytest.importorskip("eth_account", reason=NEEDS_EVM)
if find_anvil() is None:
    pytest.skip(NEEDS_ANVIL, allow_module_level=True)

from eth_account import Account

from counterfoil.base import failpoints as points
from counterfoil.base.problems import Problem
from counterfoil.operations.providers import Accepted, NotThere, Sought, Unclear
from counterfoil.operations.providers.chain.node import NodeSaid
from counterfoil.operations.providers.conformance.proxy import FaultProxy
from counterfoil.payouts.chain_orders.given import GivenOnAChain, refuse_given
from counterfoil.payouts.chain_orders.recording import REORGANISED
from counterfoil.payouts.provider_payouts.attempts_by_hand import mark_failed
from counterfoil.wiring import ticks
from tests.payouts.chain_desk import CONFIRMATIONS, ChainDesk, a_chain_program, later

PAID = 94_00


@pytest.fixture
def node():
    with running_node() as running:
        yield running


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    with spawn_simulator(tmp_path_factory.mktemp("simulator"), settle_ms=0) as running:
        yield running


@pytest.fixture
def desk(database, node, simulator):
    a_chain_program(database)
    return ChainDesk(database, simulator, node)


def test_a_payout_is_paid_when_it_is_as_deep_as_was_set_and_its_gas_is_booked_in_its_own_asset(desk):
    desk.owe("payee-1")
    desk.send()
    assert (desk.states(), desk.got("payee-1")) == ([("sent", "processing")], PAID)  # mined, and not believed yet
    desk.tend()
    assert (desk.states(), desk.sightings()) == ([("sent", "processing")], ["mined"])
    desk.tend(mine=CONFIRMATIONS - 1)
    assert (desk.states(), desk.sightings()) == ([("succeeded", "completed")], ["mined", "final"])
    assert desk.balance("in_transit:chain") == 0
    desk.gas_is_booked()
    desk.true()
    [[ref]] = desk.rows("select provider_ref from provider_payout")
    assert ref == f"{desk.address}:0"
    assert desk.balance("provider_fee") == 30  # of the customer's payment at the simulator; gas is none of it


def test_the_coin_of_a_chain_is_paid_too_and_its_gas_is_of_the_same_asset(database, node, simulator):
    a_chain_program(database)
    desk = ChainDesk(database, simulator, node, tokens={"EUR": None}, gas_asset="EUR")
    desk.owe("payee-1")
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")]
    assert node.holds(desk.payees["payee-1"]) == 94 * 10**18
    [[gas]] = desk.rows("select gas_wei from chain_sender")
    assert node.holds(desk.address) == 6 * 10**18 - gas
    assert desk.rows("select minor from chain_gas") == [(0,)]  # less than a unit of ours: it is carried, and booked with the next
    desk.true()


def test_orders_take_one_nonce_each_in_order_and_without_gaps_also_from_two_workers_at_once(desk):
    payees = [f"payee-{number}" for number in range(8)]
    desk.owe(*payees)
    desk.chain._timeout_s = 10
    others = ticks(desk.wiring, "worker:other")["outbox"]
    threads = [threading.Thread(target=tick) for tick in (desk.ticks["outbox"], others)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    desk.clock.now += points_wait()
    desk.send()
    assert [row[0] for row in desk.rows("select nonce from chain_order order by written_at, nonce")] == list(range(8))
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")] * 8
    assert [desk.got(payee) for payee in payees] == [PAID] * 8
    desk.gas_is_booked()
    desk.true()


def points_wait():
    from datetime import timedelta

    return timedelta(minutes=10)


class Frozen:
    """A worker that stops at a point until it is let go."""

    def __init__(self, desk, point):
        self.there, self.go_on, self._point = threading.Event(), threading.Event(), point
        self.thread = threading.Thread(target=ticks(desk.wiring, "worker:frozen")["outbox"], name="frozen")

    def _hook(self, point):
        if point == self._point and threading.current_thread().name.startswith("send") and not self.there.is_set():
            self.there.set()
            self.go_on.wait(60)

    def __enter__(self):
        points.on_point(self._hook)
        self.thread.start()
        assert self.there.wait(20)
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self.thread.join(60)
        points.leave(self._hook)


def test_a_sender_that_froze_between_writing_and_sending_can_send_the_same_bytes_only(desk):
    """Its lease runs out, the order is looked up, sent by the others, mined and final; then it wakes up."""
    desk.owe("payee-1")
    with Frozen(desk, "send.before_call"):
        assert len(desk.hashes()) == 1  # written, and nothing is sent
        assert desk.got("payee-1") == 0
        later(desk, seconds=61)
        desk.work("repair", "reconcile-pull")
        assert desk.states() == [("sent", "reconcile_required")]
        desk.tend()
        assert desk.got("payee-1") == PAID
        desk.tend(mine=CONFIRMATIONS)
        assert desk.states() == [("succeeded", "completed")]
    desk.tend(mine=CONFIRMATIONS)
    assert (desk.got("payee-1"), len(desk.hashes())) == (PAID, 1)
    desk.true()


def test_a_sender_that_froze_before_the_announcement_writes_nothing_and_takes_no_nonce(desk):
    desk.owe("payee-1")
    with Frozen(desk, "send.connected"):
        later(desk, seconds=61)
        desk.work("repair")
        assert desk.states() == [("queued", "processing")]
    assert desk.hashes() == []
    assert desk.rows("select count(*) from chain_sender") == [(0,)]


@pytest.mark.parametrize("fault", ["lose_request", "lose_answer", "garble", "error_before", "error_after", "rate_limit"])
def test_whatever_is_lost_on_the_way_the_order_arrives_once(desk, fault):
    desk.owe("payee-1")
    with FaultProxy(desk.node.url, is_order=lambda body: b"eth_sendRawTransaction" in body) as proxy:
        desk.wiring.providers["chain"] = desk.an_adapter(proxy.url)
        with proxy.fault(fault):
            desk.send()
        assert proxy.fired == [fault]
        assert desk.states() == [("unknown", "reconcile_required")]
        desk.tend(mine=1)
        desk.tend(mine=CONFIRMATIONS)
        assert desk.states() == [("succeeded", "completed")]
    assert (desk.got("payee-1"), len(desk.hashes())) == (PAID, 1)
    desk.true()


def test_a_transaction_that_fails_on_the_chain_gives_the_money_back_and_its_gas_is_spent_all_the_same(desk):
    desk.node.automine(False)
    desk.owe("payee-1")
    desk.send()
    desk.set_mode(3)
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("failed", "failed")]
    assert "reverted" in desk.rows("select last_error from payout")[0][0]
    assert (desk.got("payee-1"), desk.balance("payable:payee:payee-1")) == (0, PAID)
    desk.gas_is_booked()
    assert desk.balance("gas") > 0
    desk.true()


@pytest.mark.parametrize("mode", [2, 4])
def test_a_token_that_moves_nothing_has_paid_nobody_whatever_its_receipt_says(desk, mode):
    desk.set_mode(mode)
    desk.owe("payee-1")
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("failed", "failed")]
    assert "moved nothing" in desk.rows("select last_error from payout")[0][0]
    desk.true()


def test_a_token_that_keeps_a_part_is_a_conflict_and_no_payment(desk):
    desk.set_mode(1)
    desk.owe("payee-1")
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("unknown", "reconcile_required")]
    assert desk.conflicts() == [("paid 93.06 EUR", "open")]
    desk.true()


def test_a_transaction_that_waits_while_gas_gets_dearer_is_replaced_under_its_nonce(desk):
    desk.node.automine(False)
    desk.owe("payee-1", "payee-2")
    desk.send()
    dear(desk)
    desk.tend()
    assert len(desk.hashes()) == 2  # too soon
    later(desk, minutes=6)
    desk.tend()
    numbers = desk.rows("select o.nonce, t.number from chain_transaction t join chain_order o using (key) order by 1, 2")
    assert numbers == [(0, 1), (0, 2), (1, 1)]  # the first in line only: the others wait behind it
    desk.tend(mine=1)
    later(desk, minutes=6)
    desk.tend()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")] * 2
    assert (desk.got("payee-1"), desk.got("payee-2")) == (PAID, PAID)
    assert desk.rows("select hash from chain_sighting where state = 'final' order by hash") == sorted(
        [(desk.hashes()[1],), (desk.hashes()[3],)]
    )
    desk.gas_is_booked()
    desk.true()


def dear(desk, gwei=100):
    """The base fee rises above what was offered."""
    desk.node.ask("anvil_setNextBlockBaseFeePerGas", hex(gwei * 10**9))
    desk.node.mine()


def test_the_first_of_two_transactions_of_a_nonce_may_win_and_is_known(desk):
    desk.node.automine(False)
    desk.owe("payee-1")
    desk.send()
    dear(desk)
    later(desk, minutes=6)
    desk.tend()
    first, second = desk.hashes()
    [[raw]] = desk.rows("select raw from chain_transaction where hash = %s", first)
    desk.node.ask("anvil_dropTransaction", second)
    desk.node.ask("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    desk.node.mine()
    desk.node.ask("eth_sendRawTransaction", "0x" + bytes(raw).hex())
    desk.tend(mine=CONFIRMATIONS)
    assert desk.rows("select hash from chain_sighting where state = 'final'") == [(first,)]
    assert (desk.states(), desk.got("payee-1")) == ([("succeeded", "completed")], PAID)
    desk.gas_is_booked()


def test_gas_that_costs_more_than_was_set_is_not_paid(database, node, simulator):
    a_chain_program(database)
    desk = ChainDesk(database, simulator, node, fee_max=50 * 10**9)
    node.automine(False)
    desk.owe("payee-1")
    desk.send()
    dear(desk)
    later(desk, minutes=6)
    desk.tend()
    assert len(desk.hashes()) == 1
    assert desk.states()[0] == ("sent", "processing")
    desk.owe("payee-2")
    desk.send()
    assert "set as the most" in desk.rows("select last_error from provider_payout where state = 'queued'")[0][0]


def test_what_a_node_dropped_is_sent_again_the_same_bytes(desk):
    desk.node.automine(False)
    desk.owe("payee-1")
    desk.send()
    [digest] = desk.hashes()
    desk.node.ask("anvil_dropTransaction", digest)
    assert desk.node.ask("eth_getTransactionByHash", digest) is None
    desk.work("tend-chain")
    assert desk.node.ask("eth_getTransactionByHash", digest)["hash"] == digest
    desk.tend(mine=CONFIRMATIONS)
    assert (desk.states(), desk.hashes()) == ([("succeeded", "completed")], [digest])


def test_what_a_person_quarantined_is_not_sent_again_while_that_lasts(desk):
    desk.node.automine(False)
    [attempt] = desk.owe("payee-1")
    desk.send()
    [digest] = desk.hashes()
    with desk.database.transaction() as conn:
        conn.execute("update provider_payout set state = 'quarantined', state_at = now() where id = %s", [attempt])
    desk.node.ask("anvil_dropTransaction", digest)
    desk.work("tend-chain")
    assert desk.node.ask("eth_getTransactionByHash", digest) is None


def test_a_block_that_is_replaced_after_success_is_told_and_nothing_is_booked_back(desk):
    """The transaction is in no block any more: a conflict, critical; its bytes go again, and when it is final again the conflict ends."""
    desk.owe("payee-1")
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")]
    gas = desk.balance("gas")
    desk.node.automine(False)
    desk.node.ask("anvil_reorg", CONFIRMATIONS + 1, [])
    [digest] = desk.hashes()
    desk.node.ask("anvil_dropTransaction", digest) if desk.node.ask("eth_getTransactionByHash", digest) else None
    assert desk.got("payee-1") == 0
    desk.tend()
    assert desk.states() == [("succeeded", "completed")]
    assert desk.conflicts() == [(REORGANISED, "open")]
    assert desk.rows("select count(*) from event where name = 'provider_status_conflict'") == [(1,)]
    assert desk.balance("payable:payee:payee-1") == 0
    desk.tend(mine=CONFIRMATIONS)
    assert desk.conflicts() == [(REORGANISED, "settled")]
    assert (desk.states(), desk.got("payee-1"), desk.hashes()) == ([("succeeded", "completed")], PAID, [digest])
    assert desk.balance("gas") < gas  # in its new block it cost less
    desk.gas_is_booked()
    desk.true()


def test_what_is_final_is_watched_by_one_question_for_each_block(desk):
    desk.owe("payee-1", "payee-2")
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    asked, right = [], desk.chain.node.ask
    desk.chain.node.ask = lambda method, *given: (asked.append(method), right(method, *given))[1]
    desk.work("tend-chain")
    blocks = {row[0] for row in desk.rows("select block from chain_sighting where state = 'final'")}
    assert asked == ["eth_getBlockByNumber"] * len(blocks)


def test_another_transaction_of_our_address_under_our_nonce_is_the_one_proof_that_nothing_was_paid(desk):
    desk.node.automine(False)
    desk.owe("payee-1")
    desk.send()
    other = somebody_else_signs(desk, nonce=0)
    desk.node.mine()
    desk.tend()
    assert desk.states() == [("sent", "processing")]  # not deep enough to be believed
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("failed", "failed")]
    assert other in desk.rows("select last_error from payout")[0][0]
    assert desk.balance("payable:payee:payee-1") == PAID
    desk.true()


def test_nonces_that_nobody_here_took_stop_all_payments_until_people_account_for_them(desk):
    """As after a backup that was restored: what these books think unpaid may be what the chain has paid."""
    desk.owe("payee-1")
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    somebody_else_signs(desk, nonce=1)
    desk.node.mine()
    desk.owe("payee-2")
    desk.send()
    assert desk.states() == [("succeeded", "completed"), ("queued", "processing")]
    assert "CHAIN_NONCE_ELSEWHERE=2" in desk.rows("select last_error from provider_payout where state = 'queued'")[0][0]
    desk.chain.terms = desk.terms._replace(nonce_elsewhere=2)
    later(desk, minutes=10)
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")] * 2
    assert desk.rows("select nonce from chain_order order by nonce") == [(0,), (2,)]


def test_an_address_with_a_history_is_not_paid_from_before_people_say_so(desk):
    somebody_else_signs(desk, nonce=0)
    desk.node.mine()
    desk.owe("payee-1")
    desk.send()
    assert (desk.states(), desk.hashes()) == ([("queued", "processing")], [])
    desk.chain.terms = desk.terms._replace(nonce_elsewhere=1)
    later(desk, minutes=10)
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")]


def test_two_people_cannot_say_that_what_was_given_on_a_chain_failed(desk):
    """Its bytes may be mined at any time. The command refuses it, and so does the database, whoever writes."""
    desk.node.automine(False)
    [attempt] = desk.owe("payee-1")
    with FaultProxy(desk.node.url, is_order=lambda body: b"eth_sendRawTransaction" in body) as proxy:
        desk.wiring.providers["chain"] = desk.an_adapter(proxy.url)
        with proxy.fault("lose_request"):
            desk.send()
    assert desk.states() == [("unknown", "reconcile_required")]
    desk.wiring.providers["chain"] = desk.chain
    [[payout]] = desk.rows("select id from payout")
    said = {"error": "lost", "evidence": "https://bank.example/letter-1", "seen_at": later(desk, minutes=20), "actor": "ann"}
    with pytest.raises(GivenOnAChain, match="nonce 0"), desk.database.transaction() as conn:
        mark_failed(conn, payout, now=desk.clock.now, **said)
    with pytest.raises(GivenOnAChain), desk.database.transaction() as conn:
        conn.execute("update provider_payout set state = 'failed', failed_by = 'person' where id = %s", [attempt])
    somebody_else_signs(desk, nonce=0)
    desk.tend(mine=CONFIRMATIONS)
    with desk.database.transaction() as conn:
        refuse_given(conn, attempt)  # the chain has said it


def somebody_else_signs(desk, nonce):
    told = {"type": 2, "chainId": desk.terms.chain_id, "nonce": nonce, "to": desk.address, "value": 0, "data": "0x", "gas": 21_000}
    signed = Account.sign_transaction({**told, "maxFeePerGas": 10**12, "maxPriorityFeePerGas": 10**11}, desk.key)
    return desk.node.ask("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())


def forgetful(provider, *methods):
    """The node answers null to these."""
    right = provider.node.ask
    provider.node.ask = lambda method, *given: None if method in methods else right(method, *given)


def asked(desk):
    [[key]] = desk.rows("select key from chain_order")
    with desk.database.transaction() as conn:
        return desk.chain.find_payout(Sought(key, written=desk.chain.written(conn, [key])[key]))


RECEIPT, TRANSACTION, BLOCK = "eth_getTransactionReceipt", "eth_getTransactionByHash", "eth_getBlockByNumber"


@pytest.mark.parametrize("methods", [[RECEIPT], [RECEIPT, TRANSACTION], [BLOCK]])
def test_a_node_that_answers_null_of_what_was_mined_is_not_believed_that_it_was_not(desk, methods):
    desk.owe("payee-1")
    desk.send()
    desk.node.mine(CONFIRMATIONS)
    forgetful(desk.chain, *methods)
    assert isinstance(asked(desk), Unclear)


def test_a_receipt_of_a_block_that_is_not_the_chains_any_more_is_no_payment(desk):
    desk.owe("payee-1")
    desk.send()
    desk.node.mine(CONFIRMATIONS)
    assert asked(desk).fact.status == "paid"
    right = desk.chain.node.ask

    def of_a_replaced_block(method, *given):
        told = right(method, *given)
        return {**told, "blockHash": f"0x{'11' * 32}"} if method == RECEIPT else told

    desk.chain.node.ask = of_a_replaced_block
    found = asked(desk)
    assert (found.fact.status, "not the chain's any more" in found.fact.failure) == ("pending", True)


def test_a_node_that_lies_behind_or_is_of_another_chain_is_not_believed(desk):
    desk.owe("payee-1")
    desk.send()
    desk.tend(mine=CONFIRMATIONS - 2)
    right = desk.chain.node.ask
    for method, wrong in (("eth_blockNumber", "0x1"), ("eth_chainId", "0x1")):
        desk.chain.node.ask = lambda asked, *given, method=method, wrong=wrong: wrong if asked == method else right(asked, *given)
        found = asked(desk)
        assert isinstance(found, Unclear), method
        assert "behind" in found.error or "chain 1" in found.error
    desk.chain.node.ask = right
    assert asked(desk).fact.status == "pending"


def test_an_order_that_was_never_written_down_is_not_there_and_a_node_that_is_away_proves_nothing(desk):
    assert desk.chain.find_payout(Sought("never")) == NotThere()
    desk.chain.node.ask = lambda *_: (_ for _ in ()).throw(NodeSaid("out of order"))
    assert isinstance(desk.chain.find_payout(Sought("never")), Unclear)


def test_a_token_with_other_decimals_than_our_books_is_not_paid_with(database, node, simulator):
    a_chain_program(database)
    desk = ChainDesk(database, simulator, node, decimals=6)
    desk.owe("payee-1")
    desk.send()
    assert desk.states() == [("queued", "processing")]
    assert "2 decimals, its token in 6" in desk.rows("select last_error from provider_payout")[0][0]
    assert desk.hashes() == []


@pytest.mark.parametrize("lacks", ["coins", "tokens"])
def test_an_address_that_holds_too_little_sends_nothing_and_says_so(desk, lacks):
    if lacks == "coins":
        desk.node.ask("anvil_setBalance", desk.address, "0x1")
    else:
        desk.terms.tokens["EUR"] = desk.node.deploy(2)
    desk.owe("payee-1")
    desk.send()
    assert desk.states() == [("queued", "processing")]
    said = desk.rows("select last_error from provider_payout")[0][0]
    assert "too little" in said
    assert desk.hashes() == []


def test_no_more_orders_are_given_than_may_wait_to_be_final(database, node, simulator):
    a_chain_program(database)
    desk = ChainDesk(database, simulator, node, in_flight_max=1)
    desk.owe("payee-1", "payee-2")
    desk.send()
    assert len(desk.hashes()) == 1
    desk.tend(mine=CONFIRMATIONS)
    later(desk, minutes=5)
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")] * 2


COPIED = """insert into chain_order select {key}, reference, chain_id, sender, {nonce}, asset, amount, units, token, recipient, gas,
            from_block, written_at from chain_order"""


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (COPIED.format(key="key || 'x'", nonce="nonce + 2"), "not its next"),
        (COPIED.format(key="key || 'x'", nonce="nonce"), "not its next"),
        (COPIED.format(key="key", nonce="nonce + 1"), "duplicate"),
        ("update chain_order set nonce = 7", "permission denied"),
        ("delete from chain_transaction", "permission denied"),
        ("update chain_sender set next_nonce = 0", "only grows"),
    ],
)
def test_the_database_refuses_a_gap_a_second_order_of_a_key_and_a_change(desk, statement, refusal):
    desk.owe("payee-1")
    desk.send()
    with pytest.raises((psycopg.Error, Problem), match=refusal), desk.database.transaction() as conn:
        conn.execute(statement)


def test_neither_the_private_key_nor_the_key_in_the_nodes_address_is_ever_shown(desk):
    desk.chain.node._url = "http://127.0.0.1:9/v3/very-private-path"
    desk.owe("payee-1")
    with capture_logs() as logs:
        desk.send()
        desk.work("tend-chain")
    told = f"{logs} {desk.rows('select last_error from provider_payout')} {vars(desk.chain)}"
    assert desk.key[2:] not in told
    assert "very-private-path" not in str(logs) + str(desk.rows("select last_error from provider_payout"))
    assert isinstance(asked_for(desk), Unclear | NotThere | Accepted)


def asked_for(desk):
    return desk.chain.find_payout(Sought("never"))
