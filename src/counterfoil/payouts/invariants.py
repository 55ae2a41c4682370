"""What must always hold between payouts, provider payouts and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "FINALIZE_MISSING",
        "Has every provider payout that succeeded exactly one finalising journal of its amount?",
        """select pp.id from provider_payout pp
           where pp.state in ('succeeded', 'returned')
             and (select count(*) from journal j join posting t on t.journal_id = j.id and t.line = 1
                  where j.program_id = pp.program_id and j.key = 'PAYOUT_FINALIZE:' || pp.id and t.amount = pp.amount) <> 1""",
        "critical",
        "Money left, and the books still say it is in transit.",
    ),
    Invariant(
        "FINALIZE_ORPHAN",
        "Belongs every finalising journal to a provider payout that succeeded?",
        """select j.key from journal j
           left join provider_payout pp on j.key = 'PAYOUT_FINALIZE:' || pp.id and pp.state in ('succeeded', 'returned')
           where j.kind = 'payout_finalize' and pp.id is null""",
        "critical",
        "Booked as paid, and not paid.",
    ),
    Invariant(
        "RESERVE_MISSING",
        "Has every provider payout exactly one reservation, and every failed one its release?",
        """select pp.id, pp.state from provider_payout pp
           where not exists (select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RESERVE:' || pp.id)
              or (pp.state = 'failed') <> exists (
                  select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RELEASE:' || pp.id)""",
        "critical",
        "Money was sent that was not set aside, or given back while it may be out.",
    ),
    Invariant(
        "DOUBLE_PAYOUT",
        "Is at most one provider payout of each payout alive or done?",
        """select payout_id, count(*) from provider_payout where state not in ('failed', 'cancelled', 'returned')
           group by payout_id having count(*) > 1""",
        "critical",
        "A payee may be paid twice.",
    ),
    Invariant(
        "PAYOUT_STATE_TIE",
        "Does every payout stand where its last provider payout puts it?",
        """select p.id, p.state, pp.state from payout p
           left join lateral (select state from provider_payout where payout_id = p.id order by number desc limit 1) pp on true
           where not coalesce(case p.state
               when 'processing' then pp.state in ('queued', 'sending', 'sent')
               when 'reconcile_required' then pp.state in ('unknown', 'queued', 'sending', 'sent')
               when 'completed' then pp.state = 'succeeded'
               when 'returned' then pp.state = 'returned'
               when 'failed' then pp.state = 'failed'
               else pp.state is null or pp.state = 'failed' end, false)""",
        "critical",
        "Payout and provider payout disagree about where the money is.",
    ),
    Invariant(
        "IN_TRANSIT_TIE",
        "Does every in-transit account hold exactly what is reserved and neither final nor released?",
        """select a.name, a.credits - a.debits, coalesce(sum(pp.amount), 0) from account a
           join book b on b.id = a.book_id
           left join provider_payout pp on 'in_transit:' || pp.provider = a.name and pp.program_id = b.program_id
               and pp.asset = b.asset and pp.state in ('queued', 'sending', 'sent', 'unknown')
           where a.name like 'in_transit:%'
           group by a.id, a.name, a.credits, a.debits having a.credits - a.debits <> coalesce(sum(pp.amount), 0)""",
        "critical",
        "Money in transit that belongs to no payout, or the reverse.",
    ),
)
