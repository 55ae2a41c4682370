"""Money in suspense and in escrows that the customer's bank takes back: nobody else's money pays for it, and none of it goes out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.machine import record_birth
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import CHARGEBACK as CHARGEBACK_KEYS
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.chargebacks.machine import CHARGEBACK
from counterfoil.payouts.refunds.debts import DEBT_LIST
from counterfoil.settlement.escrow.escrows import fund_escrow
from counterfoil.settlement.escrow.freezing import freeze_escrow, unfreeze_escrow
from counterfoil.settlement.escrow.moving import EscrowRefuses, refund_escrow, release_escrow, repay_escrow, rule_escrow
from counterfoil.settlement.escrow.noun import ESCROW_NOUN
from counterfoil.settlement.escrow.taken_back import Share, shares_of
from counterfoil.wiring import INVARIANTS
from tests.builders import Desk, a_program
from tests.listed import newest
from tests.settlement.escrow.test_escrow_work import opened, row
from tests.settlement.escrow.vault import EXPIRES, hand
from tests.waiting import second_waits

DEBT = "receivable:customer:ann"


@pytest.fixture
def desk(database: Database, simulator: Any):
    a_program(database)
    desk = Desk(database, simulator)
    desk._seen = next(iter(reversed(desk.http.get("/v1/events", params={"limit": 1000}).json()["data"])), {}).get("id")
    return desk


def pays(desk: Desk, reference: str, amount: int) -> str:
    """A payment, told by its webhook; the charge's id."""
    before = {row[0] for row in desk.rows("select charge_id from payment")}
    desk.pay(reference, amount, fee=0, key=make_id("pay"))
    desk.deliver()
    desk.work("webhooks", "events")
    (made,) = {row[0] for row in desk.rows("select charge_id from payment")} - before
    return str(made)


def says(desk: Desk, charge: str, status: str, *, amount: int = 100_00, ref: str = "cbk_1", **more: Any) -> int:
    """What the provider tells of a chargeback, and what follows from it."""
    fact = ChargebackFact(ref, charge, amount, 0, "EUR", "open", "fraudulent", desk.clock.now)._replace(status=status, **more)  # type: ignore[arg-type]
    with desk.database.transaction() as conn:
        moved = apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=desk.clock.now)
    desk.work("events")
    return moved


def funded(desk: Desk, amount: int = 100_00) -> tuple[str, str]:
    """An active escrow and the charge that funded it, while another customer's money lies in suspense."""
    one = opened(desk, amount)
    return one, pays(desk, one, amount)


def strangers(desk: Desk) -> None:
    pays(desk, "of somebody else", 70_00)


def tried(desk: Desk, act: Callable[[Connection[Any]], Any]) -> str:
    with pytest.raises(Problem) as refused, desk.database.transaction() as conn:
        act(conn)
    return refused.value.sentence()


def books_are_true(desk: Desk) -> None:
    with desk.database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []


def test_what_a_bank_took_back_funds_nothing_and_the_refusal_names_it(desk: Desk):
    charge = pays(desk, "nothing-of-ours", 100_00)
    strangers(desk)
    assert says(desk, charge, "open") == 1
    one = opened(desk)
    told = tried(desk, lambda conn: fund_escrow(conn, one, hand(), provider="simulator", reference=charge))
    assert "took it back by chargeback cb_" in told
    assert (desk.balance("suspense"), row(desk, one)[0]) == (70_00, "pending")
    books_are_true(desk)
    says(desk, charge, "won")
    with desk.database.transaction() as conn:
        assert fund_escrow(conn, one, hand(), provider="simulator", reference=charge) == "active"
    books_are_true(desk)


def test_a_payment_that_names_its_escrow_funds_it_once_it_is_won_back(desk: Desk):
    one = opened(desk)
    with desk.database.transaction() as conn:
        conn.execute("update escrow set state_at = state_at where id = %s", [one])
    desk.pay(one, 100_00, fee=0, key=make_id("pay"))
    desk.deliver()
    desk.work("webhooks")  # before anybody follows the event
    ((charge,),) = desk.rows("select charge_id from payment")
    fact = ChargebackFact("cbk_1", str(charge), 100_00, 0, "EUR", "open", "fraudulent", desk.clock.now)
    with desk.database.transaction() as conn:
        apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=desk.clock.now)
    desk.work("events")
    assert row(desk, one)[:2] == ("pending", 0)
    says(desk, str(charge), "won")
    assert row(desk, one)[:2] == ("active", 100_00)
    books_are_true(desk)


