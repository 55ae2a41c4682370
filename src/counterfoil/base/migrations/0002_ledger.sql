-- The ledger: programs, assets, books, accounts, journals, postings, holds, periods.
--
-- A posting moves an amount from one account to another, so an unbalanced one cannot be written. The number of an account begins with
-- the number of its book, so a posting across programs or assets is refused by a plain check. What a row cannot show is checked once per
-- statement over the rows just inserted, in the same pass that moves the totals of the accounts: whoever inserts, by whatever way, totals
-- and postings cannot drift apart. The triggers also fire in a session that replays as a replica.

create table asset (
    code  text     primary key constraint asset_code_is_short check (code ~ '^[A-Z][A-Z0-9]{1,11}$'),
    scale smallint not null constraint asset_scale_fits check (scale between 0 and 12)
);

create table program (
    id        text        primary key constraint program_id_is_short check (length(id) between 1 and 64),
    name      text        not null,
    opened_at timestamptz not null
);

create table program_segment (                     -- stretches of a program's postings; the last one is written now, earlier ones are not touched again
    program_id text    not null references program,
    segment    integer not null,
    first_seq  bigint  not null,                   -- no posting of it has a smaller one
    postings   bigint  not null default 0,         -- of bulk writers, who begin the next when it is full
    constraint program_segment_is_begun_once primary key (program_id, segment),
    constraint program_segment_counts check (segment >= 0 and postings >= 0)
);
comment on table program_segment is 'app: select';

create table book (                                -- one program's money in one asset
    id         integer generated always as identity primary key,
    program_id text    not null references program,
    asset      text    not null references asset,
    constraint book_number_fits check (id between 1 and 8388607),        -- 23 bits
    constraint book_is_opened_once unique (program_id, asset)
);

create sequence account_serial as bigint maxvalue 1099511627775;         -- 40 bits, of all books together

-- No foreign key touches this table: each would look at every row whose totals move. Accounts are never deleted and never change their
-- number, and the triggers of those that name one refuse a number that is not there.

create table account (
    id              bigint      primary key,       -- book << 40 | serial
    debits          bigint      not null default 0,
    credits         bigint      not null default 0,
    debits_pending  bigint      not null default 0,
    credits_pending bigint      not null default 0,
    last_seq        bigint      not null default 0, -- of its newest posting
    book_id         integer     not null,          -- checked when it is opened
    debit_normal    boolean     not null,          -- a debit raises its balance; otherwise a credit does
    no_overdraft    boolean     not null,
    frozen          boolean     not null default false,
    closed          boolean     not null default false,
    opened_at       timestamptz not null,
    name            text        not null,
    opened_by       text        not null,
    constraint account_is_opened_once unique (book_id, name),
    constraint account_lies_in_its_book check (id >> 40 = book_id),
    constraint account_name_is_short check (length(name) between 1 and 200),
    constraint account_totals_are_not_negative check (least(debits, credits, debits_pending, credits_pending) >= 0),
    constraint account_is_not_overdrawn check (
        not no_overdraft
        or case when debit_normal then debits - credits - credits_pending else credits - debits - debits_pending end >= 0),
    constraint account_closes_empty check (
        not closed or (debits = credits and debits_pending = 0 and credits_pending = 0))
) with (fillfactor = 45);                          -- room for a new version of every row of a page: no index is touched

create table account_flag (                        -- append-only: why a flag of an account has its value
    account_id bigint      not null,
    step       integer     not null constraint account_flag_step_starts_at_one check (step > 0),
    flag       text        not null constraint account_flag_is_known check (flag in ('frozen', 'closed', 'no_overdraft')),
    value      boolean     not null,
    actor      text        not null,
    reason     text        not null constraint account_flag_has_a_reason check (length(reason) between 1 and 2000),
    at         timestamptz not null,
    constraint account_flag_step_is_taken_once primary key (account_id, step)
);

create table period_close (                        -- append-only; the last row of a program says until when its books are closed
    program_id   text        not null references program,
    step         integer     not null constraint period_close_step_starts_at_one check (step > 0),
    verb         text        not null constraint period_close_verb_is_known check (verb in ('close', 'reopen')),
    closed_until timestamptz not null,             -- nothing effective before this moment is posted
    actor        text        not null,
    reason       text        not null constraint period_close_has_a_reason check (length(reason) between 1 and 2000),
    at           timestamptz not null,
    recorded_at  timestamptz not null default clock_timestamp(),  -- by the ledger's clock
    constraint period_close_step_is_taken_once primary key (program_id, step)
);

