"""A connection for one order on a chain: it is looked at, then written down with its nonce and signed bytes, then sent."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput, check
from counterfoil.operations.providers import Accepted, Answer, Later, PayoutFact, PayoutOrder, Refused, Unclear
from counterfoil.operations.providers.accounts import chain_address
from counterfoil.operations.providers.chain.node import NodeLine, NodeSaid, NodeSilent, quantity
from counterfoil.operations.providers.chain.notebook import (
    UnknownNonces,
    WrittenOrder,
    lock_sender,
    orders_by_key,
    scale_of,
    see_block,
    unsettled,
    write_order,
)
from counterfoil.operations.providers.chain.transactions import NATIVE_GAS, ChainPayment, Fees, call_of

if TYPE_CHECKING:
    from counterfoil.operations.providers.chain.provider import ChainProvider

SCALE_MAX: Final = 12  # decimals that our books can have
SPARE_GAS_PERCENT: Final = 25  # over the estimate: what a transfer takes changes with the state that it meets
SOON_S: Final = 5
DEAR_S: Final = 60


class Quote(NamedTuple):
    """What a node says before an order is decided: its newest block, the nonce that the chain expects next, what gas costs."""

    block: int
    nonce: int
    fees: Fees


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
        quote, where = self._quote, (terms.chain_id, provider.address)
        try:
            nonce = lock_sender(conn, *where, block=quote.block, nonce=quote.nonce, elsewhere=terms.nonce_elsewhere)
        except UnknownNonces as error:
            return Later(str(error), DEAR_S, down=False)
        see_block(conn, terms.chain_id, provider.address, self._quote.block)
        if (waiting := unsettled(conn, terms.chain_id, provider.address)) >= terms.in_flight_max:
            return Later(f"of {provider.address} {counted(waiting, 'order is', 'orders are')} not final yet", SOON_S)
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
