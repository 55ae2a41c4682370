"""What customers owe us: charged back after it was refunded, or after it funded an escrow. They pay it back, or two people give it up."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.invariant import Invariant
from counterfoil.base.money import out_of_range
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import CUSTOMER_DEBT_PAID, CUSTOMER_WRITE_OFF, KeySpace
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.settlement.escrow.taken_back import CustomerPurse, customer_debt, lock_debts
from counterfoil.settlement.payments.paying_back import BANK, refuse_used_receipt
from counterfoil.settlement.payments.unidentified import end_spent

EVENT_KINDS: Final = declare(
    info={"customer_debt_paid": "A customer paid back what was owed to us."},
    critical={"customer_debt_written_off": "Two people gave up what a customer owes."},
)
# What of a customer's debt is not to be given up yet: chargebacks that made it are open, or they are lost and an escrow pays it once
# another chargeback of its money is decided. Of the customer that `owed` names.
UNDECIDED: Final = """
    select coalesce(sum(waits), 0)::bigint from (
        select c.beyond as waits from chargeback c
        where c.state = 'open' and (c.program_id, c.customer_id, c.asset) = (owed.program_id, owed.party_id, owed.asset)
        union all
        select x.amount from chargeback_escrow x join chargeback c on c.id = x.chargeback_id join escrow e on e.id = x.escrow_id
        where c.state = 'open' and (e.program_id, e.customer_id, e.asset) = (owed.program_id, owed.party_id, owed.asset)
        union all
        select x.amount from chargeback_debt x join chargeback c on c.id = x.chargeback_id join customer_debt_entry d on d.id = x.entry_id
        where c.state = 'open' and (d.program_id, d.customer_id, d.asset) = (owed.program_id, owed.party_id, owed.asset)
        union all
        select least(greatest(escrow_lost(e.id), 0), e.funded - e.released - e.repaid) from escrow e
        where (e.program_id, e.customer_id, e.asset) = (owed.program_id, owed.party_id, owed.asset)
          and e.id in (select escrow_id from chargeback_escrow) and escrow_charged_back(e.id) is not null) undecided"""


class Said(NamedTuple):
    """Who says it, why, and when; and the id of the entry that it makes."""

    entry_id: str
    actor: str
    reason: str
    now: datetime


def write_off_customer(conn: Connection[Any], purse: CustomerPurse, amount: int, said: Said) -> int:
    """Give up a part or all of what a customer owes, in minor units; what is left of it. Takes two people, as the database says again.

    Raises InvalidInput for more than is owed, or for what a bank has not decided: that may still come back.
    """
    lock_debts(conn, [purse])
    owed = customer_debt(conn, purse)
    undecided = min(owed, undecided_of(conn, purse))
    most = max(0, owed - undecided)
    if not 0 < amount <= most:
        asset = asset_of_book(conn, purse.asset)
        wait = f" beside {asset.told(undecided)} that wait for a bank's word on a chargeback" if undecided else ""
        raise out_of_range("amount", amount, asset, most=most, what=f"what the customer owes{wait}")
    _insert(conn, purse, "written_off", amount, said, None, None, None)
    _post(conn, CUSTOMER_WRITE_OFF, purse, "bad_debt", amount, said)
    _tell(conn, "customer_debt_written_off", purse, amount, said)
    return owed - amount


def pay_debt(conn: Connection[Any], purse: CustomerPurse, amount: int, said: Said, *, provider: str, reference: str) -> int:
    """The customer paid it: with a payment that a provider told of and that lies in suspense, or by a transfer to the client money account
    (`bank`, which takes two people). Minor units; what is left of the debt.

    Raises InvalidInput for more than is owed, a payment that is not known, is of another program or asset or has less, and a receipt of the
    bank that was used.
    """
    payment_id = None if provider == BANK else _payment(conn, purse, amount, provider, reference)
    lock_debts(conn, [purse])
    owed = customer_debt(conn, purse)
    if not 0 < amount <= owed:
        raise out_of_range("amount", amount, asset_of_book(conn, purse.asset), most=owed, what="what the customer owes")
    if payment_id is None:
        refuse_used_receipt(conn, reference)
    _insert(conn, purse, "paid", amount, said, payment_id, provider, reference)
    _post(conn, CUSTOMER_DEBT_PAID, purse, "suspense" if payment_id else "cash:bank:client", amount, said)
    if payment_id is not None:
        end_spent(conn, [payment_id], "use", actor=said.actor, now=said.now, cause=said.entry_id)
    _tell(conn, "customer_debt_paid", purse, amount, said)
    return owed - amount


def undecided_of(conn: Connection[Any], purse: CustomerPurse) -> int:
    """What waits for the word of a bank and may be more than is still owed of it; minor units."""
    row = conn.execute(
        f"select ({UNDECIDED}) from (values (%s::text, %s::text, %s::text)) owed (program_id, party_id, asset)", purse
    ).fetchone()
    assert row is not None
    return int(row[0])


def _payment(conn: Connection[Any], purse: CustomerPurse, amount: int, provider: str, charge_id: str) -> str:
    row = conn.execute("select id from payment where provider = %s and charge_id = %s", [provider, charge_id]).fetchone()
    if row is None:
        raise InvalidInput("reference", f"a payment that {provider} told of; from the bank, name the provider bank", got=charge_id[:40])
    conn.execute("select lock_payments(%s)", [[row[0]]])
    found = conn.execute("select program_id, asset, invoice_id, payment_unused(id) from payment where id = %s", [row[0]]).fetchone()
    assert found is not None
    if found[:3] != (purse.program_id, purse.asset, None):
        why = f"it paid invoice {found[2]}" if found[2] else f"it is of program {found[0]} in {found[1]}"
        raise InvalidInput(
            "reference", f"a payment of {purse.program_id} in {purse.asset} that paid nothing yet: {why}", got=charge_id[:40]
        )
    if amount > found[3]:
        raise out_of_range("amount", amount, asset_of_book(conn, purse.asset), most=max(0, found[3]), what="what the payment still has")
    return str(row[0])


def _insert(
    conn: Connection[Any],
    purse: CustomerPurse,
    kind: str,
    amount: int,
    said: Said,
    payment_id: str | None,
    provider: str | None,
    reference: str | None,
) -> None:
    conn.execute(
        """insert into customer_debt_entry (id, program_id, customer_id, asset, kind, amount, payment_id, provider, reference, reason,
                                            actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [said.entry_id, *purse, kind, amount, payment_id, provider, reference, said.reason, said.actor, said.now],
    )


