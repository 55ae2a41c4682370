"""What must always hold between commissions, their sales, their payments and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.settlement.commissions.verifying import ALL_DIFFERENCES

INVARIANTS: Final = (
    Invariant(
        "COMMISSION_TIE",
        "Is every commission what its sale, its frozen path and rates, and the refunds since make it, and has every referred sale its own?",
        ALL_DIFFERENCES,
        "critical",
        "An affiliate gets more or less than the contract says.",
        "P12",
    ),
    Invariant(
        "COMMISSION_LEDGER_TIE",
        "Does every affiliate's account hold what its commissions in that state make together?",
        """with expected as (
               select c.program_id, c.asset, case c.state when 'payable' then 'payable' else 'accrued' end
                      || ':affiliate:' || c.affiliate_id as name, sum(c.amount - c.taken_back) as amount
               from commission c where c.state <> 'paid' group by 1, 2, 3
           ), booked as (
               select b.program_id, b.asset, a.name, a.credits - a.debits as amount from account a join book b on b.id = a.book_id
               where a.name like 'accrued:affiliate:%' or a.name like 'payable:affiliate:%'
           )
           select coalesce(e.name, b.name), e.amount, b.amount from expected e full join booked b using (program_id, asset, name)
           where coalesce(e.amount, 0) <> coalesce(b.amount, 0)""",
        "critical",
        "What affiliates are owed is not what the books say.",
        "P12",
    ),
    Invariant(
        "COMMISSION_PAID_ONCE",
        "Is every payment the sum of its commissions, less what was to be netted then, and did it move just that?",
        """select p.id, p.earned, p.netted, p.amount, c.paid
           from commission_payment p
           left join lateral (select sum(paid) as paid from commission o where o.state = 'paid' and o.payment_id = p.id) c on true
           left join lateral (
               select sum(t.amount) as moved from journal j join posting t on t.journal_id = j.id
               join account d on d.id = t.credit and d.name = 'payable:payee:' || p.affiliate_id
               where j.source_type = 'commission_payment' and j.source_id = p.id) m on true
           where p.earned <> coalesce(c.paid, 0) or p.amount <> p.earned - p.netted or m.moved is distinct from p.amount
           union all
           select c.id, c.amount, c.taken_back, c.paid, null from commission c where (c.state = 'paid') <> (c.payment_id is not null)
           union all
           select c.id, c.amount, c.taken_back, coalesce(sum(r.amount), 0), null
           from commission c left join commission_reversal r on r.commission_id = c.id
           group by c.id having c.taken_back <> coalesce(sum(r.amount), 0)""",
        "critical",
        "A commission is paid twice, or is paid and counted as owed.",
        "P7",
    ),
)
