"""The other providers beside the simulator's own, each real as far as it can be had: Stripe's SDK, a node of a chain, a bank with files.

Each tells what it has of our orders from its own side, and in the end what is lost, doubled or different by it.
"""

from __future__ import annotations

import base64
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psycopg
from defusedxml.ElementTree import fromstring

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.base.money import Asset
from counterfoil.cli.local.drills.payments import SimulatorOrders, Verdict, held_in
from counterfoil.cli.local.drills.windows import OrdersThere
from counterfoil.cli.local.local_stack import ASSET, PROGRAM, World
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewJournal, post_journals
from counterfoil.operations.providers.conformance.chain_node import CHAIN, find_anvil, running_node
from counterfoil.simulator.process import spawn_simulator

FUNDS = 10**13  # minor units, what we brought there ourselves
COINS = 10**22  # wei
GWEI = 10**9
GAS_BOOKED_S = 20
NEWEST = 12
TOKEN_DECIMALS = 2  # as euros are booked
WORDS = "select pp.idempotency_key, pp.id, pp.payout_id, pp.amount, pp.state from provider_payout pp where pp.provider = %s"


class Order(NamedTuple):
    """An attempt of ours at one of them."""

    key: str
    id: str
    payout_id: str
    amount: int
    state: str


class OtherProvider(ABC):
    """One of them. `payee` is paid there."""

    name: str

    @property
    def payee(self) -> str:
        return f"payee-{self.name}"

    @abstractmethod
    def lacking(self) -> str | None:
        """Why it cannot be had here."""

    @abstractmethod
    def running(self, world: World, folder: Path) -> Any:
        """Started and stopped; gives the settings by which our processes find it."""

    @abstractmethod
    def destination(self) -> dict[str, Any]:
        """Where its payee is paid, as it is entered."""

    @abstractmethod
    def orders(self, conn: Any) -> OrdersThere:
        """What it has now."""

    @abstractmethod
    def verdict(self, conn: Any, ours: list[Order], world: World) -> Verdict:
        """Its word against our books."""

    def bring_funds(self, conn: Any) -> None:  # noqa: B027 - what customers pay there is enough
        """Nothing: its customers pay there."""

    def in_our_books(self, conn: Any) -> list[Order]:
        return [Order(*row) for row in conn.execute(WORDS, [self.name]).fetchall()]


def _not_installed(extra: str, *modules: str) -> str | None:
    return f"the extra counterfoil[{extra}] is not installed" if None in map(find_spec, modules) else None


def _fund(conn: Any, account: str, asset: str, minor: int) -> None:
    open_accounts(conn, PROGRAM, [account, "platform:own_funds"], asset=asset, actor="test", now=now())
    line = (account, "platform:own_funds", minor)
    post_journals(conn, PROGRAM, [NewJournal(make_id("funds"), "other", [line], asset, "test")], now=now())


class Stripe(OtherProvider):
    """The official SDK, against the part of Stripe's API that the simulator speaks; webhooks are Stripe's, too."""

    name = "stripe"

    def lacking(self) -> str | None:
        return _not_installed("stripe", "stripe")

    @contextmanager
    def running(self, world: World, folder: Path) -> Iterator[Mapping[str, str]]:
        key, secret = f"sk_test_{entropy(16).hex()}", f"whsec_{base64.b64encode(entropy(24)).decode()}"
        more = {"settle_ms": 1500, "first_byte_ms": 3000, "webhook_backoff_ms": 100, "webhook_backoff_max_ms": 500}
        with spawn_simulator(folder / "stripe", api_key=key, **more) as self.simulator:
            self.client = httpx2.Client(base_url=self.simulator.url, headers=self.simulator.headers, timeout=20)
            told = {"url": f"{world.url}/webhooks/stripe", "secret": secret, "style": "stripe"}
            self.client.put("/v1/webhook-endpoint", json=told).raise_for_status()
            yield {
                "COUNTERFOIL_STRIPE_API_KEY": key,
                "COUNTERFOIL_STRIPE_WEBHOOK_SECRET": secret,
                "COUNTERFOIL_STRIPE_URL": f"{self.simulator.url}/stripe",
            }

    def destination(self) -> dict[str, Any]:
        return {"token": "acct_payee_stripe"}

    def orders(self, conn: Any) -> OrdersThere:
        return SimulatorOrders(self.simulator.oracle(), self.name)

    def verdict(self, conn: Any, ours: list[Order], world: World) -> Verdict:
        oracle = self.simulator.oracle()
        there = {key: sum(one.moved for one in made if one.out) for key, made in oracle.by_key().items() if any(one.out for one in made)}
        lost, doubled, differences = compared(self.name, there, ours)
        doubled += [f"stripe: paid twice: {name}" for name in oracle.moved_twice()]
        held = held_in(conn, "clearing:stripe")
        if held != {asset: minor for asset, minor in oracle.balances.items() if minor}:
            differences.append(f"stripe: clearing {dict(held)}, it holds {dict(oracle.balances)}")
        return Verdict(lost, doubled, differences)


