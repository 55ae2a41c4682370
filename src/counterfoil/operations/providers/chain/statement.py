"""The chain's own statement of our address: what each of our transactions moved, what else came or left, and what is held, block by block.

Nothing of it is taken from what we believe: receipts, logs and balances are read anew. From our books comes only which hashes to ask for.
A coin's fraction of a unit is counted whole in balances, as our books carry it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from counterfoil.operations.providers import NoStatement
from counterfoil.operations.providers.chain.node import NodeClient, NodeSaid, NodeSilent, a_hash, an_object, quantity
from counterfoil.operations.providers.chain.notebook import WrittenOrder
from counterfoil.operations.providers.chain.sightings import Sighting
from counterfoil.operations.providers.chain.transactions import TRANSFERRED
from counterfoil.operations.providers.statement_file import MovementType, StatementMovement, statement_csv

if TYPE_CHECKING:
    from counterfoil.operations.providers.chain.provider import ChainProvider


class CountedAsset(NamedTuple):
    """An asset as it is counted: its token (None: the coin), and so many of the smallest units in one minor unit of ours."""

    asset: str
    token: str | None
    unit: int


class BlockSpan(NamedTuple):
    """Blocks of some days: the last one before them, and the last one of them."""

    before: int
    last: int


class KnownMove(NamedTuple):
    """What moved an asset in a block, in its smallest units, as far as transactions and logs tell."""

    asset: str
    block: int
    units: int


def chain_statement(
    provider: ChainProvider, assets: Sequence[CountedAsset], orders: Sequence[tuple[WrittenOrder, int]], *, days: tuple[date, date]
) -> bytes:
    """The statement of these days. `orders`: each with the gas that was booked for it, minor units. Raises NoStatement."""
    try:
        span = _span(provider.node, *days)
        held = {block: {one.asset: provider.held(one.token, block) for one in assets} for block in span}
        found, known = _movements(provider, assets, orders, span)
        for one in assets:
            units = {block: held[block][one.asset] for block in span}
            of_it = [each for each in known if each.asset == one.asset]
            found += _unexplained(provider, one, span, units, of_it)
    except NodeSilent as error:
        raise NoStatement(f"the node: {error}") from error
    except NodeSaid as error:
        raise NoStatement(f"the node says: {error} (what lies back needs a node that keeps the states of old blocks)") from error
    opening, closing = ({one.asset: -(-held[block][one.asset] // one.unit) for one in assets} for block in span)
    end = datetime(days[1].year, days[1].month, days[1].day, tzinfo=UTC)
    for asset in sorted(opening):
        rest = closing[asset] - opening[asset] - sum(one.gross for one in found if one.asset == asset)
        if rest:  # fractions of a unit that came or left
            found.append(_movement("other", f"{asset}:{span.before}-{span.last}", "", rest, asset, end, "fractions"))
    return statement_csv(sorted(found, key=lambda one: (one.at, one.id)), opening, closing, first=days[0], last=days[1])


def _unexplained(
    provider: ChainProvider, one: CountedAsset, span: BlockSpan, held: Mapping[int, int], known: Sequence[KnownMove]
) -> Iterator[StatementMovement]:
    """Each block in which more or less came than transactions and logs tell of, such as coins that somebody sent: found by bisection."""
    moved = sum(each.units for each in known if span.before < each.block <= span.last)
    rest = held[span.last] - held[span.before] - moved
    if not rest:
        return
    if span.last - span.before == 1:
        if abs(rest) >= one.unit:
            minor = rest // one.unit if rest > 0 else -(-rest // one.unit)
            at = _made_at(provider.node, span.last)
            yield _movement("other", f"{one.asset}:{span.last}", "", minor, one.asset, at, "unexplained")
        return
    middle = (span.before + span.last) // 2
    with_middle = {**held, middle: provider.held(one.token, middle)}
    yield from _unexplained(provider, one, BlockSpan(span.before, middle), with_middle, known)
    yield from _unexplained(provider, one, BlockSpan(middle, span.last), with_middle, known)


def _span(node: NodeClient, first: date, last: date) -> BlockSpan:
    head = quantity(node.ask("eth_blockNumber"))
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    return BlockSpan(_before(node, start, head), _before(node, end, head))


def _before(node: NodeClient, moment: datetime, head: int) -> int:
    """The last block made before a moment; the chain's first where none was."""
    low, high = 0, head
    while low < high:
        middle = (low + high + 1) // 2
        if _made_at(node, middle) < moment:
            low = middle
        else:
            high = middle - 1
    return low


