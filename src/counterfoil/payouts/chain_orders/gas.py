"""Gas: what a transaction cost, in an asset of its own, booked when the transaction is final; also of one that moved nothing.

Gas is counted in wei, of which our books hold no 18 decimals. What is booked is the whole units of *all* gas of an address so far, less
what was booked before: the rest is never more than one unit, and goes with the next transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.ledger.journals import post_all
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import CHAIN_GAS
from counterfoil.operations.providers.chain import NAME
from counterfoil.operations.providers.chain.notebook import WrittenOrder, scale_of

WEI_DECIMALS: Final = 18
SCALE: Final = 9  # of a coin that our books do not have yet
ACCOUNT: Final = "gas"
ACTOR: Final = "system:worker"


def book_gas(conn: Connection[Any], program_id: str, one: WrittenOrder, wei: int, *, asset: str, at: datetime, now: datetime) -> None:
    """Book what an order's transaction cost, `wei` in all: what was booked of it before counts. The address's row is locked."""
    booked, number = conn.execute(
        "select coalesce(sum(wei), 0)::numeric, count(*) from chain_gas where key = %s", [one.key]
    ).fetchone() or (0, 0)
    more = wei - int(booked)
    if not more:
        return
    where = [one.payment.chain_id, one.payment.sender]
    row = conn.execute(
        "update chain_sender set gas_wei = gas_wei + %s where (chain_id, address) = (%s, %s) returning gas_wei", [more, *where]
    ).fetchone()
    assert row is not None
    scale = scale_of(conn, asset)
    unit = 10 ** (WEI_DECIMALS - (SCALE if scale is None else scale))
    minor = int(row[0]) // unit - (int(row[0]) - more) // unit
    conn.execute(
        "insert into chain_gas (key, number, wei, minor, asset, at) values (%s, %s, %s, %s, %s, %s)",
        [one.key, number + 1, more, minor, asset, now],
    )
    if minor:
        open_program(conn, program_id, name=program_id, assets=[Asset(asset, SCALE if scale is None else scale)], now=now)
        line = (ACCOUNT, f"clearing:{NAME}", minor) if minor > 0 else (f"clearing:{NAME}", ACCOUNT, -minor)
        journal = NewJournal(
            key=CHAIN_GAS.key(one.reference, str(number + 1)),
            kind="chain_gas",
            lines=[line],
            asset=asset,
            actor=ACTOR,
            effective_at=min(at, now),
            source=("provider_payout", one.reference),
            space=CHAIN_GAS,
        )
        post_all.post_all(conn, [post_all.ProgramJournal(program_id, journal)], now=now)
