"""Chargebacks in the real tables, told by the simulator: before and after the payout, cumulative with refunds, won, lost, in any order."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.ids import valid_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import InvalidInput
from counterfoil.operations import approvals
from counterfoil.operations.providers import ChargebackFact
from counterfoil.operations.verbs import VerbCall
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.chargebacks.model import list_chargebacks
from counterfoil.payouts.chargebacks.noun import CHARGEBACK_NOUN
from counterfoil.payouts.chargebacks.ruling import PAIRED, VERBS, ChargebackRefuses, rule_chargeback
from counterfoil.payouts.payouts.payable import Purse
from counterfoil.payouts.refunds.debts import DEBT_LIST, write_off_debt
from counterfoil.payouts.refunds.refunds import UnderDispute, execute_refund, lock_invoice, refundable
from counterfoil.wiring import INVARIANTS
from tests.builders import Desk, a_program, issue
from tests.listed import newest
from tests.payouts.refunding import SETTLED, go, paid, refund, states
from tests.payouts.test_customer_debts import Late
from tests.payouts.test_disputes import decided, effect, of_invoice, opened
from tests.people import log_in_as
from tests.simulators import spawn_simulator

OWED = "receivable:payee:payee-1"


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database, holdback_bps=1000)
        yield Desk(database, simulator)


def charged_back(desk: Desk, invoice: str, amount: int | None = None, fee: int = 15_00) -> str:
    """The bank takes a payment back; our webhook tells it. Returns the provider's id."""
    ((charge,),) = desk.rows("select charge_id from payment where invoice_id = %s", invoice)
    body = {"fee": str(fee), **({} if amount is None else {"amount": str(amount)})}
    made = desk.http.post(f"/v1/charges/{charge}/chargebacks", json=body).raise_for_status().json()
    desk.deliver()
    desk.work("webhooks")
    return str(made["id"])


def bank_says(desk: Desk, chargeback: str, outcome: str, *, fee_back: bool = False) -> None:
    desk.http.post(f"/v1/chargebacks/{chargeback}/close", json={"outcome": outcome, "fee_back": fee_back}).raise_for_status()
    desk.deliver()
    desk.work("webhooks", "events")


def left(desk: Desk, invoice: str) -> int:
    with desk.database.transaction() as conn:
        return refundable(conn, lock_invoice(conn, invoice))


def our_balance_there(desk: Desk) -> None:
    """What our clearing account says is what the provider's own balance says."""
    (held,) = desk.http.get("/v1/balances").json()["data"]
    assert desk.balance("clearing:simulator") == int(held["amount"])


def test_before_the_settlement_it_comes_from_escrow_and_nothing_is_settled_until_the_bank_decides(desk: Desk):
    invoice = paid(desk)
    one = charged_back(desk, invoice, 40_00)
    go(desk)
    assert (of_invoice(desk), desk.rows("select count(*) from settlement")) == ("disputed", [(0,)])
    bank_says(desk, one, "lost")
    go(desk)
    assert desk.rows("select gross from settlement") == [(60_00,)]
    desk.still_true()
    our_balance_there(desk)


def test_before_the_settlement_what_is_won_goes_back_into_escrow(desk: Desk):
    invoice = paid(desk)
    bank_says(desk, charged_back(desk, invoice), "won", fee_back=True)
    go(desk)
    assert (of_invoice(desk), desk.rows("select gross from settlement")) == ("paid", [(100_00,)])
    assert desk.balance("dispute_fee") == 0
    desk.still_true()
    our_balance_there(desk)


def test_before_the_payout_it_is_cut_and_nothing_goes_out(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED, "reserve")
    one = charged_back(desk, invoice)
    go(desk)
    assert states(desk) == [("refunded", 84_00)]
    assert (desk.balance("fee:platform"), desk.balance("holdback:payee:payee-1"), desk.balance("dispute_fee")) == (0, 0, 15_00)
    bank_says(desk, one, "lost")
    assert of_invoice(desk) == "refunded"
    desk.still_true()
    our_balance_there(desk)