def _made_at(node: NodeClient, block: int) -> datetime:
    told = an_object(node.ask("eth_getBlockByNumber", hex(block), False))
    return datetime.fromtimestamp(quantity(told.get("timestamp")), UTC)


def _movements(
    provider: ChainProvider, assets: Sequence[CountedAsset], orders: Sequence[tuple[WrittenOrder, int]], span: BlockSpan
) -> tuple[list[StatementMovement], list[KnownMove]]:
    found: list[StatementMovement] = []
    known: list[KnownMove] = []
    ours = {each.hash for one, _ in orders for each in one.transactions}
    coin = next((one for one in assets if one.token is None), None)
    for one, booked in orders:
        seen = provider.sight(one)
        if seen.block is None or not span.before < seen.block <= span.last:
            continue
        found += _of_order(one, seen)
        known.append(KnownMove(one.asset, seen.block, -_left(one, seen)))
        if seen.receipt is not None and coin is not None:
            found += _gas(one, seen, booked, coin)
            known.append(KnownMove(coin.asset, seen.block, -seen.receipt.gas_wei))
    for asset in assets:
        if asset.token is not None:
            for movement, each in _transfers(provider, asset, span, ours):
                found.append(movement)
                known.append(each)
    return found, known


def _left(one: WrittenOrder, seen: Sighting) -> int:
    """What an order's transaction took from the address, in the smallest units, beside gas."""
    if seen.receipt is None or not seen.receipt.succeeded:
        return 0
    return one.payment.units if seen.receipt.moved is None else seen.receipt.moved.left


def _of_order(one: WrittenOrder, seen: Sighting) -> Iterator[StatementMovement]:
    """What an order's transaction moved; one that moved nothing went out and came back, as providers tell it."""
    assert seen.at is not None  # it is in a block
    at, left = seen.at, _left(one, seen)
    if left:
        status = "paid" if seen.state == "final" else "pending"
        yield _movement("payout", one.name, one.reference, -one.minor(left), one.asset, at, status)
        return
    status = "failed" if seen.state in ("final", "taken") else "pending"
    yield _movement("payout", one.name, one.reference, -one.amount, one.asset, at, status)
    yield _movement("payout_failure", one.name, one.reference, one.amount, one.asset, at, status)


def _gas(one: WrittenOrder, seen: Sighting, booked: int, coin: CountedAsset) -> Iterator[StatementMovement]:
    """Gas in whole units; the rest below one was booked with another transaction, so one unit either way is the same."""
    assert seen.receipt is not None
    assert seen.at is not None
    whole = seen.receipt.gas_wei // coin.unit
    minor = booked if whole <= booked <= whole + 1 else whole
    if minor:
        yield _movement("fee", one.name, seen.hash, -minor, coin.asset, seen.at, "fee")


Told = tuple[StatementMovement, KnownMove]


def _transfers(provider: ChainProvider, one: CountedAsset, span: BlockSpan, ours: set[str]) -> Iterator[Told]:
    """What else the token says came to the address, or left it."""
    word = f"0x{int(provider.address, 16):064x}"
    for sign, topics in ((1, [TRANSFERRED, None, word]), (-1, [TRANSFERRED, word])):
        for log in _logs(provider.node, str(one.token), topics, span.before + 1, span.last):
            digest = a_hash(log.get("transactionHash"))
            if digest in ours:
                continue
            units, block = sign * int(a_hash(log.get("data")), 16), quantity(log.get("blockNumber"))
            where = f"{digest}:{quantity(log.get('logIndex'))}"
            minor = units // one.unit if units > 0 else -(-units // one.unit)
            yield (
                _movement("other", where, "", minor, one.asset, _made_at(provider.node, block), "transfer"),
                KnownMove(one.asset, block, units),
            )


def _logs(node: NodeClient, token: str, topics: list[Any], first: int, last: int) -> Iterator[Mapping[str, Any]]:
    """The logs of these blocks; in two parts where the node does not give so many at once. Raises NodeSilent, NodeSaid."""
    if first > last:
        return
    asked = {"address": token, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}
    try:
        told = node.ask("eth_getLogs", asked)
    except NodeSaid:
        if first == last:
            raise
        middle = (first + last) // 2
        yield from _logs(node, token, topics, first, middle)
        yield from _logs(node, token, topics, middle + 1, last)
        return
    if not isinstance(told, list):
        raise NodeSilent("no list where one is documented")
    yield from map(an_object, told)


def _movement(kind: MovementType, source: str, reference: str, gross: int, asset: str, at: datetime, status: str) -> StatementMovement:
    return StatementMovement(f"{kind}:{source}", kind, reference, gross, 0, asset, at, at.date(), status, source)
