-- Work, workers, events, webhooks in, keys, actions.
-- The row is the job: a table that is worked on carries due_at (null: nothing to do), attempt, lease_owner, lease_until, fence, last_error.

create table event (
    id         text        primary key,
    name       text        not null,
    level      text        not null constraint event_level check (level in ('debug', 'info', 'warning', 'critical')),
    program_id text        not null,
    subject_id text        not null,
    payload    jsonb       not null,
    at         timestamptz not null,
    state      text        not null,
    state_at   timestamptz not null,
    steps      integer     not null default 1,
    due_at     timestamptz,
    attempt    integer     not null default 0,
    lease_owner text,
    lease_until timestamptz,
    fence      bigint      not null default 0,
    last_error text
);
create index event_due on event (due_at, id) where due_at is not null;
create index event_of_subject on event (subject_id, at);
create index event_by_time on event (at, id);

create table worker (
    id         text        primary key,
    host       text        not null,
    pid        integer     not null,
    version    text        not null,
    started_at timestamptz not null,
    beat_at    timestamptz not null,
    stopped_at timestamptz,
    jobs       jsonb       not null default '{}'   -- per job: last_at, last_ms, handled, failed, last_error
);

create table webhook_in (
    id          text        primary key,
    provider    text        not null,
    event_id    text        not null,
    event_type  text        not null,
    body        bytea       not null constraint webhook_in_body_size check (octet_length(body) <= 262144),
    body_sha256 bytea       not null,
    received_at timestamptz not null,
    duplicates  integer     not null default 0,
    conflicts   integer     not null default 0,     -- the same id with another body
    state       text        not null,
    state_at    timestamptz not null,
    steps       integer     not null default 1,
    due_at      timestamptz,
    attempt     integer     not null default 0,
    lease_owner text,
    lease_until timestamptz,
    fence       bigint      not null default 0,
    last_error  text,
    constraint webhook_in_is_received_once unique (provider, event_id)
);
create index webhook_in_due on webhook_in (due_at, id) where due_at is not null;

create table webhook_in_rejection (                -- bodies that nobody signed are counted, not kept
    provider text        not null,
    day      date        not null,
    reason   text        not null,
    count    integer     not null,
    last_at  timestamptz not null,
    primary key (provider, day, reason)
);

create table provider_cursor (                      -- how far a provider's list of events has been read
    provider      text primary key,
    last_event_id text not null
);

create table api_key (
    id           text        primary key,
    name         text        not null,
    role         text        not null,
    secret_hash  bytea       not null constraint api_key_secret_is_unique unique,
    hint         text        not null,              -- the last four characters, to tell keys apart
    created_by   text        not null,
    created_at   timestamptz not null,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

create table dashboard_session (
    secret_hash bytea       primary key,
    api_key_id  text        not null references api_key,
    csrf        text        not null,
    created_at  timestamptz not null,
    expires_at  timestamptz not null
);

create table action (                              -- who did what, by hand; append-only
    id         text        primary key,
    actor      text        not null,
    role       text        not null,
    verb       text        not null,
    subject_id text        not null,
    reason     text,
    request_id text        not null,
    payload    jsonb       not null,
    at         timestamptz not null
);
create index action_of_subject on action (subject_id, at);
create index action_by_time on action (at, id);
select make_append_only('action');

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('event', '', 'create', 'due', false, false),
    ('event', 'due', 'handle', 'handled', false, false),
    ('event', 'due', 'park', 'parked', false, false),
    ('event', 'parked', 'requeue', 'due', true, false),
    ('webhook_in', '', 'create', 'received', false, false),
    ('webhook_in', 'received', 'process', 'processed', false, false),
    ('webhook_in', 'received', 'ignore', 'ignored', false, false),
    ('webhook_in', 'received', 'park', 'parked', false, false),
    ('webhook_in', 'parked', 'requeue', 'received', true, false),
    ('webhook_in', 'parked', 'ignore_parked', 'ignored', true, false);

create trigger event_follows_table before update of state on event
    for each row execute function state_follows_table('event');
create trigger webhook_in_follows_table before update of state on webhook_in
    for each row execute function state_follows_table('webhook_in');
