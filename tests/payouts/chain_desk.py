"""A desk whose payees are paid on a chain: a real node (anvil), a token for euros, and an address of ours that has some."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.money import Asset
from counterfoil.base.secret import Secret
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewJournal, post_journals
from counterfoil.operations.providers.conformance.chain_node import CHAIN, ChainNode
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.wiring import INVARIANTS, ticks
from tests.builders import PROGRAM, Clock, Desk, a_program, issue
from tests.operations.providers.how import NEEDS_EVM

pytest.importorskip("eth_account", reason=NEEDS_EVM)

from eth_account import Account
from eth_utils.address import to_checksum_address

from counterfoil.base.invariant import run_invariants
from counterfoil.operations.providers.chain.provider import GWEI, ChainProvider, ChainTerms

DECIMALS = 2  # as euros are booked
CONFIRMATIONS = 3
WATCHED = 20
HEADS = 1_000_000 * 100  # what the address has of the token


class ChainDesk(Desk):
    """As `Desk`, with the provider `chain`."""

    def __init__(self, database: Any, simulator: Any, node: ChainNode, *, decimals: int = DECIMALS, **terms: Any) -> None:
        super().__init__(database, simulator, Clock(now()))
        self.node, self.key = node, "0x" + entropy(32).hex()
        self.address = str(Account.from_key(self.key).address)
        self.token = str(to_checksum_address(node.deploy(decimals)))
        node.fund(self.address, self.token, units=HEADS)
        self.terms = ChainTerms(
            **{
                "chain_id": CHAIN,
                "tokens": {"EUR": self.token},
                "gas_asset": "ETH",
                "confirmations": CONFIRMATIONS,
                "watched_blocks": WATCHED,
                "fee_max": 10_000 * GWEI,
                **terms,
            }
        )
        self.chain = self.an_adapter()
        self.chain.reads_by(lambda: database.transaction(read_only=True))
        self.wiring = replace(self.wiring, providers={"simulator": self.provider, "chain": self.chain})
        self.ticks = ticks(self.wiring, "worker:test")
        self.payees: dict[str, str] = {}

    def an_adapter(self, url: str | None = None, timeout_s: float = 2.0) -> ChainProvider:
        return ChainProvider(url or self.node.url, Secret(self.key, "chain_private_key"), self.terms, timeout_s=timeout_s)

    def book_funds(self) -> None:
        """What came to the address, booked under the ids that the chain's statement gives it."""
        logs = self.node.ask("eth_getLogs", {"address": self.token, "fromBlock": "0x0"})
        log = next(one for one in logs if self.address[2:].lower() in one["topics"][2])
        funds = {"EUR": (HEADS, f"{log['transactionHash']}:0"), "ETH": (10**11, f"ETH:{int(log['blockNumber'], 16) - 1}")}
        with self.database.transaction() as conn:
            open_program(conn, PROGRAM, name="Main", assets=[Asset("ETH", 9)], now=self.clock.now)
            for asset, (minor, key) in funds.items():
                names = ["clearing:chain", "platform:own_funds"]
                open_accounts(conn, PROGRAM, names, asset=asset, actor="test", now=self.clock.now)
                line = ("clearing:chain", "platform:own_funds", minor)
                post_journals(conn, PROGRAM, [NewJournal(key, "other", [line], asset, "test")], now=self.clock.now)

    def owe(self, *payees: str) -> list[str]:
        """94.00 is owed to each of these payees and set aside for a payout on the chain; their attempts' ids, in order."""
        for payee in payees:
            if payee not in self.payees:
                self._destination(payee)
            invoice = issue(self.database, "100.00", prefix=make_id("x")[-8:], payee=payee)[0]
            self.pay(invoice, 100_00)
        self.deliver()
        self.work("webhooks", "verify", "settle", "events", "reserve")
        return [row[0] for row in self.rows("select id from provider_payout order by id")]

    def has_address(self, payee: str) -> str:
        """A payee with an address of its own, which nobody has entered yet."""
        self.payees[payee] = str(to_checksum_address("0x" + entropy(20).hex()))
        return self.payees[payee]

    def _destination(self, payee: str) -> None:
        self.has_address(payee)
        with self.database.transaction() as conn:
            given = {"program_id": PROGRAM, "payee_id": payee, "provider": "chain", "token": self.payees[payee]}
            set_destination(conn, make_id("dst"), **given, actor="test", now=self.clock.now)

    def send(self) -> None:
        """What is queued is sent, and where the node mines by itself, it has."""
        self.work("outbox", "answers")
        for _ in range(200):
            if not self.node.ask("txpool_status")["pending"].removeprefix("0x").strip("0") or not self.node.ask("anvil_getAutomine"):
                return
            time.sleep(0.01)

    def tend(self, *, mine: int = 0) -> None:
        """Blocks are made, and our orders looked at; what is due by that is asked."""
        if mine:
            self.node.mine(mine)
        self.work("tend-chain", "reconcile-pull", "events")

    def states(self) -> list[tuple[str, str]]:
        return self.rows("select pp.state, p.state from provider_payout pp join payout p on p.id = pp.payout_id order by pp.id")

    def got(self, payee: str) -> int:
        return self.node.holds(self.payees[payee], self.token)

    def hashes(self) -> list[str]:
        return [row[0] for row in self.rows("select t.hash from chain_transaction t join chain_order o using (key) order by nonce, number")]

    def sightings(self) -> list[str]:
        return [row[0] for row in self.rows("select s.state from chain_sighting s join chain_order o using (key) order by nonce, s.number")]

    def conflicts(self) -> list[tuple[str, str]]:
        return self.rows("select said, state from provider_conflict order by id")

    def set_mode(self, mode: int) -> None:
        """How the token behaves, in its storage, so that no block is made."""
        self.node.ask("anvil_setStorageAt", self.token, "0x0", f"0x{mode * 256 + DECIMALS:064x}")

    def true(self) -> None:
        with self.database.transaction() as conn:
            assert run_invariants(conn, INVARIANTS) == []

    def gas_is_booked(self) -> None:
        """Whole gwei of all that the chain took from us, and no wei is forgotten."""
        spent = 10**20 - self.node.holds(self.address)
        [[kept]] = self.rows("select gas_wei from chain_sender where address = %s", self.address)
        booked = self.rows("select debits - credits from account where name = 'gas'")
        assert (int(kept), booked[0][0] if booked else 0) == (spent, spent // GWEI)


def later(desk: ChainDesk, **span: float) -> datetime:
    """Time passes; the moment that it is then."""
    desk.clock.now += timedelta(**span)
    return desk.clock.now


def a_chain_program(database: Any) -> None:
    a_program(database, payees=())
