"""What is written down of each order before it goes: its nonce, and every transaction that was signed for it. In PostgreSQL, for ever."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.providers.chain.transactions import ChainPayment, Fees, SignedTransaction


class WrittenTransaction(NamedTuple):
    """A transaction that was signed for an order; the later ones pay more gas. What of it is sent is `raw`, and nothing else."""

    hash: str
    number: int
    fees: Fees
    raw: bytes
    signed_at: datetime


class WrittenOrder(NamedTuple):
    """An order that was given: one nonce of one address. `amount` in minor units of `asset`; `seen_block`: the newest block that any
    node has told us of; `transactions`: the first one first, never empty."""

    key: str
    reference: str
    payment: ChainPayment
    asset: str
    amount: int
    from_block: int
    seen_block: int
    transactions: tuple[WrittenTransaction, ...]

    @property
    def name(self) -> str:
        """What the chain itself uses once, whichever of our transactions is mined: the address and its nonce."""
        return f"{self.payment.sender}:{self.payment.nonce}"

    def minor(self, units: int) -> int:
        """So many of the token's smallest units, in whole minor units of the asset."""
        return units * self.amount // self.payment.units


class _Row(NamedTuple):
    key: str
    reference: str
    chain_id: int
    sender: str
    nonce: int
    asset: str
    amount: int
    units: int
    token: str | None
    recipient: str
    gas: int
    from_block: int
    seen_block: int


class UnknownNonces(Exception):
    """The chain has transactions of the address that were not written down here: another program pays from it, or our books are older than
    the chain, because a backup was restored. Whoever goes on may pay what is paid."""


def lock_sender(conn: Connection[Any], chain_id: int, address: str, *, block: int, nonce: int, elsewhere: int) -> int:
    """Nobody else writes an order of this address until this transaction ends; the nonce that its next one takes.

    `nonce` is what the chain expects next; `elsewhere`: up to there, people know of transactions that were made elsewhere. Raises
    UnknownNonces.
    """
    if nonce <= elsewhere or not nonce:
        conn.execute(
            "insert into chain_sender (chain_id, address, next_nonce, seen_block) values (%s, %s, %s, %s) on conflict do nothing",
            [chain_id, address, nonce, block],
        )
    row = conn.execute(
        "select next_nonce from chain_sender where chain_id = %s and address = %s for update", [chain_id, address]
    ).fetchone()
    ours = int(row[0]) if row else 0
    if row is None or nonce > max(ours, elsewhere):
        raise UnknownNonces(
            f"the chain has {nonce} transactions of {address}, and {ours} are known here: another program pays from it, or these books are "
            f"older than the chain; when all are accounted for, set COUNTERFOIL_CHAIN_NONCE_ELSEWHERE={nonce}"
        )
    if nonce > ours:
        conn.execute("update chain_sender set next_nonce = %s where chain_id = %s and address = %s", [nonce, chain_id, address])
    return max(ours, nonce)


def see_block(conn: Connection[Any], chain_id: int, address: str, block: int) -> None:
    """A node told of this block: one that knows only older ones lags behind."""
    conn.execute(
        "update chain_sender set seen_block = %s where chain_id = %s and address = %s and seen_block < %s",
        [block, chain_id, address, block],
    )


