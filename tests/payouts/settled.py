"""The payout of a real settlement: a customer paid an invoice, so that its refunds and disputes are the product's own.

The second model of its money is too simple to be wrong. Of a gross of which so much has gone back, the platform has its rate of what is
left, the validators have, and the payee's side has all the rest, wherever it lies: R + P + V + H + N = G.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.machine import Move, take_steps
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access.access import Caller
from counterfoil.operations.providers import PayoutFact
from counterfoil.payouts.disputes import disputes
from counterfoil.payouts.disputes.waking import wake_what_waited
from counterfoil.payouts.payouts.verbs import Owed, create_payouts
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.settlement.intents.intents import INTENT, intents_of
from counterfoil.settlement.invoices.invoices import issue_invoices
from counterfoil.settlement.payments.payments import receive_charges
from counterfoil.settlement.settlements import settle
from counterfoil.settlement.usage.usage import import_usage
from tests.builders import a_charge, usage_csv
from tests.payouts.world import PAYEE, PROGRAM, World

ANNA, BEN = (Caller("", name, "operator+approver", principal_id=f"prn_{name}") for name in ("anna", "ben"))


class Settled(World):
    """A payout of what a paid invoice of `gross` minor units leaves to its payee at these rates, in hundredths of a percent.

    `gone`: what has gone back to the customer; `dispute`: the one that is open.
    """

    def __init__(self, conn: Connection[Any], *, gross: int = 100, rates: tuple[int, int, int] = (0, 0, 0)) -> None:
        self.gross, self.rates, self.gone, self.dispute = gross, rates, 0, ""
        super().__init__(conn)

    def earn(self) -> None:
        """An invoice is issued, paid, and settled."""
        self.be_paid()
        (self.settlement,) = settle(self.conn, intents_of(self.conn, [self.invoice]), make_id=make_id, now=self.now)
        self.owed = self.settlement.net
        owed = [Owed(PROGRAM, self.invoice, self.settlement.id, PAYEE, "EUR", self.owed)]
        (self.first,) = create_payouts(self.conn, owed, make_id=make_id, actor="test", cause="test", now=self.now)

    def be_paid(self) -> None:
        """An invoice is issued, and its customer has paid it, as the provider confirms."""
        conn, now = self.conn, self.now
        open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=now)
        platform, validator, holdback = self.rates
        set_rates(conn, PROGRAM, platform_bps=platform, validator_bps=validator, holdback_bps=holdback, actor="test", now=now)
        body = usage_csv(f"{self.gross // 100}.{self.gross % 100:02}", payee=PAYEE)
        import_usage(conn, PROGRAM, body, file_name="usage.csv", make_id=make_id, actor="test", now=now)
        (self.invoice,) = issue_invoices(conn, PROGRAM, provider="simulator", make_id=make_id, actor="test", now=now).invoice_ids
        charge = a_charge("ch_1", self.invoice, self.gross)
        receive_charges(conn, [charge], provider="simulator", program_id=PROGRAM, make_id=make_id, cause="test", now=now)
        (intent,) = intents_of(conn, [self.invoice], lock=True)
        take_steps(conn, INTENT, [Move(intent.id, "verifying", "confirm")], actor="test", at=now)
        self.destination("acct_1")

    # What the customer does.

    def refund(self, amount: int) -> None:
        """So much goes back. Raises UnderDispute."""
        invoice = lock_invoice(self.conn, self.invoice)
        book_refund(self.conn, make_id("ref"), invoice, amount, cause="asked", make_id=make_id, actor="test", now=self.now)
        self.gone += amount

    def complain(self) -> None:
        """A dispute about all that has not gone back."""
        self.dispute = make_id("dsp")
        disputes.open_dispute(self.conn, self.dispute, self.invoice, cause="empty box", make_id=make_id, by=ANNA, now=self.now)

    def rule(self, outcome: str, amount: int | None = None) -> None:
        """Decide the dispute, so that nobody can appeal any more: its effects are booked, and what waited for it is due."""
        conn, one, by = self.conn, self.dispute, {"by": BEN, "now": self.now}
        disputes.step(conn, one, "review", reason="", **by)
        disputes.resolve(conn, one, outcome=outcome, amount=amount, ratio_bps=None, policy="proportional", reason="seen", **by)
        conn.execute("update dispute set appeal_until = %s where id = %s", [self.now, one])
        disputes.apply_ruling(conn, one, make_id=make_id, actor="test", now=self.now)
        wake_what_waited(conn, [SimpleNamespace(subject_id=one)], self.now)  # type: ignore[list-item]
        self.gone += {"provider_win": 0, "customer_win": self.gross - self.gone}.get(outcome, amount or 0)
        self.dispute = ""

    # What the tables hold.

    def fact(self, key: str, status: str) -> PayoutFact:
        (amount,) = self.row("select amount from provider_payout where idempotency_key = %s", key)
        return super().fact(key, status)._replace(amount=amount)

    def purse(self) -> tuple[int, int, int, int]:
        """Payable, in transit, out, and owed back by the payee."""
        payable, transit, _, receivable = super().purse()
        return payable, transit, self.gross - self.balance("clearing:simulator"), receivable

    def still_true(self) -> None:
        """Every invariant holds, and no unit was made or lost."""
        self.invariants_hold()
        self.adds_up()

    def adds_up(self) -> None:
        """Each part is what the second model says, to the unit."""
        payable, transit, out, receivable = self.purse()
        kept = self.gross - self.gone
        platform, validator = (kept * rate // 10_000 for rate in self.rates[:2])
        customer = self.row("select customer_id from invoice where id = %s", self.invoice)[0]
        parts = {
            "R": self.balance(f"refund_payable:customer:{customer}"),
            "P": self.balance("fee:platform"),
            "V": self.balance("payable:validator"),
            "H + N": self.balance(f"holdback:payee:{PAYEE}") + payable + transit + out - receivable,
        }
        assert parts == {"R": self.gone, "P": platform, "V": validator, "H + N": kept - platform - validator}
        assert sum(parts.values()) == self.gross