def _post(conn: Connection[Any], space: KeySpace, purse: CustomerPurse, source: str, amount: int, said: Said) -> None:
    journal = NewJournal(
        key=space.key(said.entry_id),
        kind=space.kind or "",
        lines=[(source, f"receivable:customer:{purse.customer_id}", amount)],
        asset=purse.asset,
        actor=said.actor,
        narrative=said.reason,
        source=("customer_debt_entry", said.entry_id),
        space=space,
    )
    post_all(conn, [ProgramJournal(purse.program_id, journal)], now=said.now)


def _tell(conn: Connection[Any], name: str, purse: CustomerPurse, amount: int, said: Said) -> None:
    told = {"customerId": purse.customer_id, "amount": str(amount), "asset": purse.asset, "reason": said.reason}
    emit(conn, [NewEvent(name, purse.program_id, said.entry_id, told)], at=said.now)


INVARIANTS: Final = (
    Invariant(
        "CUSTOMER_DEBT_LEDGER_TIE",
        "Did each payment and write-off of a customer's debt book just that, once, and nothing else?",
        """with booked as (
               select j.source_id as id, sum(t.amount) as total, sum(t.amount) filter (
                          where c.name = 'receivable:customer:' || e.customer_id and d.name = case
                              when e.kind = 'written_off' then 'bad_debt'
                              when e.payment_id is null then 'cash:bank:client' else 'suspense' end)
                      as amount
               from journal j join posting t on t.journal_id = j.id join account d on d.id = t.debit join account c on c.id = t.credit
               left join customer_debt_entry e on e.id = j.source_id
               where j.kind in ('customer_debt_paid', 'customer_write_off') group by j.source_id)
           select coalesce(e.id, b.id), e.amount, b.amount from customer_debt_entry e full join booked b using (id)
           where (e.amount, e.amount) is distinct from (b.amount, b.total)""",
        "critical",
        "A customer's debt ended in a way that no record tells.",
        "P12",
    ),
)
