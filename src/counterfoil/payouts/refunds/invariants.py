"""What must always hold between refunds, payments and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "REFUND_WITHIN_PAID",
        "Did no more go back of any invoice than was paid on it, and is one refunded exactly when all of it went back?",
        """select i.id, i.paid, sum(r.amount) from invoice i join refund r on r.invoice_id = i.id and r.state <> 'won_back'
           where true /* recent invoice: i.id */ group by i.id having sum(r.amount) > i.paid
           union all
           select i.id, i.paid, coalesce(sum(r.amount), 0) from invoice i
           left join refund r on r.invoice_id = i.id and r.state <> 'won_back'
           where i.state in ('paid', 'refunded') /* recent invoice: i.id */ group by i.id
           having (i.state = 'refunded') <> (i.paid = coalesce(sum(r.amount), 0))""",
        "critical",
        "A customer gets back more than was paid.",
        "P7",
    ),
    Invariant(
        "REFUND_LEDGER_TIE",
        "Did the books take of every part what its refund says, and owe the customer just that until we or the bank paid it?",
        """with expected as (
               select r.id, r.program_id, r.asset, y.kind, y.name, y.amount from refund r
               left join refund_execution e on e.refund_id = r.id
               cross join lateral (
                   select coalesce(sum(t.amount), 0) as taken from chargeback_refund t join chargeback c on c.id = t.chargeback_id
                   where t.refund_id = r.id and c.state <> 'won') x
               cross join lateral (values
                   ('refund', 'escrow:' || r.invoice_id, -r.escrow),
                   ('refund', 'fee:platform', -r.platform_fee),
                   ('refund', 'payable:validator', -r.validator_fee),
                   ('refund', 'holdback:payee:' || r.payee_id, -r.own_holdback - r.holdback),
                   ('refund', 'payable:payee:' || r.payee_id, r.credited - r.payable),
                   ('refund', 'receivable:payee:' || r.payee_id, -r.receivable),
                   ('refund', 'refund_payable:customer:' || r.customer_id, r.amount),
                   ('refund_execute', 'refund_payable:customer:' || r.customer_id,
                    case when r.state = 'executed' then x.taken - r.amount end),
                   ('refund_execute', case e.provider when 'bank' then 'cash:bank:client' else 'clearing:' || e.provider end,
                    case when r.state = 'executed' then r.amount - x.taken end)
               ) as y (kind, name, amount) where y.amount <> 0 /* recent refund: r.id */
           ), booked as (
               select j.source_id as id, b.program_id, b.asset, j.kind, n.name,
                      sum(case when a.id = t.credit then t.amount else -t.amount end) as amount
               from journal j join posting t on t.journal_id = j.id join account a on a.id in (t.debit, t.credit)
               join book b on b.id = j.book_id
               cross join lateral (  -- what validators were paid already, they owe
                   select case a.name when 'receivable:validator' then 'payable:validator' else a.name end as name) n
               where j.source_type = 'refund' and j.kind in ('refund', 'refund_execute') /* recent refund: j.source_id */
               group by j.source_id, b.program_id, b.asset, j.kind, n.name
           )
           select coalesce(e.id, b.id), coalesce(e.kind, b.kind), coalesce(e.name, b.name), e.amount, b.amount
           from expected e full join booked b using (id, program_id, asset, kind, name)
           where e.amount is distinct from b.amount""",
        "critical",
        "The books say of a refund something else than its record.",
        "P12",
    ),
    Invariant(
        "RECEIVABLE_NOT_NETTED",
        "Was what a payee owes taken off before anything more was paid to them?",
        # Debt and reservation both by the ledger's clock: that of the payout is the worker's.
        """select pp.id, pp.program_id, p.payee_id, pp.asset, pp.amount, a.debits - a.credits as owes
           from account a join book b on b.id = a.book_id
           join payout p on a.name = 'receivable:payee:' || p.payee_id and (p.program_id, p.asset) = (b.program_id, b.asset)
           join provider_payout pp on pp.payout_id = p.id
           join journal j on (j.source_type, j.source_id, j.kind) = ('provider_payout', pp.id, 'payout_reserve')
           where a.name like 'receivable:payee:%' and a.debits > a.credits and pp.state not in ('failed', 'cancelled')
             and j.recorded_at > to_timestamp((a.last_seq >> 20) / 1000.0) + interval '1 minute'
             /* recent provider_payout: pp.id */""",
        "warning",
        "A debtor is paid: what they owe may never come back.",
        "P14",
    ),
)
