-- Facts and decisions. What has happened outside (a customer paid, a provider paid or failed) is booked whatever was closed or frozen
-- since: on the first open day, with the day on which it happened beside it. Decisions are refused as before.
-- And keys: what the product posts itself lies in key spaces of its own, where no caller's key can stand.

create table key_space (                           -- the words before the first colon of a key that belong to a part of the product
    word        text    primary key constraint key_space_word_is_short check (length(word) between 1 and 40),
    kind        text,                              -- of its journals; null: any
    source_type text,                              -- what they are posted for; null: anything
    is_fact     boolean not null,                  -- it has happened already: a freeze does not stop it
    is_late_ok  boolean not null                   -- in a closed period: booked on the first open day
);
comment on table key_space is 'app: select';
insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('PAYMENT', 'payment', 'charge', true, true),
    ('SETTLEMENT', 'settlement', 'settlement', false, true),
    ('PAYOUT_RESERVE', 'payout_reserve', 'provider_payout', false, true),
    ('PAYOUT_FINALIZE', 'payout_finalize', 'provider_payout', true, true),
    ('PAYOUT_RELEASE', 'payout_release', 'provider_payout', true, true),
    ('PAYOUT_RETURN', 'payout_return', 'provider_payout', true, true),
    ('PAYOUT_RESERVE_AGAIN', 'payout_reserve_again', 'provider_payout', true, true),
    ('PAYOUT_NETTING', 'payout_netting', 'payout', true, true),
    ('break', null, 'break', false, false),
    ('hold.post', null, null, false, true),
    ('reversal', 'reversal', null, false, false);

create function key_word(key text) returns text immutable parallel safe language sql
    return case when strpos(key, ':') > 0 then split_part(key, ':', 1) end;

-- Keys that callers took in these spaces before they were closed to them: they go out of the way, so that what the product itself
-- has to post under them is not blocked for ever. Their journals stay what they are. Under the old key a caller is refused now.
create table journal_key_moved (
    journal_id uuid        primary key references journal,
    old_key    text        not null,
    new_key    text        not null,
    at         timestamptz not null default clock_timestamp()
);
alter table journal disable trigger is_append_only;
with taken as (
    select j.id, j.key
    from journal j join key_space s on s.word = key_word(j.key)
    where (s.kind is not null and j.kind <> s.kind)
       or (s.source_type is not null and j.source_type is distinct from s.source_type)
       or (s.word in ('PAYMENT', 'SETTLEMENT', 'PAYOUT_RESERVE', 'PAYOUT_FINALIZE', 'PAYOUT_RELEASE', 'PAYOUT_RETURN')
           and j.actor not like 'system:%')
       or (s.word = 'hold.post' and not exists (select from hold_resolution r where r.journal_id = j.id))
       or (s.word = 'reversal' and j.reverses is null)
), moved as (
    update journal j set key = left('caller:' || t.key, 210) || ':' || j.id from taken t where j.id = t.id returning j.id, t.key as old_key, j.key
)
insert into journal_key_moved (journal_id, old_key, new_key) select id, old_key, key from moved;
alter table journal enable always trigger is_append_only;
select make_append_only('journal_key_moved');
comment on table journal_key_moved is 'app: select';

create function keys_lie_in_their_spaces() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    wrong record;
begin
    select j.key into wrong
    from new_journal j join key_space s on s.word = key_word(j.key)
    where (s.kind is not null and j.kind <> s.kind)
       or (s.source_type is not null and j.source_type is distinct from s.source_type)
       or (s.word = 'reversal' and j.reverses is null)
    limit 1;
    if found then
        raise exception 'key % belongs to another writer', wrong.key using errcode = 'CF115';
    end if;
    return null;
end $$;
create trigger keys_lie_in_their_spaces after insert on journal referencing new table as new_journal
    for each statement execute function keys_lie_in_their_spaces();

create table late_posting (                        -- happened in a period that was closed; its posting is effective on the first open day
    journal_id  uuid        not null,
    line        integer     not null,
    occurred_at timestamptz not null,              -- when it happened
    primary key (journal_id, line)
);
create index late_posting_by_time on late_posting (occurred_at);

create function late_postings_were_marked() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (
        select from new_late l
        left join posting p on p.journal_id = l.journal_id and p.line = l.line
        left join journal j on j.id = l.journal_id
        where p.journal_id is null or l.occurred_at >= p.effective_at or j.written_by <> pg_current_xact_id()) then
        raise exception 'a posting is marked as late by who writes it, and happened before it is effective' using errcode = 'CF102';
    end if;
    return null;
