"""Payments of one invoice in parts, too much, too late, twice, in another asset: each unit has one place, and whom it is owed to is told.

Beside the tables a second opinion that only adds up: what came is what the invoice took, what is owed back of payments, and what lies in
suspense; an invoice takes nothing beyond what is asked of it, and nothing once it is over.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Barrier, Thread
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.machine import Move, take_steps
from counterfoil.base.money import Asset
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.providers import ChargebackFact, ChargeFact
from counterfoil.operations.work.runner import Runner
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.invoices.crediting import credit_invoice
from counterfoil.payouts.invoices.expiring import expire_due
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.settlement.intents.intents import INTENT, intents_of
from counterfoil.settlement.invoices.invoices import cancel_invoice, issue_invoices, show_invoice
from counterfoil.settlement.invoices.overdue import call_overdue
from counterfoil.settlement.payments.payments import receive_charges
from counterfoil.settlement.settlements import settle
from counterfoil.settlement.usage.usage import import_usage
from counterfoil.wiring import INVARIANTS
from tests.builders import NOW, PROGRAM, Clock, a_charge, balance_of, usage_csv
from tests.lives import RolledBackLife
from tests.payouts.invoices.test_unpaid_invoices import approve, propose
from tests.soak import examples

OTHER = "other"
CUSTOMER = "refund_payable:customer:customer-u-1"


def programs(conn: Any) -> None:
    """Two programs; the first has books in two assets."""
    for program, assets in ((PROGRAM, ("EUR", "USD")), (OTHER, ("EUR", "USD"))):
        open_program(conn, program, name=program, assets=[Asset(one, 2) for one in assets], now=NOW)
        set_rates(conn, program, platform_bps=500, validator_bps=100, holdback_bps=1000, actor="test", now=NOW)


def bill(conn: Any, price: str = "100.00", program: str = PROGRAM) -> str:
    import_usage(conn, program, usage_csv(price), file_name="usage.csv", make_id=make_id, actor="test", now=NOW)
    return issue_invoices(conn, program, provider="simulator", make_id=make_id, actor="test", now=NOW).invoice_ids[0]


def receive(conn: Any, *charges: ChargeFact, at: Any = NOW) -> int:
    given: dict[str, Any] = {"provider": "simulator", "program_id": PROGRAM, "make_id": make_id, "cause": "test", "now": at}
    return receive_charges(conn, list(charges), **given)


def events(conn: Any, name: str) -> list[dict[str, Any]]:
    return [row[0] for row in conn.execute("select payload from event where name = %s order by at, id", [name]).fetchall()]


@pytest.fixture
def books(conn: Any) -> Any:
    programs(conn)
    return conn


def test_two_parts_in_one_delivery_that_are_more_than_is_due_fill_the_invoice_and_the_rest_is_owed_back(books: Any) -> None:
    invoice = bill(books)
    receive(books, a_charge("a", invoice, 70_00), a_charge("b", invoice, 70_00), a_charge("b", invoice, 70_00))
    assert show_invoice(books, invoice).paid == 100_00
    assert books.execute("select p.charge_id, o.amount, o.cause from overpayment o join payment p on p.id = o.payment_id").fetchall() == [
        ("b", 40_00, "more than was asked")
    ]
    assert (balance_of(books, CUSTOMER), balance_of(books, f"escrow:{invoice}")) == (40_00, 100_00)
    assert [one["excess"] for one in events(books, "invoice_overpaid")] == ["4000"]
    assert run_invariants(books, INVARIANTS) == []


def test_what_comes_after_a_write_off_is_owed_back_for_just_that_reason(books: Any) -> None:
    invoice = bill(books)
    clock = Clock()
    clock.advance(days=15)
    call_overdue(runner(books, clock))
    approve(*written_off(books, clock, invoice))
    receive(books, a_charge("late", invoice, 100_00))
    assert books.execute("select amount, cause from overpayment").fetchall() == [(100_00, "it was written off")]
    assert [one["why"] for one in events(books, "payment_late")] == ["it was written off"]
    assert run_invariants(books, INVARIANTS) == []


def test_money_in_another_asset_waits_in_the_program_of_its_invoice_and_is_told_with_its_customer(books: Any) -> None:
    invoice = bill(books, program=OTHER)
    receive(books, a_charge("usd", invoice, 100_00, asset="USD"), a_charge("lost", "nothing of ours", 5_00, asset="USD"))
    found = books.execute(
        """select b.program_id, a.credits from account a join book b on b.id = a.book_id
           where a.name = 'suspense' and b.asset = 'USD' order by 1"""
    ).fetchall()
    assert found == [(PROGRAM, 5_00), (OTHER, 100_00)]
    told = {one["chargeId"]: one for one in events(books, "payment_unidentified")}
    assert (told["usd"]["customerId"], told["usd"]["why"]) == ("customer-u-1", f"{invoice} is in EUR")
    assert "why" not in told["lost"]
    kept = books.execute("select id, charge_id, customer_id, cause from unidentified_payment order by charge_id desc").fetchall()
    assert kept == [
        (told["usd"]["unidentifiedPaymentId"], "usd", "customer-u-1", f"{invoice} is in EUR"),
        (told["lost"]["unidentifiedPaymentId"], "lost", None, "nothing of ours has its reference"),
    ]
    assert show_invoice(books, invoice).paid == 0
    assert run_invariants(books, INVARIANTS) == []


@pytest.mark.parametrize("other", [{"amount": 60_00}, {"asset": "USD"}, {"reference": "inv_of_another"}, {"account": "acct_2"}])
def test_one_charge_that_is_told_twice_otherwise_stays_as_it_was_told_first_and_a_person_hears_of_it_once(
    books: Any, other: dict[str, Any]
) -> None:
    invoice = bill(books)
    first = a_charge("a", invoice, 50_00)._replace(account="acct_1")
    receive(books, first)
    for _ in range(2):
        assert receive(books, first._replace(**other), first._replace(fee=1), first._replace(account=None)) == 0
    (told,) = events(books, "payment_contradicted")
    assert (told["chargeId"], told["amount"], told["reference"]) == ("a", "5000", invoice)
    assert told["saidAmount"] == str(other.get("amount", 50_00))
    assert show_invoice(books, invoice).paid == 50_00
    assert run_invariants(books, INVARIANTS) == []


def test_two_words_of_one_charge_in_one_delivery_are_told_too(books: Any) -> None:
    invoice = bill(books)
    receive(books, a_charge("a", invoice, 50_00), a_charge("a", invoice, 60_00))
    assert [one["saidAmount"] for one in events(books, "payment_contradicted")] == ["6000"]
    assert show_invoice(books, invoice).paid == 50_00


def test_parts_that_come_at_once_by_several_workers_fill_the_invoice_once(database: Database) -> None:
    with database.transaction() as conn:
        programs(conn)
        invoice = bill(conn)
    start, failed = Barrier(4), list[BaseException]()

    def work(number: int) -> None:
        start.wait(10)
        for one in (f"own-{number}", "the same"):
            try:
                with database.transaction() as conn:
                    receive(conn, a_charge(one, invoice, 40_00))
            except Exception as error:  # noqa: BLE001 - told below
                failed.append(error)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    with database.transaction() as conn:
        assert failed == []
        assert show_invoice(conn, invoice).paid == 100_00
        assert (balance_of(conn, f"escrow:{invoice}"), balance_of(conn, CUSTOMER)) == (100_00, 5 * 40_00 - 100_00)
        assert run_invariants(conn, INVARIANTS) == []


def runner(conn: Any, clock: Clock) -> Runner:
    @contextmanager
    def transaction(**_: Any) -> Any:
        with conn.transaction():
            yield conn

    return Runner(SimpleNamespace(transaction=transaction), clock, "worker:test")  # type: ignore[arg-type]


def written_off(conn: Any, clock: Clock, invoice: str) -> tuple[Any, str]:
    desk: Any = SimpleNamespace(database=runner(conn, clock).database, clock=clock)
    return desk, propose(desk, invoice)


# What customers paid too much, what of that is still owed, and what of refunds is that no bank has paid.
_OWED = """
    select (select coalesce(sum(amount), 0) from overpayment), (select coalesce(sum(overpayment_left(id)), 0) from overpayment),
           (select coalesce(sum(r.amount - coalesce((
                select sum(x.amount) from chargeback_refund x join chargeback c on c.id = x.chargeback_id
                where x.refund_id = r.id and c.state <> 'won'), 0)), 0) from refund r where r.state <> 'won_back')"""


def held(conn: Any, name: str, asset: str) -> int:
    """The balance of the first program's account."""
    row = conn.execute(
        """select case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end
           from account a join book b on b.id = a.book_id where a.name = %s and (b.program_id, b.asset) = (%s, %s)""",
        [name, PROGRAM, asset],
    ).fetchone()
    return int(row[0]) if row else 0


