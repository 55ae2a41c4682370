"""Who gets what by a ruling, said before it has effect: the shares that are booked then, to the unit. Select only."""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.machine import listed
from counterfoil.ledger.journals.key_spaces import CHARGEBACK_WON
from counterfoil.ledger.reads.balances import journal_by_key, journal_lines
from counterfoil.payouts.disputes.rules import Ruling, SettlementParts, ruled
from counterfoil.payouts.refunds.refunds import refundable
from counterfoil.settlement.fees.fees import rates_of
from counterfoil.settlement.holdback import HOLDBACK, TRANCHES
from counterfoil.settlement.invoices.invoices import Invoice
from counterfoil.settlement.settlements import Settlement

_LINES_MAX: Final = 100  # of the journal of a won chargeback, which has one for each place that its money goes to


def split(conn: Connection[Any], invoice: Invoice, settlement: Settlement, refund: int, policy: str) -> Ruling:
    """What a ruling that gives back so much leaves of a settlement, whose invoice is locked. Raises InvalidInput as `ruled` does."""
    rates = rates_of(conn, settlement.program_id, settlement.rate_version, settlement.asset)
    return ruled(_as_it_stands(conn, invoice, settlement), refund, rates, policy, asset_of_book(conn, settlement.asset))


def _as_it_stands(conn: Connection[Any], invoice: Invoice, settlement: Settlement) -> SettlementParts:
    row = conn.execute(
        """select coalesce(sum(platform_fee), 0)::bigint, coalesce(sum(validator_fee), 0)::bigint from refund where settlement_id = %s""",
        [settlement.id],
    ).fetchone()
    assert row is not None
    came_back = {"fee:platform": 0, "payable:validator": 0}
    won = conn.execute(
        "select provider, provider_ref from chargeback where invoice_id = %s and state = 'won' order by id", [invoice.id]
    ).fetchall()
    for provider, reference in won:
        header = journal_by_key(conn, settlement.program_id, CHARGEBACK_WON.key(provider, reference))
        for line in journal_lines(conn, header.id, rows_max=_LINES_MAX) if header else []:
            if line.credit in came_back:
                came_back[line.credit] += line.minor
    return SettlementParts(
        gross=settlement.gross,
        # What the house gave up was settled as if it had been paid, and never goes back.
        gone=settlement.gross - invoice.written_off - refundable(conn, invoice),
        platform_fee=settlement.platform_fee - row[0] + came_back["fee:platform"],
        validator_fee=settlement.validator_fee - row[1] + came_back["payable:validator"],
        holdback=held_of(conn, settlement.id),
    )


def held_of(conn: Connection[Any], settlement_id: str) -> int:
    """What is held back of a settlement, in minor units."""
    held = TRANCHES.read(conn, f"where t.settlement_id = %s and t.state in {listed(HOLDBACK.open)}", [settlement_id])
    return sum(one.remaining for one in held)
