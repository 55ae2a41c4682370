-- What a provider says otherwise of a chargeback than before is kept, and told once; nothing is booked of it. Two people end one that waits
-- for a word which fits.

create table chargeback_conflict (                  -- append-only
    id            text        primary key,
    chargeback_id text        not null references chargeback,
    program_id    text        not null references program,
    said          jsonb       not null,
    said_sha256   bytea       not null,
    differs       text        not null,
    at            timestamptz not null,
    constraint chargeback_conflict_is_told_once unique (chargeback_id, said_sha256)
);
select make_append_only('chargeback_conflict');
select make_sealed('chargeback_conflict');

create table chargeback_ruling (                    -- how two people ended one; append-only
    chargeback_id text        primary key references chargeback,
    program_id    text        not null references program,
    outcome       text        not null constraint chargeback_ruling_outcome check (outcome in ('won', 'lost')),
    reason        text        not null,
    actor         text        not null,
    at            timestamptz not null
);
select make_append_only('chargeback_ruling');
select make_sealed('chargeback_ruling');
select make_paired('chargeback_ruling', 'chargeback', 'rule', 'true', 'n.chargeback_id', $$p ->> 'outcome' = n.outcome$$);
