"""What is owed to us. Of payees: refunds and chargebacks after their money went out. Their next payouts pay it; two people write it off.

How customers pay see `customer_debts`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import RECEIVABLE_WRITE_OFF
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.machines import RESERVING
from counterfoil.payouts.payouts.payable import Purse, receivables_of
from counterfoil.payouts.refunds.customer_debts import UNDECIDED

EVENT_KINDS: Final = declare(critical={"receivable_written_off": "Two people gave up what a payee owes."})


class Debt(NamedTuple):
    """What a payee or a customer owes in an asset, in minor units. `since`: the last time something was added to it. `undecided`: what of a
    customer's debt is not given up yet, since a bank has not decided a chargeback."""

    program_id: str
    owed_by: str  # payee or customer
    party_id: str
    asset: str
    amount: int
    undecided: int
    since: datetime

    @property
    def account(self) -> str:
        """What names it among all debts of a program in an asset."""
        return f"receivable:{self.owed_by}:{self.party_id}"


def debts_of(conn: Connection[Any], program_id: str, *, rows_max: int, after: tuple[str, int, str] | None = None) -> list[Debt]:
    """What each payee and each customer of a program owes: by asset, in each the most first. `after`: asset, amount and account of the row
    before."""
    asset, amount, account = after or (None, None, None)
    with conn.cursor(row_factory=class_row(Debt)) as cur:
        return cur.execute(
            f"""select program_id, owed_by, party_id, asset, amount,
                      case owed_by when 'payee' then 0 else least(amount, ({UNDECIDED})) end as undecided,
                      (select max(p.effective_at) from posting p where p.debit = account_id) as since
               from (select b.program_id, split_part(a.name, ':', 2) as owed_by,
                            substr(a.name, length('receivable::') + length(split_part(a.name, ':', 2)) + 1) as party_id, b.asset,
                            a.debits - a.credits as amount, a.id as account_id, a.name
                     from account a join book b on b.id = a.book_id
                     where b.program_id = %(program)s and a.debits > a.credits
                           and (a.name like 'receivable:payee:%%' or a.name like 'receivable:customer:%%')) owed
               where %(asset)s::text is null or (asset, -amount, name) > (%(asset)s, -%(amount)s::bigint, %(account)s)
               order by asset, amount desc, name limit %(rows_max)s""",
            {"program": program_id, "asset": asset, "amount": amount, "account": account, "rows_max": rows_max},
        ).fetchall()


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
        raise InvalidInput("amount", f"from 1 to {owed} minor units, which is what the payee owes", got=amount)
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
