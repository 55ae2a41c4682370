"""What the chain says of an order, written down when it changes, and what follows: gas, a look-up, a conflict when a block was replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.providers import Accepted
from counterfoil.operations.providers.chain.notebook import WrittenOrder, see_block
from counterfoil.operations.providers.chain.sightings import OVER, Sighting, word_of
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.chain_orders.gas import book_gas
from counterfoil.payouts.machines import PULLING
from counterfoil.payouts.provider_payouts.outcome_rules import CONFLICT_ASKED_EVERY, Conflict, LockedProviderPayout, OutcomeDecision
from counterfoil.payouts.provider_payouts.outcomes import carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id

REORGANISED: Final = "pending again: the block that it was final in is not the chain's any more"


class KeptSighting(NamedTuple):
    """The last that was written down of an order."""

    key: str
    number: int
    state: str
    hash: str
    block: int | None
    block_hash: str | None
    succeeded: bool | None
    gas_wei: int | None
    told: str
    at: datetime

    def says(self, seen: Sighting) -> bool:
        """Is that what is seen now?"""
        block_hash = seen.receipt.block_hash if seen.receipt else None
        return (self.state, self.hash, self.block, self.block_hash) == (seen.state, seen.hash, seen.block, block_hash)


def last_sightings(conn: Connection[Any], keys: Sequence[str]) -> Mapping[str, KeptSighting]:
    """The last that was written down of these orders, by key."""
    with conn.cursor(row_factory=class_row(KeptSighting)) as cur:
        rows = cur.execute(
            """select distinct on (key) key, number, state, hash, block, block_hash, succeeded, gas_wei, told, at from chain_sighting
               where key = any(%s) order by key, number desc""",
            [list(keys)],
        ).fetchall()
    return {row.key: row for row in rows}


def record(conn: Connection[Any], one: WrittenOrder, seen: Sighting, *, gas_asset: str, now: datetime) -> bool:
    """Write down what is seen of an order, if it is new. The attempt is locked before the address, as whoever announces a call does it."""
    standings = lock_by_id(conn, [one.reference], now=now)
    payment = one.payment
    conn.execute("select from chain_sender where (chain_id, address) = (%s, %s) for update", [payment.chain_id, payment.sender])
    before = last_sightings(conn, [one.key]).get(one.key)
    see_block(conn, payment.chain_id, payment.sender, seen.head)
    if before is not None and before.says(seen):
        return False
    receipt = seen.receipt
    conn.execute(
        """insert into chain_sighting (key, number, state, hash, block, block_hash, succeeded, gas_wei, told, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            *(one.key, before.number + 1 if before else 1, seen.state, seen.hash, seen.block),
            *(receipt.block_hash if receipt else None, receipt.succeeded if receipt else None, receipt.gas_wei if receipt else None),
            *(seen.told, now),
        ],
    )
    was_over = before is not None and before.state in OVER
    for standing in standings:
        if seen.state in OVER:
            _over(conn, standing, one, seen, now)
        elif was_over:
            _reorganised(conn, standing, one, seen, now)
        gas = receipt.gas_wei if receipt is not None and seen.state == "final" else 0
        if seen.state in OVER:
            book_gas(conn, standing.program_id, one, gas, asset=gas_asset, at=seen.at or now, now=now)
    return True


def _over(conn: Connection[Any], standing: LockedProviderPayout, one: WrittenOrder, seen: Sighting, now: datetime) -> None:
    """The chain has its last word: the attempt is looked up now. Money whose block was replaced, and came again, is no contradiction."""
    word = word_of(one, seen, now)
    paid = isinstance(word, Accepted) and (word.fact.status, word.fact.amount) == ("paid", standing.paid or standing.amount)
    if standing.conflict and standing.state == "succeeded" and paid and _only_reorganised(conn, standing.id):
        assert isinstance(word, Accepted)
        carry_out(conn, [OutcomeDecision(standing, (), word.fact, settled=True)], cause="chain", now=now)
        return
    conn.execute("update provider_payout set due_at = %s where id = %s and state = any(%s)", [now, standing.id, list(PULLING.states)])
    wake(conn, PULLING)


def _only_reorganised(conn: Connection[Any], attempt_id: str) -> bool:
    rows = conn.execute("select said from provider_conflict where provider_payout_id = %s and state = 'open'", [attempt_id]).fetchall()
    return all(row[0] == REORGANISED for row in rows)


def _reorganised(conn: Connection[Any], standing: LockedProviderPayout, one: WrittenOrder, seen: Sighting, now: datetime) -> None:
    """What was final is open again. Nothing is booked back: the same bytes may be mined at any time. Nothing of the settlement goes on
    meanwhile, and people are told."""
    word = word_of(one, seen, now)
    if standing.state not in ("succeeded", "failed") or not isinstance(word, Accepted):
        return
    conflict = Conflict(REORGANISED, standing.state)
    decision = OutcomeDecision(
        standing, (), word.fact, conflict, again=CONFLICT_ASKED_EVERY, error=f"the chain: {REORGANISED}", error_class="conflict"
    )
    carry_out(conn, [decision], cause="chain", now=now)