class ChainOrders(NamedTuple):
    """Our newest orders that the node has, in its pool or in a block."""

    there: Mapping[str, str]
    provider: str = "chain"
    looking_sends: bool = True  # a look-up hands the node the very same bytes once more, where it does not have them

    def by_key(self) -> Mapping[str, str]:
        return self.there


class Chain(OtherProvider):
    """A real node (anvil) that makes a block each second, and a token for euros."""

    name = "chain"

    def lacking(self) -> str | None:
        if find_anvil() is None:
            return "there is no anvil (npm install --no-save @foundry-rs/anvil@1.7.1)"
        return _not_installed("evm", "eth_account")

    @contextmanager
    def running(self, world: World, folder: Path) -> Iterator[Mapping[str, str]]:
        from eth_account import Account
        from eth_utils.address import to_checksum_address

        with running_node() as self.node:
            key = "0x" + entropy(32).hex()
            self.address = str(Account.from_key(key).address)
            self.token = str(to_checksum_address(self.node.deploy(TOKEN_DECIMALS)))
            self.payee_address = str(to_checksum_address("0x" + entropy(20).hex()))
            self.node.fund(self.address, self.token, coins=COINS, units=FUNDS)
            self.node.automine(False)
            self.node.ask("evm_setIntervalMining", 1)
            yield {
                "COUNTERFOIL_CHAIN_URL": self.node.url,
                "COUNTERFOIL_CHAIN_PRIVATE_KEY": key,
                "COUNTERFOIL_CHAIN_NUMBER": str(CHAIN),
                "COUNTERFOIL_CHAIN_ASSETS": f"EUR={self.token}",
                "COUNTERFOIL_CHAIN_CONFIRMATIONS": "2",
                "COUNTERFOIL_CHAIN_WATCH_BLOCKS": "4",
                "COUNTERFOIL_CHAIN_FEE_GWEI_MAX": "100000",
            }

    def destination(self) -> dict[str, Any]:
        return {"chainAddress": self.payee_address}

    def bring_funds(self, conn: Any) -> None:
        open_program(conn, PROGRAM, name="Main program", assets=[Asset("ETH", 9)], now=now())
        _fund(conn, "clearing:chain", ASSET.code, FUNDS)
        _fund(conn, "clearing:chain", "ETH", COINS // GWEI)

    def orders(self, conn: Any) -> ChainOrders:
        rows = conn.execute(
            """select o.key, t.hash from (select key from chain_order order by nonce desc limit %s) o join chain_transaction t using (key)
               order by t.number""",
            [NEWEST],
        ).fetchall()
        return ChainOrders({key: digest for key, digest in rows if self._has(digest)})

    def _has(self, digest: str) -> bool:
        return self.node.ask("eth_getTransactionByHash", digest) is not None

    def verdict(self, conn: Any, ours: list[Order], world: World) -> Verdict:
        rows = conn.execute("select o.key, o.amount, t.hash from chain_order o join chain_transaction t using (key)").fetchall()
        there: Counter[str] = Counter()
        for key, amount, digest in rows:
            receipt = self.node.ask("eth_getTransactionReceipt", digest)
            if receipt is not None and int(receipt["status"], 16) == 1:
                there[key] += amount
        lost, doubled, differences = compared(self.name, there, ours)
        arrived = self.node.holds(self.payee_address, self.token)
        booked = sum(one.amount for one in ours if one.state == "succeeded")
        if arrived != booked:
            differences.append(f"chain: {arrived} arrived, {booked} are booked as paid")
        spent = COINS - self.node.holds(self.address)
        want = {ASSET.code: self.node.holds(self.address, self.token), "ETH": COINS // GWEI - spent // GWEI}
        ends = time.monotonic() + GAS_BOOKED_S
        while (held := held_in(conn, "clearing:chain")) != want and time.monotonic() < ends:
            time.sleep(0.5)  # gas is booked by a job of its own, once a transaction is final
        if held != want:
            differences.append(f"chain: clearing {dict(held)}, the address holds {want}")
        return Verdict(lost, doubled, differences)


class BankOrders(NamedTuple):
    """What the bank has paid, by our keys."""

    paid: Mapping[str, int]
    provider: str = "sepa"

    def by_key(self) -> Mapping[str, int]:
        return self.paid


class Bank(OtherProvider):
    """A bank that takes files: a message id once, each order in it is paid once; it reports by pain.002, and by camt.053 what it booked."""

    name = "sepa"

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.paid: Counter[str] = Counter()  # by end-to-end id, minor units
        self.times: Counter[str] = Counter()

    def lacking(self) -> str | None:
        return _not_installed("bank-files", "schwifty", "sepaxml")

    @contextmanager
    def running(self, world: World, folder: Path) -> Iterator[Mapping[str, str]]:
        yield {
            "COUNTERFOIL_SEPA_DEBTOR_IBAN": "DE89370400440532013000",
            "COUNTERFOIL_SEPA_DEBTOR_BIC": "COBADEFFXXX",
            "COUNTERFOIL_SEPA_DEBTOR_NAME": "House GmbH",
            "COUNTERFOIL_SEPA_GATHER_MINUTES": "0",
        }

    def destination(self) -> dict[str, Any]:
        return {"bankAccount": {"iban": "FR1420041010050500013M02606", "holder": "Payee"}}

    def bring_funds(self, conn: Any) -> None:
        _fund(conn, "cash:bank:client", ASSET.code, FUNDS)

    def orders(self, conn: Any) -> BankOrders:
        return BankOrders({one.key: self.paid[one.id] for one in self.in_our_books(conn) if one.id in self.paid})

    def take(self, file_id: str, body: bytes) -> None:
        """A file is brought. The same message again is not taken again, as banks do; another one under its id is a fault of ours."""
        if file_id in self.taken:
            if self.taken[file_id] != body:
                self.times[f"{file_id}, told differently"] = 2
            return
        self.taken[file_id] = body
        for one in fromstring(body).iterfind(".//{*}CdtTrfTxInf"):
            whole, _, part = str(one.find("{*}Amt/{*}InstdAmt").text).partition(".")
            reference = str(one.find("{*}PmtId/{*}EndToEndId").text)
            self.paid[reference] += int(whole) * 100 + int(part.ljust(2, "0"))
            self.times[reference] += 1

    def reports(self, file_id: str) -> tuple[bytes, bytes]:
        """That it is accepted, and that it is booked."""
        orders = [str(one.text) for one in fromstring(self.taken[file_id]).iterfind(".//{*}EndToEndId")]
        return pain002(file_id, orders), camt053(file_id, {one: self.paid[one] for one in orders})

    def verdict(self, conn: Any, ours: list[Order], world: World) -> Verdict:
        key_of = {one.id: one.key for one in ours}
        lost, doubled, differences = compared(self.name, {key_of.get(one, one): minor for one, minor in self.paid.items()}, ours)
        doubled += [f"sepa: {one} was paid {times} times" for one, times in self.times.items() if times > 1]
        refunded = conn.execute(
            """select coalesce(sum(r.amount), 0)::bigint from refund r join refund_execution x on x.refund_id = r.id
               where x.provider = 'bank'"""
        ).fetchone()[0]
        want = {ASSET.code: FUNDS - self.paid.total() - refunded}
        if (held := held_in(conn, "cash:bank:client")) != want:
            differences.append(f"sepa: the bank account is booked with {dict(held)}, it has {want}")
        return Verdict(lost, doubled, differences)


def compared(name: str, there: Mapping[str, int], ours: list[Order]) -> Verdict:
    """What a provider paid, by key and in minor units, against our attempts there; by payout, not by key alone."""
    known = {one.key: one for one in ours}
    lost = [f"{name} paid {key}, our books do not know" for key in there if key not in known or known[key].state != "succeeded"]
    lost += [f"we say {one.key} is paid, {name} does not" for one in ours if one.state == "succeeded" and one.key not in there]
    times = Counter(known[key].payout_id for key in there if key in known)
    doubled = [f"{name}: payout {payout} was paid {number} times" for payout, number in times.items() if number > 1]
    differences = [
        f"{name}: {key} paid {minor}, booked {known[key].amount}"
        for key, minor in there.items()
        if key in known and known[key].amount != minor
    ]
    return Verdict(lost, doubled, differences)


def pain002(file_id: str, orders: list[str]) -> bytes:
    """The bank has checked each of these orders, and will carry it out."""
    told = "".join(f"<TxInfAndSts><OrgnlEndToEndId>{one}</OrgnlEndToEndId><TxSts>ACSP</TxSts></TxInfAndSts>" for one in orders)
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"><CstmrPmtStsRpt>'
        f"<GrpHdr><MsgId>r-{file_id}</MsgId></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{file_id}</OrgnlMsgId><GrpSts>PART</GrpSts>"
        f"</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{file_id}</OrgnlPmtInfId>{told}</OrgnlPmtInfAndSts>"
        "</CstmrPmtStsRpt></Document>"
    ).encode()


def camt053(file_id: str, paid: Mapping[str, int]) -> bytes:
    """The bank has booked each of these orders, minor units."""
    day = f"{now():%Y-%m-%d}"
    entries = "".join(
        f'<Ntry><Amt Ccy="EUR">{minor // 100}.{minor % 100:02d}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        f"<BookgDt><Dt>{day}</Dt></BookgDt><NtryDtls><TxDtls><Refs><EndToEndId>{one}</EndToEndId></Refs>"
        f'<Amt Ccy="EUR">{minor // 100}.{minor % 100:02d}</Amt></TxDtls></NtryDtls></Ntry>'
        for one, minor in paid.items()
    )
    opening, closing = FUNDS, FUNDS - sum(paid.values())
    balances = "".join(
        f'<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{cents // 100}.{cents % 100:02d}</Amt>'
        f"<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>{day}</Dt></Dt></Bal>"
        for code, cents in (("OPBD", opening), ("CLBD", closing))
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>m-{file_id}</MsgId><CreDtTm>{day}T20:00:00</CreDtTm></GrpHdr><Stmt><Id>{file_id}</Id>"
        f"<CreDtTm>{day}T20:00:00</CreDtTm><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Ccy>EUR</Ccy></Acct>"
        f"{balances}{entries}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def those_here() -> tuple[list[OtherProvider], dict[str, str]]:
    """The providers that can be had on this machine, and why the others cannot."""
    every: list[OtherProvider] = [Stripe(), Chain(), Bank()]
    lacking = {one.name: why for one in every if (why := one.lacking()) is not None}
    return [one for one in every if one.name not in lacking], lacking


def connected(world: World) -> psycopg.Connection[Any]:
    """A connection of the private database's owner."""
    return psycopg.connect(world.postgres.url, autocommit=True)
