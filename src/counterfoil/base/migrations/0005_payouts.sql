-- Payouts, and provider payouts: one attempt each at a provider. The provider payout's row is the outbox.

create table destination (                         -- where a payee's money goes; added, never changed: the last active one counts
    id         text        primary key,
    program_id text        not null references program,
    payee_id   text        not null,
    provider   text        not null,
    token      text        not null constraint destination_token_size check (length(token) between 1 and 200),
    actor      text        not null,
    created_at timestamptz not null,
    ended_at   timestamptz
);
create unique index destination_active_is_one on destination (program_id, payee_id) where ended_at is null;

create table payout (
    id            text        primary key,
    program_id    text        not null references program,
    payee_id      text        not null,
    invoice_id    text        not null,
    settlement_id text        not null,
    key           text        not null constraint payout_key_is_unique unique,
    asset         text        not null references asset,
    amount        bigint      not null constraint payout_amount_positive check (amount > 0),
    created_at    timestamptz not null,
    state         text        not null,
    state_at      timestamptz not null,
    steps         integer     not null default 1,
    due_at        timestamptz,
    attempt       integer     not null default 0,
    lease_owner   text,
    lease_until   timestamptz,
    fence         bigint      not null default 0,
    last_error    text,
    constraint payout_of_a_settlement_is_one unique (invoice_id, settlement_id)
);
create index payout_due on payout (due_at, id) where due_at is not null;
create index payout_by_state on payout (state, id);
create index payout_by_time on payout (created_at);
create index payout_of_payee on payout (program_id, payee_id, id);

create table provider_payout (
    id              text        primary key,
    payout_id       text        not null references payout,
    program_id      text        not null references program,
    number          integer     not null constraint provider_payout_number check (number > 0),  -- the payout's nth try
    provider        text        not null,
    idempotency_key text        not null,
    destination     text        not null,
    asset           text        not null references asset,
    amount          bigint      not null constraint provider_payout_amount_positive check (amount > 0),
    payload_sha256  bytea       not null,
    created_at      timestamptz not null,
    request_sent_at timestamptz,                   -- set before the call: from here on, a crash means that we do not know
    sent_at         timestamptz,
    provider_ref    text,
    fee             bigint      not null default 0,
    state           text        not null,
    state_at        timestamptz not null,
    steps           integer     not null default 1,
    due_at          timestamptz,
    attempt         integer     not null default 0,
    lease_owner     text,
    lease_until     timestamptz,
    fence           bigint      not null default 0,
    last_error      text,
    error_class     text,
    constraint provider_payout_number_is_unique unique (payout_id, number),
    constraint provider_payout_key_is_unique unique (provider, idempotency_key)
);
-- Money cannot be on its way twice for one payout: not even a bug can put a second live row beside the first.
create unique index provider_payout_live_is_one on provider_payout (payout_id)
    where state not in ('failed', 'cancelled', 'returned');
create index provider_payout_due on provider_payout (due_at, id) where due_at is not null;
create index provider_payout_by_state on provider_payout (state, id);

create table provider_conflict (                   -- the provider contradicts itself or us; append-only
    provider_payout_id text        not null references provider_payout,
    said               text        not null,       -- what it says now
    expected           text        not null,
    fact               jsonb       not null,
    at                 timestamptz not null,
    primary key (provider_payout_id, said)
);
select make_append_only('provider_conflict');

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('payout', '', 'create', 'pending', false, false),
    ('payout', 'pending', 'reserve', 'processing', false, false),
    ('payout', 'pending', 'cancel', 'cancelled', true, false),
    ('payout', 'processing', 'complete', 'completed', false, false),
    ('payout', 'processing', 'fail', 'failed', false, false),
    ('payout', 'processing', 'doubt', 'reconcile_required', false, false),
    ('payout', 'reconcile_required', 'complete', 'completed', false, false),
    ('payout', 'reconcile_required', 'fail', 'failed', false, false),
    ('payout', 'failed', 'retry', 'pending', true, false),
    ('payout', 'failed', 'cancel', 'cancelled', true, false),
    ('payout', 'completed', 'return', 'returned', false, false),
    ('provider_payout', '', 'create', 'queued', false, false),
    ('provider_payout', 'queued', 'send', 'sending', false, false),
    ('provider_payout', 'sending', 'accept', 'sent', false, false),
    ('provider_payout', 'sending', 'requeue', 'queued', false, false),
    ('provider_payout', 'sending', 'fail', 'failed', false, false),
    ('provider_payout', 'sending', 'lose', 'unknown', false, false),
    ('provider_payout', 'sent', 'succeed', 'succeeded', false, false),
    ('provider_payout', 'sent', 'fail', 'failed', false, false),
    ('provider_payout', 'sent', 'lose', 'unknown', false, false),
    ('provider_payout', 'unknown', 'accept', 'sent', false, false),
    ('provider_payout', 'unknown', 'succeed', 'succeeded', false, false),
    ('provider_payout', 'unknown', 'fail', 'failed', false, false),
    ('provider_payout', 'unknown', 'requeue', 'queued', false, false),
    ('provider_payout', 'succeeded', 'return', 'returned', false, false);

create trigger payout_follows_table before update of state on payout
    for each row execute function state_follows_table('payout');
create trigger provider_payout_follows_table before update of state on provider_payout
    for each row execute function state_follows_table('provider_payout');
