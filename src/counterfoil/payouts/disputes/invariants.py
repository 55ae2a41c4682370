"""What must always hold between disputes, payouts and refunds."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.payouts.disputes.machine import DISPUTE
from counterfoil.settlement.invoices.invoices import INVOICE

INVARIANTS: Final = (
    Invariant(
        "DISPUTE_HOLD",
        "Is a payout held exactly while a dispute on its invoice is open, and is a dispute open exactly until it is at its end?",
        f"""select p.id, p.state, coalesce(d.id, 'none') from payout p
            left join dispute d on d.invoice_id = p.invoice_id and d.ended_at is null
            where ((p.state = 'held' and d.id is null) or (p.state in ('pending', 'failed') and d.id is not null)) /* recent payout: p.id */
            union all
            select i.id, i.state, 'contested: ' || c.open from invoice i
            cross join lateral (select exists (select from dispute where invoice_id = i.id and ended_at is null)
                                    or exists (select from chargeback where invoice_id = i.id and ended_at is null) as open) c
            -- what no dispute leads out of stays what it is
            where case i.state when 'disputed' then not c.open else c.open and i.state in {listed(INVOICE.before("dispute"))} end
              /* recent invoice: i.id */
            union all
            select id, state, ended_at::text from dispute where (ended_at is null) <> (state in {listed(DISPUTE.open)})
              /* recent dispute: id */""",
        "critical",
        "Money is held for nothing, or goes out while it is disputed.",
        "P10",
    ),
    Invariant(
        "DISPUTE_EFFECT",
        "Did every dispute that was decided give back exactly what was ruled, and no other one anything?",
        """select d.id, d.state, d.refund, r.amount from dispute d left join refund r on r.id = d.refund_id
           where (coalesce(r.amount, 0) is distinct from case when d.state = 'final' then d.booked else 0 end
              or r.invoice_id <> d.invoice_id or r.retain_fees <> d.retain_fees) /* recent dispute: d.id */""",
        "critical",
        "A ruling had another effect than it says.",
        "P10",
    ),
)
