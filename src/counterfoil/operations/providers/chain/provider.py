"""A chain as a provider: an address of ours pays, through a node; nobody stands between, so nobody can be asked for money back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, check
from counterfoil.base.secret import Secret
from counterfoil.operations.providers import (
    Found,
    Later,
    NoStatement,
    NotThere,
    Sought,
    Unclear,
)
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.operations.providers.chain import NAME
from counterfoil.operations.providers.chain.line import DEAR_S, SOON_S, ChainLine, Quote
from counterfoil.operations.providers.chain.node import NodeClient, NodeSaid, NodeSilent, a_hash, an_object, quantity
from counterfoil.operations.providers.chain.notebook import (
    WrittenOrder,
    orders_by_key,
    orders_of_days,
    scale_of,
    signed_now,
)
from counterfoil.operations.providers.chain.sightings import Sighting, found_by, sight
from counterfoil.operations.providers.chain.statement import CountedAsset, chain_statement
from counterfoil.operations.providers.chain.transactions import NATIVE_DECIMALS, ChainPayment, Fees, address_of, sign
from counterfoil.operations.providers.silent import SilentProvider
from counterfoil.operations.work.calls import HORIZON

FOR_EVER: Final = timedelta(days=36_500)
DECIMALS: Final = "0x313ce567"  # decimals()
BALANCE_OF: Final = "0x70a08231"  # balanceOf(address)
GWEI: Final = 10**9


Reading = Callable[[], AbstractContextManager[Connection[Any]]]


class GasTooDear(Exception):
    """Gas costs more than was set: nothing is sent until it costs less."""


class ChainTerms(NamedTuple):
    """How we pay: on which chain, each asset's token (None: the coin of the chain), and what gas is paid in.

    `confirmations`: blocks, its own with them, after which a transaction counts as final. `fee_max`: wei for a unit of gas, at the most.
    `nonce_elsewhere`: transactions of the address below it were made elsewhere, and are accounted for.
    """

    chain_id: int
    tokens: Mapping[str, str | None]
    gas_asset: str
    confirmations: int = 12
    fee_max: int = 200 * GWEI
    gas_max: int = 300_000
    in_flight_max: int = 64
    replace_after: timedelta = timedelta(minutes=5)
    watched_blocks: int = 256
    nonce_elsewhere: int = 0


class ChainProvider(SilentProvider):
    """Pays from one address. Safe to call from several threads: orders go one behind the other, as their nonces do."""

    name = NAME
    takes_no_charges = "payments of customers on a chain are not taken"

    def __init__(self, url: str, key: Secret, terms: ChainTerms, *, timeout_s: float = 10.0, horizon: timedelta = HORIZON) -> None:
        """`url` is a node's; `key` is of the address that pays, which nobody else may use. Raises InvalidInput."""
        try:
            self.address = address_of(key.reveal())
        except ValueError as error:
            raise InvalidInput("chain_private_key", str(error)) from None
        self._key, self.terms, self._timeout_s = key, terms, timeout_s
        self.node = NodeClient(url, timeout_s=timeout_s)
        self._turn = threading.Lock()
        self._decimals: dict[str, int] = {}
        self._reading: Reading | None = None
        self.capabilities = Capabilities(
            key_memory=FOR_EVER,
            looks_up_by=("key",),
            horizon=horizon,
            fee_asset=terms.gas_asset,
            pays_to=("chain_address",),
            returns=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self.node.close()

    def connect(self) -> ChainLine | Later:
        """A connection for one order, and what the node says now; the next order waits until this one is on its way."""
        if not self._turn.acquire(timeout=self._timeout_s):
            return Later(f"other orders of {self.address} are on their way", SOON_S)
        try:
            return ChainLine(self, self.node.line(), self._quote(), self._turn)
        except GasTooDear as error:
            self._turn.release()
            return Later(str(error), DEAR_S, down=False)
        except (NodeSilent, NodeSaid) as error:
            self._turn.release()
            return Later(str(error), down=True)
        except BaseException:
            self._turn.release()
            raise

    def _quote(self) -> Quote:
        if (chain := quantity(self.node.ask("eth_chainId"))) != self.terms.chain_id:
            raise NodeSilent(f"the node is of chain {chain}, and payments are set for chain {self.terms.chain_id}")
        return Quote(*self._next(), self.fees())

    def _next(self) -> tuple[int, int]:
        block = quantity(self.node.ask("eth_blockNumber"))
        return block, quantity(self.node.ask("eth_getTransactionCount", self.address, "latest"))

    def fees(self) -> Fees:
        """What gas costs now, with room for six blocks that are full. Raises GasTooDear, NodeSilent, NodeSaid."""
        block = an_object(self.node.ask("eth_getBlockByNumber", "latest", False))
        if block.get("baseFeePerGas") is None:
            raise NodeSilent("the chain has no base fee (EIP-1559); such chains are not paid on")
        base, most = quantity(block["baseFeePerGas"]), self.terms.fee_max
        if base >= most:
            raise GasTooDear(f"a unit of gas costs {base:,} wei, and {most:,} are set as the most")
        tip = min(quantity(self.node.ask("eth_maxPriorityFeePerGas")), most - base)
        return Fees(max(1, min(2 * base + tip, most)), tip)

    def dearer(self, old: Fees) -> Fees | None:
        """What a replacement pays, at least an eighth more, or nodes do not take it; None while gas is not dearer, or too dear."""
        try:
            now = self.fees()
        except GasTooDear:
            return None
        if now.fee <= old.fee and now.tip <= old.tip:
            return None
        fee = max(now.fee, old.fee + old.fee // 8 + 1)
        tip = max(now.tip, old.tip + old.tip // 8 + 1)
        return Fees(fee, min(tip, fee)) if fee <= self.terms.fee_max else None

    def decimals_of(self, asset: str) -> int:
        """How many decimals the chain counts this asset in: asked of the token once. Raises NodeSilent, NodeSaid."""
        token = self.terms.tokens[asset]
        if token is None:
            return NATIVE_DECIMALS
        if token not in self._decimals:
            told = str(self.node.ask("eth_call", {"to": token, "data": DECIMALS}, "latest"))
            digits = told.removeprefix("0x")
            if len(digits) != 64 or int(digits, 16) > 255:
                raise NodeSilent(f"{token} does not tell its decimals: it is no token on this chain")
            self._decimals[token] = int(digits, 16)
        return self._decimals[token]

    def funds_of(self, asset: str | None) -> int:
        """What the address holds of an asset now, in the smallest units; None is the coin of the chain. Raises NodeSilent, NodeSaid."""
        return self.held(self.terms.tokens[asset] if asset is not None else None)

    def held(self, token: str | None, block: int | None = None) -> int:
        """What the address holds of a token by its contract (None: the coin), now or at the end of a block. Raises NodeSilent, NodeSaid."""
        where = "latest" if block is None else hex(block)
        if token is None:
            return quantity(self.node.ask("eth_getBalance", self.address, where))
        told = str(self.node.ask("eth_call", {"to": token, "data": f"{BALANCE_OF}{int(self.address, 16):064x}"}, where))
        if told == "0x" and block is not None:
            return 0  # the token was not there yet
        return int(a_hash(told), 16)

    def written(self, conn: Connection[Any], keys: Sequence[str]) -> Mapping[str, WrittenOrder]:
        """What was written down under these keys."""
        return orders_by_key(conn, keys)

    def find_payout(self, sought: Sought) -> Found:
        """What the chain says of the order. One that was never written down was never signed, so nothing of it can come up."""
        if sought.written is None:
            return NotThere() if self._answers() else Unclear("the node does not answer")
        check(isinstance(sought.written, WrittenOrder), "an order of a chain was written by it", key=sought.key)
        moment = sought.first_call_at or sought.written.transactions[0].signed_at
        return found_by(self.node, sought.written, confirmations=self.terms.confirmations, now=moment)

    def _answers(self) -> bool:
        try:
            return quantity(self.node.ask("eth_chainId")) == self.terms.chain_id
        except (NodeSilent, NodeSaid):
            return False

    def hash_of(self, block: int) -> str:
        """The hash of the chain's block of this number; empty where the node has none. Raises NodeSilent, NodeSaid."""
        told = self.node.ask("eth_getBlockByNumber", hex(block), False)
        return "" if told is None else a_hash(an_object(told).get("hash"))

    def sight(self, one: WrittenOrder) -> Sighting:
        """Where an order is. Raises NodeSilent, NodeSaid."""
        return sight(self.node, one, confirmations=self.terms.confirmations)

    def has(self, one: WrittenOrder) -> bool:
        """Does the node have a transaction of this order, in its pool or in a block?"""
        try:
            return any(self.node.ask("eth_getTransactionByHash", each.hash) is not None for each in one.transactions)
        except (NodeSilent, NodeSaid):
            return False

    def send_again(self, one: WrittenOrder) -> str | None:
        """Hand the newest bytes of a written order to the node once more, the same as before. What the node said against it."""
        try:
            self.node.ask("eth_sendRawTransaction", "0x" + one.transactions[-1].raw.hex())
        except (NodeSilent, NodeSaid) as error:
            return str(error)
        return None

    def sign(self, payment: ChainPayment, number: int, fees: Fees, now: datetime) -> Any:
        """The order's next transaction, signed and not yet written."""
        return signed_now(number, sign(self._key.reveal(), payment, fees), fees, now)

    def reads_by(self, reading: Reading) -> None:
        """How our own notes are read for a statement: transactions that only read."""
        self._reading = reading

    def statement(self, first: str, last: str) -> bytes:
        """What the chain says of our address on these days, read from it anew. Raises NoStatement."""
        if self._reading is None:
            raise NoStatement("what was written down of our orders cannot be read here")
        days = (date.fromisoformat(first), date.fromisoformat(last))
        with self._reading() as conn:
            orders = orders_of_days(conn, self.terms.chain_id, self.address, *days)
            scales = {asset: scale_of(conn, asset) for asset in {*self.terms.tokens, self.terms.gas_asset}}
        return chain_statement(self, self._counted(scales), orders, days=days)

    def _counted(self, scales: Mapping[str, int | None]) -> list[CountedAsset]:
        """The assets that our books have, as the chain counts them. Raises NoStatement."""
        tokens = {self.terms.gas_asset: None, **self.terms.tokens}
        try:
            decimals = {asset: self.decimals_of(asset) if token else NATIVE_DECIMALS for asset, token in tokens.items()}
        except (NodeSilent, NodeSaid) as error:
            raise NoStatement(f"the node: {error}") from error
        found = []
        for asset, scale in sorted(scales.items()):
            if scale is None:
                continue
            if scale > decimals[asset]:
                raise NoStatement(f"our books count {asset} in {scale} decimals, its token in {decimals[asset]}")
            found.append(CountedAsset(asset, tokens[asset], 10 ** (decimals[asset] - scale)))
        return found