def test_an_escrow_whose_money_is_taken_back_gives_nothing_until_the_bank_has_decided(desk: Desk):
    one, charge = funded(desk)
    strangers(desk)
    says(desk, charge, "open")
    assert row(desk, one)[0] == "disputed"
    assert (desk.balance("suspense"), desk.balance(DEBT), desk.balance(f"escrow:{one}")) == (70_00, 100_00, 100_00)
    books_are_true(desk)
    given = {"provider": "bank", "reference": "R-1", "known": set()}
    for act in (
        lambda conn: release_escrow(conn, one, hand()),
        lambda conn: refund_escrow(conn, one, hand(reason="r")),
        lambda conn: rule_escrow(conn, one, hand(reason="r", actor="other"), refund=0),
        lambda conn: repay_escrow(conn, one, hand(), amount=None, **given),
        lambda conn: unfreeze_escrow(conn, one, reason="r", actor="t", now=desk.clock.now),
    ):
        told = tried(desk, act)
        assert "of money that funded it, or paid what its customer owed, is open: nothing leaves it until the bank has decided" in told
    with desk.database.transaction() as conn:
        why = ESCROW_NOUN.why_not(conn, one, now=desk.clock.now)
    assert all("chargeback cb_" in str(why[name]) for name in ("release", "refund", "repay", "unfreeze", "rule"))
    desk.clock.now = EXPIRES + timedelta(days=1)
    desk.work("expire-escrows")
    assert row(desk, one)[0] == "disputed"


def test_the_database_lets_nothing_out_of_it_whoever_writes(desk: Desk):
    one, charge = funded(desk)
    says(desk, charge, "open")
    with (
        pytest.raises(psycopg.DatabaseError, match="nothing leaves it until the bank has decided"),
        psycopg.connect(desk.database.url) as conn,
    ):
        conn.execute(
            """insert into escrow_movement (id, escrow_id, number, program_id, kind, amount, net, by_ruling, actor, at)
               values ('esm_x', %s, 2, 'main', 'release', 1, 1, true, 'x', now())""",
            [one],
        )
    with pytest.raises(psycopg.DatabaseError, match="is left of payment"), psycopg.connect(desk.database.url) as conn:
        conn.execute(
            """insert into chargeback (id, program_id, provider, provider_ref, charge_id, payment_id, asset, amount, fee, beyond, cause,
                                       opened_at, state, state_at)
               select 'cb_x', program_id, provider, 'again', charge_id, id, asset, 1, 0, 1, 'x', now(), 'open', now() from payment""",
        )


def test_lost_what_is_still_in_it_pays_and_nobody_owes_anything(desk: Desk):
    one, charge = funded(desk)
    strangers(desk)
    says(desk, charge, "open")
    says(desk, charge, "lost")
    assert row(desk, one) == ("refunded", 100_00, 0, 100_00)
    assert (desk.balance("suspense"), desk.balance(DEBT), desk.balance("refund_payable:customer:ann")) == (70_00, 0, 0)
    assert "nothing of it is owed back" in tried(
        desk, lambda conn: repay_escrow(conn, one, hand(), amount=None, provider="bank", reference="R", known=set())
    )
    books_are_true(desk)


def test_won_it_goes_on_as_before(desk: Desk):
    one, charge = funded(desk)
    says(desk, charge, "open")
    says(desk, charge, "won")
    assert (row(desk, one)[0], desk.balance(DEBT), desk.balance("suspense")) == ("active", 0, 0)
    with desk.database.transaction() as conn:
        release_escrow(conn, one, hand())
    desk.work("events")
    books_are_true(desk)


def test_what_was_released_before_the_customer_owes_and_the_debts_show_it(desk: Desk):
    one, charge = funded(desk)
    strangers(desk)
    with desk.database.transaction() as conn:
        release_escrow(conn, one, hand(), amount=60_00)
    says(desk, charge, "open")
    with desk.database.transaction() as conn:
        (debt,) = newest(conn, DEBT_LIST, program_id="main")
    assert (debt.owed_by, debt.party_id, debt.amount, debt.undecided) == ("customer", "ann", 100_00, 100_00)
    says(desk, charge, "lost")
    assert row(desk, one) == ("split", 100_00, 60_00, 40_00)
    assert (desk.balance(DEBT), desk.balance("suspense")) == (60_00, 70_00)
    books_are_true(desk)


def test_what_was_owed_back_is_set_off_and_not_paid_twice(desk: Desk):
    one, charge = funded(desk)
    with desk.database.transaction() as conn:
        refund_escrow(conn, one, hand(reason="late"))
    says(desk, charge, "open")
    says(desk, charge, "lost")
    assert (desk.balance(DEBT), desk.balance("refund_payable:customer:ann")) == (0, 0)
    books_are_true(desk)


