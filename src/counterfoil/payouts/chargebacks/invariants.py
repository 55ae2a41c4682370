"""What must always hold between chargebacks, refunds and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

# What is expected of chargebacks, and what is booked of them, by the reference that their journals have in the key.
_EXPECTED: Final = """select c.id, c.program_id, c.asset, x.kind, x.ref, x.amount from chargeback c cross join lateral (values
                   ('chargeback', c.provider || ':' || c.provider_ref, -c.amount - c.fee),
                   ('chargeback_won', c.provider || ':' || c.provider_ref, case when c.state = 'won' then c.amount + c.fee_back end)
               ) as x (kind, ref, amount)"""
_REF: Final = """cross join lateral (select substr(j.key, strpos(j.key, ':') + 1) as rest) r
               cross join lateral (select case when j.kind = 'chargeback' then j.kind else 'chargeback_won' end as kind,
                                          case when j.kind = 'chargeback_fee_back' then regexp_replace(r.rest, ':[0-9]+$', '')
                                               else r.rest end as ref) k"""
_KINDS: Final = "j.kind in ('chargeback', 'chargeback_won', 'chargeback_fee_back')"
_BOOKED: Final = f"""select b.program_id, b.asset, k.kind, k.ref, sum(case when a.id = t.debit then t.amount else -t.amount end) as amount
               from journal j join posting t on t.journal_id = j.id join account a on a.id in (t.debit, t.credit)
               join book b on b.id = a.book_id
               {_REF}
               where {_KINDS} and starts_with(a.name, 'clearing:')"""
_DIFFER: Final = """select coalesce(e.id, b.ref), coalesce(e.kind, b.kind), e.amount, b.amount
           from expected e full join booked b using (program_id, asset, kind, ref) where e.amount is distinct from b.amount"""

INVARIANTS: Final = (
    Invariant(
        "CHARGEBACK_TIE",
        "Is each chargeback excess, refunds and what was taken beyond them, to the unit, and did no payment go back more than once?",
        """select c.id, c.amount, c.beyond, coalesce(sum(x.amount), 0) from chargeback c
           left join chargeback_refund x on x.chargeback_id = c.id
           where true /* recent chargeback: c.id */
           group by c.id having c.amount <> c.excess + c.beyond + coalesce(sum(x.amount), 0)
           union all
           select p.id, p.amount - p.applied, sum(c.excess), 0 from payment p join chargeback c on c.payment_id = p.id and c.state <> 'won'
           where p.invoice_id is not null /* recent payment: p.id */ group by p.id having sum(c.excess) > p.amount - p.applied
           union all
           select p.id, p.amount, sum(c.amount), 0 from payment p join chargeback c on c.payment_id = p.id and c.state <> 'won'
           where true /* recent payment: p.id */
           group by p.id having sum(c.amount) > p.amount
           union all
           select c.id, c.amount, r.amount, 0 from chargeback c
           join chargeback_refund x on x.chargeback_id = c.id and x.is_own join refund r on r.id = x.refund_id
           where (r.state <> case c.state when 'won' then 'won_back' else 'charged_back' end or r.amount <> x.amount)
             /* recent chargeback: c.id */
           union all
           select r.id, r.amount, sum(x.amount), 0 from refund r
           join chargeback_refund x on x.refund_id = r.id join chargeback c on c.id = x.chargeback_id and c.state <> 'won'
           where true /* recent refund: r.id */
           group by r.id having sum(x.amount) > r.amount or (r.state = 'charged_back') <> (sum(x.amount) = r.amount)
           union all
           select c.id, c.amount, sum(x.amount), 0 from chargeback c join chargeback_escrow x on x.chargeback_id = c.id
           where true /* recent chargeback: c.id */
           group by c.id having c.invoice_id is not null or sum(x.amount) > c.amount
           union all
           select x.escrow_id, f.amount, sum(x.amount), 0 from chargeback_escrow x
           join chargeback c on c.id = x.chargeback_id and c.state <> 'won'
           cross join lateral (select coalesce(sum(m.amount), 0) as amount from escrow_movement m
                               where (m.payment_id, m.escrow_id) = (c.payment_id, x.escrow_id)) f
           where true /* recent payment: c.payment_id */
           group by x.escrow_id, c.payment_id, f.amount having sum(x.amount) > f.amount
           union all
           select x.entry_id, d.amount, sum(x.amount), 0 from chargeback_debt x
           join chargeback c on c.id = x.chargeback_id and c.state <> 'won' join customer_debt_entry d on d.id = x.entry_id
           where true /* recent chargeback: c.id */
           group by x.entry_id, d.amount having sum(x.amount) > d.amount or bool_or(c.payment_id is distinct from d.payment_id)
           union all
           select r.unidentified_payment_id, r.amount, sum(x.amount), 0 from chargeback_repaid x
           join chargeback c on c.id = x.chargeback_id and c.state <> 'won'
           join unidentified_repayment r on r.unidentified_payment_id = x.unidentified_payment_id
           where true /* recent chargeback: c.id */
           group by r.unidentified_payment_id, r.amount
           having sum(x.amount) > r.amount or bool_or(c.payment_id is distinct from r.payment_id)""",
        "critical",
        "A chargeback took another amount than its records say.",
        "P12",
    ),
    Invariant(
        "CHARGEBACK_LEDGER_TIE",
        "Did the provider's clearing account give what each chargeback took, and get back what was won, fees with it?",
        f"""with expected as (
               {_EXPECTED} where x.amount is not null
           ), booked as (
               {_BOOKED}
               group by b.program_id, b.asset, k.kind, k.ref
           )
           {_DIFFER}""",
        "critical",
        "The books say of a chargeback something else than its record.",
        "P12",
        # Of each chargeback that was touched, or of which something was booked, all that is booked of it.
        recent=f"""with asked as (
               select c.provider, c.provider_ref as ref from chargeback c where c.id = any(%(chargeback)s)
               union
               select left(k.ref, -length(j.source_id) - 1), j.source_id from journal j {_REF}
               where j.id = any(%(journal)s) and {_KINDS} and j.source_id is not null
           ), expected as (
               {_EXPECTED}
               join asked q on (q.provider, q.ref) = (c.provider, c.provider_ref)
               where x.amount is not null
           ), booked as (
               {_BOOKED}
                 and (j.source_type, j.source_id) in (select 'chargeback', ref from asked)
                 and k.ref in (select provider || ':' || ref from asked)
               group by b.program_id, b.asset, k.kind, k.ref
           )
           {_DIFFER}""",
    ),
    Invariant(
        "CHARGEBACK_ESCROW",
        "Is nothing on its way out of an escrow whose money is charged back, "
        "do customers owe what was taken of it, or of what paid a debt, and is what had gone back before a loss of the house?",
        """select distinct e.id, e.state, c.id, 0 from chargeback c
           join escrow_movement m on m.payment_id = c.payment_id join escrow e on e.id = m.escrow_id
           where c.state = 'open' and e.state = 'active'
           union all
           select distinct e.id, e.state, c.id, 1 from chargeback c
           join chargeback_debt x on x.chargeback_id = c.id join customer_debt_entry d on d.id = x.entry_id
           join escrow e on (e.program_id, e.customer_id, e.asset) = (d.program_id, d.customer_id, d.asset)
           where c.state = 'open' and e.state = 'active' and escrow_lost(e.id) > 0
           union all
           select c.id, c.state, 'booked', coalesce(b.amount, 0) - x.amount from chargeback c
           cross join lateral (select sum(amount) as amount from chargeback_escrow where chargeback_id = c.id) x
           left join lateral (
               select sum(p.amount) as amount from journal j join posting p on p.journal_id = j.id join account d on d.id = p.debit
               where j.program_id = c.program_id and j.key = 'CHARGEBACK_ESCROW:' || c.provider || ':' || c.provider_ref
                     and d.name like 'receivable:customer:%') b on true
           where x.amount is distinct from b.amount
           union all
           select c.id, c.state, 'booked again', coalesce(b.amount, 0) - coalesce(x.amount, 0) from chargeback c
           cross join lateral (select sum(amount) as amount from chargeback_debt where chargeback_id = c.id) x
           left join lateral (
               select sum(p.amount) as amount from journal j join posting p on p.journal_id = j.id join account d on d.id = p.debit
               where j.program_id = c.program_id and j.key = 'CHARGEBACK_DEBT:' || c.provider || ':' || c.provider_ref
                     and d.name like 'receivable:customer:%') b on true
           where x.amount is distinct from b.amount
           union all
           select c.id, c.state, 'lost by the house', coalesce(b.amount, 0) - coalesce(x.amount, 0) from chargeback c
           left join chargeback_repaid x on x.chargeback_id = c.id
           left join lateral (
               select sum(p.amount) as amount from journal j join posting p on p.journal_id = j.id join account d on d.id = p.debit
               where j.program_id = c.program_id and j.key = 'CHARGEBACK_REPAID:' || c.provider || ':' || c.provider_ref
                     and d.name = 'bad_debt') b on true
           where x.amount is distinct from b.amount
           union all
           select x.escrow_id, 'taken', '', escrow_lost(x.escrow_id) from chargeback_escrow x
           group by x.escrow_id having escrow_lost(x.escrow_id) < 0""",
        "critical",
        "Money that is not ours goes out of an escrow, or other customers' money was taken for it.",
        "P12",
    ),
)
