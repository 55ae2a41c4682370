"""Commissions: accrued once from what is frozen, mature when nothing is disputed, taken back with refunds, paid once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.machine import history_of, take_step
from counterfoil.base.problems import InvalidInput
from counterfoil.payouts.refunds.refunds import REFUND
from counterfoil.settlement.affiliates.affiliates import change_activity, placements_of, set_affiliate
from counterfoil.settlement.commissions.accruing import accrue, announce_referred
from counterfoil.settlement.commissions.model import Commission, list_commissions
from counterfoil.settlement.commissions.moving import mature, pay_affiliates, payable_of, take_back
from counterfoil.settlement.commissions.rates import set_terms
from counterfoil.settlement.commissions.rules import CommissionTerms
from counterfoil.settlement.commissions.verifying import verify_commissions
from counterfoil.settlement.settlements import payout_sources
from tests.builders import NOW, PROGRAM, balance_of
from tests.settlement.commissions.shop import DAYS, TERMS, a_refund, a_sale, a_shop, placed, still_true

RIPE = NOW + 31 * DAYS


def of_sale(conn: Any, sale: str) -> dict[int, Commission]:
    rows = list_commissions(conn, rows_max=1000, after=None, state=None)
    return {one.level: one for one in rows if one.sale_id == sale}


def ripen(conn: Any) -> None:
    mature(conn, [one.id for one in list_commissions(conn, rows_max=1000, after=None, state="accrued")], make_id=make_id, now=RIPE)


def test_each_level_earns_its_rate_of_the_sale_once(conn: Any) -> None:
    ann, bob = a_shop(conn)
    sale = a_sale(conn)
    assert accrue(conn, [sale], make_id=make_id, now=NOW) == []
    found = of_sale(conn, sale)
    assert [(found[n].affiliate_id, found[n].amount, found[n].state) for n in (1, 2)] == [(ann, 999, "accrued"), (bob, 199, "accrued")]
    assert (balance_of(conn, f"accrued:affiliate:{ann}"), balance_of(conn, "commission_expense")) == (999, 1198)
    assert conn.execute("select count(*) from event where name = 'commission_accrued'").fetchone() == (1,)
    still_true(conn)


def test_a_pool_is_divided_by_largest_remainder(conn: Any) -> None:
    a_shop(conn, TERMS._replace(mode="pool"))
    found = of_sale(conn, a_sale(conn))
    assert [found[n].amount for n in (1, 2)] == [999, 200]
    still_true(conn)


def test_a_sale_to_a_customer_whom_nobody_referred_earns_nothing_and_is_missed_by_nobody(conn: Any) -> None:
    a_shop(conn)
    sale = a_sale(conn, customer="dora")
    announce_referred(conn, [sale], now=NOW)
    assert of_sale(conn, sale) == {}
    assert conn.execute("select count(*) from event where name = 'sale_referred'").fetchone() == (0,)
    verdict = verify_commissions(conn, program_id=None, sample=None, seed=NOW)
    assert (verdict.sales, verdict.differing) == (0, 0)


def test_a_sale_before_the_referral_earns_nothing(conn: Any) -> None:
    a_shop(conn)
    assert of_sale(conn, a_sale(conn, at=NOW - timedelta(seconds=1))) == {}


def test_the_path_and_the_rates_stay_those_of_the_sale(conn: Any) -> None:
    ann, bob = a_shop(conn)
    sale = a_sale(conn)
    set_affiliate(conn, PROGRAM, "ann", placed(conn, "zoe"), reason="moved", make_id=make_id, actor="test", now=NOW)
    set_terms(conn, PROGRAM, "EUR", TERMS._replace(levels=(5, 5)), actor="test", now=NOW + DAYS)
    assert {one.affiliate_id for one in of_sale(conn, sale).values()} == {ann, bob}
    assert verify_commissions(conn, program_id=None, sample=None, seed=NOW).differing == 0
    later = of_sale(conn, a_sale(conn, at=NOW + 2 * DAYS))
    assert later[1].amount == 4
    assert later[2].affiliate_id != bob
    still_true(conn)


def test_a_sale_that_is_worked_out_late_follows_from_the_tree_and_the_people_of_its_own_moment(conn: Any) -> None:
    ann, bob = a_shop(conn)
    sale, later = a_sale(conn, earns=False), NOW + timedelta(hours=1)
    set_affiliate(conn, PROGRAM, "ann", placed(conn, "zoe"), reason="moved", make_id=make_id, actor="test", now=later)
    change_activity(conn, bob, "deactivate", reason="left", actor="test", now=later)
    accrue(conn, [sale], make_id=make_id, now=later + DAYS)
    assert {level: (one.affiliate_id, one.amount) for level, one in of_sale(conn, sale).items()} == {1: (ann, 999), 2: (bob, 199)}
    still_true(conn)


def test_other_rates_come_after_what_was_worked_out_by_those_of_before(conn: Any) -> None:
    a_shop(conn)
    sale = a_sale(conn, at=NOW + DAYS)
    with pytest.raises(InvalidInput, match="what was sold keeps its rates"), conn.transaction():
        set_terms(conn, PROGRAM, "EUR", TERMS, actor="test", now=NOW, effective_at=NOW + DAYS)
    made = set_terms(conn, PROGRAM, "EUR", TERMS._replace(levels=(5, 5)), actor="test", now=NOW)
    assert made.effective_at == NOW + DAYS + timedelta(microseconds=1)
    assert set(of_sale(conn, sale)) == {1, 2}
    assert verify_commissions(conn, program_id=None, sample=None, seed=NOW).differing == 0
    still_true(conn)


def test_a_change_of_the_tree_comes_after_what_was_worked_out_by_it(conn: Any) -> None:
    _, bob = a_shop(conn)
    sale = a_sale(conn, at=NOW + DAYS)
    moved = set_affiliate(conn, PROGRAM, "ann", None, reason="a slow request", make_id=make_id, actor="test", now=NOW)
    assert placements_of(conn, moved.id, rows_max=9)[-1].at == NOW + DAYS + timedelta(microseconds=1)
    change_activity(conn, bob, "deactivate", reason="left", actor="test", now=NOW)
    assert set(of_sale(conn, sale)) == {1, 2}
    still_true(conn)


def test_the_database_refuses_a_path_that_was_not_there_when_it_was_sold(conn: Any) -> None:
    ann, bob = a_shop(conn)
    sale = a_sale(conn, earns=False)
    for path, earns in (([ann], [True]), ([ann, bob], [True, False]), ([ann, placed(conn, "zoe")], [True, True])):
        with pytest.raises(psycopg.DatabaseError, match="not referred so"), conn.transaction():
            conn.execute(
                """insert into commission_sale select s.id, s.program_id, 'carl', 'EUR', s.gross, s.platform_fee, 1, 'gross', 'rates',
                       '{1000,200}', %s, %s::boolean[], s.at from settlement s where s.id = %s""",
                [path, earns, sale],
            )


def test_the_level_of_an_inactive_affiliate_stays_with_the_platform(conn: Any) -> None:
    ann, bob = a_shop(conn)
    change_activity(conn, ann, "deactivate", reason="left", actor="test", now=NOW)
    found = of_sale(conn, a_sale(conn))
    assert {level: (one.affiliate_id, one.amount) for level, one in found.items()} == {2: (bob, 199)}
    still_true(conn)


def test_an_affiliate_above_earns_nothing_of_what_it_buys_itself(conn: Any) -> None:
    ann, _ = a_shop(conn)
    conn.execute("insert into referral values (%s, 'bob', %s, 'test', %s)", [PROGRAM, ann, NOW])
    assert list(of_sale(conn, a_sale(conn, customer="bob"))) == [1]


def test_a_commission_matures_after_its_days_and_not_while_its_sale_is_disputed(conn: Any) -> None:
    ann, _ = a_shop(conn)
    sale = a_sale(conn)
    (one, _) = of_sale(conn, sale).values()
    mature(conn, [one.id], make_id=make_id, now=NOW + 29 * DAYS)
    assert of_sale(conn, sale)[one.level].state == "accrued"
    with pytest.raises(psycopg.DatabaseError, match="matures at"), conn.transaction():
        conn.execute("update commission set state = 'payable', state_at = %s where id = %s", [NOW, one.id])
    ripen(conn)
    assert {each.state for each in of_sale(conn, sale).values()} == {"payable"}
    assert (balance_of(conn, f"accrued:affiliate:{ann}"), balance_of(conn, f"payable:affiliate:{ann}")) == (0, 999)
    still_true(conn)


def test_refunds_take_back_cumulatively_whatever_the_order(conn: Any) -> None:
    ann, _ = a_shop(conn)
    sale = a_sale(conn, 100_00)
    for _ in range(30):
        a_refund(conn, sale, 3_33)
        take_back(conn, [sale], make_id=make_id, now=NOW)
    assert of_sale(conn, sale)[1].remaining == 1
    assert take_back(conn, [sale], make_id=make_id, now=NOW) == 0
    a_refund(conn, sale, 10)
    take_back(conn, [sale], make_id=make_id, now=NOW)
    assert {one.state for one in of_sale(conn, sale).values()} == {"reversed"}
    assert balance_of(conn, f"accrued:affiliate:{ann}") == balance_of(conn, "commission_expense") == 0
    still_true(conn)


def test_a_refund_that_was_won_back_gives_the_commission_again(conn: Any) -> None:
    a_shop(conn)
    sale = a_sale(conn, 100_00)
    refund = a_refund(conn, sale, 100_00)
    take_back(conn, [sale], make_id=make_id, now=NOW)
    take_step(conn, REFUND, refund, "owed", "charge_back", actor="test", at=NOW)
    take_step(conn, REFUND, refund, "charged_back", "win_back", actor="test", at=NOW)
    take_back(conn, [sale], make_id=make_id, now=NOW)
    found = of_sale(conn, sale)[1]
    assert (found.state, found.remaining) == ("accrued", 1000)
    assert [step.verb for step in history_of(conn, found.id, rows_max=None)] == ["create", "reverse", "reinstate"]
    still_true(conn)


def test_a_commission_that_matured_was_taken_back_and_given_again_matures_again_and_moves_its_money(conn: Any) -> None:
    ann, _ = a_shop(conn)
    sale = a_sale(conn, 100_00)
    ripen(conn)
    refund = a_refund(conn, sale, 100_00)
    take_back(conn, [sale], make_id=make_id, now=RIPE)
    take_step(conn, REFUND, refund, "owed", "charge_back", actor="test", at=RIPE)
    take_step(conn, REFUND, refund, "charged_back", "win_back", actor="test", at=RIPE)
    take_back(conn, [sale], make_id=make_id, now=RIPE)
    ripen(conn)
    assert (balance_of(conn, f"accrued:affiliate:{ann}"), balance_of(conn, f"payable:affiliate:{ann}")) == (0, 1000)
    assert len(pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)) == 1
    still_true(conn)


@pytest.mark.parametrize(
    ("terms", "gross", "refunds"),
    [
        (TERMS._replace(mode="pool", levels=(600, 200, 600), cap_bps=2000), 79, [(1, 0)]),
        (TERMS._replace(base="net_of_platform"), 100_01, [(33_33, 0), (66_68, 333)]),
    ],
    ids=["the largest remainder falls to another level", "fees are kept first and given back later"],
)
def test_a_refund_takes_back_neither_less_than_nothing_nor_more_than_there_is(
    conn: Any, terms: CommissionTerms, gross: int, refunds: list[tuple[int, int]]
) -> None:
    a_shop(conn, terms)
    sale = a_sale(conn, gross)
    before = {one.level: one.remaining for one in of_sale(conn, sale).values()}
    for amount, platform in refunds:
        a_refund(conn, sale, amount, platform=platform)
        take_back(conn, [sale], make_id=make_id, now=NOW)
    assert all(0 <= one.remaining <= before[one.level] for one in of_sale(conn, sale).values())
    still_true(conn)


def test_what_matured_is_paid_once_and_leaves_a_payout_to_make(conn: Any) -> None:
    ann, _ = a_shop(conn)
    a_sale(conn), a_sale(conn)
    ripen(conn)
    (payment,) = pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)
    assert pay_affiliates(conn, [ann], make_id=make_id, now=RIPE) == []
    (source,) = payout_sources(conn, [payment])
    assert (source.payee_id, source.invoice_id, source.gross, source.net) == (ann, payment, 1998, 1998)
    assert (balance_of(conn, f"payable:affiliate:{ann}"), balance_of(conn, f"payable:payee:{ann}")) == (0, 1998)
    with pytest.raises(psycopg.DatabaseError, match="written once"), conn.transaction():
        conn.execute("update commission set payment_id = null, paid = null where payment_id = %s", [payment])
    still_true(conn)


def test_less_than_the_minimum_carries_over(conn: Any) -> None:
    ann, bob = a_shop(conn, TERMS._replace(minimum=10_00))
    a_sale(conn)
    ripen(conn)
    assert pay_affiliates(conn, [ann], make_id=make_id, now=RIPE) == []
    a_sale(conn, 10)
    ripen(conn)
    assert len(pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)) == 1
    assert pay_affiliates(conn, [bob], make_id=make_id, now=RIPE) == []
    still_true(conn)


def test_who_left_is_paid_what_is_left_however_little_it_is(conn: Any) -> None:
    ann, _ = a_shop(conn, TERMS._replace(minimum=10_00))
    a_sale(conn, 5)
    a_sale(conn, 50_00)
    ripen(conn)
    assert pay_affiliates(conn, [ann], make_id=make_id, now=RIPE) == []
    (due,) = payable_of(conn, ann, now=RIPE)
    assert (due.amount, due.minimum) == (5_00, 10_00)
    conn.execute("update affiliate set due_at = null")
    change_activity(conn, ann, "deactivate", reason="left", actor="test", now=RIPE)
    assert conn.execute("select due_at = %s from affiliate where id = %s", [RIPE, ann]).fetchone() == (True,)
    assert len(pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)) == 1
    assert (balance_of(conn, f"payable:affiliate:{ann}"), balance_of(conn, f"payable:payee:{ann}")) == (0, 5_00)
    still_true(conn)


def test_what_is_given_again_after_it_was_netted_is_paid_although_nothing_else_matured(conn: Any) -> None:
    ann, _ = a_shop(conn)
    sale = a_sale(conn, 100_00)
    ripen(conn)
    pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)
    refund = a_refund(conn, sale, 100_00)
    take_back(conn, [sale], make_id=make_id, now=RIPE)
    assert [(one.earned, one.carried) for one in payable_of(conn, ann, now=RIPE)] == [(0, 10_00)]
    a_sale(conn, 150_00)
    ripen(conn)
    assert len(pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)) == 1
    assert balance_of(conn, f"payable:payee:{ann}") == 15_00
    conn.execute("update affiliate set due_at = null")
    take_step(conn, REFUND, refund, "owed", "charge_back", actor="test", at=RIPE)
    take_step(conn, REFUND, refund, "charged_back", "win_back", actor="test", at=RIPE)
    take_back(conn, [sale], make_id=make_id, now=RIPE)
    assert conn.execute("select due_at = %s from affiliate where id = %s", [RIPE, ann]).fetchone() == (True,)
    (payment,) = pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)
    assert conn.execute("select earned, netted, amount from commission_payment where id = %s", [payment]).fetchone() == (0, -10_00, 10_00)
    assert balance_of(conn, f"payable:payee:{ann}") == 25_00
    assert pay_affiliates(conn, [ann], make_id=make_id, now=RIPE) == []
    still_true(conn)


def test_what_is_refunded_after_it_was_paid_is_netted_in_the_next_payment_and_never_below_nothing(conn: Any) -> None:
    ann, _ = a_shop(conn)
    sale = a_sale(conn, 100_00)
    ripen(conn)
    pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)
    a_refund(conn, sale, 100_00)
    take_back(conn, [sale], make_id=make_id, now=RIPE)
    assert balance_of(conn, f"payable:affiliate:{ann}") == 0
    still_true(conn)
    a_sale(conn, 50_00)
    ripen(conn)
    assert pay_affiliates(conn, [ann], make_id=make_id, now=RIPE) == []
    (due,) = payable_of(conn, ann, now=RIPE)
    assert (due.earned, due.carried) == (500, 1000)
    a_sale(conn, 70_00)
    ripen(conn)
    (payment,) = pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)
    assert conn.execute("select earned, netted, amount from commission_payment where id = %s", [payment]).fetchone() == (1200, 1000, 200)
    assert balance_of(conn, f"payable:payee:{ann}") == 1200
    still_true(conn)


def test_a_refund_whose_event_is_late_is_seen_before_the_commission_is_paid(conn: Any) -> None:
    ann, _ = a_shop(conn)
    sale = a_sale(conn, 100_00)
    ripen(conn)
    a_refund(conn, sale, 40_00)
    pay_affiliates(conn, [ann], make_id=make_id, now=RIPE)
    assert balance_of(conn, f"payable:payee:{ann}") == 600
    take_back(conn, [sale], make_id=make_id, now=RIPE)  # the event: of the other level it was not needed before
    assert balance_of(conn, f"payable:payee:{ann}") == 600
    still_true(conn)


def test_the_database_refuses_a_commission_that_the_sale_is_not_due(conn: Any) -> None:
    ann, _ = a_shop(conn, TERMS._replace(levels=(1000,)))
    sale = a_sale(conn)
    with pytest.raises(psycopg.DatabaseError, match="not due this"), conn.transaction():
        conn.execute(
            """insert into commission (id, program_id, sale_id, affiliate_id, level, asset, amount, matures_at, created_at, state, state_at)
               values ('x', %s, %s, %s, 1, 'EUR', 1000, now(), now(), 'accrued', now())""",
            [PROGRAM, sale, ann],
        )
    (one,) = of_sale(conn, sale).values()
    with pytest.raises(psycopg.DatabaseError, match="not what refunds took back"), conn.transaction():
        conn.execute("insert into commission_reversal values ('x', %s, 1, %s, 1, 'accrued', now())", [one.id, PROGRAM])


def test_verifying_names_what_differs_and_a_sample_says_that_it_is_one(conn: Any) -> None:
    a_shop(conn)
    sales = [a_sale(conn) for _ in range(5)]
    silent = a_sale(conn, earns=False)
    sample = verify_commissions(conn, program_id=None, sample=2, seed=NOW)
    assert (sample.sales, sample.looked_at, sample.is_sample) == (6, 2, True)
    conn.execute("reset role")  # as a superuser could
    conn.execute("alter table commission disable trigger all")
    conn.execute("update commission set amount = amount + 1 where sale_id = %s and level = 2", [sales[0]])
    whole = verify_commissions(conn, program_id=None, sample=None, seed=NOW)
    assert (whole.looked_at, whole.is_sample, whole.differing) == (6, False, 2)
    named = {(one.sale_id, one.level, one.what, one.expected, one.found) for one in whole.differences}
    assert named == {(silent, None, "missing", None, None), (sales[0], 2, "amount", 199, 200), (sales[0], None, "ledger", 1199, 1198)}


def test_a_sale_whose_event_waits_is_told_as_waiting_and_not_as_right(conn: Any) -> None:
    a_shop(conn)
    sale = a_sale(conn, earns=False)
    announce_referred(conn, [sale], now=NOW)
    verdict = verify_commissions(conn, program_id=None, sample=10, seed=NOW)
    assert (verdict.looked_at, verdict.waiting, verdict.differing, verdict.is_sample) == (1, 1, 0, False)