create table journal (
    id            uuid        primary key,         -- version 7: sorts by when it was recorded
    program_id    text        not null,
    book_id       integer     not null,
    lines         integer     not null constraint journal_has_lines check (lines > 0),  -- of a bulk: with what it refused
    effective_at  timestamptz not null,            -- when it happened
    recorded_at   timestamptz not null,            -- when it was written, by the database's clock
    kind          text        not null constraint journal_kind_is_short check (length(kind) between 1 and 64),
    key           text        not null constraint journal_key_is_short check (length(key) between 1 and 255),
    request_hash  bytea       not null constraint journal_request_is_hashed check (length(request_hash) = 32),
    actor         text        not null,
    narrative     text        constraint journal_narrative_is_short check (length(narrative) <= 2000),
    source_type   text,
    source_id     text,
    reverses      uuid,
    reverses_line integer,                         -- one line; null: all of it
    written_by    xid8        not null default pg_current_xact_id(),  -- nothing is added to it after this transaction
    constraint journal_key_is_used_once unique (program_id, key),
    constraint journal_names_its_source_whole check ((source_type is null) = (source_id is null)),
    constraint journal_reverses_a_line_of_a_journal check (reverses_line is null or reverses is not null)
);
create index journal_of_source on journal (source_type, source_id) where source_id is not null;
create unique index journal_is_reversed_once on journal (reverses, coalesce(reverses_line, 0)) where reverses is not null;

create table posting (
    journal_id     uuid        not null,
    debit          bigint      not null,
    credit         bigint      not null,
    amount         bigint      not null constraint posting_amount_fits check (amount between 1 and 1000000000000000000),
    debit_balance  bigint      not null,           -- of each account after this posting, on its normal side
    credit_balance bigint      not null,
    effective_at   timestamptz not null,
    seq            bigint      not null,           -- milliseconds since 1970 << 20 | counter: grows along every account
    line           integer     not null,           -- of a bulk: its place in the request
    segment        integer     not null,           -- of its program, when it was written
    off_clock      boolean     not null,           -- effective more than an hour away from recorded
    movement       uuid,                           -- the caller's id of one movement of a bulk journal
    constraint posting_stays_in_its_book check (debit >> 40 = credit >> 40),
    constraint posting_moves_between_two_accounts check (debit <> credit),
    primary key (journal_id, line)
);
-- Segment by segment: new entries go where the last ones went, into a few megabytes that stay in the processor's cache, however many
-- postings there are. Along an account, a later segment has later seqs.
create unique index posting_by_debit on posting (segment, debit, seq);
create unique index posting_by_credit on posting (segment, credit, seq);
create unique index posting_movement_is_posted_once on posting (movement) where movement is not null;
create index posting_off_clock_by_debit on posting (debit, effective_at) where off_clock;
create index posting_off_clock_by_credit on posting (credit, effective_at) where off_clock;

create table unposted_line (                       -- lines of a bulk that are no postings: the same request gets the same answer
    journal_id uuid    not null references journal,
    line       integer not null constraint unposted_line_starts_at_one check (line > 0),
    outcome    text    not null,                   -- why it was refused; or hold, void, expire
    constraint unposted_line_has_one_outcome primary key (journal_id, line)
);

create table reversal (                            -- each line of a journal is reversed at most once, alone or with the whole
    journal_id  uuid    not null,
    line        integer not null,
    reversed_by uuid    not null references journal,
    constraint line_is_reversed_once primary key (journal_id, line)
);
create index reversal_by_journal on reversal (reversed_by);

create table hold (                                -- money set aside on its way from one account to another
    id          uuid        primary key,
    debit       bigint      not null,
    credit      bigint      not null,
    amount      bigint      not null constraint hold_amount_fits check (amount between 1 and 1000000000000000000),
    taken_at    timestamptz not null,
    expires_at  timestamptz constraint hold_expires_after_it_is_taken check (expires_at > taken_at),
    kind        text        not null constraint hold_kind_is_short check (length(kind) between 1 and 64),
    actor       text        not null,
    narrative   text        constraint hold_narrative_is_short check (length(narrative) <= 2000),
    source_type text,
    source_id   text,
    constraint hold_stays_in_its_book check (debit >> 40 = credit >> 40),
    constraint hold_lies_between_two_accounts check (debit <> credit),
    constraint hold_names_its_source_whole check ((source_type is null) = (source_id is null))
);
create index hold_by_debit on hold (debit, taken_at);
create index hold_by_credit on hold (credit, taken_at);
create index hold_of_source on hold (source_type, source_id) where source_id is not null;

