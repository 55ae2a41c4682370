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
                  where j.program_id = pp.program_id and j.key = 'PAYOUT_FINALIZE:' || pp.id
                    and t.amount = least(coalesce(pp.paid, pp.amount), pp.amount)) <> 1""",
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
        "Has every provider payout its reservation, and only what failed or was cancelled, and was not paid after all, its release?",
        """select pp.id, pp.state from provider_payout pp
           where not exists (select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RESERVE:' || pp.id)
              or (pp.state in ('failed', 'cancelled')) <> (
                  exists (select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RELEASE:' || pp.id)
                  and not exists (select from journal j
                                  where j.program_id = pp.program_id and j.key = 'PAYOUT_RESERVE_AGAIN:' || pp.id))""",
        "critical",
        "Money was sent that was not set aside, or given back while it may be out.",
    ),
    Invariant(
        "RETURN_MISSING",
        "Has every provider payout that came back exactly one journal that says so, and no other one?",
        """select pp.id, pp.state from provider_payout pp
           where (pp.state = 'returned') <> exists (
               select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RETURN:' || pp.id)""",
        "critical",
        "Money came back that the books call paid, or the reverse.",
    ),
    Invariant(
        "DOUBLE_PAYOUT",
        "Is at most one attempt of each settlement alive, and was no more paid than was owed or is owed back by the payee?",
        """select p.settlement_id, count(*) filter (where pp.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined')) as alive,
                  sum(least(coalesce(pp.paid, pp.amount), pp.amount) - pp.beyond) as spent
           from payout p join provider_payout pp on pp.payout_id = p.id
                and pp.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined', 'succeeded')
           group by p.settlement_id
           having count(*) filter (where pp.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined')) > 1
               or sum(least(coalesce(pp.paid, pp.amount), pp.amount) - pp.beyond) > (
                   select sum(case when one.reissue = 0 then one.amount else 0 end
                              - coalesce((select sum(n.amount) from payout_netting n where n.payout_id = one.id), 0))
                   from payout one where one.settlement_id = p.settlement_id)""",
        "critical",
        "A payee may be paid twice.",
    ),
    Invariant(
        "PAYOUT_STATE_TIE",
        "Does every payout stand where its attempts put it: is the pair one that may exist?",
        """select p.id, p.state, coalesce(pp.alive, ''), coalesce(pp.paid, 0) from payout p
           left join lateral (
               select string_agg(state, ' ' order by number)
                          filter (where state in ('queued', 'sending', 'sent', 'unknown', 'quarantined')) as alive,
                      count(*) filter (where state = 'succeeded') as paid,
                      count(*) filter (where state = 'succeeded' and beyond = 0) as paid_from_owed,
                      count(*) filter (where state = 'returned') as returned
               from provider_payout where payout_id = p.id) pp on true
           where not case p.state
               when 'processing' then coalesce(pp.alive in ('queued', 'sending', 'sent', 'quarantined'), false)
               when 'reconcile_required' then coalesce(pp.alive in ('unknown', 'queued', 'sending', 'sent', 'quarantined'), false)
               when 'completed' then pp.alive is null and pp.paid >= 1 and pp.paid_from_owed <= 1
               when 'returned' then pp.alive is null and pp.returned >= 1 and pp.paid_from_owed = 0
               else pp.alive is null and pp.paid_from_owed = 0 end""",
        "critical",
        "Payout and attempts disagree about where the money is.",
    ),
    Invariant(
        "PAYOUT_AMOUNT_TIE",
        "Is no attempt for more than its payout, and does every later payout follow an earlier one of its settlement?",
        """select p.id, p.amount, pp.amount from payout p join provider_payout pp on pp.payout_id = p.id where pp.amount > p.amount
           union all
           select p.id, p.amount, null from payout p where p.reissue > 0 and not exists (
               select from payout before where before.settlement_id = p.settlement_id and before.reissue = p.reissue - 1)""",
        "critical",
        "More is sent than was owed, or a later payout has no earlier one.",
    ),
    Invariant(
        "CONFLICT_BRAKE",
        "Is no call announced after a conflict was opened on an attempt of the same settlement, and before it ended?",
        """select c.id, k.id from provider_conflict c
           join provider_payout mine on mine.id = c.provider_payout_id join payout p on p.id = mine.payout_id
           join payout other on other.settlement_id = p.settlement_id join provider_payout pp on pp.payout_id = other.id
           join call k on k.subject_id = pp.id
           where k.announced_at > c.at and (c.state = 'open' or k.announced_at < c.state_at)""",
        "critical",
        "An order went out while the money might have been out already.",
    ),
    Invariant(
        "IN_TRANSIT_TIE",
        "Does every in-transit account hold exactly what is reserved and neither final nor released?",
        """select a.name, a.credits - a.debits, coalesce(sum(pp.amount), 0) from account a
           join book b on b.id = a.book_id
           left join provider_payout pp on 'in_transit:' || pp.provider = a.name and pp.program_id = b.program_id
               and pp.asset = b.asset and pp.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined')
           where a.name like 'in_transit:%'
           group by a.id, a.name, a.credits, a.debits having a.credits - a.debits <> coalesce(sum(pp.amount), 0)""",
        "critical",
        "Money in transit that belongs to no payout, or the reverse.",
    ),
)