def write_order(conn: Connection[Any], one: WrittenOrder, now: datetime) -> None:
    """Write an order with its first transaction. The database refuses a nonce that is not the next, and a second order of one key."""
    payment = one.payment
    conn.execute(
        """insert into chain_order (key, reference, chain_id, sender, nonce, asset, amount, units, token, recipient, gas, from_block,
                                    written_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            *(one.key, one.reference, payment.chain_id, payment.sender, payment.nonce, one.asset, one.amount, payment.units),
            *(payment.token, payment.recipient, payment.gas, one.from_block, now),
        ],
    )
    for each in one.transactions:
        write_transaction(conn, one.key, each)


def write_transaction(conn: Connection[Any], key: str, one: WrittenTransaction) -> None:
    """Write a transaction of an order, before it goes."""
    conn.execute(
        "insert into chain_transaction (hash, key, number, fee_wei, tip_wei, raw, signed_at) values (%s, %s, %s, %s, %s, %s, %s)",
        [one.hash, key, one.number, one.fees.fee, one.fees.tip, one.raw, one.signed_at],
    )


def signed_now(number: int, signed: SignedTransaction, fees: Fees, now: datetime) -> WrittenTransaction:
    """A transaction that was just signed."""
    return WrittenTransaction(signed.hash, number, fees, signed.raw, now)


def orders_by_key(conn: Connection[Any], keys: Iterable[str]) -> dict[str, WrittenOrder]:
    """What was written down under these keys, by key."""
    return {one.key: one for one in _orders(conn, "o.key = any(%s)", [sorted(set(keys))])}


def open_orders(conn: Connection[Any], chain_id: int, *, watched_blocks: int) -> list[WrittenOrder]:
    """The orders on a chain that are not over, and those that are so for no more than `watched_blocks`; of each address in order."""
    return _orders(
        conn,
        f"o.chain_id = %s and o.nonce >= s.done_nonce and not exists ({_OVER} and last.block <= s.seen_block - %s)",
        [chain_id, watched_blocks],
    )


def orders_of_days(conn: Connection[Any], chain_id: int, sender: str, first: date, last: date) -> list[tuple[WrittenOrder, int]]:
    """The orders of an address that may have been mined on these days, each with the gas that was booked for it, minor units.

    Nothing is mined before it was written, or after it was seen as over; a day more on either side is for clocks.
    """
    orders = _orders(
        conn,
        f"""o.chain_id = %s and o.sender = %s and o.written_at < %s::date + 2
            and not exists ({_OVER} and last.at < %s::date - 1)""",
        [chain_id, sender, last, first],
    )
    booked = dict(
        conn.execute(
            "select key, sum(minor)::bigint from chain_gas where key = any(%s) group by key", [[one.key for one in orders]]
        ).fetchall()
    )
    return [(one, int(booked.get(one.key, 0))) for one in orders]


def unsettled(conn: Connection[Any], chain_id: int, sender: str) -> int:
    """How many orders of an address are not over: mined for good, or their nonce used by another."""
    row = conn.execute(
        f"""select count(*) from chain_order o join chain_sender s on (s.chain_id, s.address) = (o.chain_id, o.sender)
            where o.chain_id = %s and o.sender = %s and o.nonce >= s.done_nonce and not exists ({_OVER})""",
        [chain_id, sender],
    ).fetchone()
    assert row is not None
    return int(row[0])


_OVER: Final = """select from chain_sighting last where last.key = o.key and last.state in ('final', 'taken')
                  and last.number = (select max(number) from chain_sighting where key = o.key)"""


def scale_of(conn: Connection[Any], asset: str) -> int | None:
    """How many decimals our books have of an asset; None where they have no such asset."""
    row = conn.execute("select scale from asset where code = %s", [asset]).fetchone()
    return int(row[0]) if row else None


def _orders(conn: Connection[Any], where: str, given: Sequence[Any]) -> list[WrittenOrder]:
    with conn.cursor(row_factory=class_row(_Row)) as cur:
        rows = cur.execute(
            f"""select o.key, o.reference, o.chain_id, o.sender, o.nonce, o.asset, o.amount, o.units, o.token, o.recipient, o.gas,
                       o.from_block, s.seen_block
                from chain_order o join chain_sender s on (s.chain_id, s.address) = (o.chain_id, o.sender)
                where {where} order by o.sender, o.nonce""",
            given,
        ).fetchall()
    found: dict[str, list[WrittenTransaction]] = {}
    for key, digest, number, fee, tip, raw, at in conn.execute(
        """select key, hash, number, fee_wei, tip_wei, raw, signed_at from chain_transaction where key = any(%s)
           order by key, number""",
        [[row.key for row in rows]],
    ).fetchall():
        found.setdefault(key, []).append(WrittenTransaction(digest, number, Fees(int(fee), int(tip)), bytes(raw), at))
    return [_order(row, found[row.key]) for row in rows]


def _order(row: _Row, transactions: Sequence[WrittenTransaction]) -> WrittenOrder:
    payment = ChainPayment(row.chain_id, row.sender, row.nonce, row.token, row.recipient, int(row.units), row.gas)
    return WrittenOrder(row.key, row.reference, payment, row.asset, row.amount, row.from_block, row.seen_block, tuple(transactions))