create table hold_resolution (                     -- one row per hold: it is posted (in full or in part), voided or expired, once
    hold_id     uuid        not null references hold,
    verb        text        not null constraint hold_resolution_verb_is_known check (verb in ('post', 'void', 'expire')),
    amount      bigint      not null constraint hold_resolution_amount_is_not_negative check (amount >= 0),
    journal_id  uuid,                              -- of the posting; the rest of the hold returned
    line        integer,
    resolved_at timestamptz not null,
    actor       text        not null,
    reason      text,
    constraint hold_is_resolved_once primary key (hold_id),
    constraint hold_resolution_posts_when_it_says_so check (
        (verb = 'post') = (amount > 0) and (verb = 'post') = (journal_id is not null) and (journal_id is null) = (line is null)),
    constraint hold_posting_resolves_one_hold unique (journal_id, line)
);

create table open_hold (                           -- what is not resolved yet; kept by the triggers of the two tables above
    hold_id    uuid        primary key,
    debit      bigint      not null,
    credit     bigint      not null,
    amount     bigint      not null,
    expires_at timestamptz
);
create index open_hold_by_expiry on open_hold (expires_at, hold_id) where expires_at is not null;
create index open_hold_by_debit on open_hold (debit);
create index open_hold_by_credit on open_hold (credit);

create table journal_import (                      -- a file whose rows become journals, read by a map; the same pair is one import
    id         bytea       primary key,            -- SHA-256 of program, file and map
    program_id text        not null references program,
    file_name  text        not null,
    rows       bigint      not null constraint journal_import_counts_rows check (rows >= 0),
    actor      text        not null,
    at         timestamptz not null
);

create table journal_import_step (                 -- written with the journals of each part: where to go on
    import_id  bytea       not null references journal_import,
    rows_done  bigint      not null constraint journal_import_step_moves_on check (rows_done > 0),
    at         timestamptz not null,
    constraint journal_import_step_is_taken_once primary key (import_id, rows_done)
);

-- Locks. Every transaction that writes to a program's books holds the program's lock, shared or alone, until it ends. Closing a period
-- takes it alone: it waits for those who write, and who comes later reads the new limit. Under read committed each statement sees what
-- was committed before it; a transaction with an older snapshot would not see the limit, so it is refused.

--
-- Who writes also moves the program's version on: a writer that finds it where it left it knows that the totals it remembers still
-- stand, and reads none. Programs share a few sequences: a false alarm costs a reading, and a number is never taken back.

do $$
begin
    for number in 0..15 loop
        execute format('create sequence ledger_version_%s', number);
    end loop;
end $$;

create function program_version(program_id text) returns regclass stable parallel safe language sql
    return ('ledger_version_' || (hashtextextended(program_id, 4271003) & 15))::regclass;

create function program_lock(program_id text) returns bigint immutable parallel safe language sql
    return hashtextextended(program_id, 4271002);

create function books_are_open(programs text[], effective_from timestamptz) returns void language plpgsql as $$
declare
    program text;
    until   timestamptz;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'the ledger is written under read committed only' using errcode = 'CF109';
    end if;
    foreach program in array programs loop
        perform pg_advisory_xact_lock_shared(program_lock(program)), nextval(program_version(program));
        select closed_until into until from period_close where program_id = program order by step desc limit 1;
        if effective_from < until then
            raise exception 'the books of % are closed until %', program, until using errcode = 'CF104';
        end if;
    end loop;
end $$;

create function segment_size() returns bigint immutable parallel safe language sql return 32768;

-- What a writer stands on, read under the program's lock, which it takes alone or shared. The lock is a statement of its own: what is
-- read in the same statement would be as old as the wait for it. Who is alone says how many postings it may write, and begins the next
-- segment when this one is full: nobody else writes then, so a segment ends for all of its program at once.
create function enter_program(
    program text, alone boolean, postings_max integer,
    out clock_ms bigint, out closed_until_us bigint, out version bigint, out incarnation text, out assets text[], out books integer[],
    out segment integer, out segment_seq bigint
) language plpgsql security definer set search_path = public, pg_temp as $$
declare
    written program_segment;