def test_after_the_payout_the_payee_owes_it_and_pays_it_out_of_what_comes_next(desk: Desk):
    invoice = paid(desk)
    go(desk)
    charged_back(desk, invoice)
    assert (desk.balance(OWED), desk.balance("holdback:payee:payee-1")) == (84_00, 0)
    paid(desk, "200.00", prefix="v")
    go(desk)
    assert desk.balance(OWED) == 0
    assert desk.rows("select amount from provider_payout order by id") == [(84_00,), (168_00 - 84_00,)]
    desk.still_true()
    our_balance_there(desk)


def test_what_is_won_is_shared_out_again_and_the_payee_gets_the_holdback_part_at_once(desk: Desk):
    invoice = paid(desk)
    go(desk)
    bank_says(desk, charged_back(desk, invoice, fee=0), "won")
    assert (of_invoice(desk), desk.balance("fee:platform"), desk.balance("payable:validator")) == ("paid", 5_00, 1_00)
    go(desk)
    assert desk.balance(OWED) == 0, "it is netted out of what was won"
    assert desk.rows("select sum(amount) from provider_payout where state = 'succeeded'") == [(94_00,)]
    assert desk.rows("select state from refund") == [("won_back",)]
    assert left(desk, invoice) == 100_00, "it can be refunded, and charged back anew"
    refund(desk, invoice, 100_00)
    desk.still_true()
    our_balance_there(desk)


def test_a_refund_that_is_owed_and_a_chargeback_of_the_same_money_take_it_once(desk: Desk):
    invoice = paid(desk)
    go(desk)
    owed = refund(desk, invoice, 40_00)
    one = charged_back(desk, invoice, 40_00, fee=0)
    assert (left(desk, invoice), desk.rows("select id, state from refund")) == (60_00, [(owed.id, "charged_back")])
    assert desk.balance("refund_payable:customer:customer-u-1") == 0
    desk.still_true()
    bank_says(desk, one, "won")
    assert desk.rows("select state from refund") == [("owed",)], "the customer has nothing of it, so it is owed again"
    assert desk.balance("refund_payable:customer:customer-u-1") == 40_00
    desk.still_true()
    our_balance_there(desk)


def test_what_went_back_before_and_is_charged_back_the_customer_owes_and_nobody_else(desk: Desk):
    invoice = paid(desk)
    go(desk)
    made = refund(desk, invoice, 100_00)
    with desk.database.transaction() as conn:
        execute_refund(conn, made.id, provider="bank", reference="B-1", known=set(), actor="t", now=desk.clock.now)
    before = desk.balance(OWED)
    one = charged_back(desk, invoice, fee=0)
    assert (desk.balance("receivable:customer:customer-u-1"), desk.balance(OWED)) == (100_00, before)
    assert desk.rows("select count(*) from event where name = 'chargeback_beyond'") == [(1,)]
    desk.still_true()
    bank_says(desk, one, "won")
    assert desk.balance("receivable:customer:customer-u-1") == 0
    desk.still_true()
    our_balance_there(desk)


