"""Payouts on a chain held against their transactions, by command and by HTTP, on a real node (anvil; left out where there is none)."""

from __future__ import annotations

import pytest

from counterfoil.operations.providers.conformance.chain_node import find_anvil, running_node
from tests.operations.providers.how import NEEDS_ANVIL, NEEDS_EVM
from tests.simulators import spawn_simulator
from tests.stories.terminal import told

pytest.importorskip("eth_account", reason=NEEDS_EVM)
if find_anvil() is None:
    pytest.skip(NEEDS_ANVIL, allow_module_level=True)

from eth_account import Account

from counterfoil.operations.providers.chain.transactions import ChainPayment, call_of
from tests.payouts.chain_desk import CONFIRMATIONS, ChainDesk, a_chain_program, later


@pytest.fixture
def desk(database, tmp_path):
    a_chain_program(database)
    with running_node() as node, spawn_simulator(tmp_path / "simulator", settle_ms=0) as simulator:
        made = ChainDesk(database, simulator, node)
        made.book_funds()
        yield made


def findings(terminal, run):
    return [one["detail"] for one in terminal.ask(f"/api/reconciliation/runs/{run}")["found"]]


def test_settlements_are_checked_against_their_transactions_and_every_difference_is_named(desk, terminal):
    """S20: what was paid ties to the chain, gas too; then a block is replaced, tokens leave by hand, coins come, and each is named."""
    for payee in ("payee-1", "payee-2"):
        words = ("destinations", "set", payee, "--provider", "chain", "--chain-address", desk.has_address(payee))
        terminal.by_two(*words)
        assert terminal(*words)[0] == 0
    desk.owe("payee-1", "payee-2")
    paid_before = desk.node.head
    desk.send()
    desk.tend(mine=CONFIRMATIONS)
    assert desk.states() == [("succeeded", "completed")] * 2, desk.rows("select state, last_error from payout")
    today = f"{desk.clock.now:%Y-%m-%d}"
    for source in ("chain", "chain:payouts"):
        code, said = terminal("reconcile", "run", "--source", source, "--date", today, "--output", "json")
        assert (code, told((code, said))["verdict"]) == (0, "reconciled"), said

    later(desk, seconds=1)  # the span of the figures ends before now
    [stats] = [one for one in told(terminal("providers", "stats", "--output", "json")) if one["id"] == "chain"]
    assert (stats["calls"], stats["accepted"], stats["availability"]) == (2, 2, "100.00 %")
    assert stats["latencyP95Ms"] is not None
    [same] = [one for one in terminal.ask("/api/providers")["data"] if one["id"] == "chain"]
    assert (same["stats"]["accepted"], same["capabilities"]["feeAsset"]) == (2, "ETH")

    desk.node.ask("anvil_setBalance", desk.address, hex(desk.node.holds(desk.address) + 5 * 10**18))
    stolen = tokens_leave_by_hand(desk, 777)
    later(desk, days=2)  # no longer only late
    code, said = terminal("reconcile", "run", "--source", "chain", "--date", today)
    assert (code, "not reconciled" in said) == (1, True), said
    run = terminal.ask("/api/reconciliation/runs", {"source": "chain", "date": today}, role="operator")
    named = {one["id"]: (one["amount"], one["asset"]) for each in findings(terminal, run["id"]) for one in each["right"]}
    assert named[f"other:{stolen}:0"] == ("-777", "EUR")
    assert ("5000000000", "ETH") in named.values()  # coins that somebody sent, by the block in which they came
    assert sum(1 for amount, asset in named.values() if asset == "ETH" and int(amount) < -1) == 1  # the thief's gas
    assert {row["unexplained"] for row in run["report"]["balances"]} == {"0"}

    desk.node.automine(False)
    desk.node.ask("anvil_reorg", desk.node.head - paid_before + 1, [])
    run = terminal.ask("/api/reconciliation/runs", {"source": "chain:payouts", "date": today}, role="operator")
    assert run["verdict"] == "not reconciled"
    assert {each["kind"] for each in findings(terminal, run["id"])} == {"MISSING_RIGHT"}  # paid in our books, and in no block


def tokens_leave_by_hand(desk, units):
    """Somebody else has the key."""
    nonce = int(desk.node.ask("eth_getTransactionCount", desk.address, "latest"), 16)
    thief = desk.address[:-4] + "0000"
    to, value, data = call_of(ChainPayment(desk.terms.chain_id, desk.address, nonce, desk.token, thief, units, 100_000))
    told_so = {"type": 2, "chainId": desk.terms.chain_id, "nonce": nonce, "to": to, "value": value, "data": data, "gas": 100_000}
    signed = Account.sign_transaction({**told_so, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9}, desk.key)
    digest = desk.node.ask("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
    desk.node.mine()
    return digest
