-- Postings, as before, with fewer passes over what was just written. Each account that is updated says how many sides of postings it took,
-- so nothing else has to be counted: together they are two for each posting, or an account was left out.

do $migration$
declare
    totals   constant text := $sql$
        with moved as (
            select account, total(debited) as debited, total(credited) as credited, count(*) as sides,
                   min(seq) as seq_first, max(seq) as seq_last
            from (select debit as account, debit >> 40 as book, amount as debited, 0::bigint as credited, seq from new_posting
                  union all
                  select credit, credit >> 40, 0, amount, seq from new_posting) as sides
            group by account, book
            order by account
        ), updated as (
            update account a
            set debits = a.debits + m.debited, credits = a.credits + m.credited, last_seq = m.seq_last
            from moved m
            where a.id = m.account and a.last_seq < m.seq_first and not a.closed
            returning a.id, a.last_seq, case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end as balance,
                      a.frozen and case when a.debit_normal then m.credited else m.debited end > 0 as lowers_frozen, m.sides
        )
        select coalesce(sum(u.sides), 0) as sides, count(*) as accounts, count(p.seq) as tied,
               coalesce(bool_or(u.lowers_frozen), false) as lowers_frozen
        from updated u
        left join new_posting p on p.seq = u.last_seq
             and ((p.debit = u.id and p.debit_balance = u.balance) or (p.credit = u.id and p.credit_balance = u.balance))
    $sql$;
    function constant text := $function$
create or replace function postings_were_inserted() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    seen    record;
    moved   record;
    stopped record;
    now_ms  constant bigint := extract(epoch from clock_timestamp()) * 1000;
begin
    -- Each journal is of this transaction, lies in the book of its postings, and is whole: a bulk may leave lines out, which it refused.
    select sum(w.postings) as postings, min(w.effective_first) as effective_first, bool_and(w.whole) as whole,
           min(w.clock_first) as clock_first, max(w.clock_last) as clock_last,
           min(w.seq_first) as seq_first, max(w.seq_last) as seq_last, bool_or(w.reverses) as reverses,
           array_agg(distinct w.program_id) as programs
    into seen
    from (
        select p.postings, p.effective_first, p.clock_first, p.clock_last, p.seq_first, p.seq_last, j.program_id,
               j.reverses is not null as reverses,
               coalesce(p.book_first = p.book_last and p.book_first = j.book_id and j.written_by = pg_current_xact_id()
                        and p.segment_first = p.segment_last
                        and p.seq_first >= (
                            select case when s.segment = p.segment_first then s.first_seq end
                            from program_segment s where s.program_id = j.program_id order by s.segment desc limit 1)
                        and p.line_first >= 1 and p.line_last <= j.lines
                        and (p.postings = j.lines or p.movements = p.postings), false) as whole
        from (
            select journal_id, count(*) as postings, count(movement) as movements, min(line) as line_first, max(line) as line_last,
                   min(segment) as segment_first, max(segment) as segment_last,
                   min(debit) >> 40 as book_first, max(debit) >> 40 as book_last, min(seq) as seq_first, max(seq) as seq_last,
                   min(effective_at) as effective_first,
                   min(effective_at) filter (where not off_clock) as clock_first,
                   max(effective_at) filter (where not off_clock) as clock_last
            from new_posting
            group by journal_id
        ) p
        left join lateral (select j.* from journal j where j.id = p.journal_id offset 0) j on true  -- by its key, however this is planned
    ) w;
    if seen.postings is null then
        return null;
    elsif not seen.whole then
        raise exception 'a posting belongs to a journal of its book, which is written whole by one transaction, into its program''s segment' using errcode = 'CF102';
    elsif seen.seq_first >> 20 < now_ms - 300000 or seen.seq_last >> 20 > now_ms + 86400000 then
        raise exception 'postings are recorded by the clock of the database' using errcode = 'CF103';
    elsif seen.clock_first < to_timestamp((seen.seq_last >> 20) / 1000.0) - interval '3600 seconds'
       or seen.clock_last > to_timestamp((seen.seq_first >> 20) / 1000.0) + interval '3600 seconds' then
        raise exception 'a posting more than an hour off the clock says so' using errcode = 'CF103';
    end if;
    perform books_are_open(seen.programs, seen.effective_first);

    -- The totals. An account that is unknown or closed, or that has postings after these, is not updated, and its sides are not counted.
    if seen.postings < 200 then
        <totals>
        into moved;
    else
        execute '<totals>' into moved;
    end if;
    if moved.sides <> 2 * seen.postings then
        perform refuse_accounts(array(select debit from new_posting), array(select credit from new_posting));
    elsif moved.tied <> moved.accounts then
        raise exception 'the balances on the postings do not tie to the totals of their accounts' using errcode = 'CF105';
    end if;

    -- A freeze stops decisions, not what has happened already: a journal of facts, and a hold that was taken before, lower the account.
    if moved.lowers_frozen then
        select array_agg(p.debit) as debits, array_agg(p.credit) as credits into stopped
        from new_posting p
        where exists (select from account a
                      where a.frozen and ((a.id = p.debit and not a.debit_normal) or (a.id = p.credit and a.debit_normal)))
          and not exists (select from journal j join key_space s on s.word = key_word(j.key)
                          where j.id = p.journal_id and s.is_fact)
          and not exists (select from hold_resolution r where r.journal_id = p.journal_id and r.line = p.line);
        if stopped.debits is not null then
            perform refuse_accounts(stopped.debits, stopped.credits);
        end if;
    end if;

    -- A reversal goes from the last line to the first, so that it is possible wherever the journal was.
    if seen.reverses and exists (
        select from (
            select journal_id, debit, credit, amount, row_number() over (partition by journal_id order by line) as nth from new_posting
        ) p
        join journal j on j.id = p.journal_id and j.reverses is not null
        left join (
            select r.reversed_by, o.debit, o.credit, o.amount, row_number() over (partition by r.reversed_by order by o.line desc) as nth
            from reversal r
            join posting o on o.journal_id = r.journal_id and o.line = r.line
            where r.reversed_by in (select journal_id from new_posting)
        ) o on o.reversed_by = p.journal_id and o.nth = p.nth
        where (o.debit, o.credit, o.amount) is distinct from (p.credit, p.debit, p.amount)) then
        raise exception 'a reversal moves the same amounts back between the same accounts' using errcode = 'CF106';
    end if;
    return null;
end $$;
    $function$;
begin
    execute replace(replace(function, $mark$'<totals>'$mark$, quote_literal(totals)), '<totals>', totals);
end $migration$;