def test_while_one_is_open_nothing_is_refunded_paid_to_its_customer_disputed_or_paid_out(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    owed = refund(desk, invoice, 50_00)
    one = charged_back(desk, invoice, 10_00)
    with pytest.raises(UnderDispute):
        refund(desk, invoice, 1_00)
    with pytest.raises(UnderDispute):
        opened(desk, invoice)
    with pytest.raises(UnderDispute), desk.database.transaction() as conn:
        execute_refund(conn, owed.id, provider="bank", reference="B-1", known=set(), actor="t", now=desk.clock.now)
    go(desk)
    assert [state for state, _ in states(desk)] == ["pending"]
    desk.clock.advance(days=31)
    desk.ticks["release-holdback"]()
    assert desk.rows("select state from holdback_tranche") == [("held",)]
    bank_says(desk, one, "lost")
    go(desk)
    assert [state for state, _ in states(desk)] == ["completed"]
    desk.still_true()


def test_the_banks_word_comes_during_our_own_dispute_and_the_ruling_is_cut_to_what_is_left(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    dispute = opened(desk, invoice)
    decided(desk, dispute, "partial", amount=80_00)
    one = charged_back(desk, invoice, 60_00)
    bank_says(desk, one, "lost")
    assert of_invoice(desk) == "disputed", "our own is still open"
    effect(desk)
    assert desk.rows("select refund, booked from dispute") == [(80_00, 40_00)]
    assert (left(desk, invoice), of_invoice(desk)) == (0, "refunded")
    desk.still_true()


def test_of_an_owed_refund_that_is_larger_the_bank_pays_a_part_and_we_pay_the_rest(desk: Desk):
    invoice = paid(desk)
    go(desk)
    owed = refund(desk, invoice, 60_00)
    told(desk, invoice, "open", amount=50_00)
    assert (left(desk, invoice), desk.balance("refund_payable:customer:customer-u-1")) == (40_00, 10_00)
    assert desk.rows("select state from refund") == [("owed",)]
    books_are_true(desk)
    told(desk, invoice, "lost", amount=50_00)
    with desk.database.transaction() as conn:
        execute_refund(conn, owed.id, provider="bank", reference="B-1", known=set(), actor="t", now=desk.clock.now)
    assert desk.balance("refund_payable:customer:customer-u-1") == 0
    assert desk.rows("select sum(t.amount) from journal j join posting t on t.journal_id = j.id where j.kind = 'refund_execute'") == [
        (10_00,)
    ]
    books_are_true(desk)


def test_parts_of_a_refund_that_are_won_are_owed_again_whichever_comes_first(desk: Desk):
    invoice = paid(desk)
    go(desk)
    refund(desk, invoice, 60_00)
    told(desk, invoice, "open", ref="cbk_1", amount=50_00)
    told(desk, invoice, "open", ref="cbk_2", amount=10_00)
    assert desk.rows("select state from refund") == [("charged_back",)]
    for ref, amount, owed in (("cbk_1", 50_00, 50_00), ("cbk_2", 10_00, 60_00)):
        told(desk, invoice, "won", ref=ref, amount=amount)
        assert (desk.rows("select state from refund"), desk.balance("refund_payable:customer:customer-u-1")) == ([("owed",)], owed)
        books_are_true(desk)


def paid_twice(desk: Desk, more: int = 100_00) -> tuple[str, str]:
    """A customer pays an invoice, and later pays once more: the invoice, and the second charge."""
    invoice = paid(desk)
    go(desk)
    desk.pay(invoice, more, fee=0, key=f"again-{invoice}")
    desk.deliver()
    desk.work("webhooks", "events")
    ((charge,),) = desk.rows("select charge_id from payment where invoice_id = %s and applied = 0", invoice)
    return invoice, str(charge)


def test_a_duplicate_payment_charged_back_takes_what_was_owed_back_and_none_of_the_payees_money(desk: Desk):
    invoice, charge = paid_twice(desk)
    assert told(desk, invoice, "open", charge=charge) == 1
    assert (desk.balance(OWED), desk.balance("refund_payable:customer:customer-u-1"), left(desk, invoice)) == (0, 0, 100_00)
    assert desk.rows("select excess, beyond from chargeback") == [(100_00, 0)]
    books_are_true(desk)
    assert told(desk, invoice, "won", charge=charge) == 1
    assert desk.balance("refund_payable:customer:customer-u-1") == 100_00, "it is ours again, and owed back"
    books_are_true(desk)


def test_of_a_payment_that_an_invoice_took_in_part_the_rest_goes_first_over_several_chargebacks(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    desk.pay(invoice, 150_00, fee=0)
    desk.deliver()
    desk.work(*SETTLED)
    for ref, amount in (("cbk_1", 30_00), ("cbk_2", 30_00)):
        told(desk, invoice, "lost", ref=ref, amount=amount)
    assert desk.rows("select excess from chargeback order by id") == [(30_00,), (20_00,)]
    assert (left(desk, invoice), desk.balance("refund_payable:customer:customer-u-1")) == (90_00, 0)
    books_are_true(desk)


@pytest.mark.parametrize("paid_out", [True, False])
def test_what_is_won_while_our_own_dispute_is_open_is_held_until_that_is_decided(desk: Desk, paid_out: bool):
    invoice = paid(desk)
    go(desk) if paid_out else desk.work(*SETTLED)
    dispute = opened(desk, invoice)
    one = charged_back(desk, invoice, fee=0)
    bank_says(desk, one, "won")
    assert [state for state, _ in states(desk)] == ["completed" if paid_out else "refunded", "held"]
    desk.still_true()
    go(desk)
    assert states(desk)[-1][0] == "held"
    decided(desk, dispute, "provider_win")
    effect(desk)
    assert states(desk)[-1][0] == "completed"
    desk.still_true()


def books_are_true(desk: Desk) -> None:
    with desk.database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []


def told(
    desk: Desk,
    invoice: str,
    status: str,
    *,
    ref: str = "cbk_1",
    amount: int = 100_00,
    fee: int = 0,
    asset: str = "EUR",
    charge: str = "",
    cause: str = "fraudulent",
) -> int:
    charge = charge or str(desk.rows("select charge_id from payment where invoice_id = %s", invoice)[0][0])
    fact = ChargebackFact(charge, charge, amount, fee, asset, "open", cause, desk.clock.now)
    with desk.database.transaction() as conn:
        told = [fact._replace(chargeback_id=ref, status=status)]  # type: ignore[arg-type]
        return apply_chargebacks(conn, told, provider="simulator", make_id=make_id, now=desk.clock.now)


def test_words_in_any_order_and_number_book_the_same_once(desk: Desk):
    invoice = paid(desk)
    go(desk)
    assert [told(desk, invoice, status) for status in ("won", "open", "won", "open")] == [1, 0, 0, 0]
    assert (desk.rows("select state from chargeback"), left(desk, invoice)) == ([("won",)], 100_00)
    assert told(desk, invoice, "lost") == 0
    assert desk.rows("select count(*) from event where name = 'chargeback_conflict'") == [(1,)]
    books_are_true(desk)


@pytest.mark.parametrize(
    ("changed", "stops"),
    [
        ({"amount": 90_00}, True),
        ({"fee": 5}, True),
        ({"asset": "USD"}, True),
        ({"charge": "ch_other"}, True),
        ({"cause": "duplicate"}, False),
    ],
)
def test_a_changed_word_is_kept_for_a_person_and_never_booked(desk: Desk, changed: dict[str, Any], stops: bool):
    invoice = paid(desk)
    go(desk)
    told(desk, invoice, "open")
    before = desk.rows("select count(*) from journal")
    for status in ("open", "open", "lost"):
        told(desk, invoice, status, **changed)
    assert desk.rows("select count(*) from journal") == before
    assert desk.rows("select state, amount, fee from chargeback") == [("open" if stops else "lost", 100_00, 0)]
    (field,) = ("reason" if name == "cause" else name for name in changed)
    kept = desk.rows("select said ->> 'status', differs from chargeback_conflict order by at, id")
    assert [one[0] for one in kept] == ["open", "lost"], "the same word again is nothing new"
    assert all(f"{field} was" in one[1] for one in kept)
    assert desk.rows("select count(*) from event where name = 'chargeback_conflict'") == [(2,)]
    assert told(desk, invoice, "lost") == (1 if stops else 0), "a word that fits is taken"
    books_are_true(desk)


def test_of_what_was_won_a_part_of_the_fee_may_come_back_and_no_more_is_taken(desk: Desk):
    invoice = paid(desk)
    go(desk)
    told(desk, invoice, "open", fee=15_00)
    assert told(desk, invoice, "won", fee=20_00) == 0
    assert desk.rows("select state from chargeback") == [("open",)]
    assert told(desk, invoice, "won", fee=5_00) == 1
    assert (told(desk, invoice, "open", fee=15_00), told(desk, invoice, "won", fee=5_00)) == (0, 0)
    assert desk.rows("select count(*) from chargeback_conflict") == [(1,)]
    assert desk.balance("dispute_fee") == 5_00
    books_are_true(desk)


def test_the_fee_of_what_was_won_may_come_back_later_in_parts_and_each_part_once(desk: Desk):
    invoice = paid(desk)
    go(desk)
    told(desk, invoice, "open", fee=15_00)
    assert told(desk, invoice, "won", fee=15_00) == 1
    assert [told(desk, invoice, "won", fee=fee) for fee in (5_00, 5_00, 0, 5_00, 15_00)] == [1, 0, 1, 0, 0]
    assert desk.rows("select fee, fee_back from chargeback") == [(15_00, 15_00)]
    assert desk.balance("dispute_fee") == 0
    assert told(desk, invoice, "won", fee=16_00) == 0
    assert desk.rows("select differs from chargeback_conflict") == [("fee was 0, now 1600",)]
    books_are_true(desk)


def test_two_people_end_one_whose_words_exclude_each_other_and_only_such_a_one(desk: Desk):
    invoice = paid(desk)
    go(desk)
    told(desk, invoice, "open")
    given: dict[str, Any] = {"reason": "the provider's page", "actor": "person:anna", "make_id": make_id, "now": desk.clock.now}
    with desk.database.transaction() as conn:
        (one,) = list_chargebacks(conn, rows_max=9, after=None, state=None)
    with pytest.raises(ChargebackRefuses, match="decides it"), desk.database.transaction() as conn:
        rule_chargeback(conn, one.id, "lost", **given)
    told(desk, invoice, "open", cause="duplicate")
    with desk.database.transaction() as conn:
        assert CHARGEBACK_NOUN.allowed(conn, one.id, now=desk.clock.now) == [], "another reason stops nothing, so there is nothing to rule"
    told(desk, invoice, "won", amount=60_00)
    with desk.database.transaction() as conn:
        assert CHARGEBACK_NOUN.allowed(conn, one.id, now=desk.clock.now) == ["rule"]
        (part,) = [each for each in CHARGEBACK_NOUN.parts if each.name == "conflicts"]
        rows, cut = part.read(conn, one.id)
        assert ([row.differs for row in rows], cut) == (["reason was fraudulent, now duplicate", "amount was 10000, now 6000"], False)
        assert rule_chargeback(conn, one.id, "won", **given) == "won"
    assert (desk.rows("select state from chargeback"), left(desk, invoice)) == ([("won",)], 100_00)
    with pytest.raises(ChargebackRefuses, match="it is won"), desk.database.transaction() as conn:
        rule_chargeback(conn, one.id, "lost", **given)
    books_are_true(desk)


def test_two_people_end_one_whose_last_word_has_not_come_for_ninety_days(desk: Desk):
    invoice = paid(desk)
    go(desk)
    told(desk, invoice, "open")
    with desk.database.transaction() as conn:
        (one,) = list_chargebacks(conn, rows_max=9, after=None, state=None)
        end = (one.answer_by or one.opened_at) + timedelta(days=90)
        why = CHARGEBACK_NOUN.why_not(conn, one.id, now=end - timedelta(seconds=1))["rule"]
        assert why is not None
        assert why.endswith(f"two people may from {end:%Y-%m-%d} on")
        assert CHARGEBACK_NOUN.allowed(conn, one.id, now=end) == ["rule"]
    desk.clock.now = end
    ruled(desk, "lost")
    assert desk.rows("select state from chargeback") == [("lost",)]
    books_are_true(desk)


def ruled(desk: Desk, outcome: str) -> None:
    """Two people end the only chargeback, as they would over HTTP."""
    ((one,),) = desk.rows("select id from chargeback")
    with desk.database.transaction() as conn:
        maker, _ = log_in_as(conn, "mira", "operator", at=desk.clock.now)
        propose = VERBS[0].propose
        assert propose is not None
        asked = propose(VerbCall(conn, one, maker, desk.clock.now, make_id, "the provider's page", {"outcome": outcome}))
    with desk.database.transaction() as conn:
        checker, _ = log_in_as(conn, "vera", "approver", at=desk.clock.now)
        given: dict[str, Any] = {"reason": "agreed", "by": checker, "now": desk.clock.now}
        approved = approvals.approve(conn, asked.id, payload_sha256=asked.payload_sha256, **given)
        assert PAIRED[0].do is not None
        PAIRED[0].do(conn, approved, checker, desk.clock.now)


def test_what_a_ruling_makes_can_be_asked_for_by_its_id(desk: Desk):
    invoice = paid(desk)
    go(desk)
    told(desk, invoice, "open")
    told(desk, invoice, "won", amount=60_00)
    ruled(desk, "won")
    ((made,),) = desk.rows("select id from payout where reissue > 0")
    assert valid_id(made, "po", "id") == made
    books_are_true(desk)


def test_what_ties_to_no_payment_of_ours_is_refused_and_books_nothing(desk: Desk):
    invoice = paid(desk)
    for wrong in ({"amount": 100_01}, {"asset": "USD"}):
        with pytest.raises(InvalidInput):
            told(desk, invoice, "open", **wrong)  # type: ignore[arg-type]
    told(desk, invoice, "open", amount=60_00)
    with pytest.raises(InvalidInput, match=r"40\.00 EUR"):
        told(desk, invoice, "open", ref="cbk_2", amount=40_01)
    books_are_true(desk)


def test_many_small_ones_give_back_what_one_large_one_gives(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    for number in range(7):
        told(desk, invoice, "lost", ref=f"cbk_{number}", amount=14_28)
    told(desk, invoice, "lost", ref="last", amount=4)
    assert (desk.balance("fee:platform"), desk.balance("payable:validator")) == (0, 0)
    books_are_true(desk)


def test_a_payment_that_nobody_identified_goes_back_out_of_suspense(desk: Desk):
    desk.pay("nothing-of-ours", 30_00, fee=0)
    desk.deliver()
    desk.work("webhooks")
    ((charge,),) = desk.rows("select charge_id from payment")
    desk.http.post(f"/v1/charges/{charge}/chargebacks", json={}).raise_for_status()
    desk.deliver()
    desk.work("webhooks")
    assert (desk.balance("suspense"), desk.rows("select state, beyond from chargeback")) == (0, [("open", 30_00)])
    desk.still_true()
    our_balance_there(desk)


def test_the_statement_of_the_provider_and_our_clearing_account_agree(desk: Desk):
    invoice = paid(desk)
    go(desk)
    bank_says(desk, charged_back(desk, invoice), "won", fee_back=True)
    charged_back(desk, invoice, 50_00)
    lines = desk.http.get("/v1/statement", params={"date": desk.http.get("/v1/clock").json()["now"][:10]}).raise_for_status()
    assert [row.split(",")[1] for row in lines.text.splitlines() if "chargeback" in row] == ["chargeback", "chargeback_won", "chargeback"]
    our_balance_there(desk)


def test_what_a_payee_never_pays_is_written_off(desk: Desk):
    invoice = paid(desk)
    go(desk)
    charged_back(desk, invoice, fee=0)
    purse = Purse("main", "payee-1", "EUR")
    with desk.database.transaction() as conn:
        assert [(one.party_id, one.amount) for one in newest(conn, DEBT_LIST, program_id="main")] == [("payee-1", 84_00)]
    given: dict[str, Any] = {"reason": "gone", "actor": "person:anna", "now": desk.clock.now}
    with pytest.raises(InvalidInput, match=r"84\.00 EUR"), desk.database.transaction() as conn:
        write_off_debt(conn, make_id("wo"), purse, 84_01, **given)
    paid(desk, "10.00", prefix="v")
    with desk.database.transaction() as conn:
        assert write_off_debt(conn, make_id("wo"), purse, 80_00, **given) == 4_00
    go(desk)
    assert (desk.balance("bad_debt"), desk.balance(OWED)) == (80_00, 0), "what is left is netted out of what comes next"
    assert desk.rows("select amount from provider_payout order by id") == [(84_00,), (8_40 - 4_00,)]
    desk.still_true()


def test_of_two_who_write_off_what_a_payee_owes_at_once_the_second_is_told_what_the_first_left(desk: Desk):
    invoice = paid(desk)
    go(desk)
    charged_back(desk, invoice, fee=0)
    given: dict[str, Any] = {"reason": "gone", "actor": "person:anna", "now": desk.clock.now}
    purse = Purse("main", "payee-1", "EUR")
    with desk.database.transaction() as conn:
        write_off_debt(conn, make_id("wo"), purse, 80_00, **given)
        late = Late(desk, lambda conn, _: write_off_debt(conn, make_id("wo"), purse, 80_00, **given))
    assert "from 0.01 EUR to 4.00 EUR, which is what the payee owes" in late.refused()
    desk.still_true()
