"""An escrow in the real tables, for tests that move its money by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.ledger.invariants import INVARIANTS as LEDGER
from counterfoil.operations.access.access import create_key
from counterfoil.operations.access.principals import create_principal
from counterfoil.settlement.escrow.escrows import NewEscrow, fund_escrow, open_escrow
from counterfoil.settlement.escrow.invariants import INVARIANTS
from counterfoil.settlement.escrow.model import Escrow, show_escrow
from counterfoil.settlement.escrow.moving import Hand
from counterfoil.settlement.escrow.rules import Condition
from counterfoil.settlement.fees.fees import set_rates
from tests.builders import NOW, PROGRAM

EXPIRES = NOW + timedelta(days=10)


def hand(now: datetime = NOW, reason: str | None = None, *, actor: str = "test") -> Hand:
    return Hand(actor, now, make_id, reason)


def a_program_for_escrow(conn: Connection[Any], *, platform_bps: int = 500, validator_bps: int = 100) -> None:
    open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=NOW)
    for name in ("anna", "ben", "carl"):
        create_principal(conn, make_id("prn"), kind="person", name=name, by="test", now=NOW)
    create_key(conn, make_id("key"), "cf_test_x", name="portal", role="operator", by="test", now=NOW)
    set_rates(conn, PROGRAM, platform_bps=platform_bps, validator_bps=validator_bps, holdback_bps=0, actor="test", now=NOW)


def an_escrow(conn: Connection[Any], amount: int = 100_00, *conditions: Condition, expires_at: datetime = EXPIRES) -> str:
    new = NewEscrow(PROGRAM, "ann", "payee-1", "EUR", amount, "order 7", expires_at, conditions)
    return open_escrow(conn, make_id("esc"), new, actor="test", now=NOW).id


def a_funded_escrow(conn: Connection[Any], amount: int = 100_00, *conditions: Condition, **more: Any) -> str:
    one = an_escrow(conn, amount, *conditions, **more)
    fund_escrow(conn, one, hand(), provider="bank", reference=f"B-{one}")
    return one


def standing(conn: Connection[Any], escrow_id: str) -> Escrow:
    return show_escrow(conn, escrow_id)


def still_true(conn: Connection[Any]) -> None:
    assert run_invariants(conn, [*INVARIANTS, *LEDGER]) == []
