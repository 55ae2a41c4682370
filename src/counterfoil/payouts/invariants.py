"""What must always hold between payouts, provider payouts and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.payouts.destinations.tokens import not_as_agreed
from counterfoil.payouts.machines import GIVEN_BACK, PAID, PROVIDER_PAYOUT, RESERVED, SPENT

_OPEN: Final = listed(PROVIDER_PAYOUT.open)
_KNOWN: Final = listed([one for one in PROVIDER_PAYOUT.open if one != "unknown"])

MONITORS: Final = (
    Invariant(
        "OUTBOX_SENDING_STUCK",
        "Is every call of a payout over within 15 minutes?",
        """select id, program_id, provider, state_at, lease_until, last_error,
                  case when state_at < %(now)s - interval '30 minutes' then 'critical' else 'warning' end as severity
           from provider_payout where state = 'sending' and state_at < %(now)s - interval '15 minutes'""",
        "warning",
        "A worker died while it sent: whether the money is out has to be asked of the provider.",
        "P8",
        monitor=True,
    ),
    Invariant(
        "PAYOUT_SENT_SILENT",
        "Is every payout whose outcome is not known, or that is due to be asked about, answered within 10 minutes?",
        """select id, program_id, provider, state, state_at, due_at, last_error,
                  case when coalesce(sent_at, state_at) < %(now)s - interval '24 hours' then 'critical' else 'warning' end as severity
           from provider_payout
           where state = 'unknown' and state_at < %(now)s - interval '10 minutes'
              or state = 'sent' and due_at < %(now)s - interval '10 minutes'""",
        "warning",
        "A webhook was lost or its signature failed, and asking the provider did not help yet.",
        "P9",
        monitor=True,
    ),
    Invariant(
        "PAYOUT_PROCESSING_AGED",
        "Is every payout through within 24 hours of its reservation?",
        f"""select p.id, p.program_id, p.payee_id, p.state, p.state_at, p.last_error from payout p
           where p.state in {listed(RESERVED)}
             and least(p.state_at, (select max(pp.created_at) from provider_payout pp where pp.payout_id = p.id))
                 < %(now)s - interval '24 hours'""",
        "warning",
        "A payee waits for money that is set aside for them.",
        "P9",
        monitor=True,
    ),
    Invariant(
        "HELD_AGED",
        "Is no payout held for longer than 30 days?",
        """select id, program_id, payee_id, state_at from payout where state = 'held' and state_at < %(now)s - interval '30 days'""",
        "warning",
        "A hold was forgotten.",
        "P10",
        monitor=True,
    ),
    Invariant(
        "CHARGEBACK_AGED",
        "Is every chargeback decided within 90 days after evidence for it could be sent?",
        """select id, program_id, provider, provider_ref, opened_at, answer_by from chargeback
           where state = 'open' and coalesce(answer_by, opened_at) < %(now)s - interval '90 days'""",
        "warning",
        "The bank's last word was lost, and what the chargeback froze stays frozen; two people may end it.",
        "P10",
        monitor=True,
    ),
    Invariant(
        "DESTINATION_CHANGE_RISK",
        "Was nothing sent to a changed destination while it cools off (72 hours, or what the policy says), unless people approved it?",
        """select pp.id, pp.program_id, p.payee_id, pp.created_at, d.created_at as changed_at, coalesce(r.basis, 'none') as approved_by
           from provider_payout pp
           join payout p on p.id = pp.payout_id
           join destination d on d.id = pp.destination_id
           left join payout_approval r on r.provider_payout_id = pp.id
           left join lateral (select cooling_hours from payout_policy o where (o.program_id, o.asset) = (p.program_id, p.asset)
                              order by version desc limit 1) o on true
           where pp.created_at > %(now)s - interval '7 days'
             and pp.created_at < d.created_at + make_interval(hours => coalesce(o.cooling_hours, 72))
             and coalesce(r.basis, 'none') <> 'batch'
             and exists (select from destination o where (o.program_id, o.payee_id) = (d.program_id, d.payee_id)
                         and o.created_at < d.created_at)""",
        "warning",
        "Whoever changed where a payee is paid may not be the payee.",
        "P11",
        monitor=True,
    ),
)
INVARIANTS: Final = (
    Invariant(
        "QUARANTINE_LEAK",
        "Was no order sent for a payout while it was in quarantine?",
        """select s.subject_id, s.at, k.id, k.announced_at from step s
           join call k on k.subject_id = s.subject_id and k.announced_at > s.at
           where s.machine = 'provider_payout' and s.to_state = 'quarantined' /* recent provider_payout: s.subject_id */
             and not exists (select from step l where l.subject_id = s.subject_id and l.step > s.step and l.at <= k.announced_at)""",
        "critical",
        "A control against fraud was passed over.",
        "P11",
    ),
    Invariant(
        "FINALIZE_MISSING",
        "Has every provider payout that succeeded exactly one finalising journal of its amount?",
        f"""select pp.id from provider_payout pp
           where pp.state in {listed(PAID)}
             and (select count(*) from journal j join posting t on t.journal_id = j.id and t.line = 1
                  where j.program_id = pp.program_id and j.key = 'PAYOUT_FINALIZE:' || pp.id
                    and t.amount = least(coalesce(pp.paid, pp.amount), pp.amount)) <> 1
             /* recent provider_payout: pp.id */""",
        "critical",
        "Money left, and the books still say it is in transit.",
        "P6",
    ),
    Invariant(
        "FINALIZE_ORPHAN",
        "Belongs every finalising journal to a provider payout that succeeded?",
        f"""select j.key from journal j
           left join provider_payout pp on j.key = 'PAYOUT_FINALIZE:' || pp.id and pp.state in {listed(PAID)}
           where j.kind = 'payout_finalize' and pp.id is null /* recent journal: j.id */""",
        "critical",
        "Booked as paid, and not paid.",
        "P6",
    ),
    Invariant(
        "RESERVE_MISSING",
        "Has every provider payout its reservation, and only what failed or was cancelled, and was not paid after all, its release?",
        f"""select pp.id, pp.state from provider_payout pp
           where (not exists (select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RESERVE:' || pp.id)
              or (pp.state in {listed(GIVEN_BACK)}) <> (
                  exists (select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RELEASE:' || pp.id)
                  and not exists (select from journal j
                                  where j.program_id = pp.program_id and j.key = 'PAYOUT_RESERVE_AGAIN:' || pp.id)))
             /* recent provider_payout: pp.id */""",
        "critical",
        "Money was sent that was not set aside, or given back while it may be out.",
        "P6",
    ),
    Invariant(
        "RETURN_MISSING",
        "Has every provider payout that came back exactly one journal that says so, and no other one?",
        """select pp.id, pp.state from provider_payout pp
           where (pp.state = 'returned') <> exists (
               select from journal j where j.program_id = pp.program_id and j.key = 'PAYOUT_RETURN:' || pp.id)
             /* recent provider_payout: pp.id */""",
        "critical",
        "Money came back that the books call paid, or the reverse.",
        "P6",
    ),
    Invariant(
        "DOUBLE_PAYOUT",
        "Is at most one attempt of each settlement alive, and was no more paid than was owed or is owed back by the payee?",
        f"""select p.settlement_id, count(*) filter (where pp.state in {_OPEN}) as alive,
                  sum(least(coalesce(pp.paid, pp.amount), pp.amount) - pp.beyond) as spent
           from payout p join provider_payout pp on pp.payout_id = p.id
                and pp.state in {listed(SPENT)} /* recent settlement: p.settlement_id */
           group by p.settlement_id
           having count(*) filter (where pp.state in {_OPEN}) > 1
               or sum(least(coalesce(pp.paid, pp.amount), pp.amount) - pp.beyond) > (
                   select sum(case when one.reissue = 0 then one.amount else 0 end
                              - coalesce((select sum(n.amount) from payout_netting n where n.payout_id = one.id), 0))
                   from payout one where one.settlement_id = p.settlement_id)""",
        "critical",
        "A payee may be paid twice.",
        "P7",
    ),
    Invariant(
        "OVERPAID_BOOKED",
        "Is all that an attempt paid beyond what was owed a debt of its payee in the books?",
        """select pp.id, pp.beyond + greatest(coalesce(pp.paid, pp.amount) - pp.amount, 0), coalesce(owed.minor, 0)
           from provider_payout pp join payout p on p.id = pp.payout_id
           left join lateral (
               select sum(t.amount)::bigint as minor from journal j join posting t on t.journal_id = j.id
               join account d on d.id = t.debit and d.name = 'receivable:payee:' || p.payee_id
               where j.program_id = pp.program_id and j.key in ('PAYOUT_RESERVE_AGAIN:' || pp.id, 'PAYOUT_FINALIZE:' || pp.id)) owed on true
           where pp.state = 'succeeded'
             and pp.beyond + greatest(coalesce(pp.paid, pp.amount) - pp.amount, 0) <> coalesce(owed.minor, 0)
             /* recent provider_payout: pp.id */""",
        "critical",
        "A payee was paid more than the payout says, and nobody will ask for it back.",
        "P7",
    ),
    Invariant(
        "PAYOUT_STATE_TIE",
        "Does every payout stand where its attempts put it: is the pair one that may exist?",
        f"""select p.id, p.state, coalesce(pp.alive, ''), coalesce(pp.paid, 0) from payout p
           left join lateral (
               select string_agg(state, ' ' order by number)
                          filter (where state in {_OPEN}) as alive,
                      count(*) filter (where state = 'succeeded') as paid,
                      count(*) filter (where state = 'succeeded' and beyond = 0) as paid_from_owed,
                      count(*) filter (where state = 'returned') as returned
               from provider_payout where payout_id = p.id) pp on true
           where not case p.state
               when 'processing' then coalesce(pp.alive in {_KNOWN}, false)
               when 'reconcile_required' then coalesce(pp.alive in {_OPEN}, false)
               when 'completed' then pp.alive is null and pp.paid >= 1 and pp.paid_from_owed <= 1
               when 'returned' then pp.alive is null and pp.returned >= 1 and pp.paid_from_owed = 0
               else pp.alive is null and pp.paid_from_owed = 0 end /* recent payout: p.id */""",
        "critical",
        "Payout and attempts disagree about where the money is.",
        "P6",
    ),
    Invariant(
        "PAYOUT_AMOUNT_TIE",
        "Is no attempt for more than its payout, and does every later payout follow an earlier one of its settlement?",
        """select p.id, p.amount, pp.amount from payout p join provider_payout pp on pp.payout_id = p.id where pp.amount > p.amount
             /* recent payout: p.id */
           union all
           select p.id, p.amount, null from payout p where p.reissue > 0 /* recent payout: p.id */ and not exists (
               select from payout before where before.settlement_id = p.settlement_id and before.reissue = p.reissue - 1)""",
        "critical",
        "More is sent than was owed, or a later payout has no earlier one.",
        "P7",
    ),
    Invariant(
        "CONFLICT_BRAKE",
        "Is no call announced after a conflict was opened on an attempt of the same settlement, and before it ended?",
        """select c.id, k.id from provider_conflict c
           join provider_payout mine on mine.id = c.provider_payout_id join payout p on p.id = mine.payout_id
           join payout other on other.settlement_id = p.settlement_id join provider_payout pp on pp.payout_id = other.id
           join call k on k.subject_id = pp.id
           where k.announced_at > c.at and (c.state = 'open' or k.announced_at < c.state_at) /* recent settlement: p.settlement_id */""",
        "critical",
        "An order went out while the money might have been out already.",
        "P7",
    ),
    Invariant(
        "IN_TRANSIT_TIE",
        "Does every in-transit account hold exactly what is reserved and neither final nor released?",
        f"""select a.name, a.credits - a.debits, coalesce(sum(pp.amount), 0) from account a
           join book b on b.id = a.book_id
           left join provider_payout pp on 'in_transit:' || pp.provider = a.name and pp.program_id = b.program_id
               and pp.asset = b.asset and pp.state in {_OPEN}
           where a.name like 'in_transit:%'
           group by a.id, a.name, a.credits, a.debits having a.credits - a.debits <> coalesce(sum(pp.amount), 0)""",
        "critical",
        "Money in transit that belongs to no payout, or the reverse.",
        "P6",
    ),
    Invariant(
        "PAYOUT_SETTLEMENT_TIE",
        "Is every payout of the payee, invoice or escrow and asset, the first for all that was left and a later one for no more than came?",
        """select p.id, p.payee_id, p.asset, p.amount, s.payee_id, s.asset, s.net
           from payout p left join payout_source s on s.id = p.settlement_id
           where ((p.program_id, p.invoice_id, p.payee_id, p.asset) is distinct from (s.program_id, s.invoice_id, s.payee_id, s.asset)
              or p.amount > s.net + s.holdback
                 and p.amount > s.net + s.holdback + (select coalesce(sum(r.credited), 0) from refund r where r.settlement_id = s.id)
              or (p.reissue = 0 and s.net > 0 and p.amount <> s.net)) /* recent payout: p.id */
           union all
           select pp.id, pp.provider, pp.asset, pp.amount, p.payee_id, p.asset, p.amount
           from provider_payout pp join payout p on p.id = pp.payout_id
           where (pp.program_id, pp.asset) <> (p.program_id, p.asset) /* recent payout: p.id */""",
        "critical",
        "A payout of another amount, to another payee, or of nothing at all.",
        "P12",
    ),
    Invariant(
        "PAYOUT_MISSING",
        "Has every settlement, release of an escrow and payment of commissions that leaves something to pay its payout, or its event?",
        """select s.id, s.payee_id, s.asset, s.net from payout_source s
           where s.net > 0 /* recent settlement: s.id */
             and not exists (select from payout p where p.settlement_id = s.id)
             and not exists (select from event e where e.subject_id = s.id and e.state <> 'handled'
                             and e.name in ('settlement_completed', 'escrow_released', 'commission_paid'))""",
        "critical",
        "A payee is owed money, and nothing will ever send it.",
        "P13",
    ),
    Invariant(
        "PAYOUT_LEDGER_TIE",
        "Was the amount of every attempt set aside from its payee, and of every one that was paid taken from its provider's clearing?",
        f"""with expected as (
               select pp.id, pp.program_id, pp.asset, x.kind, x.debit, x.credit, x.amount
               from provider_payout pp
               join payout p on p.id = pp.payout_id
               cross join lateral (values
                   ('payout_reserve', true, 'payable:payee:' || p.payee_id, 'in_transit:' || pp.provider, pp.amount),
                   ('payout_finalize', pp.state in {listed(PAID)}, 'in_transit:' || pp.provider, 'clearing:' || pp.provider,
                    least(coalesce(pp.paid, pp.amount), pp.amount))
               ) as x (kind, is_due, debit, credit, amount)
               where x.is_due /* recent provider_payout: pp.id */
           ), booked as (
               select j.source_id as id, b.program_id, b.asset, j.kind, d.name as debit, c.name as credit, sum(t.amount) as amount
               from journal j
               join posting t on t.journal_id = j.id
               join account d on d.id = t.debit
               join account c on c.id = t.credit
               join book b on b.id = j.book_id
               where j.source_type = 'provider_payout' /* recent provider_payout: j.source_id */
                 and (j.kind = 'payout_reserve' or j.kind = 'payout_finalize'
                      and starts_with(c.name, 'clearing:') and starts_with(d.name, 'in_transit:'))
               group by j.source_id, b.program_id, b.asset, j.kind, d.name, c.name
           )
           select coalesce(e.id, b.id), coalesce(e.kind, b.kind), coalesce(e.debit, b.debit), coalesce(e.credit, b.credit),
                  e.amount, b.amount
           from expected e full join booked b using (id, program_id, asset, kind, debit, credit)
           where e.amount is distinct from b.amount""",
        "critical",
        "The books moved other money than the payout says: another amount, another payee, or none.",
        "P12",
    ),
    Invariant(
        "DESTINATION_NOT_AS_AGREED",
        "Does every destination hold the account that was agreed on when it was set?",
        not_as_agreed,
        "critical",
        "Somebody with the keys wrote another account of a payee than the one that was agreed on; it is not paid.",
        "P11",
    ),
)