begin
    if alone then
        perform pg_advisory_xact_lock(program_lock(program));
    else
        perform pg_advisory_xact_lock_shared(program_lock(program));
    end if;
    clock_ms := extract(epoch from clock_timestamp()) * 1000;
    select * into written from program_segment s where s.program_id = program order by s.segment desc limit 1;
    if alone and written.postings >= segment_size() then
        insert into program_segment values (program, written.segment + 1, greatest(written.first_seq, clock_ms << 20), postings_max)
        returning * into written;
    elsif alone then
        update program_segment s set postings = s.postings + postings_max where s.program_id = program and s.segment = written.segment;
    end if;
    segment := written.segment;
    segment_seq := written.first_seq;
    version := coalesce(pg_sequence_last_value(program_version(program)), 0);
    incarnation := pg_postmaster_start_time()::text || (select oid from pg_database where datname = current_database());
    select extract(epoch from closed_until) * 1000000 into closed_until_us
    from period_close where program_id = program order by step desc limit 1;
    select array_agg(b.asset order by b.id), array_agg(b.id order by b.id) into assets, books from book b where b.program_id = program;
end $$;

-- For a writer that posts a journal or two: its accounts, locked in the order of their numbers, so that two writers queue and never
-- deadlock. The application may not update accounts, so it may not lock them by itself either.
create function lock_accounts(program text, asset_code text, names text[]) returns setof account
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    return query
    select a.* from account a
    where a.book_id = (select b.id from book b where b.program_id = program and b.asset = asset_code) and a.name = any (names)
    order by a.id
    for no key update;
end $$;

-- The adding up of batches: as `sum`, but without the detour through numeric; past 63 bits it is an error.
create aggregate total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0');

-- Journals: their book is their program's; a reversal marks what it reverses.

create function journals_were_inserted() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    seen  record;
    wrong record;
begin
    select bool_or(b.id is null) as astray, bool_or(j.written_by <> pg_current_xact_id()) as dated, bool_or(j.reverses is not null) as reverses
    into seen
    from new_journal j
    left join book b on b.id = j.book_id and b.program_id = j.program_id;
    if seen.astray then
        raise exception 'a journal lies in a book of its program' using errcode = 'CF101';
    elsif seen.dated then
        raise exception 'a journal is written by the transaction that it names' using errcode = 'CF102';
    elsif seen.reverses then
        select j.id into wrong
        from new_journal j
        where j.reverses is not null
          and (select count(*) from posting p where p.journal_id = j.reverses and p.line = coalesce(j.reverses_line, p.line)
                                              and p.debit >> 40 = j.book_id) <> j.lines;
        if found then
            raise exception 'journal % does not reverse line by line', wrong.id using errcode = 'CF106';
        end if;
        insert into reversal (journal_id, line, reversed_by)
        select p.journal_id, p.line, j.id
        from new_journal j
        join posting p on p.journal_id = j.reverses and p.line = coalesce(j.reverses_line, p.line);
    end if;
    return null;
end $$;

create trigger journals_were_inserted after insert on journal referencing new table as new_journal
    for each statement execute function journals_were_inserted();

-- Postings: the one pass in which totals move.

-- The statement that moves them is written once and used twice. What a few postings do runs from the session's plan, which looks each
-- account up; what thousands do is planned each time, because then reading all accounts in one go may cost half of looking them up.
-- (Grouping by the book as well changes nothing but the planner's guess of how many accounts there are; in the order of their numbers
-- they lie side by side.)

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
              and not (a.frozen and case when a.debit_normal then m.credited else m.debited end > 0)
            returning a.id, a.last_seq, case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end as balance
        )
        select (select count(*) from moved) as asked, (select count(*) from updated) as done,
               (select count(*) from updated u join new_posting p on p.seq = u.last_seq
                where (p.debit = u.id and p.debit_balance = u.balance) or (p.credit = u.id and p.credit_balance = u.balance)) as tied
    $sql$;
    function constant text := $function$
create function postings_were_inserted() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    seen   record;
    moved  record;
    now_ms constant bigint := extract(epoch from clock_timestamp()) * 1000;
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

    -- The totals. An account that is unknown, closed, frozen against what lowers it, or that has postings after these, is not updated.
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

