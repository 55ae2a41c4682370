"""Tending orders on a chain: what the node lost is sent again, what waits while gas gets dearer pays more, what was final is watched.

An order is given from the moment that it was written down, so nothing here asks the brakes of a payout again: it sends the same bytes,
or more gas for the same nonce. What a person quarantined, and everything while sending is paused, is looked at and not sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from psycopg import Connection

from counterfoil.operations.providers.chain import NAME
from counterfoil.operations.providers.chain.node import NodeSaid, NodeSilent
from counterfoil.operations.providers.chain.notebook import WrittenOrder, open_orders, orders_by_key, write_transaction
from counterfoil.operations.providers.chain.sightings import Sighting
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.pauses import is_paused
from counterfoil.operations.work.runner import Runner, Tally
from counterfoil.payouts.chain_orders.recording import KeptSighting, last_sightings, record
from counterfoil.payouts.machines import GIVEN_BACK, SENDING

if TYPE_CHECKING:
    from counterfoil.operations.providers.chain.provider import ChainProvider

EVERY_S: Final = 10
_log = structlog.get_logger("counterfoil.chain")


def tend_due(runner: Runner, provider: ChainProvider) -> Tally:
    """One tick: every order that is not over, or was over lately. What changed is counted; a node that does not answer ends it."""
    terms = provider.terms
    with runner.database.transaction() as conn:
        orders = open_orders(conn, terms.chain_id, watched_blocks=terms.watched_blocks)
        still = _not_sent(conn, [one.reference for one in orders])
        last = last_sightings(conn, [one.key for one in orders])
    changed, first_in_line = 0, True
    hashes: dict[int, str] = {}
    for one in orders:
        try:
            if _stands(provider, last.get(one.key), hashes):
                continue
            seen = provider.sight(one)
            with runner.database.transaction() as conn:
                changed += record(conn, one, seen, gas_asset=terms.gas_asset, now=runner.clock(conn))
            if seen.state in ("waiting", "pooled") and one.reference not in still:
                _forward(runner, provider, one, seen, first_in_line=first_in_line)
            first_in_line = first_in_line and seen.state not in ("waiting", "pooled")
        except (NodeSilent, NodeSaid) as error:
            _log.warning("an order could not be looked at", key=one.key, error=str(error))
            return Tally(handled=changed, failed=1)
    with runner.database.transaction() as conn:
        _done(conn, terms.chain_id, terms.watched_blocks)
    return Tally(handled=changed)


def _stands(provider: ChainProvider, last: KeptSighting | None, hashes: dict[int, str]) -> bool:
    """Is what was final still in the chain's own block? One question for all of a block; whatever else it is, the order is looked at."""
    if last is None or last.state != "final" or last.block is None:
        return False
    if last.block not in hashes:
        hashes[last.block] = provider.hash_of(last.block)
    return hashes[last.block] == last.block_hash


def _not_sent(conn: Connection[Any], references: Sequence[str]) -> set[str]:
    """Which of these attempts a person has stopped, or whose money was given back."""
    stopped = ["quarantined", *GIVEN_BACK]
    rows = conn.execute("select id from provider_payout where id = any(%s) and state = any(%s)", [list(references), stopped]).fetchall()
    return {row[0] for row in rows} | {one for one in references if is_paused(conn, SENDING, one)}


def _forward(runner: Runner, provider: ChainProvider, one: WrittenOrder, seen: Sighting, *, first_in_line: bool) -> None:
    """What the node does not have is sent again; the first in line, when it waits for too long, pays more where gas is dearer now."""
    replaced = _replaced(runner, provider, one) if first_in_line else None
    if replaced is None and seen.state == "pooled":
        return
    said = provider.send_again(replaced or one)
    if said is not None:
        _log.warning("an order was not taken by the node", key=one.key, hash=(replaced or one).transactions[-1].hash, error=said)


def _replaced(runner: Runner, provider: ChainProvider, one: WrittenOrder) -> WrittenOrder | None:
    """The order with one more transaction of the same nonce, written down before it goes; None where there is no reason for one."""
    newest = one.transactions[-1]
    if one.payment.sender != provider.address:
        return None
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
    if now - newest.signed_at < provider.terms.replace_after:
        return None
    fees = provider.dearer(newest.fees)
    if fees is None:
        return None
    with runner.database.transaction() as conn:
        payment = one.payment
        conn.execute("select from chain_sender where (chain_id, address) = (%s, %s) for update", [payment.chain_id, payment.sender])
        known = orders_by_key(conn, [one.key])[one.key]
        if known.transactions[-1].number != newest.number:
            return None  # another worker was first
        more = provider.sign(payment, newest.number + 1, fees, now)
        write_transaction(conn, one.key, more)
    _log.info("a transaction is replaced by one that pays more", key=one.key, before=newest.hash, hash=more.hash)
    return one._replace(transactions=(*one.transactions, more))


def _done(conn: Connection[Any], chain_id: int, watched_blocks: int) -> None:
    """Orders that are over for long are not looked through again. The addresses are locked first: nobody writes an order meanwhile."""
    senders = conn.execute(
        "select address, done_nonce, next_nonce from chain_sender where chain_id = %s order by address for update", [chain_id]
    ).fetchall()
    first_open: dict[str, int] = {}
    for one in open_orders(conn, chain_id, watched_blocks=watched_blocks):
        first_open.setdefault(one.payment.sender, one.payment.nonce)
    for address, done, following in senders:
        reached = first_open.get(address, following)
        if reached > done:
            conn.execute("update chain_sender set done_nonce = %s where (chain_id, address) = (%s, %s)", [reached, chain_id, address])


def _tick(context: JobContext, lane: str | None) -> Tally:  # noqa: ARG001
    provider = context.providers.get(NAME)
    return tend_due(context.runner, cast("ChainProvider", provider)) if provider is not None else Tally()


JOBS: Final = (
    Job(
        "tend-chain",
        None,
        _tick,
        "Looks at payouts on a chain until they are final: sends them again, pays more gas, books it, and watches for replaced blocks.",
        every=EVERY_S,
    ),
)