def test_a_part_takes_what_funded_nothing_first(desk: Desk):
    one = opened(desk, 60_00)
    charge = pays(desk, one, 100_00)
    strangers(desk)
    says(desk, charge, "open", amount=30_00)
    assert (desk.balance("suspense"), desk.balance(DEBT)) == (80_00, 0)
    assert row(desk, one)[0] == "disputed", "the rest of its payment may follow"
    says(desk, charge, "open", amount=50_00, ref="cbk_2")
    assert (desk.balance("suspense"), desk.balance(DEBT)) == (70_00, 40_00)
    says(desk, charge, "lost", amount=30_00)
    assert row(desk, one)[0] == "disputed", "the other one is still open"
    says(desk, charge, "lost", amount=50_00, ref="cbk_2")
    assert (row(desk, one), desk.balance(DEBT)) == (("active", 60_00, 0, 40_00), 0)
    books_are_true(desk)


def test_one_that_is_not_funded_yet_waits_and_gives_the_rest_back(desk: Desk):
    one = opened(desk, 200_00)
    charge = pays(desk, one, 100_00)
    pays(desk, one, 30_00)
    says(desk, charge, "open")
    desk.clock.now = EXPIRES
    desk.work("expire-escrows")
    assert row(desk, one)[:2] == ("pending", 130_00)
    says(desk, charge, "lost")
    assert row(desk, one) == ("refunded", 130_00, 0, 130_00)
    assert (desk.balance("refund_payable:customer:ann"), desk.balance(DEBT)) == (30_00, 0)
    books_are_true(desk)


def test_one_that_is_funded_in_full_meanwhile_is_frozen_at_once(desk: Desk):
    one = opened(desk, 200_00)
    charge = pays(desk, one, 100_00)
    says(desk, charge, "open")
    pays(desk, one, 100_00)
    assert row(desk, one)[:2] == ("disputed", 200_00)
    says(desk, charge, "won")
    assert row(desk, one)[0] == "active"
    books_are_true(desk)


def test_a_persons_freeze_outlives_the_chargeback(desk: Desk):
    one, charge = funded(desk)
    with desk.database.transaction() as conn:
        freeze_escrow(conn, one, reason="a complaint", actor="person:mira", now=desk.clock.now)
    says(desk, charge, "open")
    says(desk, charge, "won")
    assert row(desk, one)[0] == "disputed"
    with desk.database.transaction() as conn:
        assert rule_escrow(conn, one, hand(reason="r", actor="other"), refund=100_00) == "refunded"
    books_are_true(desk)


def test_a_dispute_that_begins_while_a_chargeback_is_open_outlives_it(desk: Desk):
    one, charge = funded(desk)
    says(desk, charge, "open")
    assert row(desk, one)[0] == "disputed"
    with desk.database.transaction() as conn:
        assert "freeze" in ESCROW_NOUN.allowed(conn, one, now=desk.clock.now)
        assert freeze_escrow(conn, one, reason="a complaint", actor="person:mira", now=desk.clock.now) == "disputed"
        assert "freeze" not in ESCROW_NOUN.allowed(conn, one, now=desk.clock.now)
        with pytest.raises(EscrowRefuses, match="it is disputed"):
            freeze_escrow(conn, one, reason="again", actor="person:jo", now=desk.clock.now)
    says(desk, charge, "won")
    assert row(desk, one)[0] == "disputed", "the bank ends its own dispute and no other"
    with desk.database.transaction() as conn:
        with pytest.raises(EscrowRefuses, match="person:mira froze it"):
            rule_escrow(conn, one, hand(reason="r", actor="person:mira"), refund=100_00)
        assert unfreeze_escrow(conn, one, reason="withdrawn", actor="person:mira", now=desk.clock.now) == "active"
    books_are_true(desk)


@pytest.mark.parametrize("first", ["chargeback", "use"])
def test_of_a_use_and_a_chargeback_at_once_the_second_waits_and_sees_the_first(desk: Desk, first: str):
    charge = pays(desk, "nothing-of-ours", 100_00)
    strangers(desk)
    one = opened(desk)
    fact = ChargebackFact("cbk_1", charge, 100_00, 0, "EUR", "open", "fraudulent", desk.clock.now)
    acts: dict[str, Callable[[Connection[Any]], Any]] = {
        "chargeback": lambda conn: apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=desk.clock.now),
        "use": lambda conn: fund_escrow(conn, one, hand(), provider="simulator", reference=charge),
    }
    refused = second_waits(desk.database, acts.pop(first), *acts.values())
    if first == "chargeback":
        assert ["took it back" in why for why in refused] == [True]
        assert (row(desk, one)[0], desk.balance(DEBT)) == ("pending", 0)
    else:
        assert (refused, row(desk, one)[0], desk.balance(DEBT)) == ([], "disputed", 100_00)
    assert desk.balance("suspense") == 70_00
    books_are_true(desk)