-- Along an account, over its segments. A plan across all of them would sort every posting there is; these stop when they have enough.

-- The segments, in their order, that may hold postings between two seqs: a segment's own begin at its first_seq, and none was ahead of
-- the clock by more than a day when it was written (see postings_were_inserted).
create function segments_between(account_id bigint, from_seq bigint, end_seq bigint) returns integer[] stable parallel safe language sql
    return array(
        select s.segment from program_segment s
        where s.program_id = (select b.program_id from book b where b.id = account_id >> 40)
          and s.first_seq < end_seq
          and s.segment >= coalesce((
              select max(earlier.segment) from program_segment earlier
              where earlier.program_id = s.program_id and earlier.first_seq <= from_seq - (86700000::bigint << 20)), 0)
        order by s.segment);

create function segments_of(account_id bigint) returns integer[] stable parallel safe language sql
    return segments_between(account_id, 0, 9223372036854775807);

create function newest_postings(account_id bigint, before_seq bigint, rows_max integer) returns setof posting
    stable language plpgsql rows 1 as $$
declare
    segments  constant integer[] := segments_between(account_id, 0, before_seq);
    found_now integer;
    wanted    integer := rows_max;
begin
    for place in reverse cardinality(segments)..1 loop
        return query
        select * from (
            (select * from posting p where p.segment = segments[place] and p.debit = account_id and p.seq < before_seq
             order by p.seq desc limit wanted)
            union all
            (select * from posting p where p.segment = segments[place] and p.credit = account_id and p.seq < before_seq
             order by p.seq desc limit wanted)
        ) p order by p.seq desc limit wanted;
        get diagnostics found_now = row_count;
        wanted := wanted - found_now;
        exit when wanted <= 0;
    end loop;
end $$;

create function postings_between(account_id bigint, from_seq bigint, end_seq bigint, rows_max integer) returns setof posting
    stable language plpgsql as $$
declare
    number    integer;
    found_now integer;
    wanted    integer := rows_max;
begin
    foreach number in array segments_between(account_id, from_seq, end_seq) loop
        return query
        select * from (
            (select * from posting p where p.segment = number and p.debit = account_id and p.seq >= from_seq and p.seq < end_seq
             order by p.seq limit wanted)
            union all
            (select * from posting p where p.segment = number and p.credit = account_id and p.seq >= from_seq and p.seq < end_seq
             order by p.seq limit wanted)
        ) p order by p.seq limit wanted;
        get diagnostics found_now = row_count;
        wanted := wanted - found_now;
        exit when wanted <= 0;
    end loop;
end $$;

-- Says why accounts were not updated: the first reason in the order in which a batch states its reasons.
create function refuse_accounts(lowered_if_credit_normal bigint[], lowered_if_debit_normal bigint[]) returns void language plpgsql as $$
declare
    wrong record;
begin
    select asked.id, a.name, a.closed, a.frozen, a.id is null as unknown into wrong
    from (select unnest as id, true as debited from unnest(lowered_if_credit_normal)
          union all select unnest, false from unnest(lowered_if_debit_normal)) asked
    left join account a on a.id = asked.id
    where a.id is null or a.closed or (a.frozen and a.debit_normal <> asked.debited)
    order by a.id is null desc, a.closed desc, asked.id
    limit 1;
    if not found then
        raise exception 'postings of an account are recorded in their order' using errcode = 'CF103';
    elsif wrong.unknown then
        raise exception 'account % does not exist', wrong.id using errcode = 'CF107';
    elsif wrong.closed then
        raise exception 'account % is closed', wrong.name using errcode = 'CF108';
    end if;
    raise exception 'account % is frozen: nothing may lower it', wrong.name using errcode = 'CF110';
end $$;

create trigger postings_were_inserted after insert on posting referencing new table as new_posting
    for each statement execute function postings_were_inserted();

-- Holds: what is set aside counts as pending on both accounts, until it is resolved.

create function holds_were_inserted() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    programs text[];
    moved    record;
