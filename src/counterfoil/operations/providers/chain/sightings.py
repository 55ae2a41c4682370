"""What the chain says of an order, asked by every hash that was signed for it and by its nonce; and what that means for our money.

Nothing is concluded from silence. A transaction that nobody knows is still given: its bytes may come up anywhere. Only what is mined, as
deep as was set, in a block that is still the chain's own, is final; and an order is over unpaid only when *another* transaction of our
address is found, that deep, under its nonce.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from counterfoil.operations.providers import Accepted, Found, PayoutFact, PayoutStatus, Unclear
from counterfoil.operations.providers.chain.node import NodeClient, NodeSaid, NodeSilent, a_hash, an_object, quantity
from counterfoil.operations.providers.chain.notebook import WrittenOrder
from counterfoil.operations.providers.chain.transactions import ChainReceipt, receipt_of

State = Literal["waiting", "pooled", "mined", "final", "taken"]


NOTHING_MOVED: Final = "the transaction succeeded, and the token moved nothing"
OVER: Final = ("final", "taken")


class Sighting(NamedTuple):
    """Where an order is: *waiting* (no node has it), *pooled*, *mined*, *final*, or its nonce *taken* for good by another transaction.

    `hash` is of our transaction, or of the other one; `head`: the newest block when it was asked; `at`: when its block was made.
    """

    state: State
    hash: str
    head: int
    told: str
    at: datetime | None = None
    block: int | None = None
    receipt: ChainReceipt | None = None


def head_of(node: NodeClient, one: WrittenOrder) -> int:
    """The newest block. Raises NodeSilent, also when the node is of another chain, or knows less than we were told before."""
    if (chain := quantity(node.ask("eth_chainId"))) != one.payment.chain_id:
        raise NodeSilent(f"the node is of chain {chain}, the order of chain {one.payment.chain_id}")
    head = quantity(node.ask("eth_blockNumber"))
    if head < one.seen_block:
        raise NodeSilent(f"the node lies behind: its newest block is {head}, and block {one.seen_block} was seen")
    return head


def sight(node: NodeClient, one: WrittenOrder, *, confirmations: int) -> Sighting:
    """Where the order is now. Raises NodeSilent, NodeSaid."""
    head = head_of(node, one)
    if (receipt := _receipt(node, one)) is not None:
        return _mined(node, receipt, head, confirmations)
    deep = head - confirmations + 1
    sender, nonce = one.payment.sender, one.payment.nonce
    if deep >= 0 and quantity(node.ask("eth_getTransactionCount", sender, hex(deep))) > nonce:
        return _taken(node, one, deep, head)
    for each in reversed(one.transactions):
        if node.ask("eth_getTransactionByHash", each.hash) is not None:
            return Sighting("pooled", each.hash, head, "it waits to be mined")
    return Sighting("waiting", one.transactions[-1].hash, head, "the node does not have it; it is sent again")


def _receipt(node: NodeClient, one: WrittenOrder) -> ChainReceipt | None:
    for each in one.transactions:
        told = node.ask("eth_getTransactionReceipt", each.hash)
        if told is not None:
            receipt = receipt_of(told, one.payment)
            if receipt.hash != each.hash:
                raise NodeSilent("a receipt of another transaction than was asked for")
            return receipt
    return None


def _mined(node: NodeClient, receipt: ChainReceipt, head: int, confirmations: int) -> Sighting:
    """The hash of its block is asked for by number: a receipt alone may be of a block that was replaced."""
    told = node.ask("eth_getBlockByNumber", hex(receipt.block), False)
    if told is None:
        raise NodeSilent(f"the node does not have block {receipt.block}, which its receipt names")
    block = an_object(told)
    depth = head - receipt.block + 1
    if a_hash(block.get("hash")) != receipt.block_hash or depth < 1:
        return Sighting("pooled", receipt.hash, head, f"block {receipt.block}, which it was mined in, is not the chain's any more")
    at = datetime.fromtimestamp(quantity(block.get("timestamp")), UTC)
    where = f"mined in block {receipt.block}, {depth} of {confirmations} confirmations"
    state: State = "final" if depth >= confirmations else "mined"
    return Sighting(state, receipt.hash, head, where, at, receipt.block, receipt)


def _taken(node: NodeClient, one: WrittenOrder, deep: int, head: int) -> Sighting:
    """The nonce is used up, and not by what we know of: found by its block, because a node that forgot our receipt says the same."""
    low, high, sender = one.from_block, deep, one.payment.sender
    while low < high:
        middle = (low + high) // 2
        if quantity(node.ask("eth_getTransactionCount", sender, hex(middle))) > one.payment.nonce:
            high = middle
        else:
            low = middle + 1
    block = an_object(node.ask("eth_getBlockByNumber", hex(low), True))
    for told in map(an_object, _list(block.get("transactions"))):
        if str(told.get("from", "")).lower() == sender.lower() and quantity(told.get("nonce")) == one.payment.nonce:
            other = a_hash(told.get("hash"))
            if any(each.hash == other for each in one.transactions):
                raise NodeSilent(f"the node has our transaction {other} in block {low}, and does not give its receipt")
            at = datetime.fromtimestamp(quantity(block.get("timestamp")), UTC)
            why = f"its nonce {one.payment.nonce} was used by another transaction of {sender}: {other} in block {low}"
            return Sighting("taken", other, head, why, at, low)
    raise NodeSilent(f"nonce {one.payment.nonce} is used up, and block {low} does not show by what")


def _list(given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise NodeSilent("no list where one is documented")
    return given


def found_by(node: NodeClient, one: WrittenOrder, *, confirmations: int, now: datetime) -> Found:
    """The provider's word on an order that was given."""
    try:
        return word_of(one, sight(node, one, confirmations=confirmations), now)
    except NodeSilent as error:
        return Unclear(str(error))
    except NodeSaid as error:
        return Unclear(f"the node says: {error}")


def word_of(one: WrittenOrder, seen: Sighting, now: datetime) -> Found:
    """What a sighting means: pending until it is final; then paid, failed, or another amount than was ordered, which is a conflict."""
    if seen.state == "taken":
        return Accepted(_fact(one, "failed", one.amount, seen.told, seen.at or now))
    if seen.state != "final" or seen.receipt is None:
        return Accepted(_fact(one, "pending", one.amount, seen.told, now))
    at, receipt = seen.at or now, seen.receipt
    if not receipt.succeeded:
        return Accepted(_fact(one, "failed", one.amount, f"reverted in block {receipt.block}; its gas is spent", at))
    if receipt.moved is None or receipt.moved == (one.payment.units, one.payment.units):
        return Accepted(_fact(one, "paid", one.amount, None, at))
    if not receipt.moved.left:
        return Accepted(_fact(one, "failed", one.amount, NOTHING_MOVED, at))
    minor = one.minor(receipt.moved.received)
    said = f"{receipt.moved.left} units left the address and {receipt.moved.received} arrived, of {one.payment.units}"
    if minor == one.amount:
        return Unclear(f"mined in block {receipt.block}: {said}")
    return Accepted(_fact(one, "paid", minor, said, at))


def _fact(one: WrittenOrder, status: PayoutStatus, amount: int, failure: str | None, at: datetime) -> PayoutFact:
    return PayoutFact(one.name, one.key, amount, 0, one.asset, status, failure, at)
