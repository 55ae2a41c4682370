"""What must always hold between approvals, batches and what is sent."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.payouts.batches.machine import PAYOUT_BATCH, PAYS

_ONCE_APPROVED: Final = listed([*PAYOUT_BATCH.after("approve", "execute", "finish", "fall_short", "stop", "close")])
_OVER: Final = listed(PAYOUT_BATCH.final)

MONITORS: Final = (
    Invariant(
        "BATCH_AGED",
        "Is every payout batch approved, and executed, within 24 hours?",
        """select id, program_id, state, amount, asset, state_at from payout_batch
           where state in ('pending_approval', 'approved') and state_at < %(now)s - interval '24 hours'""",
        "warning",
        "Payees wait for a person.",
        "P16",
        monitor=True,
    ),
    Invariant(
        "BATCH_STALLED",
        "Does every batch that is executed make progress?",
        """select b.id, b.program_id, b.state, b.state_at, p.paid_at from payout_batch b
           left join lateral (select max(l.paid_at) as paid_at from payout_batch_line l where l.batch_id = b.id) p on true
           where b.state = 'executing' and greatest(b.state_at, p.paid_at) < %(now)s - interval '1 hour'""",
        "warning",
        "The execution of a batch stopped half way.",
        "P16",
        monitor=True,
    ),
)
INVARIANTS: Final = (
    Invariant(
        "PAYOUT_UNAPPROVED",
        "Was every attempt allowed, by a batch, by the rule, or because no policy asked for more, at its amount and destination?",
        f"""select pp.id, pp.amount, r.basis, r.amount from provider_payout pp
            left join payout_approval r on r.provider_payout_id = pp.id and r.payout_id = pp.payout_id
            where (r.provider_payout_id is null or r.amount <> pp.amount) /* recent provider_payout: pp.id */
            union all
            select r.provider_payout_id, r.amount, r.basis, l.amount from payout_approval r
            left join payout_batch b on b.id = r.batch_id
            left join payout_batch_line l on (l.batch_id, l.payout_id) = (r.batch_id, r.payout_id) and l.removed_at is null
            where r.basis = 'batch' /* recent provider_payout: r.provider_payout_id */
                  and (l.batch_id is null or b.state not in {listed([*PAYS, *PAYOUT_BATCH.after("finish", "close")])}
                  or (l.amount, l.destination_id) is distinct from (r.amount, r.destination_id))
            union all
            select r.provider_payout_id, r.amount, r.basis, p.by_rule_max from payout_approval r
            join payout o on o.id = r.payout_id
            left join payout_policy p on (p.program_id, p.asset, p.version) = (r.program_id, o.asset, r.policy_version)
            where r.basis = 'rule' and (p.version is null or r.amount > p.by_rule_max) /* recent provider_payout: r.provider_payout_id */
            union all
            select r.provider_payout_id, r.amount, r.basis, null from payout_approval r join payout o on o.id = r.payout_id
            where r.basis = 'none' /* recent provider_payout: r.provider_payout_id */ and exists (
                select from payout_policy p where p.program_id = r.program_id and p.asset = o.asset and p.at < r.at)""",
        "critical",
        "Money was sent that nobody, and no rule, approved.",
        "P16",
    ),
    Invariant(
        "BATCH_DIGEST",
        "Are the lines and the total of every frozen batch those that were frozen?",
        """select b.id, b.state from payout_batch b
           where b.sha256 is not null and b.state <> 'draft' /* recent payout_batch: b.id */
             and (b.sha256 <> payout_batch_digest(b.id)
                  or exists (
                      select from (select count(*) as number, coalesce(sum(l.amount), 0) as total from payout_batch_line l
                                   where l.batch_id = b.id and l.removed_at is null) l
                      where (l.number, l.total) <> (b.lines, b.amount)))""",
        "critical",
        "What is paid is not what was approved.",
        "P16",
    ),
    Invariant(
        "BATCH_UNAPPROVED",
        "Did as many people approve every batch as it takes, logged in, none of whom made or changed it, or did the rule?",
        f"""select b.id, b.state, b.approvers from payout_batch b
            where b.state in {_ONCE_APPROVED} and not b.by_rule /* recent payout_batch: b.id */ and b.approvers > (
                select count(distinct a.principal_id) from payout_batch_approval a
                join session s on s.id = a.session_id and s.principal_id = a.principal_id and s.api_key_id is null
                where (a.batch_id, a.round, a.sha256) = (b.id, b.round, b.sha256) and a.at <= b.approved_at
                  and not exists (select from payout_batch_maker m where (m.batch_id, m.principal_id) = (a.batch_id, a.principal_id)))
            union all
            select b.id, b.state, null from payout_batch b
            where b.state in {_ONCE_APPROVED} and b.by_rule /* recent payout_batch: b.id */ and not exists (
                select from payout_policy p where p.program_id = b.program_id and p.asset = b.asset and p.by_rule_max >= b.amount)
            union all
            select b.id, b.state, null from payout_batch b
            where not exists (select from payout_batch_maker m where (m.batch_id, m.principal_id) = (b.id, b.created_by))
              /* recent payout_batch: b.id */""",
        "critical",
        "A batch was paid without the people that its amount takes.",
        "P16",
    ),
    Invariant(
        "BATCH_LINE_TWICE",
        "Is each payout in one live batch at most, and is no line alive in a batch that is over?",
        f"""select l.payout_id, count(*)::text from payout_batch_line l where l.live group by l.payout_id having count(*) > 1
            union all
            select l.payout_id, b.state from payout_batch_line l join payout_batch b on b.id = l.batch_id
            where l.live and b.state in {_OVER}""",
        "critical",
        "A payout may be paid by two batches, or is kept from all of them.",
        "P16",
        recent=f"""select l.payout_id, count(*)::text from payout_batch_line l
                   where l.live and l.payout_id in (select payout_id from payout_batch_line where batch_id = any(%(payout_batch)s))
                   group by l.payout_id having count(*) > 1
                   union all
                   select l.payout_id, b.state from payout_batch_line l join payout_batch b on b.id = l.batch_id
                   where l.live and b.id = any(%(payout_batch)s) and b.state in {_OVER}""",
    ),
    Invariant(
        "BATCH_EXECUTED_UNPAID",
        "Is every line of an executed batch paid, and every paid line's payout completed or returned?",
        """select b.id, l.payout_id, p.state from payout_batch b
           join payout_batch_line l on l.batch_id = b.id and l.removed_at is null join payout p on p.id = l.payout_id
           where b.state = 'executed' and l.paid_at is null
              or l.paid_at is not null and not exists (
                  select from step s where s.machine = 'payout' and s.subject_id = l.payout_id and s.to_state = 'completed')""",
        "critical",
        "A batch is called executed, and somebody was not paid.",
        "P16",
    ),
)
