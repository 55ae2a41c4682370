"""What must always hold in the ledger, as questions whose query finds nothing."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

_LAST_POSTING: Final = """select side.balance from program_segment s cross join lateral (
                   select debit_balance as balance from posting where segment = s.segment and debit = a.id and seq = a.last_seq
                   union all
                   select credit_balance from posting where segment = s.segment and credit = a.id and seq = a.last_seq) side
               where s.program_id = b.program_id"""

_REOPENED_ALONE: Final = """select program_id, step, actor, approved_by, closed_until from period_close
           where verb = 'reopen' and (approved_by is null or approved_by = actor or approval_id is null)"""

MONITORS: Final = (
    Invariant(
        "HOLD_OVERDUE",
        "Was every hold whose time is over given back within an hour?",
        """select hold_id, amount, expires_at from open_hold where expires_at < %(now)s - interval '1 hour' order by expires_at, hold_id""",
        "warning",
        "The sweep of expired holds does not run.",
        "P15",
        monitor=True,
    ),
)
INVARIANTS: Final = (
    Invariant(
        "LEDGER_UNBALANCED",
        "Is every journal whole, and do postings, the totals of accounts and the view of entries agree in every book?",
        """select 'journal ' || coalesce(j.id, p.journal_id), j.lines, p.lines
           from (select id, lines from journal where true /* recent journal: id */) j
           full join (select journal_id, count(*) as lines, count(distinct line) as different, min(line) as first, max(line) as last
                      from (select journal_id, line from posting where true /* recent journal: journal_id */
                            union all
                            select journal_id, line from unposted_line where outcome <> 'post' /* recent journal: journal_id */) l
                      group by journal_id) p on p.journal_id = j.id
           where j.lines is distinct from p.lines or p.different <> p.lines or p.first <> 1 or p.last <> p.lines
           union all
           select 'book ' || b.program_id || ' ' || b.asset, a.debits, p.amount
           from book b
           left join (select book_id, sum(debits) as debits, sum(credits) as credits from account group by book_id) a on a.book_id = b.id
           left join (select debit >> 40 as book_id, sum(amount) as amount from posting group by 1) p on p.book_id = b.id
           left join (select program_id, asset, sum(amount) filter (where type = 'debit') as debits,
                             sum(amount) filter (where type = 'credit') as credits
                      from ledger_entries group by program_id, asset) e on (e.program_id, e.asset) = (b.program_id, b.asset)
           where (coalesce(a.debits, 0) <> coalesce(p.amount, 0) or coalesce(a.credits, 0) <> coalesce(p.amount, 0)
              or coalesce(e.debits, 0) <> coalesce(p.amount, 0) or coalesce(e.credits, 0) <> coalesce(p.amount, 0)) /* full only */""",
        "critical",
        "A line is missing, double or was added: somebody wrote past the ledger.",
        "P1",
        incident="P0",
    ),
    Invariant(
        "TRIAL_BALANCE_NONZERO",
        "Do debit balances and credit balances add up to the same in every book?",
        """select b.program_id, b.asset, sum(a.debits - a.credits)
           from account a join book b on b.id = a.book_id
           group by b.id, b.program_id, b.asset having sum(a.debits - a.credits) <> 0""",
        "critical",
        "Totals of accounts were moved without a posting.",
        "P1",
        # Of each book in which an account was touched, all of it: a part of a book need not add up to the same.
        recent="""select b.program_id, b.asset, sum(a.debits - a.credits)
           from account a join book b on b.id = a.book_id
           where a.book_id in (select book_id from account where id = any(%(account)s))
           group by b.id, b.program_id, b.asset having sum(a.debits - a.credits) <> 0""",
        incident="P0",
    ),
    Invariant(
        "ACCOUNT_BALANCE_DRIFT",
        "Is the total of every account the sum of its postings, and every balance on a posting the one before it and its amount?",
        """select a.name, a.book_id, 'totals', a.debits - coalesce(d.amount, 0), a.credits - coalesce(c.amount, 0)
           from account a
           left join (select debit as id, sum(amount) as amount, max(seq) as seq from posting group by debit) d on d.id = a.id
           left join (select credit as id, sum(amount) as amount, max(seq) as seq from posting group by credit) c on c.id = a.id
           where a.debits <> coalesce(d.amount, 0) or a.credits <> coalesce(c.amount, 0)
              or a.last_seq <> coalesce(greatest(d.seq, c.seq), 0)
           union all
           select a.name, a.book_id, 'balance of ' || s.journal_id || ' line ' || s.line, s.balance, s.before + s.moved
           from (select account, journal_id, line, balance, moved,
                        coalesce(lag(balance) over (partition by account order by seq), 0) as before
                 from (select p.debit as account, p.journal_id, p.line, p.seq, p.debit_balance as balance,
                              case when d.debit_normal then p.amount else -p.amount end as moved
                       from posting p join account d on d.id = p.debit
                       union all
                       select p.credit, p.journal_id, p.line, p.seq, p.credit_balance,
                              case when c.debit_normal then -p.amount else p.amount end
                       from posting p join account c on c.id = p.credit) sides) s
           join account a on a.id = s.account
           where s.balance <> s.before + s.moved""",
        "critical",
        "A cached total or a kept balance is wrong: find the writer before anything is rebuilt.",
        "P3",
        # The newest posting of an account lies in the last segment that had begun by then, but where the clock was set back. Only there
        # does the search go on into the others: with each segment of each account it would take longer the longer the history is.
        recent=f"""select a.name, a.book_id, 'balance of the last posting', p.balance, a.debits - a.credits
           from account a
           join book b on b.id = a.book_id
           cross join lateral (
               select max(s.segment) as segment from program_segment s
               where s.program_id = b.program_id and s.first_seq <= a.last_seq) newest
           cross join lateral (
               select case when a.debit_normal then kept.balance else -kept.balance end as balance
               from (select coalesce(({_LAST_POSTING} and s.segment = newest.segment), ({_LAST_POSTING} limit 1)) as balance) kept) p
           where a.id = any(%(account)s)
             and (coalesce(p.balance, 0) <> a.debits - a.credits or p.balance is null and a.last_seq <> 0)
           union all
           select 'journal ' || p.journal_id, d.book_id, 'beyond the last posting of its account', p.seq, least(d.last_seq, c.last_seq)
           from posting p join account d on d.id = p.debit join account c on c.id = p.credit
           where p.journal_id = any(%(journal)s) and (p.seq > d.last_seq or p.seq > c.last_seq)""",
    ),
    Invariant(
        "POSTING_OUT_OF_SEGMENT",
        "Is every posting in a segment that had begun, and has every account's later segment the later postings?",
        """select a.name, a.book_id, s.segment, s.first, s.before
           from (select account, segment, min(seq) as first, lag(max(seq)) over (partition by account order by segment) as before
                 from (select debit as account, segment, seq from posting union all select credit, segment, seq from posting) sides
                 group by account, segment) s
           join account a on a.id = s.account
           where s.first <= s.before
           union all
           select a.name, a.book_id, p.segment, min(p.seq), s.first_seq
           from posting p
           join account a on a.id = p.debit
           join book b on b.id = a.book_id
           left join program_segment s on s.program_id = b.program_id and s.segment = p.segment
           where s.segment is null or p.seq < s.first_seq
           group by a.name, a.book_id, p.segment, s.first_seq""",
        "critical",
        "Pages and balances as of a moment are read segment by segment, and would be read in the wrong order.",
        "P3",
    ),
    Invariant(
        "NEGATIVE_BALANCE",
        "Does no account stand below nothing that must not, with what is held against it?",
        """select name, book_id, debit_normal, debits, credits, debits_pending, credits_pending
           from account
           where (no_overdraft or name ~ '^(escrow|payable|holdback|in_transit|treasury):')
             and case when debit_normal then debits - credits - credits_pending else credits - debits - debits_pending end < 0
             /* recent account: id */""",
        "critical",
        "More was taken from an account than it held.",
        "P4",
    ),
    Invariant(
        "IDEMPOTENCY_CONFLICT",
        "Has every key one journal, every movement one posting, and every line at most one reversal that mirrors it?",
        """select 'key ' || key, program_id, count(*) from journal where true /* full only */ group by program_id, key having count(*) > 1
           union all
           select 'movement ' || movement, null, count(*) from posting where movement is not null /* full only */
           group by movement having count(*) > 1
           union all
           select 'line ' || line || ' of ' || journal_id, null, count(*) from reversal where true /* full only */
           group by journal_id, line having count(*) > 1
           union all
           select 'reversal ' || j.id, j.program_id, j.lines
           from journal j
           where j.reverses is not null /* recent journal: j.id */ and j.lines <> (
               select count(*)
               from (select *, row_number() over (order by line) as nth from posting where journal_id = j.id) p
               join (select o.*, row_number() over (order by o.line desc) as nth
                     from reversal r join posting o on o.journal_id = r.journal_id and o.line = r.line
                     where r.reversed_by = j.id) o
                    on (o.nth, o.debit, o.credit, o.amount) = (p.nth, p.credit, p.debit, p.amount))""",
        "critical",
        "One request has two effects, or a reversal moved something else than it reverses.",
        "P5",
    ),
    Invariant(
        "HOLD_ORPHAN",
        "Is what is pending on every account the sum of its open holds, and is every hold that was posted one posting of its amount?",
        """select 'account ' || a.name, a.book_id, a.debits_pending, a.credits_pending
           from account a
           where (a.debits_pending <> (select coalesce(sum(amount), 0) from open_hold where debit = a.id)
              or a.credits_pending <> (select coalesce(sum(amount), 0) from open_hold where credit = a.id)) /* recent account: a.id */
           union all
           select 'hold ' || coalesce(h.id, o.hold_id), null, h.amount, o.amount
           from (select h.* from hold h where not exists (select from hold_resolution r where r.hold_id = h.id)) h
           full join open_hold o on o.hold_id = h.id
           where (h.debit, h.credit, h.amount) is distinct from (o.debit, o.credit, o.amount) /* full only */
           union all
           select 'hold ' || h.id, null, r.amount, p.amount
           from hold_resolution r
           join hold h on h.id = r.hold_id
           left join posting p on p.journal_id = r.journal_id and p.line = r.line
           where r.verb = 'post' and (p.debit, p.credit, p.amount) is distinct from (h.debit, h.credit, r.amount)
             /* recent journal: r.journal_id */""",
        "critical",
        "Money is held that nobody can free, or was freed and not posted.",
        "P15",
    ),
    Invariant(
        "LATE_POSTING",
        "Does every mark of lateness stand on a posting that is effective later than it happened, into the period that was open then?",
        """select l.journal_id, l.line, l.occurred_at, p.effective_at
           from late_posting l
           left join posting p on p.journal_id = l.journal_id and p.line = l.line
           left join book b on b.id = p.debit >> 40
           left join period_close c on c.program_id = b.program_id and c.closed_until = p.effective_at
           where p.journal_id is null or l.occurred_at >= p.effective_at or c.program_id is null""",
        "critical",
        "A posting says that it came late, and did not, or was moved to another day.",
        "P1",
    ),
    Invariant(
        "KEY_OF_ANOTHER_WRITER",
        "Does every journal in one of the product's key spaces have the kind and the source of those that are posted there?",
        """select j.program_id, j.key, j.kind, j.source_type, j.actor
           from journal j
           join key_space s on s.word = key_word(j.key)
           where (j.kind <> coalesce(s.kind, j.kind)
              or (s.source_type is not null and j.source_type is distinct from s.source_type)
              or (s.word = 'reversal' and j.reverses is null)
              or (s.word = 'hold.post' and not exists (select from hold_resolution r where r.journal_id = j.id)))
             /* recent journal: j.id */""",
        "critical",
        "Somebody took a key that the product itself will need; what it has to post under that key is refused.",
        "P5",
    ),
    Invariant(
        "PERIOD_REOPENED_ALONE",
        "Was every period that was reopened reopened by two people?",
        _REOPENED_ALONE,
        "critical",
        "One person opened closed books.",
        "P16",
        recent=_REOPENED_ALONE,  # a few rows of each program and month: asked whole is as quick
    ),
    Invariant(
        "PERIOD_CLOSED_POST",
        "Was nothing posted into a period after it was closed?",
        """select p.journal_id, p.line, p.effective_at, c.closed_until
           from period_close c
           join book b on b.program_id = c.program_id
           join posting p on p.debit >> 40 = b.id and p.effective_at < c.closed_until
                and p.seq >> 20 > ceil(extract(epoch from c.recorded_at) * 1000)
           where true /* recent journal: p.journal_id */ and not exists (
               select from period_close r
               where r.program_id = c.program_id and r.step > c.step and r.verb = 'reopen'
                 and p.seq >> 20 > floor(extract(epoch from r.recorded_at) * 1000))""",
        "critical",
        "The books were changed after they were closed.",
        "P1",
    ),
    Invariant(
        "POSTING_DATES",
        "Is every posting effective when its journal is, and marked exactly when that is more than an hour from its record?",
        """select p.journal_id, p.line, p.effective_at, 'off_clock ' || p.off_clock
           from posting p
           where p.off_clock = (abs(extract(epoch from p.effective_at) - (p.seq >> 20) / 1000.0) <= 3600)
             /* recent journal: p.journal_id */
           union all
           select p.journal_id, p.line, p.effective_at, 'its journal ' || j.effective_at
           from posting p join journal j on j.id = p.journal_id
           where p.movement is null and p.effective_at <> j.effective_at /* recent journal: j.id */
           union all
           select j.id, null, j.recorded_at, 'recorded ' || to_timestamp((min(p.seq) >> 20) / 1000.0)
           from journal j join posting p on p.journal_id = j.id
           where true /* recent journal: j.id */
           group by j.id, j.recorded_at
           having abs(extract(epoch from j.recorded_at) - (min(p.seq) >> 20) / 1000.0) > 86400""",
        "critical",
        "A posting was moved to another day: it is missing from one statement and stands in another.",
        "P1",
    ),
    Invariant(
        "ACCOUNT_FLAG_TIE",
        "Has every flag of an account the value that was set last, or that the account was opened with?",
        """select a.name, a.book_id, f.flag, f.value
           from account a
           cross join lateral (values ('frozen', a.frozen), ('closed', a.closed), ('no_overdraft', a.no_overdraft)) as f (flag, value)
           left join lateral (select s.value from account_flag s where s.account_id = a.id and s.flag = f.flag
                              order by s.step desc limit 1) s on true
           left join account_guard g on g.account_id = a.id
           where f.value is distinct from coalesce(s.value, f.flag = 'no_overdraft' and g.no_overdraft)""",
        "critical",
        "An account was opened to overdraft, frozen or freed, and nobody said so.",
        "P16",
    ),
    Invariant(
        "REVERSAL_TIE",
        "Is every line that is marked as reversed a line of the journal that its reversal reverses?",
        """select 'line ' || r.line || ' of ' || r.journal_id, r.reversed_by, j.reverses
           from reversal r
           left join journal j on j.id = r.reversed_by
           left join posting p on p.journal_id = r.journal_id and p.line = r.line
           where p.line is null or j.reverses is distinct from r.journal_id or r.line <> coalesce(j.reverses_line, r.line)""",
        "critical",
        "A line is marked as reversed that was not: it can never be reversed.",
        "P5",
    ),
)
