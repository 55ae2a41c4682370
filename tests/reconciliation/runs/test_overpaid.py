"""A payee who got more than the payout says is a break with its evidence, until what went out beyond it is back."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.reconciliation.runs.builders import TODAY, YESTERDAY, House

SOURCE = "simulator:payouts"


def paid_late(house: House, attempt: str, amount: int, *, beyond: int, paid: int | None = None, day: date = YESTERDAY) -> None:
    """An attempt that turned out to be paid when `beyond` of its money had gone: the payee owes that, and what was paid above it."""
    house.sent(attempt, amount, day)
    arrives_late(house, attempt, amount, beyond=beyond, paid=paid)


def arrives_late(house: House, attempt: str, amount: int, *, beyond: int, paid: int | None = None) -> None:
    """The attempt that is there succeeds after all."""
    house.rows(
        "update provider_payout set state = 'succeeded', provider_ref = %s, beyond = %s, paid = %s where id = %s returning id",
        f"pp-{attempt}",
        beyond,
        paid,
        attempt,
    )
    out = paid or amount
    debt = beyond + out - amount
    house.posts("receivable:payee:bolt", "clearing:simulator", debt, YESTERDAY)
    house.provider.line("payout", f"pp-{attempt}", -out, YESTERDAY, reference=attempt, status="paid")


def case(house: House):
    [row] = house.rows("select kind, state, at_stake, cause from break order by id desc limit 1")
    return row


def detail(house: House, run) -> dict:
    [row] = house.rows("select detail from run_finding where run_id = %s", run.id)
    return row[0]


@pytest.mark.parametrize(
    ("amount", "beyond", "paid", "cause", "excess"),
    [(94_00, 94_00, None, "paid after its money had gone", 94_00), (94_00, 0, 100_00, "overpaid", 6_00)],
)
def test_what_was_paid_beyond_and_is_booked_is_a_break_while_it_is_owed(house: House, amount, beyond, paid, cause, excess):
    paid_late(house, "a1", amount, beyond=beyond, paid=paid)
    run = house.run(SOURCE, YESTERDAY, TODAY)
    assert (house.found(run), run.verdict) == ([("OVERPAID", YESTERDAY)], "not reconciled")
    [(stake, why, told)] = house.rows("select at_stake, cause, detail from run_finding")
    assert (stake, why, told["action"]["verb"]) == (excess, cause, "recover")
    assert {one["verdict"] for one in told["hypotheses"]} == {"supported", "excluded"}
    assert [one["counterparty"] for one in told["left"]] == ["bolt"]


def test_the_break_is_matched_by_the_run_that_sees_the_debt_paid_back_and_told_smaller_before(house: House):
    house.posts("cash:bank:own", "payable:payee:bolt", 94_00, YESTERDAY)
    paid_late(house, "a1", 94_00, beyond=94_00)
    house.run(SOURCE, YESTERDAY, TODAY)
    house.posts("payable:payee:bolt", "receivable:payee:bolt", 90_00, TODAY)
    house.run(SOURCE, YESTERDAY, TODAY)
    assert case(house) == ("OVERPAID", "open", 4_00, "paid after its money had gone")
    house.posts("payable:payee:bolt", "receivable:payee:bolt", 4_00, TODAY)
    run = house.run(SOURCE, YESTERDAY, TODAY)
    assert (run.verdict, house.found(run), case(house)[1]) == ("reconciled", [], "matched")


def test_what_was_paid_back_pays_the_oldest_whatever_days_a_run_asks_of(house: House):
    before = YESTERDAY - timedelta(days=5)
    paid_late(house, "a1", 94_00, beyond=94_00, day=before)
    paid_late(house, "a2", 50_00, beyond=50_00)
    house.posts("cash:bank:own", "payable:payee:bolt", 94_00, YESTERDAY)
    house.posts("payable:payee:bolt", "receivable:payee:bolt", 94_00, TODAY)  # 50.00 are left, of the newer
    older = house.run(SOURCE, before, before)
    assert house.found(older) == []
    newer = house.run(SOURCE, YESTERDAY, TODAY)
    [(stake, reason)] = house.rows("select at_stake, detail ->> 'reason' from run_finding where run_id = %s", newer.id)
    assert stake == 50_00
    assert "50.00 EUR" in reason


def test_what_was_paid_twice_names_the_other_attempt(house: House):
    house.sent("a1", 94_00, YESTERDAY, state="failed")
    house.rows(
        """insert into payout_approval (provider_payout_id, payout_id, program_id, basis, destination_id, amount, at)
           select 'a2', payout_id, program_id, 'none', (select id from destination limit 1), amount, created_at
           from provider_payout where id = 'a1' returning amount"""
    )
    house.rows(
        """insert into provider_payout (id, payout_id, program_id, number, provider, idempotency_key, destination_id, asset, amount,
                  payload_sha256, created_at, request_sent_at, sent_at, provider_ref, state, state_at)
           select 'a2', payout_id, program_id, 2, provider, 'a2', destination_id, asset, amount, '', created_at, request_sent_at, sent_at,
                  'pp-a2', 'succeeded', state_at from provider_payout where id = 'a1' returning id"""
    )
    arrives_late(house, "a1", 94_00, beyond=94_00)
    house.provider.line("payout", "pp-a2", -94_00, YESTERDAY, reference="a2", status="paid")
    run = house.run(SOURCE, YESTERDAY, TODAY)
    told = detail(house, run)
    first = told["hypotheses"][0]
    assert (told["kind"], first["cause"], first["finding"]) == ("OVERPAID", "paid twice", "a2 paid, too")


def test_a_payment_above_the_order_says_so_first_whatever_else_the_figures_look_like(house: House):
    house.posts("cash:bank:own", "payable:payee:bolt", 94_00, YESTERDAY)
    house.sent("a1", 94_00, YESTERDAY, state="unknown")
    house.provider.line("payout", "po_1", -940_00, YESTERDAY, reference="a1", status="paid")
    run = house.run("simulator", YESTERDAY, TODAY)
    told = detail(house, run)
    assert (told["kind"], told["hypotheses"][0]["cause"]) == ("AMOUNT_MISMATCH", "overpaid")
    assert "scale" in [one["cause"] for one in told["hypotheses"][1:] if one["verdict"] == "supported"]
    assert (told["action"]["verb"], case(house)[3]) == ("recover", "overpaid")
