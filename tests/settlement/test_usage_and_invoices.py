"""Usage and invoices against the database: once for ever, all or nothing, and no record on two invoices."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.machine import StateMoved
from counterfoil.base.problems import NotFound, ReasonRequired, TransitionRefused
from counterfoil.settlement.fees.fees import NoRates, rates_in_force, set_rates
from counterfoil.settlement.invoices.invoices import (
    cancel_invoice,
    invoice_lines,
    issue_invoices,
    list_invoices,
    show_invoice,
)
from counterfoil.settlement.payments.payments import receive_charges
from counterfoil.settlement.usage.usage import import_usage
from tests.builders import PROGRAM, a_charge, a_program, issue, usage_csv
from tests.waiting import at_once

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def program(database):
    a_program(database)
    return database


def bring(database, body: bytes, name: str = "usage.csv"):
    with database.transaction() as conn:
        return import_usage(conn, PROGRAM, body, file_name=name, make_id=make_id, actor="test", now=NOW)


def bill(database):
    with database.transaction() as conn:
        return issue_invoices(conn, PROGRAM, provider="simulator", make_id=make_id, actor="test", now=NOW)


def count(database, table: str) -> int:
    with database.transaction() as conn:
        return conn.execute(f"select count(*) from {table}").fetchone()[0]


def test_the_same_file_again_changes_nothing_and_says_so(program):
    first = bring(program, usage_csv("10.00", "20.00"))
    again = bring(program, usage_csv("10.00", "20.00"), "renamed.csv")
    assert (first.new, again.new, again.existed, again.id) == (2, 0, True, first.id)
    assert count(program, "usage_record") == 2


def test_a_known_record_in_another_file_counts_once(program):
    bring(program, usage_csv("10.00"))
    assert bring(program, usage_csv("10.00", "20.00")).new == 1
    assert count(program, "usage_record") == 2


def test_a_known_record_that_says_something_else_is_named_and_stays_as_it_was_and_the_others_are_recorded(program):
    bring(program, usage_csv("10.00"))
    again = bring(program, usage_csv("10.01", "20.00"))
    assert [(one.line, one.field, one.got) for one in again.mistakes] == [(2, "record_id", "u-1")]
    assert (again.new, again.rejected, count(program, "usage_record")) == (1, 1, 2)
    with program.transaction() as conn:
        assert conn.execute("select amount from usage_record where external_id = 'u-1'").fetchone() == (10_00,)


def test_a_bad_line_among_many_is_named_and_loses_no_other(program):
    lines = usage_csv(*["10.00"] * 50).splitlines(keepends=True)
    lines[17] = b"u-17,c,payee-1,EUR,minus one,1,2026-11-19T10:00:00Z,x\n"
    found = bring(program, b"".join(lines))
    assert [(one.line, one.column, one.field, one.got) for one in found.mistakes] == [(18, 5, "quantity", "minus one")]
    assert (found.records, found.new, count(program, "usage_record")) == (49, 49, 49)


def test_a_file_with_a_mistake_is_told_so_again_and_mended_it_adds_what_it_lacked(program):
    good = usage_csv("10.00", "20.00")
    bad = good.replace(b"20.00", b"two")
    first, again = bring(program, bad), bring(program, bad)
    assert (first.new, again.new, again.existed) == (1, 0, True)
    assert first.mistakes == again.mistakes
    assert bring(program, good).new == 1
    assert count(program, "usage_record") == 2


def test_a_file_of_nothing_but_mistakes_records_nothing_and_names_them_all(program):
    bad = usage_csv("one", "two")
    assert [one.line for one in bring(program, bad).mistakes] == [2, 3]
    assert [one.line for one in bring(program, bad, "again.csv").mistakes] == [2, 3]
    assert count(program, "usage_record") == 0


def test_two_who_bring_the_same_file_at_once_double_nothing(program):
    body, results = usage_csv(*["1.00"] * 100), []
    at_once(lambda: results.append(bring(program, body)), 4, within_s=30)
    assert sum(one.new for one in results) == 100 == count(program, "usage_record")


def test_one_invoice_for_each_customer_payee_and_asset_with_its_lines(program):
    lines = [
        "r-1,ada,payee-1,EUR,1,10.00,2026-11-19T10:00:00Z,first",
        "r-2,ada,payee-1,EUR,2,5.55,2026-11-19T11:00:00Z,second",
        "r-3,ada,payee-2,EUR,1,1.00,2026-11-19T12:00:00Z,other payee",
        "r-4,bob,payee-1,EUR,0.001,0.01,2026-11-19T12:00:00Z,nothing yet",
    ]
    bring(program, usage_csv().splitlines()[0] + b"\n" + "\n".join(lines).encode() + b"\n")
    issued = bill(program)
    assert (len(issued.invoice_ids), issued.waiting) == (2, 1)
    with program.transaction() as conn:
        found = {(one.customer_id, one.payee_id): one for one in list_invoices(conn, rows_max=10)}
        assert {key: one.total for key, one in found.items()} == {("ada", "payee-1"): 2110, ("ada", "payee-2"): 100}
        shown = invoice_lines(conn, found["ada", "payee-1"].id, rows_max=1_000)
        assert [(line.line, line.record_id, line.amount) for line in shown] == [(1, "r-1", 1000), (2, "r-2", 1110)]
        assert show_invoice(conn, found["ada", "payee-1"].id).due_on.isoformat() == "2026-12-04"


def test_two_who_issue_at_once_put_no_record_on_two_invoices(program):
    bring(program, usage_csv(*["1.00"] * 200))
    results = []
    at_once(lambda: results.append(bill(program)), 4, within_s=30)
    assert sum(len(one.invoice_ids) for one in results) == 200
    assert count(program, "invoice") == 200


def test_an_invoice_is_cancelled_with_a_reason_and_only_while_nothing_is_paid(program):
    first, second = issue(program, "10.00", "20.00")
    with program.transaction() as conn:
        with pytest.raises(ReasonRequired), conn.transaction():
            cancel_invoice(conn, first, reason=" ", actor="test", now=NOW)
        assert cancel_invoice(conn, first, reason="ordered twice", actor="test", now=NOW) == "cancelled"
        with pytest.raises(NotFound):
            cancel_invoice(conn, "inv_none", reason="x", actor="test", now=NOW)
    charges = [a_charge("chg_1", first, 1000), a_charge("chg_2", second, 500)]
    with program.transaction() as conn:
        receive_charges(conn, charges, provider="simulator", program_id=PROGRAM, make_id=make_id, cause="t", now=NOW)
        with pytest.raises(TransitionRefused), conn.transaction():
            cancel_invoice(conn, second, reason="too late", actor="test", now=NOW)
        owed = conn.execute("select credits - debits from account where name like 'refund_payable:%'").fetchall()
    assert owed == [(1000,)]  # what came for the cancelled invoice is owed back, never ignored


def test_two_webhooks_of_one_charge_that_race_book_it_once(program):
    (invoice_id,) = issue(program, "10.00")
    results = []

    def pay():
        try:
            with program.transaction() as conn:
                charge = a_charge("chg_1", invoice_id, 1000)
                how = {"provider": "simulator", "program_id": PROGRAM, "make_id": make_id, "cause": "t", "now": NOW}
                results.append(receive_charges(conn, [charge], **how))
        except StateMoved:
            results.append(0)

    at_once(pay, 6, within_s=30)
    assert sorted(results) == [0, 0, 0, 0, 0, 1]
    assert count(program, "payment") == 1


def test_rates_have_versions_and_a_program_without_any_settles_nothing(program):
    with program.transaction() as conn:
        set_rates(conn, PROGRAM, platform_bps=300, validator_bps=0, holdback_bps=1000, actor="test", now=NOW)
        assert rates_in_force(conn, [(PROGRAM, "EUR")], now=NOW)[PROGRAM, "EUR"][:5] == (2, 300, 0, 1000, 30)
        with pytest.raises(NoRates, match="elsewhere"):
            rates_in_force(conn, [("elsewhere", "EUR")], now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        "update fee_rate set platform_bps = 0",
        "delete from payment",
        "update settlement set net = 0",
        "delete from fee_rate",
    ],
)
def test_what_was_recorded_of_money_is_never_changed(program, change):
    from counterfoil.base.database import DatabaseRefused

    with pytest.raises(DatabaseRefused), program.transaction() as conn:
        conn.execute(change)
