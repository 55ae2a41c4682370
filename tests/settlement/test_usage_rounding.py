"""Usage is summed before it is rounded: what is billed is what was used, to the unit, however it was cut into records and files."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.settlement.invariants import INVARIANTS
from counterfoil.settlement.invoices.invoices import Issued, invoice_lines, issue_invoices
from counterfoil.settlement.usage.rules import COLUMNS
from counterfoil.settlement.usage.usage import import_usage
from tests.builders import NOW
from tests.soak import examples

_numbers = count(1)


@pytest.fixture
def program(conn: Connection[Any]) -> str:
    return a_program(conn)


def a_program(conn: Connection[Any]) -> str:
    made = f"usage-{next(_numbers)}"
    open_program(conn, made, name=made, assets=[Asset("EUR", 2)], now=NOW)
    return made


def bring(conn: Connection[Any], program: str, *records: tuple[str, str], customer: str = "ada") -> None:
    """A file of records: quantity and price each."""
    lines = [f"r-{next(_numbers)},{customer},bakery,EUR,{quantity},{price},2026-11-19T10:00:00Z,API call" for quantity, price in records]
    body = "\n".join([",".join(COLUMNS), *lines]).encode()
    import_usage(conn, program, body, file_name="usage.csv", make_id=make_id, actor="test", now=NOW)


def bill(conn: Connection[Any], program: str) -> Issued:
    return issue_invoices(conn, program, provider="simulator", make_id=make_id, actor="test", now=NOW)


def totals(conn: Connection[Any], program: str) -> list[int]:
    rows = conn.execute("select total from invoice where program_id = %s order by issued_at, id", [program]).fetchall()
    return [row[0] for row in rows]


def test_many_small_records_are_billed_as_one_large_one_is(conn: Connection[Any], program: str):
    bring(conn, program, *[("1", "0.004")] * 2_000)
    bring(conn, program, ("2000", "0.004"), customer="bob")
    assert len(bill(conn, program).invoice_ids) == 2
    assert totals(conn, program) == [8_00, 8_00]


def test_the_lines_of_an_invoice_add_up_to_its_total_and_each_is_within_one_unit(conn: Connection[Any], program: str):
    bring(conn, program, ("1", "0.004"), ("1", "0.005"), ("1", "0.009"), ("1", "1.001"))
    (invoice_id,) = bill(conn, program).invoice_ids
    # 1.019 in all: 1.01, of which the whole units are 1.00; the one left goes to the largest fraction.
    assert [line.amount for line in invoice_lines(conn, invoice_id, rows_max=1_000)] == [0, 0, 1, 100]


def test_a_fraction_goes_on_to_the_next_invoice_also_across_imports(conn: Connection[Any], program: str):
    for _ in range(5):
        bring(conn, program, *[("1", "0.004")] * 3)
        bill(conn, program)
    assert totals(conn, program) == [1, 1, 1, 1, 2], "15 × 0.004 = 0.06, not 5 × 0.01"
    assert run_invariants(conn, INVARIANTS) == []


def test_usage_below_one_unit_waits_and_is_billed_with_what_comes(conn: Connection[Any], program: str):
    bring(conn, program, ("1", "0.004"))
    assert bill(conn, program) == ([], 1, 0)
    bring(conn, program, ("1", "0.007"))
    assert len(bill(conn, program).invoice_ids) == 1
    assert totals(conn, program) == [1]


def test_a_fraction_stays_with_its_customer(conn: Connection[Any], program: str):
    bring(conn, program, ("1", "0.019"))
    bring(conn, program, ("1", "0.011"), customer="bob")
    bill(conn, program)
    bring(conn, program, ("1", "0.002"))
    bring(conn, program, ("1", "0.002"), customer="bob")
    assert bill(conn, program).waiting == 1
    assert totals(conn, program) == [1, 1, 1], "ada's 0.009 and 0.002 make one, bob's 0.001 and 0.002 do not"


def test_one_group_that_is_too_large_for_an_invoice_stops_nobody_elses(conn: Connection[Any], program: str):
    bring(conn, program, *[("100000", "90000000000")] * 2)
    bring(conn, program, ("1", "5.00"), customer="bob")
    issued = bill(conn, program)
    assert (len(issued.invoice_ids), issued.waiting, issued.too_large) == (1, 0, 1)


def test_a_known_record_with_another_description_says_something_else(conn: Connection[Any], program: str):
    row = "r-x,ada,bakery,EUR,1,1.00,2026-11-19T10:00:00Z,"

    def file(*descriptions: str) -> bytes:
        return "\n".join([",".join(COLUMNS), *[row + one for one in descriptions]]).encode()

    how: dict[str, Any] = {"file_name": "usage.csv", "make_id": make_id, "actor": "test", "now": NOW}
    import_usage(conn, program, file("bread"), **how)
    assert [(one.line, one.got) for one in import_usage(conn, program, file("cake"), **how).mistakes] == [(2, "r-x")]


def test_an_invoice_of_an_earlier_version_that_lost_units_is_found(owner_conn: Connection[Any]):
    program = a_program(owner_conn)
    bring(owner_conn, program, *[("1", "0.004")] * 1_000, ("1", "1.00"))
    (invoice_id,) = bill(owner_conn, program).invoice_ids
    owner_conn.execute("set local session_replication_role = replica")  # no version of today writes such rows
    owner_conn.execute("delete from usage_fraction where program_id = %s", [program])
    owner_conn.execute("update invoice set carried_in = null, carried_out = null, total = 100 where id = %s", [invoice_id])
    owner_conn.execute(
        "update usage_record set amount = div(quantity_micro::numeric * price_micro, 1e12) where invoice_id = %s",
        [invoice_id],
    )
    assert [one.code for one in run_invariants(owner_conn, INVARIANTS)] == ["USAGE_LOST_TO_ROUNDING"]


def test_a_fraction_that_is_billed_twice_is_found(owner_conn: Connection[Any]):
    program = a_program(owner_conn)
    bring(owner_conn, program, ("1", "0.019"))
    bill(owner_conn, program)
    owner_conn.execute("update usage_fraction set fraction = fraction + 1 where program_id = %s", [program])
    assert [one.code for one in run_invariants(owner_conn, INVARIANTS)] == ["INVOICE_EXACT"]


quantities = st.decimals("0.000001", "30", places=6)
prices = st.decimals("0", "0.05", places=8)


@settings(max_examples=examples(20), deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.lists(st.tuples(quantities, prices), min_size=1, max_size=12), min_size=1, max_size=4))
def test_all_invoices_together_bill_what_was_used_to_the_unit(conn: Connection[Any], files: list[list[tuple[Decimal, Decimal]]]):
    program = a_program(conn)
    for records in files:
        bring(conn, program, *[(f"{quantity:f}", f"{price:f}") for quantity, price in records])
        bill(conn, program)
        used = sum(quantity * price * 100 for quantity, price in records)
        assert used >= 0
    everything = sum((quantity * price * 100 for records in files for quantity, price in records), Decimal(0))
    assert sum(totals(conn, program)) == int(everything)
    assert run_invariants(conn, INVARIANTS) == []
