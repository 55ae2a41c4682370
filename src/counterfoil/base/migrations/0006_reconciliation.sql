-- Reconciliation: what is held against what and when, the runs, what each found, bank statements, client money.
-- Matched pairs and the lines of a run lie as Parquet in the data folder; only counts, totals and breaks come here.

create table reconciliation_run (
    id               text        primary key,
    program_id       text        not null references program,
    source           text        not null,         -- the provider or bank account that was held against our books
    scope            text        not null default 'range'
                                 constraint reconciliation_run_scope check (scope in ('range', 'recent', 'full')),
    first_on         date        not null,
    last_on          date        not null,
    state            text        not null constraint reconciliation_run_state check (state in ('running', 'finished', 'failed')),
    verdict          text,
    actor            text        not null,
    slot_at          timestamptz,                  -- the moment of its schedule; null: somebody asked for it
    started_at       timestamptz not null,
    beat_at          timestamptz not null,         -- its process was alive then
    progress         text,                         -- what it is doing
    finished_at      timestamptz,
    confirmed_at     timestamptz,                  -- the same inputs and rules were found again then
    read_until       timestamptz,                  -- what our books recorded before this moment was read
    statement_sha256 bytea,                        -- of the statement's files
    inputs_sha256    bytea,                        -- of both sides' lines as they were matched
    rules_sha256     text,
    result_sha256    bytea,
    matched          bigint,                       -- records of our books that the other side has, too
    breaks           bigint,
    expected         bigint,                       -- records that need not be on the other side yet
    notes            text[]      not null default '{}',
    report           jsonb,                        -- all of it, without the breaks
    comparison       jsonb,                        -- of a full run: with what the runs since the watermark had said
    error            text,
    constraint reconciliation_run_ends check ((state = 'running') = (finished_at is null)),
    constraint reconciliation_run_concludes check ((state = 'finished') = (verdict is not null)),
    constraint reconciliation_run_range check (first_on <= last_on)
);
create index reconciliation_run_latest on reconciliation_run (program_id, source, started_at);
create index reconciliation_run_again on reconciliation_run (inputs_sha256) where inputs_sha256 is not null;
create index reconciliation_run_running on reconciliation_run (beat_at) where state = 'running';

create table reconciliation_break (                -- append-only: what a run found stays as it was found
    run_id   text    not null references reconciliation_run,
    number   integer not null constraint reconciliation_break_number check (number > 0),
    break_id text    not null,                     -- the same in every run that finds it
    kind     text    not null,
    severity text    not null,
    asset    text    not null,
    at_stake bigint  not null,
    cause    text    not null,
    day      date,                                 -- the earliest day of its records
    detail   jsonb   not null,                     -- both records, what differs, hypotheses, the one safe action
    primary key (run_id, number)
);
create index reconciliation_break_again on reconciliation_break (break_id);
select make_append_only('reconciliation_break');

create table reconciliation_schedule (             -- since when a schedule is known: what was due before is not made up for
    name     text        primary key,
    cron     text        not null,
    since    timestamptz not null
);

create table reconciliation_slot (                 -- append-only: a moment of a schedule is taken by one worker, once
    name       text        not null references reconciliation_schedule,
    slot_at    timestamptz not null,
    taken_at   timestamptz not null,
    taken_by   text        not null,
    skipped    integer     not null constraint reconciliation_slot_skipped check (skipped >= 0),  -- earlier ones that nobody took
    primary key (name, slot_at)
);
select make_append_only('reconciliation_slot');

create table bank_file (                           -- append-only: a statement file, remembered by its hash
    id          text        primary key,
    program_id  text        not null references program,
    account     text        not null,              -- of our books, such as cash:bank:client
    file_name   text        not null,
    sha256      bytea       not null,
    format      text        not null,
    records     integer     not null,
    new         integer     not null,
    known       integer     not null,              -- lines that an earlier file had brought already
    rejected    jsonb       not null,
    notes       text[]      not null default '{}',
    actor       text        not null,
    at          timestamptz not null,
    constraint bank_file_is_imported_once unique (program_id, account, sha256),
    constraint bank_file_adds_up check (records = new + known)
);
select make_append_only('bank_file');

create table bank_statement (                      -- append-only: what a file's statements say of themselves
    file_id      text    not null references bank_file,
    number       integer not null constraint bank_statement_number check (number > 0),
    bank_account text,                             -- as the bank names it
    statement_id text,
    sequence     integer,
    page         integer,
    asset        text    not null,
    opening      bigint,
    closing      bigint,
    opening_on   date,
    closing_on   date,
    entries      integer not null,
    total        bigint  not null,
    line         integer not null,
    primary key (file_id, number)
);
select make_append_only('bank_statement');

create table bank_line (                           -- append-only: a booked line of a bank account, once, whatever files bring it
    program_id   text    not null references program,
    account      text    not null,
    key          bytea   not null,                 -- of the bank's reference, or of the line's content where it gives none
    asset        text    not null,
    amount       bigint  not null,                 -- money in is positive
    booked_on    date    not null,
    value_on     date,
    external_id  text,
    reference    text,
    counterparty text,
    memo         text,
    batch        text,
    file_id      text    not null references bank_file,
    line         integer not null,
    constraint bank_line_is_booked_once primary key (program_id, account, key)
);
create index bank_line_by_day on bank_line (program_id, account, booked_on);
create index bank_line_of_file on bank_line (file_id);
select make_append_only('bank_line');

create table client_money (                        -- append-only: what was owed to owners and what was held for them, at the end of a day
    id         text        primary key,
    program_id text        not null references program,
    asset      text        not null references asset,
    on_day     date        not null,
    owed       bigint      not null,
    held       bigint      not null,
    in_transit bigint      not null,
    difference bigint      not null,               -- more than nothing: an excess; less: a shortfall
    detail     jsonb       not null,               -- each owner, each place, and where each figure comes from
    sha256     bytea       not null,               -- of the detail in its one form
    made_by    text        not null,
    made_at    timestamptz not null,
    constraint client_money_adds_up check (difference = held + in_transit - owed),
    constraint client_money_is_made_once unique (program_id, asset, on_day, sha256)
);
create index client_money_by_day on client_money (program_id, on_day);
select make_append_only('client_money');

create table client_money_signature (              -- append-only: who stands for it, and for which figures
    client_money_id text        primary key references client_money,
    sha256          bytea       not null,
    signed_by       text        not null,
    action_taken    text        not null constraint client_money_signature_says_what_was_done
                                check (length(action_taken) between 1 and 2000),
    at              timestamptz not null
);
select make_append_only('client_money_signature');

create function signed_by_another() returns trigger language plpgsql as $$
begin
    if exists (select from client_money c where c.id = new.client_money_id and (c.made_by = new.signed_by or c.sha256 <> new.sha256)) then
        raise exception 'a statement of client money is signed by another person than its maker, as it was made' using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger signed_by_another before insert on client_money_signature for each row execute function signed_by_another();
alter table client_money_signature enable always trigger signed_by_another;
