"""What people had a hand in, counted: refunds, batches, approvals, and what came back and was issued anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from counterfoil.cli.local.drills.payments import Verdict
from tests.chaos.people import Repaid


def by_people(conn: Any, repaid: Sequence[Repaid]) -> Verdict:
    """Each refund once and paid once; each batch paid line by line, once; each approval done once; each settlement paid once."""
    refunds = conn.execute(
        """select r.id, r.invoice_id, r.amount, r.state, (select count(*) from refund_execution x where x.refund_id = r.id) from refund r"""
    ).fetchall()
    wanted, there = Counter(one.invoice for one in repaid), Counter(row[1] for row in refunds)
    amounts = {one.id: one.amount for one in repaid}
    lost = [f"refund of {one} is not there" for one in (wanted - there).elements()]
    lost += [f"refund {row[0]} is not paid: {row[3]}" for row in refunds if row[4] != 1 or row[3] != "executed"]
    doubled = [f"refund of {one} was booked once more than it was asked for" for one in (there - wanted).elements()]
    differences = [
        f"refund {row[0]}: booked {row[2]}, asked for {amounts[row[0]]}" for row in refunds if amounts.get(row[0], row[2]) != row[2]
    ]
    lost += [
        f"approved and not done: {row}"
        for row in conn.execute(
            """select p.machine, p.verb, p.subject_id from approval_proposal p join approval_decision d on d.proposal_id = p.id
               where d.decision = 'approved' and not exists (select from approval_use u where u.proposal_id = p.id)"""
        ).fetchall()
    ]
    lost += [
        f"batch not executed: {row}"
        for row in conn.execute(
            """select b.id, b.state, count(*) filter (where l.paid_at is null)
               from payout_batch b join payout_batch_line l on l.batch_id = b.id
               group by 1, 2 having b.state <> 'executed' or count(*) filter (where l.paid_at is null) > 0"""
        ).fetchall()
    ]
    lost += [
        f"came back and was never paid again: {row[0]}"
        for row in conn.execute(
            """select p.settlement_id from payout p group by 1
               having bool_or(p.state = 'returned') and not bool_or(p.state = 'completed')"""
        ).fetchall()
    ]
    doubled += [
        f"settlement {row[0]} is paid {row[1]} times"
        for row in conn.execute(
            """select p.settlement_id, count(*) from provider_payout pp join payout p on p.id = pp.payout_id where pp.state = 'succeeded'
               group by 1 having count(*) > 1"""
        ).fetchall()
    ]
    return Verdict(lost, doubled, differences)
