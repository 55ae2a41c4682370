-- Metrics that only grow are counted once: what is kept here was counted up to `reached`, and a scrape adds what is new since then.
create table metric_reach (
    name    text        primary key,
    reached timestamptz not null
);
create table metric_sum (
    name    text        not null references metric_reach,
    labels  text[]      not null,                    -- of a histogram, the number of the bucket is the last
    number  bigint      not null constraint metric_sum_counts check (number >= 0),
    total   numeric     not null default 0,          -- of a histogram, the sum of the values
    primary key (name, labels)
);

create table work_mishap (                           -- append-only: what leases and fences are for, each time that it was needed
    id     bigint      generated always as identity primary key,
    kind   text        not null constraint work_mishap_kind check (kind in ('lease_rescued', 'stale_write')),
    queue  text        not null,
    number integer     not null constraint work_mishap_counts check (number > 0),
    worker text        not null,
    at     timestamptz not null
);
select make_append_only('work_mishap');
create index work_mishap_by_time on work_mishap (at);
create index webhook_attempt_by_time on webhook_attempt using brin (at) with (pages_per_range = 16);
