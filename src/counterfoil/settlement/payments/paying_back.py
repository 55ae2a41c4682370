"""Money that goes back to customers is paid outside of the product: it is noted through whom, and under which reference of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.text import reference_of
from counterfoil.operations.verbs import Field, VerbCall, VerbResult

ELSEWHERE: Final = "something of another program"
BANK: Final = "bank"  # instead of a provider: a transfer from the client money account


class BankTakesIt(Problem):
    """A chargeback is open on this payment: paid back now, the customer would have the money twice."""

    todo = "Wait for the word on the chargeback; what the bank did not take is paid back then."


def open_chargeback(conn: Connection[Any], payment_id: str) -> str | None:
    """The chargeback that is open on a payment, the first one; None without one."""
    row = conn.execute("select min(id) from chargeback where payment_id = %s and state = 'open'", [payment_id]).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def paid_by(example: str) -> tuple[Field, Field]:
    """What is said of it: the provider, such as this one, and the reference."""
    return (
        Field("provider", "The provider that paid it, or bank for a transfer from the client money account.", example=example),
        Field("reference", "The provider's or the bank's own reference of the payment.", example="re_1042"),
    )


def new_reference(conn: Connection[Any], provider: str, reference: str, known: set[str]) -> str:
    """The reference as it is kept; nothing else was paid under it, and it is locked from here on.

    Raises InvalidInput, for a provider that is neither of `known` nor the bank, too.
    """
    if provider not in known | {BANK}:
        raise InvalidInput("provider", f"one of {', '.join(sorted(known | {BANK}))}", got=provider[:40])
    reference = reference_of(reference)
    if conn.execute("select reference_paid(%s, %s)", [provider, reference]).fetchone() != (False,):
        raise InvalidInput(
            "reference", f"one that nothing else was paid by; {_paid_under(conn, provider, reference)} was", got=reference[:40]
        )
    return reference


def _paid_under(conn: Connection[Any], provider: str, reference: str) -> str:
    """What was paid under a reference, as far as whoever asks may see it."""
    row = conn.execute(
        """select 'refund ' || refund_id from refund_execution where (provider, reference) = (%(provider)s, %(reference)s)
           union all
           select 'overpayment ' || overpayment_id from overpayment_repayment where (provider, reference) = (%(provider)s, %(reference)s)
           union all
           select 'unidentified payment ' || unidentified_payment_id from unidentified_repayment
           where (provider, reference) = (%(provider)s, %(reference)s)
           union all
           select 'what escrow ' || escrow_id || ' gave back' from escrow_movement
           where kind = 'repay' and (provider, reference) = (%(provider)s, %(reference)s) limit 1""",
        {"provider": provider, "reference": reference},
    ).fetchone()
    return str(row[0]) if row else ELSEWHERE


def refuse_used_receipt(conn: Connection[Any], reference: str) -> None:
    """Lock a receipt of the bank from here on. Raises InvalidInput when something was paid with it, and names that."""
    if conn.execute("select receipt_used(%s)", [reference]).fetchone() == (False,):
        return
    row = conn.execute(
        """select 'funded escrow ' || escrow_id from escrow_movement
           where kind = 'fund' and payment_id is null and reference = %(reference)s
           union all
           select 'paid what customer ' || customer_id || ' owed (' || id || ')' from customer_debt_entry
           where kind = 'paid' and payment_id is null and reference = %(reference)s limit 1""",
        {"reference": reference},
    ).fetchone()
    used = row[0] if row else f"paid {ELSEWHERE}"
    raise InvalidInput("reference", f"a receipt that nothing was paid with before; it {used}", got=reference[:40])


def account_of(provider: str) -> str:
    """Where the money was that went back."""
    return "cash:bank:client" if provider == BANK else f"clearing:{provider}"


def noting(paid: Callable[..., str]) -> Callable[[VerbCall], VerbResult]:
    """The verb that notes it, by what writes it down and answers the state after it."""

    def note(one: VerbCall) -> VerbResult:
        given = {name: one.taken[name] for name in ("provider", "reference", "paid_at") if one.taken.get(name) is not None}
        return VerbResult(paid(one.conn, one.subject_id, **given, known=set(one.providers), actor=one.actor, now=one.now))

    return note
