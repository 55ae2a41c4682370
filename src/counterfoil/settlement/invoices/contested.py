"""An invoice that is disputed, or of which money went back: what it is then, and what it is again afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.base.machine import take_step
from counterfoil.settlement.invoices.invoices import INVOICE, Invoice


def call_disputed(conn: Connection[Any], invoice: Invoice, *, cause: str, actor: str, now: datetime) -> None:
    """A locked invoice is disputed from now on; one that is already stays so."""
    if invoice.state in INVOICE.before("dispute"):
        take_step(conn, INVOICE, invoice.id, invoice.state, "dispute", actor=actor, at=now, cause=cause)


def call_decided(conn: Connection[Any], invoice: Invoice, left: int, *, cause: str, actor: str, now: datetime) -> None:
    """A locked invoice is disputed no more. `left` of what was paid on it, in minor units, has not gone back: with nothing left it is
    refunded."""
    if invoice.state in INVOICE.before("reinstate"):
        verb = "refund" if left == 0 else "reinstate" if invoice.paid + invoice.credited == invoice.total else "reinstate_part"
        take_step(conn, INVOICE, invoice.id, invoice.state, verb, actor=actor, at=now, cause=cause)


def call_refunded(conn: Connection[Any], invoice: Invoice, left: int, *, cause: str, actor: str, now: datetime) -> None:
    """A locked invoice that was paid in full, and of which nothing is left, is refunded."""
    if left == 0 and invoice.state == "paid":
        take_step(conn, INVOICE, invoice.id, invoice.state, "refund", actor=actor, at=now, cause=cause)


def contested_among(conn: Connection[Any], invoices: Sequence[Invoice]) -> set[str]:
    """Those of these locked invoices that are disputed, or that a dispute or a chargeback is open on: one that was written off does not say
    so by its state."""
    rows = conn.execute(
        """select invoice_id from dispute where invoice_id = any(%(ids)s) and ended_at is null
           union select invoice_id from chargeback where invoice_id = any(%(ids)s) and ended_at is null""",
        {"ids": [one.id for one in invoices if one.written_off]},
    ).fetchall()
    return {row[0] for row in rows} | {one.id for one in invoices if one.state in INVOICE.before("reinstate")}