begin
    select array_agg(distinct b.program_id) into programs from new_hold h join book b on b.id = h.debit >> 40;
    if programs is null then
        return null;
    end if;
    perform books_are_open(programs, null);
    with moved as (
        select account, total(debited) as debited, total(credited) as credited
        from (select debit as account, amount as debited, 0::bigint as credited from new_hold
              union all
              select credit, 0, amount from new_hold) as sides
        group by account
    ), updated as (
        update account a
        set debits_pending = a.debits_pending + m.debited, credits_pending = a.credits_pending + m.credited
        from moved m
        where a.id = m.account and not a.closed
          and not (a.frozen and case when a.debit_normal then m.credited else m.debited end > 0)
        returning a.id
    )
    select (select count(*) from moved) as asked, (select count(*) from updated) as done into moved;
    if moved.asked <> moved.done then
        perform refuse_accounts(array(select debit from new_hold), array(select credit from new_hold));
    end if;
    insert into open_hold (hold_id, debit, credit, amount, expires_at) select id, debit, credit, amount, expires_at from new_hold;
    return null;
end $$;

create trigger holds_were_inserted after insert on hold referencing new table as new_hold
    for each statement execute function holds_were_inserted();

create function holds_were_resolved() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    programs text[];
    wrong    record;
begin
    select array_agg(distinct b.program_id) into programs
    from new_resolution r join hold h on h.id = r.hold_id join book b on b.id = h.debit >> 40;
    if programs is null then
        return null;
    end if;
    perform books_are_open(programs, null);
    select h.id, r.amount > h.amount as too_much into wrong
    from new_resolution r
    join hold h on h.id = r.hold_id
    where r.amount > h.amount
       or (r.verb = 'post' and h.expires_at <= r.resolved_at)
       or (r.verb = 'expire' and (h.expires_at is null or h.expires_at > r.resolved_at))
    limit 1;
    if found then
        raise exception 'hold %', wrong.id || case when wrong.too_much then ' is smaller' else ': its time forbids this' end
            using errcode = 'CF112';
    end if;
    with gone as (
        delete from open_hold o using new_resolution r where o.hold_id = r.hold_id returning o.debit, o.credit, o.amount
    ), moved as (
        select account, total(debited) as debited, total(credited) as credited
        from (select debit as account, amount as debited, 0::bigint as credited from gone
              union all
              select credit, 0, amount from gone) as sides
        group by account
    ), updated as (
        update account a
        set debits_pending = a.debits_pending - m.debited, credits_pending = a.credits_pending - m.credited
        from moved m
        where a.id = m.account
    )
    select (select count(*) from gone) as done, (select count(*) from new_resolution) as asked into wrong;
    if wrong.done <> wrong.asked then
        raise exception 'a hold is resolved once' using errcode = 'CF113';
    end if;
    return null;
end $$;

create trigger holds_were_resolved after insert on hold_resolution referencing new table as new_resolution
    for each statement execute function holds_were_resolved();

-- A program is born in its first segment; segments follow one another, and only the count of the last one moves.

create function program_was_opened() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into program_segment (program_id, segment, first_seq) values (new.id, 0, 0);
    return null;
end $$;
create trigger program_was_opened after insert on program for each row execute function program_was_opened();

create function segment_moves_on() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if (new.program_id, new.segment, new.first_seq) is distinct from (old.program_id, old.segment, old.first_seq) then
            raise exception 'a segment stays where it begins' using errcode = 'CF103';
        end if;
    elsif not (
        select new.segment = coalesce(max(s.segment) + 1, 0) and new.first_seq >= coalesce(max(s.first_seq), 0)
        from program_segment s where s.program_id = new.program_id)
    then
        raise exception 'segments follow one another' using errcode = 'CF103';
    end if;
    return new;
end $$;
create trigger segment_moves_on before insert or update on program_segment for each row execute function segment_moves_on();
create trigger is_append_only before delete on program_segment for each statement execute function refuse_change();
create trigger is_not_truncated before truncate on program_segment for each statement execute function refuse_change();

-- Accounts: born empty; their totals move by the triggers above alone, their flags by a row of account_flag.

create function accounts_were_opened() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if exists (select from new_account
               where (debits, credits, debits_pending, credits_pending, last_seq, frozen, closed) <> (0, 0, 0, 0, 0, false, false)) then
        raise exception 'an account is opened empty' using errcode = 'CF111';
    elsif exists (select from new_account a where not exists (select from book b where b.id = a.book_id)) then
        raise exception 'an account lies in a book that there is' using errcode = 'CF101';
    end if;
    return null;
end $$;
create trigger accounts_were_opened after insert on account referencing new table as new_account
    for each statement execute function accounts_were_opened();

