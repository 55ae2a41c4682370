-- Reconciliation runs of our books against a provider, and the breaks each found. Matched pairs are not kept here.

create table reconciliation_run (
    id               text        primary key,
    program_id       text        not null references program,
    source           text        not null,         -- the provider whose statement was held against our books
    first_on         date        not null,
    last_on          date        not null,
    state            text        not null constraint reconciliation_run_state check (state in ('running', 'finished', 'failed')),
    verdict          text,
    actor            text        not null,
    started_at       timestamptz not null,
    finished_at      timestamptz,
    statement_sha256 bytea,
    rules_sha256     text,
    matched          bigint,                       -- records of our books that the statement has, too
    breaks           bigint,
    notes            text[]      not null default '{}',
    report           jsonb,                        -- all of it, without the breaks
    error            text,
    constraint reconciliation_run_ends check ((state = 'running') = (finished_at is null)),
    constraint reconciliation_run_concludes check ((state = 'finished') = (verdict is not null)),
    constraint reconciliation_run_range check (first_on <= last_on)
);
create index reconciliation_run_latest on reconciliation_run (program_id, source, started_at);

create table reconciliation_break (                -- append-only: what a run found stays as it was found
    run_id   text    not null references reconciliation_run,
    number   integer not null constraint reconciliation_break_number check (number > 0),
    break_id text    not null,                     -- the same in every run that finds it
    kind     text    not null,
    severity text    not null,
    asset    text    not null,
    at_stake bigint  not null,
    cause    text    not null,
    detail   jsonb   not null,                     -- both records, what differs, hypotheses, the one safe action
    primary key (run_id, number)
);
create index reconciliation_break_again on reconciliation_break (break_id);
select make_append_only('reconciliation_break');
