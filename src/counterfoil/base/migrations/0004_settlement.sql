-- Usage, invoices, payments, settlement intents, settlements.

create table fee_rate (                            -- versions are added, never changed: a settlement keeps the one it used
    program_id    text        not null references program,
    version       integer     not null constraint fee_rate_version_positive check (version > 0),
    platform_bps  integer     not null,
    validator_bps integer     not null,
    holdback_bps  integer     not null,
    actor         text        not null,
    recorded_at   timestamptz not null,
    primary key (program_id, version),
    constraint fee_rates_leave_something check (
        platform_bps >= 0 and validator_bps >= 0 and holdback_bps >= 0
        and platform_bps + validator_bps + holdback_bps <= 10000)
);
select make_append_only('fee_rate');

create table usage_import (
    id         text        primary key,
    program_id text        not null references program,
    file_name  text        not null,
    sha256     bytea       not null,
    records    integer     not null,
    actor      text        not null,
    at         timestamptz not null,
    constraint usage_file_is_imported_once unique (program_id, sha256)
);

create table invoice (
    id          text        primary key,
    program_id  text        not null references program,
    customer_id text        not null,
    payee_id    text        not null,
    asset       text        not null references asset,
    total       bigint      not null constraint invoice_total_positive check (total > 0),
    paid        bigint      not null default 0,
    issued_at   timestamptz not null,
    due_on      date        not null,
    state       text        not null,
    state_at    timestamptz not null,
    steps       integer     not null default 1,
    constraint invoice_paid_within_total check (paid between 0 and total),
    constraint invoice_is_paid_in_full check (state <> 'paid' or paid = total)
);
create index invoice_by_state on invoice (program_id, state, id);
create index invoice_by_time on invoice (issued_at);

create table usage_record (
    id             text        primary key,
    program_id     text        not null references program,
    external_id    text        not null,
    import_id      text        not null references usage_import,
    customer_id    text        not null,
    payee_id       text        not null,
    asset          text        not null references asset,
    description    text        not null,
    quantity_micro bigint      not null constraint usage_quantity_positive check (quantity_micro > 0),
    price_micro    bigint      not null constraint usage_price_not_negative check (price_micro >= 0),  -- of a minor unit
    amount         bigint      not null constraint usage_amount_not_negative check (amount >= 0),
    occurred_at    timestamptz not null,
    invoice_id     text        references invoice,
    line           integer,
    constraint usage_is_recorded_once unique (program_id, external_id),
    constraint usage_line_with_its_invoice check ((invoice_id is null) = (line is null))
);
create index usage_not_invoiced on usage_record (program_id, customer_id, payee_id, asset) where invoice_id is null;
create index usage_of_invoice on usage_record (invoice_id, line) where invoice_id is not null;

create table payment (                             -- what a customer paid through a provider; append-only
    id          text        primary key,
    program_id  text        not null references program,
    provider    text        not null,
    charge_id   text        not null,
    invoice_id  text        references invoice,    -- null: it lies in suspense
    reference   text        not null,
    asset       text        not null references asset,
    amount      bigint      not null constraint payment_amount_positive check (amount > 0),
    applied     bigint      not null,              -- to the invoice; the rest is owed back to the customer or in suspense
    fee         bigint      not null constraint payment_fee_within_amount check (fee between 0 and amount),
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    constraint payment_is_recorded_once unique (provider, charge_id),
    constraint payment_applied_within_amount check (applied between 0 and amount)
);
create index payment_by_time on payment (recorded_at);
create index payment_of_invoice on payment (invoice_id) where invoice_id is not null;
select make_append_only('payment');

create table intent (                              -- the settlement of one invoice, from the request to pay until it is done
    id           text        primary key,
    program_id   text        not null references program,
    invoice_id   text        not null constraint intent_of_an_invoice_is_one unique references invoice,
    provider     text        not null,
    created_at   timestamptz not null,
    completed_at timestamptz,
    state        text        not null,
    state_at     timestamptz not null,
    steps        integer     not null default 1,
    due_at       timestamptz,
    attempt      integer     not null default 0,
    lease_owner  text,
    lease_until  timestamptz,
    fence        bigint      not null default 0,
    last_error   text
);
create index intent_due on intent (due_at, id) where due_at is not null;
create index intent_by_state on intent (state, state_at);

create table settlement (                          -- append-only
    id            text        primary key,
    program_id    text        not null references program,
    invoice_id    text        not null constraint settlement_of_an_invoice_is_one unique references invoice,
    payee_id      text        not null,
    asset         text        not null references asset,
    gross         bigint      not null,
    platform_fee  bigint      not null,
    validator_fee bigint      not null,
    holdback      bigint      not null,
    net           bigint      not null,
    rate_version  integer     not null,
    at            timestamptz not null,
    constraint settlement_adds_up check (gross = platform_fee + validator_fee + holdback + net),
    constraint settlement_parts_not_negative check (
        gross > 0 and platform_fee >= 0 and validator_fee >= 0 and holdback >= 0 and net >= 0),
    foreign key (program_id, rate_version) references fee_rate
);
create index settlement_by_time on settlement (at);
select make_append_only('settlement');

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('invoice', '', 'create', 'draft', false, false),
    ('invoice', 'draft', 'issue', 'pending', false, false),
    ('invoice', 'draft', 'cancel', 'cancelled', true, false),
    ('invoice', 'pending', 'pay', 'paid', false, false),
    ('invoice', 'pending', 'pay_part', 'partially_paid', false, false),
    ('invoice', 'pending', 'cancel', 'cancelled', true, false),
    ('invoice', 'partially_paid', 'pay', 'paid', false, false),
    ('invoice', 'partially_paid', 'pay_part', 'partially_paid', false, false),
    ('intent', '', 'create', 'created', false, false),
    ('intent', 'created', 'request', 'payment_pending', false, false),
    ('intent', 'payment_pending', 'cancel', 'cancelled', false, false),
    ('intent', 'payment_pending', 'verify', 'verifying', false, false),
    ('intent', 'verifying', 'confirm', 'processing', false, false),
    ('intent', 'verifying', 'fail', 'failed', false, false),
    ('intent', 'processing', 'complete', 'completed', false, false),
    ('intent', 'processing', 'fail', 'failed', false, false),
    ('intent', 'failed', 'retry', 'verifying', true, false);

create trigger invoice_follows_table before update of state on invoice
    for each row execute function state_follows_table('invoice');
create trigger intent_follows_table before update of state on intent
    for each row execute function state_follows_table('intent');