create function refuse_direct_update() returns trigger language plpgsql as $$
begin
    raise exception '% moves by postings, holds and flags alone', tg_table_name using errcode = 'CF111';
end $$;
create trigger account_moves_by_triggers before update on account
    for each statement when (pg_trigger_depth() = 0) execute function refuse_direct_update();
create trigger open_hold_moves_by_triggers before insert or update or delete on open_hold
    for each statement when (pg_trigger_depth() = 0) execute function refuse_direct_update();
create trigger reversal_moves_by_triggers before insert on reversal
    for each statement when (pg_trigger_depth() = 0) execute function refuse_direct_update();
create trigger is_append_only before delete on account for each statement execute function refuse_change();
create trigger is_not_truncated before truncate on account for each statement execute function refuse_change();
create trigger is_not_truncated before truncate on open_hold for each statement execute function refuse_direct_update();

create function account_flag_was_set() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    -- A batch decides by the flags it read under the program's lock: wait for it.
    perform pg_advisory_xact_lock_shared(program_lock(b.program_id)), nextval(program_version(b.program_id))
    from book b where b.id = new.account_id >> 40;
    if new.step <> 1 + (select count(*) from account_flag where account_id = new.account_id and step < new.step) then
        raise exception 'flags are set one after another' using errcode = 'CF002';
    end if;
    update account a
    set frozen = case new.flag when 'frozen' then new.value else a.frozen end,
        closed = case new.flag when 'closed' then new.value else a.closed end,
        no_overdraft = case new.flag when 'no_overdraft' then new.value else a.no_overdraft end
    where a.id = new.account_id;
    if not found then
        raise exception 'account % does not exist', new.account_id using errcode = 'CF107';
    end if;
    return null;
end $$;
create trigger account_flag_was_set after insert on account_flag for each row execute function account_flag_was_set();

create function period_was_closed() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    before record;
begin
    perform pg_advisory_xact_lock(program_lock(new.program_id)); -- alone: wait for everybody who writes
    select step, closed_until into before from period_close where program_id = new.program_id order by step desc limit 1;
    if new.step <> coalesce(before.step, 0) + 1 then
        raise exception 'periods are closed one after another' using errcode = 'CF002';
    elsif (new.verb = 'close') <> (before is null or new.closed_until > before.closed_until) then
        raise exception 'closing moves the limit on, reopening moves it back' using errcode = 'CF002';
    end if;
    new.recorded_at := greatest(clock_timestamp(), (  -- a clock that was set back must not make older postings look newer
        select to_timestamp((max(a.last_seq) >> 20) / 1000.0)
        from account a join book b on b.id = a.book_id where b.program_id = new.program_id));
    return new;
end $$;
create trigger period_was_closed before insert on period_close for each row execute function period_was_closed();

-- Nothing of this is changed or deleted, by anybody, and all triggers hold in a session that replays as a replica.

select make_append_only(target::regclass)
from unnest(array['asset', 'program', 'book', 'account_flag', 'period_close', 'journal', 'posting', 'unposted_line', 'reversal',
                  'hold', 'hold_resolution', 'journal_import', 'journal_import_step']) as target;

do $$
declare
    item record;
begin
    for item in
        select tgrelid::regclass as target, tgname
        from pg_trigger
        where tgenabled <> 'A' and not tgisinternal and tgrelid = any (array[
            'program', 'program_segment', 'account', 'account_flag', 'period_close', 'journal', 'posting', 'reversal', 'hold', 'hold_resolution', 'open_hold']::regclass[])
    loop
        execute format('alter table %s enable always trigger %I', item.target, item.tgname);
    end loop;
end $$;

-- Two rows per posting, for people who think in entries: the sum of all debits is the sum of all credits.

create view ledger_entries as
select b.program_id, s.type, p.amount, to_timestamp((p.seq >> 20) / 1000.0) as created_at, p.effective_at, b.asset,
       a.name as account, s.balance, j.kind, j.key, j.id as journal_id, p.line, p.seq, p.movement, j.actor, j.narrative,
       j.source_type, j.source_id
from posting p
cross join lateral (values ('debit', p.debit, p.debit_balance), ('credit', p.credit, p.credit_balance)) as s (type, account_id, balance)
join account a on a.id = s.account_id
join book b on b.id = a.book_id
join journal j on j.id = p.journal_id;
