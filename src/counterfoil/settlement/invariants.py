"""What must always hold between usage, invoices, payments and settlements."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.settlement.intents.intents import MOVING

MONITORS: Final = (
    Invariant(
        "INTENT_STUCK",
        "Does every paid intent move on within 10 minutes?",
        f"""select id, program_id, state, state_at, last_error,
                   case when state_at < %(now)s - interval '15 minutes' then 'critical' else 'warning' end as severity
            from intent where state in {listed(MOVING)} and state_at < %(now)s - interval '10 minutes'""",
        "warning",
        "A customer has paid, and the payee's money is not settled.",
        "P13",
        monitor=True,
    ),
    Invariant(
        "HOLDBACK_OVERDUE",
        "Is every holdback whose date has come released within two days?",
        """select id, program_id, payee_id, release_at, last_error from holdback_tranche
           where state = 'held' and release_at < %(now)s - interval '2 days'""",
        "warning",
        "A payee's money is kept longer than was agreed.",
        "P14",
        monitor=True,
    ),
)
INVARIANTS: Final = (
    Invariant(
        "INVOICE_TOTAL",
        "Is every invoice the sum of its lines?",
        """select i.id, i.total, coalesce(sum(u.amount), 0) from invoice i left join usage_record u on u.invoice_id = i.id
           where true /* recent invoice: i.id */ group by i.id having i.total <> coalesce(sum(u.amount), 0)""",
        "critical",
        "A customer was asked for another amount than was used.",
        "P12",
    ),
    Invariant(
        "INVOICE_EXACT",
        "Does every invoice bill what was used, to the unit, with what it took over from the one before and left for the next?",
        """with billed as (
               select i.id, i.program_id, i.customer_id, i.payee_id, i.asset, i.total, i.carried_in, i.carried_out,
                      sum(u.quantity_micro::numeric * u.price_micro) as used,
                      bool_or(abs(u.amount * 1e12 - u.quantity_micro::numeric * u.price_micro) >= 1e12) as unfair
               from invoice i join usage_record u on u.invoice_id = i.id where i.carried_in is not null group by i.id)
           select id, total, used from billed where used + carried_in <> total * 1e12 + carried_out or unfair
           union all
           select 'fraction of ' || f.customer_id || ' with ' || f.payee_id, f.fraction, coalesce(sum(b.carried_out - b.carried_in), 0)
           from usage_fraction f
           left join billed b using (program_id, customer_id, payee_id, asset)
           group by f.program_id, f.customer_id, f.payee_id, f.asset
           having f.fraction <> coalesce(sum(b.carried_out - b.carried_in), 0)""",
        "critical",
        "A customer was asked for more or less than was used, or a fraction of a unit was billed twice or never.",
        "P12",
    ),
    Invariant(
        "USAGE_LOST_TO_ROUNDING",
        "Did no invoice lose a whole unit or more because its records were rounded one by one, as they were before?",
        """select i.id, i.total, div(sum(u.quantity_micro::numeric * u.price_micro), 1e12)
           from invoice i join usage_record u on u.invoice_id = i.id
           where i.carried_in is null and i.state <> 'cancelled' group by i.id
           having sum(u.quantity_micro::numeric * u.price_micro) >= (i.total + 1) * 1e12""",
        "warning",
        "An earlier version billed less than was used: the difference is the third figure less the second.",
        "P12",
    ),
    Invariant(
        "INVOICE_LEDGER_TIE",
        "Is what each invoice says was paid what its payments applied, and is it paid exactly when it is paid in full?",
        """select i.id, i.state, i.paid, coalesce(sum(p.applied), 0) from invoice i left join payment p on p.invoice_id = i.id
           where true /* recent invoice: i.id */
           group by i.id having i.paid <> coalesce(sum(p.applied), 0)
              or (i.state <> 'cancelled' and i.state not in ('disputed', 'refunded')
                  and (i.paid + i.credited = i.total) <> (i.state = 'paid'))
              or (i.state = 'cancelled' and i.paid > 0 and i.paid + i.credited + i.written_off <> i.total)""",
        "critical",
        "A payment that is not in the books, or is there twice.",
        "P12",
    ),
    Invariant(
        "PAYMENT_WITHOUT_JOURNAL",
        "Has every payment exactly one journal: its amount into clearing, its fee out of it, to its invoice what was applied?",
        """select p.id, p.charge_id, p.amount, p.fee, p.applied, t.received, t.fee, t.applied
           from payment p
           left join journal j on j.program_id = p.program_id and j.key = 'PAYMENT:' || p.provider || ':' || p.charge_id
           left join lateral (
               select sum(t.amount) as booked,
                      sum(t.amount) filter (where d.name = 'clearing:' || p.provider) as received,
                      coalesce(sum(t.amount) filter (where d.name = 'provider_fee' and c.name = 'clearing:' || p.provider), 0) as fee,
                      coalesce(sum(t.amount) filter (where c.name = 'escrow:' || p.invoice_id), 0) as applied
               from posting t join account d on d.id = t.debit join account c on c.id = t.credit
               where t.journal_id = j.id) t on true
           where (t.booked, t.received, t.fee, t.applied) is distinct from (p.amount + p.fee, p.amount, p.fee, p.applied)
             /* recent payment: p.id */""",
        "critical",
        "Money was received and not booked, or booked otherwise.",
        "P12",
    ),
    Invariant(
        "ESCROW_CONSERVATION",
        "Does every escrow account hold what was paid on its invoice, or put in for it, and is neither settled nor refunded?",
        """select a.name, a.credits - a.debits, i.paid + i.written_off, s.gross, r.amount from account a
           join invoice i on a.name = 'escrow:' || i.id left join settlement s on s.invoice_id = i.id
           left join lateral (select sum(escrow) as amount from refund where invoice_id = i.id and state <> 'won_back') r on true
           where a.credits - a.debits <> i.paid + i.written_off - coalesce(s.gross, 0) - coalesce(r.amount, 0)
             /* recent account: a.id */""",
        "critical",
        "Money left escrow that was neither settled nor refunded, or it was and stayed.",
        "P4",
    ),
    Invariant(
        "PAYOUT_SUM",
        "Is every settlement gross = fees + holdback + net, each recomputed from its frozen rates?",
        """select s.id from settlement s join fee_rate r on r.program_id = s.program_id and r.version = s.rate_version
           where (s.platform_fee is distinct from fee_platform(s.gross, s.program_id, s.rate_version, s.asset)
              or s.validator_fee <> div(s.gross::numeric * r.validator_bps, 10000)
              or s.holdback <> div(s.gross::numeric * r.holdback_bps, 10000)
              or s.net <> s.gross - s.platform_fee - s.validator_fee - s.holdback)
             /* recent settlement: s.id */""",
        "critical",
        "A fee was computed wrongly.",
        "P12",
    ),
    Invariant(
        "INTENT_SETTLEMENT",
        "Is an intent completed exactly when its invoice is settled?",
        """select i.id, i.state, s.id from intent i left join settlement s on s.invoice_id = i.invoice_id
           where (i.state = 'completed') <> (s.id is not null) /* recent intent: i.id */""",
        "critical",
        "An invoice was settled and its intent does not know, or the reverse.",
        "P13",
    ),
    Invariant(
        "SETTLEMENT_LEDGER_TIE",
        "Is every settlement of its invoice's payee and unrefunded money, and did its journal move each part out of escrow to its place?",
        """with expected as (
               select s.id, s.program_id, s.asset, 'escrow:' || s.invoice_id as debit, x.credit, x.amount
               from settlement s
               cross join lateral (values ('fee:platform', s.platform_fee), ('payable:validator', s.validator_fee),
                                          ('holdback:payee:' || s.payee_id, s.holdback), ('payable:payee:' || s.payee_id, s.net)
               ) as x (credit, amount)
               where x.amount <> 0 /* recent settlement: s.id */
           ), booked as (
               select j.source_id as id, b.program_id, b.asset, d.name as debit, c.name as credit, sum(t.amount) as amount
               from journal j
               join posting t on t.journal_id = j.id
               join account d on d.id = t.debit
               join account c on c.id = t.credit
               join book b on b.id = j.book_id
               where j.kind = 'settlement' and j.source_type = 'settlement' /* recent settlement: j.source_id */
               group by j.source_id, b.program_id, b.asset, d.name, c.name
           )
           select coalesce(e.id, b.id), coalesce(e.debit, b.debit), coalesce(e.credit, b.credit), e.amount, b.amount
           from expected e full join booked b using (id, program_id, asset, debit, credit)
           where e.amount is distinct from b.amount
           union all
           select s.id, s.payee_id, i.payee_id, s.gross, i.paid + i.written_off
           from settlement s join invoice i on i.id = s.invoice_id
           where (s.program_id, s.payee_id, s.asset, s.gross) <> (i.program_id, i.payee_id, i.asset,
                 i.paid + i.written_off
                     - coalesce((select sum(r.escrow) from refund r where r.invoice_id = i.id and r.state <> 'won_back'), 0))
             /* recent settlement: s.id */""",
        "critical",
        "The books say of a settlement something else than its record.",
        "P12",
    ),
    Invariant(
        "INVOICE_TERMS",
        "Is what was credited on each invoice the sum of its credit notes, and what was written off of it agreed, and booked as a loss?",
        """select i.id, 'credited', i.credited, coalesce(sum(c.against_due), 0)
           from invoice i left join credit_note c on c.invoice_id = i.id
           where true /* recent invoice: i.id */ group by i.id having i.credited <> coalesce(sum(c.against_due), 0)
           union all
           select i.id, 'written off', i.written_off, coalesce(sum(w.amount), 0)
           from invoice i left join invoice_write_off w on w.invoice_id = i.id
           where true /* recent invoice: i.id */ group by i.id having i.written_off <> coalesce(sum(w.amount), 0)
           union all
           select coalesce(w.id, b.id), 'journal', w.amount, b.amount from invoice_write_off w full join (
               select j.source_id as id,
                      sum(case when d.name = 'bad_debt' and c.name = 'escrow:' || o.invoice_id then t.amount end) as amount,
                      sum(t.amount) as booked
               from journal j join posting t on t.journal_id = j.id join account d on d.id = t.debit join account c on c.id = t.credit
               left join invoice_write_off o on o.id = j.source_id
               where j.kind = 'invoice_write_off' group by j.source_id) b on b.id = w.id
           where (w.amount, w.amount) is distinct from (b.amount, b.booked) /* full only */""",
        "critical",
        "A customer was let off something that nobody agreed to, or the loss is not in the books.",
        "P12",
    ),
    Invariant(
        "OVERPAYMENT_TIE",
        "Is all that customers paid beyond their invoices owed back to them, once each, and was what was paid back booked?",
        """select p.id, p.amount - p.applied, o.amount from payment p full join overpayment o on o.payment_id = p.id
           where (p.invoice_id is not null and p.amount > p.applied or o.id is not null)
             and (o.amount, o.invoice_id) is distinct from (p.amount - p.applied, p.invoice_id)
           union all
           select o.id, r.amount, b.amount from overpayment o
           left join overpayment_repayment r on r.overpayment_id = o.id
           left join (select j.source_id, sum(t.amount) as amount from journal j join posting t on t.journal_id = j.id
                      where j.kind = 'overpayment_repay' group by j.source_id) b on b.source_id = o.id
           where r.amount is distinct from b.amount or (o.state = 'repaid') <> (r.overpayment_id is not null)""",
        "critical",
        "A customer's money is owed back and nobody knows of it, or it went back twice.",
        "P12",
    ),
)