def test_two_workers_with_many_chargebacks_of_escrows_that_share_customers_never_block_each_other(desk: Desk):
    charges = []
    for number in range(8):
        one = opened(desk, 50_00)
        charge = pays(desk, one, 60_00)
        charges.append(charge)
        if number % 2:
            with desk.database.transaction() as conn:
                release_escrow(conn, one, hand(), amount=10_00)
    before = desk.rows("select deadlocks from pg_stat_database where datname = current_database()")
    start, failed = threading.Barrier(2), list[str]()

    def worker(order: list[str], status: str) -> None:
        start.wait(10)
        for charge in order:
            fact = ChargebackFact(f"cbk-{charge}", charge, 60_00, 5, "EUR", "open", "fraudulent", desk.clock.now)
            try:
                with desk.database.transaction() as conn:
                    apply_chargebacks(
                        conn,
                        [fact._replace(status=status)],  # type: ignore[arg-type]
                        provider="simulator",
                        make_id=make_id,
                        now=desk.clock.now,
                    )
            except Exception as error:  # noqa: BLE001 - whatever it is, it is told
                failed.append(f"{type(error).__name__}: {error}")

    threads = [
        threading.Thread(target=worker, args=(charges, "open")),
        threading.Thread(target=worker, args=(charges[::-1], "lost")),
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failed == []
    assert desk.rows("select deadlocks from pg_stat_database where datname = current_database()") == before
    assert desk.rows("select state, count(*) from chargeback group by state") == [("lost", 8)]
    books_are_true(desk)


def test_what_the_migration_found_is_booked_and_frozen_once_when_its_event_is_followed(desk: Desk):
    """A chargeback of before: all of it came out of suspense, others' money too; the migration has noted what had funded the escrow."""
    one, charge = funded(desk)
    strangers(desk)
    at = desk.clock.now
    with desk.database.transaction() as conn:
        conn.execute(
            """insert into chargeback (id, program_id, provider, provider_ref, charge_id, payment_id, asset, amount, fee, beyond, cause,
                                       opened_at, state, state_at)
               select 'cb_old', program_id, provider, 'cbk_old', charge_id, id, asset, amount, 0, amount, 'fraudulent', %s, 'open', %s
               from payment where charge_id = %s""",
            [at, at, charge],
        )
        record_birth(conn, CHARGEBACK, ["cb_old"], "open", actor="t", at=at)
        lines = [("suspense", "clearing:simulator", 100_00)]
        key = CHARGEBACK_KEYS.key("simulator", "cbk_old")
        journal = NewJournal(key, "chargeback", lines, "EUR", "t", source=("chargeback", "cbk_old"), space=CHARGEBACK_KEYS)
        post_all(conn, [ProgramJournal("main", journal)], now=at)
        conn.execute("insert into chargeback_escrow (chargeback_id, escrow_id, amount) values ('cb_old', %s, 10000)", [one])
        emit(conn, [NewEvent("chargeback_escrow_found", "main", "cb_old", {}, once=str(number)) for number in range(2)], at=at)
    assert desk.balance("suspense") == -30_00, "it took the others' money"
    desk.work("events")
    assert (row(desk, one)[0], desk.balance("suspense"), desk.balance(DEBT)) == ("disputed", 70_00, 100_00)
    books_are_true(desk)
    says(desk, charge, "lost", ref="cbk_old")
    assert (row(desk, one)[0], desk.balance(DEBT)) == ("refunded", 0)
    books_are_true(desk)


@given(
    amount=st.integers(1, 500),
    unused=st.integers(0, 200),
    funded_with=st.lists(st.integers(0, 100), max_size=6),
)
def test_shares_are_what_is_more_than_nothing_was_funded_with(amount: int, unused: int, funded_with: list[int]):
    shares = shares_of(amount, unused, [Share(f"esc_{number}", each) for number, each in enumerate(funded_with)])
    assert sum(one.amount for one in shares) == min(max(0, amount - unused), sum(funded_with))
    assert all(0 < one.amount <= funded_with[int(one.escrow_id[4:])] for one in shares)


def test_more_than_the_payment_brought_is_refused(desk: Desk):
    _, charge = funded(desk)
    says(desk, charge, "open", amount=60_00)
    with pytest.raises(InvalidInput, match=r"40\.00 EUR"):
        says(desk, charge, "open", amount=40_01, ref="cbk_2")