def life_in(conn: Any) -> type[RolledBackLife]:
    class OneInvoice(RolledBackLife):
        """`came`: what was paid in EUR; `elsewhere`: in USD; `taken`: what banks took of each charge."""

        books = conn

        @initialize()
        def begin(self) -> None:
            programs(conn)
            self.invoice = bill(conn)
            self.clock = Clock()
            self.number, self.came, self.elsewhere, self.over = 0, 0, 0, False
            self.charges: dict[str, ChargeFact] = {}
            self.taken: dict[str, int] = {}
            self.open: list[ChargebackFact] = []

        def told(self, *charges: ChargeFact) -> None:
            before = show_invoice(conn, self.invoice)
            fresh = [one for one in charges if one.charge_id not in self.charges]
            receive(conn, *charges, at=self.clock.now)
            self.charges |= {one.charge_id: one for one in fresh}
            came = sum(one.amount for one in fresh if one.asset == "EUR")
            self.came += came
            self.elsewhere += sum(one.amount for one in fresh if one.asset == "USD")
            after = show_invoice(conn, self.invoice)
            asked = 0 if self.over or before.state == "cancelled" else before.total - before.credited - before.written_off - before.paid
            assert after.paid - before.paid == min(came, asked)

        def charge(self, amount: int, asset: str = "EUR") -> ChargeFact:
            self.number += 1
            return a_charge(f"ch_{self.number}", self.invoice, amount, asset=asset)

        @rule(amount=st.integers(1, 130_00), asset=st.sampled_from(("EUR", "EUR", "USD")))
        def pay(self, amount: int, asset: str) -> None:
            self.told(self.charge(amount, asset))

        @rule(first=st.integers(1, 90_00), second=st.integers(1, 90_00))
        def pay_two_at_once(self, first: int, second: int) -> None:
            self.told(self.charge(first), self.charge(second))

        @precondition(lambda self: self.charges)
        @rule(data=st.data())
        def tell_again(self, data: Any) -> None:
            self.told(self.charges[data.draw(st.sampled_from(sorted(self.charges)))])

        @rule(amount=st.integers(1, 120_00))
        def credit(self, amount: int) -> None:
            given: dict[str, Any] = {"make_id": make_id, "reason": "too much", "actor": "test", "now": self.clock.now}
            self.maybe(lambda: credit_invoice(conn, self.invoice, amount, **given))

        @rule(amount=st.integers(1, 120_00))
        def refund(self, amount: int) -> None:
            one, given = lock_invoice(conn, self.invoice), {"make_id": make_id, "actor": "test", "now": self.clock.now}
            self.maybe(lambda: book_refund(conn, make_id("ref"), one, amount, cause="asked", **given))

        @rule()
        def cancel(self) -> None:
            if self.number % 3 == 2:  # seldom: nothing comes after it
                self.maybe(lambda: cancel_invoice(conn, self.invoice, reason="x", actor="test", now=self.clock.now))

        @rule(days=st.sampled_from((16, 80)))
        def time_passes(self, days: int) -> None:
            self.clock.advance(days=days)
            call_overdue(runner(conn, self.clock))
            expire_due(runner(conn, self.clock), make_id)
            self.over = self.over or intents_of(conn, [self.invoice])[0].state == "expired"

        @rule()
        def write_off(self) -> None:
            self.maybe(lambda: approve(*written_off(conn, self.clock, self.invoice)))

        @rule()
        def be_settled(self) -> None:
            (intent,) = intents_of(conn, [self.invoice], lock=True)
            if intent.state == "verifying":
                take_steps(conn, INTENT, [Move(intent.id, "verifying", "confirm")], actor="test", at=self.clock.now)
            if intent.state in ("verifying", "processing"):
                settle(conn, intents_of(conn, [self.invoice]), make_id=make_id, now=self.clock.now)

        @precondition(lambda self: self.charges)
        @rule(data=st.data(), amount=st.integers(1, 60_00))
        def bank_takes_back(self, data: Any, amount: int) -> None:
            one = self.charges[data.draw(st.sampled_from(sorted(self.charges)))]
            left = one.amount - self.taken.get(one.charge_id, 0)
            if left:
                self.number += 1
                fact = ChargebackFact(
                    f"cb_{self.number}", one.charge_id, min(amount, left), 0, one.asset, "open", "fraudulent", self.clock.now
                )
                self.say(fact)
                self.taken[one.charge_id] = self.taken.get(one.charge_id, 0) + fact.amount
                self.open.append(fact)

        @precondition(lambda self: self.open)
        @rule(won=st.booleans())
        def bank_decides(self, won: bool) -> None:
            one = self.open.pop()
            self.say(one._replace(status="won" if won else "lost"))
            if won:
                self.taken[one.charge_id] -= one.amount

        def say(self, fact: ChargebackFact) -> None:
            apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=self.clock.now)

        def maybe(self, act: Any) -> None:
            """What is refused moves nothing."""
            try:
                with conn.transaction():
                    act()
            except Problem:
                pass

        @invariant()
        def every_unit_has_one_place(self) -> None:
            if not hasattr(self, "came"):
                return
            one = show_invoice(conn, self.invoice)
            assert 0 <= one.paid <= one.total - one.credited - one.written_off
            excess, unpaid, refunds = conn.execute(_OWED).fetchone()
            assert self.came == one.paid + excess, "what came is on the invoice, or owed back"
            assert held(conn, "clearing:simulator", "EUR") == self.came - self.gone("EUR")
            assert held(conn, "suspense", "USD") == self.elsewhere - self.gone("USD")
            assert balance_of(conn, CUSTOMER) == unpaid + refunds, "whom it is owed to, and how much"
            assert run_invariants(conn, INVARIANTS) == []

        def gone(self, asset: str) -> int:
            """What banks took back."""
            return sum(self.taken.get(key, 0) for key, one in self.charges.items() if one.asset == asset)

    return OneInvoice


def test_however_an_invoice_is_paid_each_unit_has_one_place(conn: Any) -> None:
    few = settings(
        phases=[Phase.generate],
        max_examples=examples(8),
        stateful_step_count=14,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(life_in(conn), settings=few)  # type: ignore[no-untyped-call]
