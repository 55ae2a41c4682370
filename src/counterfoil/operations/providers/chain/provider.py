"""A chain as a provider: an address of ours pays, through a node; nobody stands between, so nobody can be asked for money back."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, NotFound, check
from counterfoil.base.secret import Secret
from counterfoil.operations.providers import (
    Accepted,
    Answer,
    ChargeFact,
    Found,
    Later,
    NotThere,
    PayoutFact,
    PayoutOrder,
    PulledEvent,
    Refused,
    Sought,
    Tells,
    Unclear,
)
from counterfoil.operations.providers.accounts import chain_address
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.operations.providers.chain import NAME
from counterfoil.operations.providers.chain.node import NodeClient, NodeLine, NodeSaid, NodeSilent, an_object, quantity
from counterfoil.operations.providers.chain.notebook import (
    WrittenOrder,
    lock_sender,
    orders_by_key,
    scale_of,
    see_block,
    signed_now,
    unsettled,
    write_order,
)
from counterfoil.operations.providers.chain.sightings import Sighting, found_by, sight
from counterfoil.operations.providers.chain.transactions import NATIVE_DECIMALS, NATIVE_GAS, ChainPayment, Fees, address_of, call_of, sign
from counterfoil.operations.work.calls import HORIZON

FOR_EVER: Final = timedelta(days=36_500)
SCALE_MAX: Final = 12  # decimals that our books can have
DECIMALS: Final = "0x313ce567"  # decimals()
BALANCE_OF: Final = "0x70a08231"  # balanceOf(address)
SPARE_GAS_PERCENT: Final = 25  # over the estimate: what a transfer takes changes with the state that it meets
SOON_S: Final = 5
DEAR_S: Final = 60
GWEI: Final = 10**9


class GasTooDear(Exception):
    """Gas costs more than was set: nothing is sent until it costs less."""


class ChainTerms(NamedTuple):
    """How we pay: on which chain, each asset's token (None: the coin of the chain), and what gas is paid in.

    `confirmations`: blocks, its own with them, after which a transaction counts as final. `fee_max`: wei for a unit of gas, at the most.
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


class Quote(NamedTuple):
    """What a node says before an order is decided: its newest block, the nonce that the chain expects next, what gas costs."""

    block: int
    nonce: int
    fees: Fees


