-- The keys.json of a period's package: what the first export of the period wrote into it. Keys that come, end or change afterwards do not
-- change it, so that the same period stays the same bytes.
create table period_keys (                           -- append-only
    from_at timestamptz not null,
    to_at   timestamptz not null,
    keys    text        not null,
    made_at timestamptz not null,
    primary key (from_at, to_at),
    constraint period_keys_period_is_in_order check (from_at < to_at)
);
comment on column period_keys.keys is 'the file in its exact bytes';
select make_append_only('period_keys');
select make_sealed('period_keys');
select keep_to_program('period_keys', 'false');  -- a proof is of the whole installation
