"""What must always hold between usage, invoices, payments and settlements."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "INVOICE_TOTAL",
        "Is every invoice the sum of its lines?",
        """select i.id, i.total, coalesce(sum(u.amount), 0) from invoice i left join usage_record u on u.invoice_id = i.id
           group by i.id having i.total <> coalesce(sum(u.amount), 0)""",
        "critical",
        "A customer was asked for another amount than was used.",
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
    ),
    Invariant(
        "INVOICE_LEDGER_TIE",
        "Is what each invoice says was paid what its payments applied, and is it paid exactly when it is paid in full?",
        """select i.id, i.state, i.paid, coalesce(sum(p.applied), 0) from invoice i left join payment p on p.invoice_id = i.id
           group by i.id having i.paid <> coalesce(sum(p.applied), 0) or (i.paid = i.total) <> (i.state = 'paid')""",
        "critical",
        "A payment that is not in the books, or is there twice.",
    ),
    Invariant(
        "PAYMENT_WITHOUT_JOURNAL",
        "Has every payment exactly one journal of its amount?",
        """select p.id, p.charge_id from payment p
           left join journal j on j.program_id = p.program_id and j.key = 'PAYMENT:' || p.provider || ':' || p.charge_id
           left join lateral (select sum(amount) as booked from posting
                              where journal_id = j.id) booked on true
           where booked.booked is distinct from p.amount + p.fee""",
        "critical",
        "Money was received and not booked, or booked otherwise.",
    ),
    Invariant(
        "ESCROW_CONSERVATION",
        "Does every escrow account hold what was paid on its invoice and is not yet settled?",
        """select a.name, a.credits - a.debits, i.paid, s.gross from account a
           join invoice i on a.name = 'escrow:' || i.id left join settlement s on s.invoice_id = i.id
           where a.credits - a.debits <> i.paid - coalesce(s.gross, 0)""",
        "critical",
        "Money left escrow that was not settled, or was settled and stayed.",
    ),
    Invariant(
        "PAYOUT_SUM",
        "Is every settlement gross = fees + holdback + net, each recomputed from its frozen rates?",
        """select s.id from settlement s join fee_rate r on r.program_id = s.program_id and r.version = s.rate_version
           where s.platform_fee <> div(s.gross::numeric * r.platform_bps, 10000)
              or s.validator_fee <> div(s.gross::numeric * r.validator_bps, 10000)
              or s.holdback <> div(s.gross::numeric * r.holdback_bps, 10000)
              or s.net <> s.gross - s.platform_fee - s.validator_fee - s.holdback""",
        "critical",
        "A fee was computed wrongly.",
    ),
    Invariant(
        "INTENT_SETTLEMENT",
        "Is an intent completed exactly when its invoice is settled?",
        """select i.id, i.state, s.id from intent i left join settlement s on s.invoice_id = i.invoice_id
           where (i.state = 'completed') <> (s.id is not null)""",
        "critical",
        "An invoice was settled and its intent does not know, or the reverse.",
    ),
    Invariant(
        "STATE_HISTORY",
        "Does every state agree with the last step of its history?",
        """with noun (machine, id, state, steps) as (
               select 'invoice', id, state, steps from invoice union all select 'intent', id, state, steps from intent
               union all select 'payout', id, state, steps from payout
               union all select 'provider_payout', id, state, steps from provider_payout
               union all select 'webhook_in', id, state, steps from webhook_in
               union all select 'event', id, state, steps from event)
           select n.machine, n.id, n.state, s.to_state from noun n
           left join step s on s.subject_id = n.id and s.step = n.steps
           where s.to_state is distinct from n.state
              or exists (select from step later where later.subject_id = n.id and later.step > n.steps)""",
        "critical",
        "A state was changed by hand, or its history was.",
    ),
)
