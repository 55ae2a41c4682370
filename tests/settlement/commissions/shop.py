"""Sales that were referred, in the real tables, for tests that look at what affiliates earn of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.machine import record_birth
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.ledger.invariants import INVARIANTS as LEDGER
from counterfoil.payouts.refunds.refunds import REFUND
from counterfoil.settlement.affiliates.affiliates import refer, set_affiliate
from counterfoil.settlement.affiliates.invariants import INVARIANTS as TREE
from counterfoil.settlement.commissions.accruing import accrue
from counterfoil.settlement.commissions.invariants import INVARIANTS
from counterfoil.settlement.commissions.rates import set_terms
from counterfoil.settlement.commissions.rules import CommissionTerms
from counterfoil.settlement.fees.fees import set_rates
from tests.builders import NOW, PROGRAM

DAYS = timedelta(days=1)
TERMS = CommissionTerms("gross", "rates", (1000, 200), 2000, 30, 0)


def a_shop(conn: Connection[Any], terms: CommissionTerms = TERMS) -> tuple[str, str]:
    """A program, its terms, and two affiliates: bob stands above ann, who referred the customer `carl`. Returns ann's id and bob's."""
    open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=NOW)
    set_rates(conn, PROGRAM, platform_bps=500, validator_bps=100, holdback_bps=0, actor="test", now=NOW)
    set_terms(conn, PROGRAM, "EUR", terms, actor="test", now=NOW)
    bob = placed(conn, "bob")
    ann = placed(conn, "ann", bob)
    refer(conn, ann, "carl", actor="test", now=NOW)
    return ann, bob


def placed(conn: Connection[Any], name: str, parent: str | None = None) -> str:
    return set_affiliate(conn, PROGRAM, name, parent, reason="test", make_id=make_id, actor="test", now=NOW).id


def a_sale(conn: Connection[Any], gross: int = 99_99, customer: str = "carl", *, at: datetime = NOW, earns: bool = True) -> str:
    """A settled invoice as the settlement writes it, and what affiliates earn of it."""
    invoice, sale = make_id("inv"), make_id("set")
    conn.execute(
        """insert into invoice (id, program_id, customer_id, payee_id, asset, total, paid, issued_at, due_on, state, state_at)
           values (%s, %s, %s, 'payee-1', 'EUR', %s, %s, %s, %s, 'paid', %s)""",
        [invoice, PROGRAM, customer, gross, gross, at, at.date(), at],
    )
    platform, validator = gross * 500 // 10_000, gross * 100 // 10_000
    conn.execute(
        """insert into settlement (id, program_id, invoice_id, payee_id, asset, gross, platform_fee, validator_fee, holdback, net,
                                   rate_version, at)
           values (%s, %s, %s, 'payee-1', 'EUR', %s, %s, %s, 0, %s, 1, %s)""",
        [sale, PROGRAM, invoice, gross, platform, validator, gross - platform - validator, at],
    )
    if earns:
        accrue(conn, [sale], make_id=make_id, now=at)
    return sale


def a_refund(conn: Connection[Any], sale: str, amount: int, *, platform: int = 0, at: datetime = NOW) -> str:
    """A refund of a settled invoice as a row alone: what commissions follow from."""
    made = make_id("ref")
    conn.execute(
        """insert into refund (id, program_id, invoice_id, settlement_id, customer_id, payee_id, asset, amount, escrow, platform_fee,
               validator_fee, own_holdback, payable, holdback, receivable, credited, retain_fees, cause, created_at, state, state_at)
           select %s, program_id, invoice_id, id, 'carl', payee_id, asset, %s, 0, %s, 0, 0, %s, 0, 0, 0, false, 'test', %s, 'owed', %s
           from settlement where id = %s""",
        [made, amount, platform, amount - platform, at, at, sale],
    )
    record_birth(conn, REFUND, [made], "owed", actor="test", at=at)
    return made


def still_true(conn: Connection[Any]) -> None:
    found = run_invariants(conn, [*INVARIANTS, *TREE, *LEDGER])
    assert found == [], found
