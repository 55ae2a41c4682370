"""What must always hold between escrows, their movements and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "ESCROW_TOTALS",
        "Is what every escrow says it took in and gave what its movements say, and is nothing left in one that is over?",
        """select e.id, e.state, e.funded, e.released, e.refunded, e.repaid, m.funded, m.released, m.refunded, m.repaid
           from escrow e
           cross join lateral (
               select coalesce(sum(amount) filter (where kind = 'fund'), 0) as funded,
                      coalesce(sum(amount) filter (where kind = 'release'), 0) as released,
                      coalesce(sum(amount) filter (where kind in ('refund', 'expire', 'charge_back')), 0) as refunded,
                      coalesce(sum(amount) filter (where kind in ('repay', 'charge_back', 'set_off')), 0) as repaid
               from escrow_movement where escrow_id = e.id) m
           where ((e.funded, e.released, e.refunded, e.repaid) <> (m.funded, m.released, m.refunded, m.repaid)
              or case e.state when 'pending' then e.funded = e.amount or e.released + e.refunded > 0
                              when 'active' then e.funded <> e.amount or e.released + e.refunded = e.funded
                              when 'disputed' then e.funded <> e.amount or e.released + e.refunded = e.funded
                              when 'released' then e.released <> e.funded
                              when 'refunded' then e.refunded <> e.funded
                              when 'split' then e.released = 0 or e.refunded = 0 or e.released + e.refunded <> e.funded
                              else e.released + e.refunded <> e.funded end) /* recent escrow: e.id */""",
        "critical",
        "An escrow gave more or less than its record says, or holds money that nobody will ever release.",
        "P4",
    ),
    Invariant(
        "ESCROW_LEDGER_TIE",
        "Did every movement of an escrow move just its money, and does its account hold what is left?",
        """with expected as (
               select m.id, e.program_id, e.asset, x.name, x.amount
               from escrow_movement m join escrow e on e.id = m.escrow_id
               cross join lateral (values
                   ('escrow:' || e.id, case m.kind when 'fund' then m.amount when 'repay' then 0 when 'set_off' then 0 else -m.amount end),
                   (case when m.payment_id is not null then 'suspense' when m.provider = 'bank' then 'cash:bank:client'
                         else 'clearing:' || m.provider end,
                    case m.kind when 'fund' then -m.amount when 'repay' then m.amount else 0 end),
                   ('fee:platform', m.platform_fee), ('payable:validator', m.validator_fee), ('payable:payee:' || e.payee_id, m.net),
                   ('refund_payable:customer:' || e.customer_id,
                    case when m.kind in ('refund', 'expire') then m.amount when m.kind in ('repay', 'set_off') then -m.amount else 0 end),
                   ('receivable:customer:' || e.customer_id, case when m.kind in ('charge_back', 'set_off') then m.amount else 0 end)
               ) as x (name, amount)
               where x.amount <> 0
           ), booked as (
               select j.source_id as id, b.program_id, b.asset, a.name,
                      sum(case when a.id = t.credit then t.amount else -t.amount end) as amount
               from journal j join posting t on t.journal_id = j.id join account a on a.id in (t.debit, t.credit)
               join book b on b.id = j.book_id
               where j.source_type = 'escrow_movement' and starts_with(j.kind, 'escrow_')
               group by j.source_id, b.program_id, b.asset, a.name
           )
           select coalesce(e.id, b.id), coalesce(e.name, b.name), e.amount, b.amount
           from expected e full join booked b using (id, program_id, asset, name)
           where e.amount is distinct from b.amount
           union all
           select a.name, e.state, e.funded - e.released - e.refunded, a.credits - a.debits
           from escrow e join book b on (b.program_id, b.asset) = (e.program_id, e.asset)
           join account a on a.book_id = b.id and a.name = 'escrow:' || e.id
           where a.credits - a.debits <> e.funded - e.released - e.refunded""",
        "critical",
        "The books say of an escrow something else than its record.",
        "P12",
    ),
    Invariant(
        "ESCROW_FEES",
        "Are the fees of every release those of everything released by then, at the escrow's frozen rates, less what was taken before?",
        """with release as (
               select m.id, m.amount, m.platform_fee, m.validator_fee, m.net, e.program_id, e.asset, e.rate_version,
                      sum(m.amount) over before + m.amount as total, sum(m.platform_fee) over before as platform_before,
                      sum(m.validator_fee) over before as validator_before
               from escrow_movement m join escrow e on e.id = m.escrow_id
               where m.kind = 'release'
               window before as (partition by m.escrow_id order by m.number rows between unbounded preceding and 1 preceding))
           select m.id, m.platform_fee, m.validator_fee from (
               select id, amount, platform_fee, validator_fee, net, program_id, asset, rate_version, coalesce(total, amount) as total,
                      coalesce(platform_before, 0) as platform_before, coalesce(validator_before, 0) as validator_before from release) m
           join fee_rate r on (r.program_id, r.version) = (m.program_id, m.rate_version)
           where m.platform_fee <> least(fee_platform(m.total, m.program_id, m.rate_version, m.asset) - m.platform_before, m.amount)
              or m.validator_fee <> least(div(m.total * r.validator_bps, 10000) - m.validator_before, m.amount - m.platform_fee)""",
        "critical",
        "A fee of an escrow was computed wrongly.",
        "P12",
    ),
    Invariant(
        "ESCROW_RELEASED_RIGHTLY",
        "Was nothing released before every condition held, or when its time was over, and nothing expired before it?",
        """select m.id, m.escrow_id, m.kind, m.at, e.expires_at from escrow_movement m join escrow e on e.id = m.escrow_id
           where m.kind = 'release' and not m.by_ruling
                 and (m.at >= e.expires_at or exists (select from escrow_standing(e.id, m.at) c where not c.holds))
              or m.kind = 'expire' and m.at < e.expires_at""",
        "critical",
        "A payee got a customer's money too early, or a customer it back too early.",
        "P10",
    ),
    Invariant(
        "ESCROW_PAYMENT_USED_ONCE",
        "Did no payment fund escrows, pay a debt, or go back, with more than it brought, or with what a bank took back?",
        """select p.id, p.amount, p.applied, payment_unused(p.id) from payment p
           where p.id in (select payment_id from escrow_movement union select payment_id from customer_debt_entry
                          union select payment_id from unidentified_repayment)
             and (p.invoice_id is not null or payment_unused(p.id) < 0)""",
        "critical",
        "One payment counts for two things.",
        "P5",
    ),
)
