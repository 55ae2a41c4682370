"""Money under way is taken out of a run only where the other side says the very same of it; what contradicts it is compared."""

from __future__ import annotations

from datetime import timedelta

import pytest

from counterfoil.base.edge import make_id
from counterfoil.reconciliation.client_money import make_client_money
from tests.reconciliation.runs.builders import PROGRAM, TODAY, YESTERDAY, House

LONG_AGO = TODAY - timedelta(days=10)


def ordered(house: House, amount: int, day, **more) -> None:
    """94.00 of 2,000.00 are on their way, by our books and by our attempt."""
    house.charged("ch-1", 200_000, day)
    house.posts("escrow:inv-1", "payable:payee:bolt", amount, day)
    house.posts("payable:payee:bolt", "in_transit:simulator", amount, day)
    house.sent("a1", amount, day, **{"state": "unknown", **more})


def at_stake(house: House, run) -> list[tuple[str, int]]:
    rows = house.rows("select kind, at_stake from run_finding where run_id = %s order by number", run.id)
    return [(kind, int(minor)) for kind, minor in rows]


@pytest.mark.parametrize("day", [LONG_AGO, TODAY])
@pytest.mark.parametrize("source", ["simulator", "simulator:payouts"])
@pytest.mark.parametrize("status", ["paid", "pending"])
def test_a_payout_that_came_to_another_amount_there_is_a_break_at_once_by_whatever_it_differs(house: House, source, status, day):
    ordered(house, 94_00, day)
    house.provider.line("payout", "po_1", -994_00, day, reference="a1", status=status)
    run = house.run(source, day, TODAY)
    assert at_stake(house, run) == [("AMOUNT_MISMATCH", 900_00)]
    assert run.verdict == "not reconciled"


def test_a_payout_that_we_call_unknown_and_that_was_paid_days_ago_is_a_break_although_its_amount_is_right(house: House):
    ordered(house, 94_00, LONG_AGO)
    house.provider.line("payout", "po_1", -94_00, LONG_AGO, reference="a1", status="paid")
    assert house.found(house.run("simulator", LONG_AGO, TODAY)) == [("MISSING_LEFT", LONG_AGO)]
    assert house.found(house.run("simulator:payouts", LONG_AGO, TODAY)) == [("STATUS_MISMATCH", LONG_AGO)]


def test_a_payout_that_both_call_pending_is_under_way_for_as_long_as_money_may_be(house: House):
    ordered(house, 94_00, LONG_AGO, state="sent")
    house.provider.line("payout", "po_1", -94_00, LONG_AGO, reference="a1", status="pending")
    for source in ("simulator", "simulator:payouts"):
        assert house.run(source, LONG_AGO, TODAY).verdict == "reconciled"


def test_a_payout_that_left_twice_is_a_break_although_each_line_has_the_right_amount(house: House):
    ordered(house, 94_00, TODAY)
    for _ in range(2):
        house.provider.line("payout", "po_1", -94_00, TODAY, reference="a1", status="pending")
    assert house.found(house.run("simulator", TODAY)) == [("DUPLICATE_RIGHT", TODAY)]


def test_a_payout_that_failed_there_days_ago_and_is_unknown_here_is_a_break_of_the_payouts(house: House):
    ordered(house, 94_00, LONG_AGO)
    house.provider.line("payout", "po_1", -94_00, LONG_AGO, reference="a1", status="failed")
    house.provider.line("payout_failure", "po_1", 94_00, LONG_AGO, reference="a1", status="failed")
    assert house.found(house.run("simulator:payouts", LONG_AGO, TODAY)) == [("STATUS_MISMATCH", LONG_AGO)]
    assert house.run("simulator", LONG_AGO, TODAY).verdict == "reconciled"  # no money moved


def test_what_stands_in_for_our_books_leaves_nothing_unexplained(house: House):
    ordered(house, 94_00, TODAY)
    house.provider.line("payout", "po_1", -994_00, TODAY, reference="a1", status="paid")
    [row] = house.run("simulator", TODAY).report["balances"]
    assert (row["booked"], row["stated"], row["unexplained"]) == ("200000", "100600", "0")


def money(house: House, on):
    with house.database.transaction() as conn:
        [made] = make_client_money(conn, PROGRAM, on=on, make_id=make_id, actor="t", now=house.clock.now)
    return made


@pytest.mark.parametrize("day", [LONG_AGO, YESTERDAY])
def test_what_went_out_beyond_the_order_is_missing_from_client_money(house: House, day):
    ordered(house, 94_00, day)
    house.provider.line("payout", "po_1", -994_00, day, reference="a1", status="paid")
    house.run("simulator", YESTERDAY)
    made = money(house, YESTERDAY)
    assert (made.owed, made.in_transit, made.difference) == (2_000_00, 1_100_00, -900_00)
    assert made.detail["not_checked"] != []
    assert "a1: with us " in made.detail["not_checked"][0]
    assert "94.00 EUR; the other side says paid -994.00 EUR" in made.detail["not_checked"][0], "in whole units"


def test_what_a_late_booking_says_covers_no_more_than_it_says(house: House):
    ordered(house, 94_00, YESTERDAY, state="sent")
    house.provider.line("payout", "pp-a1", -994_00, YESTERDAY, reference="a1", status="paid")
    house.arrived("a1", 94_00, TODAY)
    house.run("simulator", YESTERDAY)
    assert money(house, YESTERDAY).difference == -900_00


def test_the_fee_of_a_payout_under_way_is_a_cost_and_not_under_way(house: House):
    ordered(house, 94_00, YESTERDAY, state="sent")
    house.provider.line("payout", "pp-a1", -94_00, YESTERDAY, fee=25, reference="a1", status="pending")
    house.run("simulator", YESTERDAY)
    assert money(house, YESTERDAY).difference == -25