class ChainProvider:
    """Pays from one address. Safe to call from several threads: orders go one behind the other, as their nonces do."""

    name = NAME
    tells: Mapping[str, Tells] = {}

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
        self.capabilities = Capabilities(
            key_memory=FOR_EVER,
            looks_up_by=("key",),
            horizon=horizon,
            fee_asset=terms.gas_asset,
            own_statement=False,
            pays_to=("chain_address",),
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
        """What the address holds of an asset, in the token's smallest units; None is the coin of the chain. Raises NodeSilent, NodeSaid."""
        token = self.terms.tokens[asset] if asset is not None else None
        if token is None:
            return quantity(self.node.ask("eth_getBalance", self.address, "latest"))
        told = self.node.ask("eth_call", {"to": token, "data": f"{BALANCE_OF}{int(self.address, 16):064x}"}, "latest")
        return int(str(told), 16)

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

    def find_charge(self, charge_id: str) -> ChargeFact | NotThere | Unclear:  # noqa: ARG002
        """It tells of no charges."""
        return Unclear("payments of customers on a chain are not taken")

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:  # noqa: ARG002
        """It has none."""
        return []

    def statement(self, first: str, last: str) -> bytes:  # noqa: ARG002
        """It gives none: each payout is held against its transaction instead."""
        raise NotFound(what="statement", id=NAME)

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> tuple[str, str]:  # noqa: ARG002
        """It sends no webhooks."""
        raise NotFound(what="webhook", id=NAME)

    def charge_of(self, body: bytes) -> ChargeFact:  # noqa: ARG002
        """It sends no webhooks."""
        raise NotFound(what="charge", id=NAME)

    def payout_of(self, body: bytes) -> PayoutFact | None:  # noqa: ARG002
        """It sends no webhooks."""
        return None


class ChainLine:
    """An open connection to a node, for one order: looked at, then written down, then sent."""

    def __init__(self, provider: ChainProvider, line: NodeLine, quote: Quote, turn: threading.Lock) -> None:
        """`turn` is held by us, and given back at the end."""
        self._provider, self._line, self._quote, self._turn = provider, line, quote, turn
        self._gas = self._decimals = self._funds = 0
        self._refusal: str | None = None
        self._written: WrittenOrder | None = None
        self._is_other = False
        self._is_open = True

    def look(self, order: PayoutOrder) -> Later | None:
        """Ask whether it can be paid; no transaction is open. Later when it cannot be now; a refusal is told by `send`."""
        provider, terms = self._provider, self._provider.terms
        self._refusal = _refusal(provider, order)
        if self._refusal is not None:
            return None
        try:
            self._decimals = provider.decimals_of(order.asset)
            token, units = terms.tokens[order.asset], order.amount  # the units are counted when the scale is known
            self._gas = NATIVE_GAS if token is None and not self._has_code(order.destination) else self._estimate(order, token, units)
            return self._lacking(order.asset)
        except NodeSilent as error:
            return Later(str(error), down=True)
        except NodeSaid as error:
            return Later(f"the node would not carry it out: {error}", down=False)

    def _has_code(self, address: str) -> bool:
        return str(self._provider.node.ask("eth_getCode", address, "latest")) != "0x"

    def _estimate(self, order: PayoutOrder, token: str | None, units: int) -> int:
        terms = self._provider.terms
        payment = ChainPayment(terms.chain_id, self._provider.address, 0, token, order.destination, units, 0)
        to, value, data = call_of(payment)
        asked = {"from": payment.sender, "to": to, "value": hex(value), "data": data}
        gas = quantity(self._provider.node.ask("eth_estimateGas", asked))
        return min(gas * (100 + SPARE_GAS_PERCENT) // 100, terms.gas_max)

    def _lacking(self, asset: str) -> Later | None:
        """Is there enough of the coin for the gas? What is to be paid is looked at when its units are known."""
        if self._provider.funds_of(None) < self._gas * self._quote.fees.fee:
            return Later(f"{self._provider.address} holds too little {self._provider.terms.gas_asset} for gas", SOON_S, down=False)
        self._funds = self._provider.funds_of(asset)
        return None

    def write(self, conn: Connection[Any], order: PayoutOrder, *, now: datetime) -> Later | None:
        """Take a nonce, sign, and write it all down, in the transaction that announces the call; the same key again takes what was
        written. Later when nothing was written."""
        if self._refusal is not None:
            return None
        if not self._line.is_usable():
            return Later("the connection to the node grew old before the order was decided")
        provider, terms = self._provider, self._provider.terms
        known = orders_by_key(conn, [order.key]).get(order.key)
        if known is not None:
            return self._again(known, order)
        nonce = lock_sender(conn, terms.chain_id, provider.address, block=self._quote.block, nonce=self._quote.nonce)
        see_block(conn, terms.chain_id, provider.address, self._quote.block)
        if (waiting := unsettled(conn, terms.chain_id, provider.address)) >= terms.in_flight_max:
            return Later(f"{waiting} orders of {provider.address} are not final yet", SOON_S)
        units = units_of(order, scale_of(conn, order.asset), self._decimals)
        if isinstance(units, Later):
            return units
        gas = self._gas * self._quote.fees.fee if terms.tokens[order.asset] is None else 0
        if self._funds < units + gas:
            return Later(f"{provider.address} holds too little {order.asset}", SOON_S, down=False)
        payment = ChainPayment(
            terms.chain_id, provider.address, nonce, terms.tokens[order.asset], chain_address(order.destination), units, self._gas
        )
        first = provider.sign(payment, 1, self._quote.fees, now)
        self._written = WrittenOrder(
            order.key, order.reference, payment, order.asset, order.amount, self._quote.block, self._quote.block, (first,)
        )
        write_order(conn, self._written, now)
        return None

    def _again(self, known: WrittenOrder, order: PayoutOrder) -> Later | None:
        same = (known.amount, known.asset, known.payment.recipient) == (order.amount, order.asset, order.destination)
        self._is_other = not same  # neither sent nor refused: the order that was given first stands
        self._written = known
        return None

    def send(self, order: PayoutOrder) -> Answer:
        """Send the bytes that were written down. Whatever a node answers but their hash leaves them given: they are sent again later."""
        if self._refusal is not None:
            return Refused(self._refusal)
        if self._is_other:
            return Unclear("another order was given under this key")
        if self._written is None:
            return Later("nothing was written down, so nothing is sent")
        check(self._written.key == order.key, "what is sent is what was written", key=order.key)
        newest = self._written.transactions[-1]
        try:
            told = self._line.send(newest.raw)
        except NodeSilent as error:
            return Unclear(str(error))
        except NodeSaid as error:
            if not self._provider.has(self._written):  # such as "nonce too low", of what was mined long ago
                return Unclear(f"the node says: {error}")
            told = newest.hash
        if told != newest.hash:
            return Unclear(f"the node names another transaction, {told}, than {newest.hash}")
        one = self._written
        return Accepted(PayoutFact(one.name, one.key, one.amount, 0, one.asset, "pending", None, newest.signed_at))

    def close(self) -> None:
        """Give the connection and the turn up."""
        if self._is_open:
            self._is_open = False
            self._line.close()
            self._turn.release()


def _refusal(provider: ChainProvider, order: PayoutOrder) -> str | None:
    """Why this can never be paid; None when it may be."""
    if order.asset not in provider.terms.tokens:
        return f"no token is set for {order.asset}"
    try:
        to = chain_address(order.destination)
    except InvalidInput:
        return "the destination is no address with its checksum"
    taken = {provider.address, *filter(None, provider.terms.tokens.values())}
    if to.lower() in {one.lower() for one in taken}:
        return "the destination is our own address, or a token's contract: what goes there is lost"
    return None


def units_of(order: PayoutOrder, scale: int | None, decimals: int) -> int | Later:
    """The order in the token's smallest units, exactly. Later where our books count the asset in other decimals than the token does.

    They must be the same; of a token with more than our books can have (12), any of ours will do.
    """
    if scale is None:
        return Later(f"our books have no asset {order.asset}")
    if scale > decimals or (scale != decimals and decimals <= SCALE_MAX):
        return Later(f"our books count {order.asset} in {scale} decimals, its token in {decimals}: nothing is paid until they agree")
    return int(order.amount * 10 ** (decimals - scale))
