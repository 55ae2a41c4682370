-- Circuit breakers: a provider that does not work is not called until one call has shown that it works again. One row for each provider and
-- queue of which something ever failed; shared by all workers, by the database's clock.

create table circuit (
    id              text        primary key,
    provider        text        not null constraint circuit_names_a_provider check (provider <> ''),
    queue           text        not null constraint circuit_names_a_queue check (queue <> ''),
    failures        integer     not null default 0 constraint circuit_failures_counted check (failures >= 0),  -- in a row
    window_at       timestamptz not null,          -- of the minute that is counted
    window_calls    integer     not null default 0,
    window_failures integer     not null default 0,
    tries           integer     not null default 0,  -- that failed since it opened
    opened_at       timestamptz,
    probe_at        timestamptz,                   -- from then on one call may try
    probed_by       text,                          -- the item whose call tries, or tried last
    last_error      text,
    constraint circuit_is_one_of_each unique (provider, queue),
    constraint circuit_window_adds_up check (window_failures between 0 and window_calls)
);
select make_stateful('circuit', 'circuit');
alter table circuit add constraint circuit_open_is_dated
    check (state = 'closed' or (opened_at is not null and probe_at is not null));
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('circuit', '', 'create', 'closed', false, false),
    ('circuit', 'closed', 'trip', 'open', false, false),
    ('circuit', 'open', 'probe', 'half_open', false, false),
    ('circuit', 'open', 'close', 'closed', false, false),
    ('circuit', 'half_open', 'trip', 'open', false, false),
    ('circuit', 'half_open', 'close', 'closed', false, false);
