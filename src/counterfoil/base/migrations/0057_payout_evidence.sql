-- The line of a statement on which two people finalised an attempt: what a run found and kept, once for an attempt and once for a line.

create table payout_evidence (                     -- append-only
    provider_payout_id text        primary key references provider_payout,
    program_id         text        not null references program,
    break_id           text        not null references break,
    run_id             text        not null,
    number             integer     not null,
    source             text        not null,
    record_id          text        not null,       -- the line, as the source names it
    at                 timestamptz not null,
    constraint payout_evidence_was_found foreign key (run_id, number) references reconciliation_break,
    constraint payout_evidence_is_used_once unique (program_id, source, record_id)
);
select make_append_only('payout_evidence');
select make_sealed('payout_evidence');
