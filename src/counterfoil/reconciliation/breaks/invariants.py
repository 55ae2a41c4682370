"""What must always hold of breaks: their states, their journals and the two people behind each."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.life import MATCHING, POSTED

INVARIANTS: Final = (
    Invariant(
        "BREAK_JOURNAL_TIE",
        "Has every adjusted or written-off break exactly one journal, and no other break one?",
        f"""select b.id, b.state, count(j.id) from break b
           left join break_proposal p on p.break_id = b.id
           left join approval_use u on u.proposal_id = p.id
           left join journal j on j.id = u.result_id::uuid and j.program_id = b.program_id
               and j.source_type = 'break' and j.source_id = b.id
           group by b.id, b.state
           having count(j.id) <> case when b.state in {listed(POSTED)} then 1 else 0 end""",
        "critical",
        "A break says that the books were corrected, and they were not, or the reverse.",
        "P9",
    ),
    Invariant(
        "BREAK_JOURNAL_ORPHAN",
        "Was every journal for a break approved for it?",
        """select j.id, j.source_id from journal j
           where j.source_type = 'break' and not exists (
               select from approval_use u join break_proposal p on p.id = u.proposal_id
               where u.result_id = j.id::text and p.break_id = j.source_id)""",
        "critical",
        "The books were changed in the name of a break, and nobody approved it.",
        "P16",
    ),
    Invariant(
        "BREAK_JOURNAL_PAYLOAD",
        "Says every approved journal of a break what was approved?",
        """select u.result_id, p.id from approval_use u join break_proposal p on p.id = u.proposal_id
           where (
               select jsonb_agg(jsonb_build_array(dr.name, cr.name, t.amount::text) order by t.line)
               from posting t join account dr on dr.id = t.debit join account cr on cr.id = t.credit
               where t.journal_id = u.result_id::uuid)
               is distinct from (
               select jsonb_agg(jsonb_build_array(line ->> 'debit', line ->> 'credit', line ->> 'amount') order by place)
               from jsonb_array_elements(p.payload -> 'lines') with ordinality as l (line, place))""",
        "critical",
        "Another journal was posted than the second person saw.",
        "P16",
    ),
    Invariant(
        "BREAK_TWO_PEOPLE",
        "Stand two people behind every break that was adjusted or written off, a write-off within its limit?",
        f"""select b.id, b.state from break b
           where b.state in {listed(POSTED)} and not exists (
               select from break_proposal p join approval_decision d on d.proposal_id = p.id join approval_use u on u.proposal_id = p.id
               where p.break_id = b.id and d.decision = 'approved' and d.maker_id <> d.checker_id and d.at <= p.expires_at
                 and p.kind = case b.state when 'adjusted' then 'adjustment' else 'write_off' end
                 and p.minor <= coalesce(p.limit_minor, p.minor)) /* recent break: b.id */""",
        "critical",
        "One person alone corrected the books.",
        "P16",
    ),
    Invariant(
        "BREAK_STATE_HISTORY",
        "Does every break stand where its last step put it, with every step in a row?",
        """select b.id, b.state, s.to_state from break b
           left join lateral (select to_state, step from step where machine = 'break' and subject_id = b.id order by step desc limit 1) s
               on true
           where s.to_state is distinct from b.state or s.step is distinct from b.steps
              or exists (select from step s1 left join step s0 on s0.subject_id = s1.subject_id and s0.step = s1.step - 1
                         where s1.subject_id = b.id and s1.from_state is distinct from coalesce(s0.to_state, ''))""",
        "critical",
        "A break is in a state that its history does not lead to.",
        "P9",
    ),
    Invariant(
        "BREAK_PENDING_TIE",
        "Has every break that waits for a second person one undecided proposal, and no other break one?",
        """select b.id, b.state, count(p.id) from break b
           left join break_proposal p on p.break_id = b.id and not exists (select from approval_decision d where d.proposal_id = p.id)
           group by b.id, b.state having count(p.id) <> case b.state when 'pending_adjustment' then 1 else 0 end""",
        "critical",
        "A journal waits for approval that no break asks for, or a break waits for nothing.",
        "P16",
    ),
    Invariant(
        "BREAK_OWNER_TIE",
        "Is every break's owner the one who was named last?",
        """select b.id, b.owner, r.text from break b
           left join lateral (select text from break_remark where break_id = b.id and kind = 'owner' order by number desc limit 1) r on true
           where coalesce(b.owner, '') <> coalesce(r.text, '')""",
        "warning",
        "Somebody owns a break and nobody said so.",
        "P9",
    ),
    Invariant(
        "BREAK_MATCHED_BY_RUN",
        "Was every matched break matched by a finished run of its program and source that covers its days?",
        """select b.id, b.gone_run from break b join reconciliation_run r on r.id = b.gone_run
           where b.state = 'matched' and not (r.state = 'finished' and r.program_id = b.program_id and r.source = b.source
                                              and r.first_on <= b.first_on and r.last_on >= b.last_on)""",
        "critical",
        "A break was closed by a run that could not know.",
        "P9",
    ),
    Invariant(
        "BREAK_FOUND_IS_SHOWN",
        "Is everything that the newest run of each source found open, accepted in that amount, or shown through a break that stands?",
        f"""select f.run_id, f.identity from reconciliation_run r join run_finding f on f.run_id = r.id
           left join lateral (select * from break b where b.program_id = r.program_id and b.source = r.source
                              and b.identity = f.identity order by b.id desc limit 1) b on true
           left join break o on o.id = b.duplicate_of
           where r.state = 'finished' and not exists (
                   select from reconciliation_run n where n.program_id = r.program_id and n.source = r.source and n.state = 'finished'
                     and n.number > r.number)
             and (b.id is null or not (
                  b.state in {listed(BREAK.open)}
                  or b.state = 'accepted' and b.accepted_at_stake = f.at_stake
                  or b.state = 'duplicate' and (o.state in {listed(BREAK.open)}
                                                or o.state = 'accepted' or o.gone_run is not null)
                  or b.state in {listed(POSTED)} and coalesce(b.posted_after, 0) >= r.number))""",
        "critical",
        "A difference is found by every run, and nobody sees it.",
        "P9",
    ),
    Invariant(
        "BREAK_OPEN_IS_FOUND",
        "Was every break that is open found by the newest run that spoke of it?",
        f"""select b.id, b.state, b.gone_run from break b
           where b.state in {listed(MATCHING)} and b.gone_run is not null""",
        "warning",
        "Somebody works on what is no longer there.",
        "P9",
    ),
    Invariant(
        "BREAK_OLDER_VIEW",
        "Did the newest view of every break come from the run that it names?",
        """select b.id, b.seen_number, r.number from break b join reconciliation_run r on r.id = coalesce(b.gone_run, b.last_run)
           where b.seen_number > r.number""",
        "critical",
        "A run that read earlier overrode one that read later.",
        "P9",
    ),
)
UNCLAIMED_AFTER: Final = "interval '30 days'"
SEQ_MAX: Final = 2**63 - 1
MONITORS: Final = (
    Invariant(
        "CLEARING_AGED",
        "Is every difference decided by its day, and no money in suspense for longer than 30 days?",
        f"""select b.program_id || ' ' || b.source as what, b.program_id, 'breaks past their day' as why, count(*)::text as number,
                   min(b.due_on)::text as since
            from break b where b.state in {listed(BREAK.open)} and b.due_on < (%(now)s at time zone 'UTC')::date
            group by b.program_id, b.source
            union all
            select 'suspense of ' || b.program_id || ' ' || b.asset, b.program_id, 'money that nobody claims',
                   told_amount(greatest(a.credits - a.debits - c.young, u.old)::bigint, b.asset), (%(now)s - {UNCLAIMED_AFTER})::text
            from account a join book b on b.id = a.book_id
            cross join lateral (select (extract(epoch from %(now)s - {UNCLAIMED_AFTER}) * 1000)::bigint << 20 as seq) f
            cross join lateral (select coalesce(sum(each.amount), 0) as young
                                from unnest(segments_between(a.id, f.seq, {SEQ_MAX})) s (segment)
                                cross join lateral (select sum(p.amount) as amount from posting p
                                                    where p.segment = s.segment and p.credit = a.id and p.seq >= f.seq) each) c
            -- a bank that takes what was used puts that back first: it hides no payment that lies there for longer
            cross join lateral (select coalesce(sum(greatest(payment_unused(x.payment_id), 0)), 0) as old from unidentified_payment x
                                where x.state = 'open' and (x.program_id, x.asset) = (b.program_id, b.asset)
                                      and x.created_at < %(now)s - {UNCLAIMED_AFTER}) u
            where a.name = 'suspense' and greatest(a.credits - a.debits - c.young, u.old) > 0""",
        "warning",
        "A leg is missing and nobody looked for it: what is not claimed is somebody's money.",
        "P9",
        monitor=True,
    ),
)
