"""What must always hold between transactions, their records and the ledger."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.treasury.two_phase.model import TRANSACTION

# What was applied, and what is booked of it.
_APPLIED: Final = """select p.transaction_id || ':' || p.number as source_id, o.journal_id, p.program_id, p.asset, w.debit, w.credit,
                      p.amount
               from two_phase_outcome o join two_phase_participant p using (transaction_id, number)
               cross join two_phase_promise(p.transaction_id, p.number) w
               where o.outcome = 'applied'"""
_BOOKED: Final = """select j.source_id, j.id as journal_id, b.program_id, b.asset, d.name as debit, c.name as credit,
                      sum(t.amount) as amount
               from journal j join posting t on t.journal_id = j.id join account d on d.id = t.debit join account c on c.id = t.credit
               join book b on b.id = j.book_id
               where j.source_type = 'two_phase'"""
_DIFFER: Final = """select coalesce(e.source_id, b.source_id), e.amount, b.amount
           from expected e full join booked b using (source_id, journal_id, program_id, asset, debit, credit)
           where e.amount is distinct from b.amount"""

INVARIANTS: Final = (
    Invariant(
        "TRANSACTION_ATOMIC",
        "Is no transaction applied in part and released in part, and does every outcome follow the one decision?",
        """select o.transaction_id, o.number, o.outcome, d.decision
           from two_phase_outcome o left join two_phase_decision d using (transaction_id)
           where d.decision is distinct from case o.outcome when 'applied' then 'commit' else 'abort' end
             /* recent transaction: o.transaction_id */
           union all
           select transaction_id, 0, min(outcome), max(outcome) from two_phase_outcome where true /* recent transaction: transaction_id */
           group by transaction_id having count(distinct outcome) > 1
           union all
           select split_part(h.source_id, ':', 1), 0, 'applied', 'reversed by hand' from hold h
           join hold_resolution x on x.hold_id = h.id join reversal r on r.journal_id = x.journal_id and r.line = x.line
           where h.promised and h.source_type = 'two_phase' /* full only */""",
        "critical",
        "One agent paid and the other did not get it, or the other way round.",
        "P15",
    ),
    Invariant(
        "TRANSACTION_DECIDED_RIGHTLY",
        "Was commit decided only when every participant had promised, and does every state say what the records say?",
        """select t.id, t.state, d.decision, v.yes, o.applied, o.released
           from two_phase t
           left join two_phase_decision d on d.transaction_id = t.id
           cross join lateral (select count(*) filter (where vote = 'yes' and (d.at is null or at <= d.at)) as yes
                               from two_phase_vote where transaction_id = t.id) v
           cross join lateral (select count(*) filter (where outcome = 'applied') as applied,
                                      count(*) filter (where outcome = 'released') as released
                               from two_phase_outcome where transaction_id = t.id) o
           where ((d.decision = 'commit' and v.yes <> t.participants)
              or case t.state when 'prepared' then d.decision is not null or v.yes <> t.participants
                              when 'committing' then d.decision is distinct from 'commit'
                              when 'committed' then d.decision is distinct from 'commit' or o.applied <> t.participants
                              when 'aborting' then d.decision is distinct from 'abort'
                              when 'aborted' then d.decision is distinct from 'abort' or o.released <> t.participants
                              else d.decision is not null end) /* recent transaction: t.id */""",
        "critical",
        "A transaction stands where its votes and its decision do not lead.",
        "P15",
    ),
    Invariant(
        "TRANSACTION_BALANCED",
        "Does every transaction debit as much as it credits in each asset, among as many participants as it says?",
        """select t.id, p.asset, p.difference from two_phase t join (
               select transaction_id, asset, sum(case side when 'debit' then amount else -amount end) as difference
               from two_phase_participant where true /* recent transaction: transaction_id */
               group by transaction_id, asset) p on p.transaction_id = t.id
           where p.difference <> 0
           union all
           select t.id, 'participants', t.participants from two_phase t
           where t.participants <> (select count(*) from two_phase_participant p where p.transaction_id = t.id)
             /* recent transaction: t.id */""",
        "critical",
        "A transaction makes or loses money.",
        "P15",
    ),
    Invariant(
        "TRANSACTION_PROMISES_STAND",
        "Does every promise hold just its money until its transaction is decided, and is it resolved as that was decided?",
        """select v.transaction_id, v.number, p.amount, h.amount, r.verb, o.outcome
           from two_phase_vote v
           join two_phase_participant p using (transaction_id, number)
           left join two_phase_outcome o using (transaction_id, number)
           left join hold h on h.id = v.hold_id
           left join account d on d.id = h.debit left join account c on c.id = h.credit
           left join hold_resolution r on r.hold_id = v.hold_id
           left join two_phase_promise(v.transaction_id, v.number) w on true
           where v.vote = 'yes' and (h.id is null or not h.promised or h.expires_at is not null or h.amount <> p.amount
                                     or (d.name, c.name) <> (w.debit, w.credit)
                                     or r.verb is distinct from case o.outcome when 'applied' then 'post' when 'released' then 'void' end
                                     or r.amount <> case r.verb when 'post' then p.amount else 0 end)
             /* recent transaction: v.transaction_id */
           union all
           select h.source_id, 0, h.amount, h.amount, 'hold', 'of nobody'
           from hold h where h.source_type = 'two_phase' and not exists (select from two_phase_vote v where v.hold_id = h.id)
             /* full only */""",
        "critical",
        "What a participant promised is not there, or went another way than its transaction.",
        "P15",
    ),
    Invariant(
        "TRANSACTION_LEDGER_TIE",
        "Did everything that was applied move just its money, once, and is nothing left between agents but what is under way?",
        f"""with expected as (
               {_APPLIED}
           ), booked as (
               {_BOOKED}
               group by j.source_id, j.id, b.program_id, b.asset, d.name, c.name
           )
           {_DIFFER}
           union all
           select b.program_id || ' ' || b.asset, u.amount, a.credits - a.debits
           from account a join book b on b.id = a.book_id
           cross join lateral (
               select coalesce(sum(case p.side when 'debit' then p.amount else -p.amount end), 0) as amount
               from two_phase_outcome o join two_phase_participant p using (transaction_id, number)
               where o.outcome = 'applied' and (p.program_id, p.asset) = (b.program_id, b.asset)) u
           where a.name = 'two_phase' and a.credits - a.debits <> u.amount""",
        "critical",
        "The books say of a transaction something else than its record: a duplicate credit, or an orphaned debit.",
        "P12",
        # Of each transaction that was touched, or of which something was booked, all of it; what is left between agents is the sum of all.
        recent=f"""with asked as (
               select id from unnest(%(transaction)s::text[]) id
               union
               select split_part(source_id, ':', 1) from journal where id = any(%(journal)s) and source_type = 'two_phase'
           ), sources as (
               select transaction_id || ':' || number as source_id from two_phase_participant where transaction_id in (select id from asked)
               union
               select source_id from journal where id = any(%(journal)s) and source_type = 'two_phase'
           ), expected as (
               {_APPLIED} and o.transaction_id in (select id from asked)
           ), booked as (
               {_BOOKED} and j.source_id in (select source_id from sources)
               group by j.source_id, j.id, b.program_id, b.asset, d.name, c.name
           )
           {_DIFFER}""",
    ),
    Invariant(
        "AGENT_WITHIN_MANDATE",
        "Did no agent promise more than its mandates allowed at that moment?",
        """select v.transaction_id, v.number, p.agent_id, mandate_refuses(v.transaction_id, v.number, v.at, v.seq, v.mandates)
           from two_phase_vote v join two_phase_participant p using (transaction_id, number)
           where v.vote = 'yes' and mandate_refuses(v.transaction_id, v.number, v.at, v.seq, v.mandates) is not null""",
        "critical",
        "An agent spent what nobody allowed it.",
        "P16",
    ),
    Invariant(
        "TRANSACTION_FORCED_WAS_VERIFIED",
        "Was every participant verified after a forced decision took effect, and found in order?",
        f"""select t.id, p.agent_id, c.agrees, c.found
           from two_phase t
           join two_phase_decision d on d.transaction_id = t.id and d.cause = 'forced'
           join (select distinct transaction_id, agent_id from two_phase_participant where agent_id is not null) p
               on p.transaction_id = t.id
           left join two_phase_check c on (c.transaction_id, c.agent_id) = (p.transaction_id, p.agent_id)
           where t.state in {listed(TRANSACTION.final)} and c.agrees is not true""",
        "warning",
        "Two people decided a transaction, and what became of its participants is not known to be right.",
        "P15",
    ),
)
STUCK_AFTER: Final = "interval '5 minutes'"
GRAVE_AFTER: Final = "interval '15 minutes'"
# One that is committed on request waits for whoever began it, until its time is over.
MONITORS: Final = (
    Invariant(
        "TRANSACTION_STUCK",
        "Does every transaction that nobody outside is asked about move on within 5 minutes?",
        f"""select id, program_id, state, state_at, last_error,
                   case when state_at < %(now)s - {GRAVE_AFTER} then 'critical' else 'warning' end as severity
            from two_phase
            where state in {listed(TRANSACTION.open)} and state_at < %(now)s - {STUCK_AFTER}
              and (state <> 'prepared' or commits = 'by_itself' or expires_at < %(now)s)""",
        "warning",
        "Its coordinator is gone, or a participant does not answer: what is promised can be spent by nobody until it is decided.",
        "P15",
        monitor=True,
    ),
)
