"""What is owed to us. Of payees: refunds and chargebacks after their money went out. Their next payouts pay it; two people write it off.

How customers pay see `customer_debts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.invariant import Invariant
from counterfoil.base.money import out_of_range
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import RECEIVABLE_WRITE_OFF
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey, between_amounts
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.machines import RESERVING
from counterfoil.payouts.payouts.payable import Purse, receivables_of
from counterfoil.payouts.refunds.customer_debts import UNDECIDED

EVENT_KINDS: Final = declare(critical={"receivable_written_off": "Two people gave up what a payee owes."})


OWED_BY: Final = ("payee", "customer")


class Debt(NamedTuple):
    """What a payee or a customer owes in an asset, in minor units. `since`: the last time something was added to it. `undecided`: what of a
    customer's debt is not given up yet, since a bank has not decided a chargeback."""

    program_id: str
    owed_by: str  # one of OWED_BY
    party_id: str
    asset: str
    amount: int
    undecided: int
    since: datetime

    @property
    def id(self) -> str:
        """What names it among all debts."""
        return f"{self.program_id}:{self.asset}:receivable:{self.owed_by}:{self.party_id}"


def debts_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Debt]:
    """Those of these ids, in any order."""
    named = [one.split(":", 2) for one in ids]
    with conn.cursor(row_factory=class_row(Debt)) as cur:
        return cur.execute(
            f"""select program_id, owed_by, party_id, asset, amount,
                      case owed_by when 'payee' then 0 else least(amount, ({UNDECIDED})) end as undecided,
                      (select max(p.effective_at) from posting p where p.debit = account_id) as since
               from debt owed
               where program_id = any(%(programs)s) and asset = any(%(assets)s) and id = any(%(ids)s)""".encode(),
            {"programs": [one[0] for one in named], "assets": [one[1] for one in named], "ids": list(ids)},
        ).fetchall()


DEBT_LIST: Final = PlainList(
    "debts",
    "",
    "debt",
    debts_by_id,
    (SortKey("party_id", str), SortKey("amount", int, money=True)),
    (
        Narrow("owed_by", "t.owed_by = %(owed_by)s", "Only those of payees, or only those of customers.", "choice", choices=OWED_BY),
        Narrow("payee_id", "t.owed_by = 'payee' and t.party_id = %(payee_id)s", "Only of this payee.", flag="payee"),
        Narrow("customer_id", "t.owed_by = 'customer' and t.party_id = %(customer_id)s", "Only of this customer.", flag="customer"),
        *between_amounts("amount"),
    ),
    order="-amount",
)


def write_off_debt(conn: Connection[Any], write_off_id: str, purse: Purse, amount: int, *, reason: str, actor: str, now: datetime) -> int:
    """Give up a part or all of what a payee owes, in minor units; what is left of it. Raises InvalidInput for more than is owed.

    Takes two people: the database looks for the approval of exactly this amount. The payee's payouts that wait go on.
    """
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [":".join(("receivable_write_off", *purse))])
    waiting = conn.execute(
        "select id from payout where program_id = %s and payee_id = %s and asset = %s and state = 'pending' order by id for update", purse
    ).fetchall()  # locked before the debt is read: what they pay of it meanwhile is seen
    owed = receivables_of(conn, [purse]).get(purse, 0)
    if not 0 < amount <= owed:
        raise out_of_range("amount", amount, asset_of_book(conn, purse.asset), most=owed, what="what the payee owes")
    conn.execute(
        """insert into receivable_write_off (id, program_id, payee_id, asset, amount, reason, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [write_off_id, *purse, amount, reason, actor, now],
    )
    conn.execute("update payout set due_at = %s, attempt = 0 where id = any(%s)", [now, [row[0] for row in waiting]])
    journal = NewJournal(
        key=RECEIVABLE_WRITE_OFF.key(write_off_id),
        kind=RECEIVABLE_WRITE_OFF.kind or "",
        lines=[("bad_debt", f"receivable:payee:{purse.payee_id}", amount)],
        asset=purse.asset,
        actor=actor,
        narrative=reason,
        source=("receivable_write_off", write_off_id),
        space=RECEIVABLE_WRITE_OFF,
    )
    post_all(conn, [ProgramJournal(purse.program_id, journal)], now=now)
    told = {"payeeId": purse.payee_id, "amount": str(amount), "asset": purse.asset, "reason": reason}
    emit(conn, [NewEvent("receivable_written_off", purse.program_id, write_off_id, told)], at=now)
    wake(conn, RESERVING)
    return owed - amount


INVARIANTS: Final = (
    Invariant(
        "WRITE_OFF_LEDGER_TIE",
        "Did each write-off of a payee's debt book what two people agreed to, once, and nothing else?",
        """with booked as (
               select j.source_id as id, sum(t.amount) filter (where d.name = 'bad_debt' and c.name = 'receivable:payee:' || w.payee_id)
                   as amount, sum(t.amount) as total
               from journal j join posting t on t.journal_id = j.id join account d on d.id = t.debit join account c on c.id = t.credit
               left join receivable_write_off w on w.id = j.source_id
               where j.kind = 'receivable_write_off' group by j.source_id)
           select coalesce(w.id, b.id), w.amount, b.amount from receivable_write_off w full join booked b using (id)
           where (w.amount, w.amount) is distinct from (b.amount, b.total)""",
        "critical",
        "A debt was given up that nobody agreed to give up.",
        "P12",
    ),
)