end $$;
create trigger late_postings_were_marked after insert on late_posting referencing new table as new_late
    for each statement execute function late_postings_were_marked();
select make_append_only('late_posting');

-- A promise: a hold that somebody else builds on (a participant that voted yes). It has no expiry, and no hand voids it: who took it
-- posts or voids it, naming the same source. That it can be posted is true of every hold: see the postings below.

alter table hold add column promised boolean not null default false;
alter table hold add constraint hold_that_is_promised_does_not_expire check (not promised or (expires_at is null and source_id is not null));

-- Postings, as before, but for what a freeze stops.

do $migration$
declare
    totals   constant text := $sql$
        with moved as (
            select account, total(debited) as debited, total(credited) as credited,
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
                      a.frozen and case when a.debit_normal then m.credited else m.debited end > 0 as lowers_frozen
        )
        select (select count(*) from moved) as asked, (select count(*) from updated) as done,
               (select coalesce(bool_or(lowers_frozen), false) from updated) as lowers_frozen,
               (select count(*) from updated u join new_posting p on p.seq = u.last_seq
                where (p.debit = u.id and p.debit_balance = u.balance) or (p.credit = u.id and p.credit_balance = u.balance)) as tied
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
                   min(debit >> 40) as book_first, max(debit >> 40) as book_last, min(seq) as seq_first, max(seq) as seq_last,
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

    -- The totals. An account that is unknown or closed, or that has postings after these, is not updated.
    if seen.postings < 200 then
        <totals>
        into moved;
    else
        execute '<totals>' into moved;
    end if;
    if moved.asked <> moved.done then
        perform refuse_accounts(array(select debit from new_posting), array(select credit from new_posting));
    elsif moved.tied <> moved.done then
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

-- Closing. The account of a payee with money on its way stays open: the payout may fail, and its money comes back to it.

create function payee_account_closes_when_nothing_is_on_its_way() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    wrong record;
begin
    -- Alone in the program: whoever reserves money at this moment has ended, and whoever comes later finds the account closed.
    perform pg_advisory_xact_lock(program_lock(b.program_id)) from book b where b.id = new.account_id >> 40;
    select a.name, p.id into wrong
    from account a
    join book b on b.id = a.book_id
    join payout p on p.program_id = b.program_id and p.asset = b.asset and p.payee_id = substring(a.name from '^[a-z]+:payee:(.*)$')
    where a.id = new.account_id and p.state in ('processing', 'reconcile_required')
    limit 1;
    if found then
        raise exception 'account % is needed: payout % is on its way', wrong.name, wrong.id using errcode = 'CF114';
    end if;
    return new;
end $$;
create trigger payee_account_closes_when_nothing_is_on_its_way before insert on account_flag
    for each row when (new.flag = 'closed' and new.value)
    execute function payee_account_closes_when_nothing_is_on_its_way();
alter table account_flag enable always trigger payee_account_closes_when_nothing_is_on_its_way;

-- Reopening: two people, by an approval of exactly this (see approvals). One alone is refused, whoever writes the row.

alter table period_close
    add column approved_by text,
    add column approval_id text constraint period_is_reopened_once_per_approval unique,
    add constraint period_is_reopened_by_two check (verb <> 'reopen' or (approved_by is not null and approved_by <> actor)) not valid;

create function period_reopens_as_approved() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if to_regclass('approval_decision') is null then
        raise exception 'a period is reopened by two people, and nobody can approve here' using errcode = 'CF116';
    elsif exists (
        select from approval_proposal p
        join approval_decision d on d.proposal_id = p.id and d.decision = 'approved' and d.checker_id <> p.maker_id
        where p.id = new.approval_id and p.machine = 'period' and p.verb = 'reopen' and p.subject_id = new.program_id
          and (p.payload ->> 'until')::timestamptz = new.closed_until) then
        return new;
    end if;
    raise exception 'a period is reopened by two people, who approve exactly that' using errcode = 'CF116';
end $$;
create trigger period_reopens_as_approved before insert on period_close
    for each row when (new.verb = 'reopen') execute function period_reopens_as_approved();
alter table period_close enable always trigger period_reopens_as_approved;

do $$
declare
    item record;
begin
    for item in select tgrelid::regclass as target, tgname from pg_trigger
                where tgname in ('keys_lie_in_their_spaces', 'late_postings_were_marked') loop
        execute format('alter table %s enable always trigger %I', item.target, item.tgname);
    end loop;
end $$;
