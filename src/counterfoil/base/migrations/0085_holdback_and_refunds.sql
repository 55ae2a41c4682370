-- What is kept back from a payee for a while, by settlement; and what goes back to a customer, before the settlement and after it.

create table holdback_term (                       -- how long a version of the rates keeps its holdback; without a row 30 days
    program_id text    not null,
    version    integer not null,
    days       integer not null constraint holdback_days_in_range check (days between 0 and 3650),
    primary key (program_id, version),
    foreign key (program_id, version) references fee_rate
);
select make_append_only('holdback_term');
select make_sealed('holdback_term');

create table holdback_tranche (
    id            text        primary key,
    settlement_id text        not null references settlement,
    number        integer     not null constraint holdback_tranche_number check (number > 0),
    program_id    text        not null references program,
    payee_id      text        not null,
    asset         text        not null references asset,
    amount        bigint      not null constraint holdback_tranche_positive check (amount > 0),
    release_at    timestamptz not null,
    created_at    timestamptz not null,
    constraint holdback_tranche_is_one unique (settlement_id, number)
);
select make_stateful('holdback_tranche', 'holdback_tranche'), make_workable('holdback_tranche');
select make_fixed('holdback_tranche', 'settlement_id', 'number', 'program_id', 'payee_id', 'asset', 'amount', 'release_at', 'created_at');
select make_sealed('holdback_tranche');
create index holdback_tranche_of_payee on holdback_tranche (program_id, payee_id, asset);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('holdback_tranche', '', 'create', 'held', false, false),
    ('holdback_tranche', 'held', 'release', 'released', false, false),
    ('holdback_tranche', 'held', 'use_up', 'used_up', false, false);

-- Settlements of the time before had no tranche: theirs is due 30 days after they were settled.
insert into holdback_tranche (id, settlement_id, number, program_id, payee_id, asset, amount, release_at, created_at, state, state_at, due_at)
select 'hb_' || split_part(id, '_', 2), id, 1, program_id, payee_id, asset, holdback, at + interval '30 days', at, 'held', at,
       at + interval '30 days'
from settlement where holdback > 0;
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'holdback_tranche', id, 1, '', 'create', 'held', 'system:worker', 'migration', created_at from holdback_tranche;

create table refund (                              -- amount + credited = all that it was taken from
    id            text        primary key,
    program_id    text        not null references program,
    invoice_id    text        not null references invoice,
    settlement_id text        references settlement,  -- null: before it was settled, from escrow
    customer_id   text        not null,
    payee_id      text        not null,
    asset         text        not null references asset,
    amount        bigint      not null constraint refund_positive check (amount > 0),
    escrow        bigint      not null,
    platform_fee  bigint      not null,
    validator_fee bigint      not null,
    own_holdback  bigint      not null,
    payable       bigint      not null,
    holdback      bigint      not null,
    receivable    bigint      not null,
    credited      bigint      not null,
    retain_fees   boolean     not null,
    cause         text        not null,               -- what it is for: a person's reason, or what decided it
    created_at    timestamptz not null,
    constraint refund_parts_not_negative check (least(
        escrow, platform_fee, validator_fee, own_holdback, payable, holdback, receivable, credited) >= 0),
    constraint refund_adds_up check (
        amount + credited = escrow + platform_fee + validator_fee + own_holdback + payable + holdback + receivable),
    constraint refund_before_settlement_is_from_escrow check ((settlement_id is null) = (escrow = amount and credited = 0))
);
select make_stateful('refund', 'refund');
select make_fixed('refund', 'program_id', 'invoice_id', 'settlement_id', 'customer_id', 'payee_id', 'asset', 'amount', 'escrow', 'platform_fee',
                  'validator_fee', 'own_holdback', 'payable', 'holdback', 'receivable', 'credited', 'retain_fees', 'cause', 'created_at');
select make_sealed('refund');
create index refund_of_invoice on refund (invoice_id);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('refund', '', 'create', 'owed', false, false),
    ('refund', 'owed', 'execute', 'executed', false, false);

create table refund_execution (                    -- where a refund was paid to its customer; append-only
    refund_id text        primary key references refund,
    provider  text        not null constraint refund_execution_names_a_provider check (provider <> ''),
    reference text        not null constraint refund_execution_reference check (length(reference) between 1 and 200),
    actor     text        not null,
    at        timestamptz not null,
    constraint refund_is_paid_once_by_each_reference unique (provider, reference)
);
select make_append_only('refund_execution');
select make_sealed('refund_execution');

create table holdback_use (                        -- what a refund took of a tranche; append-only
    tranche_id text   not null references holdback_tranche,
    refund_id  text   not null references refund,
    amount     bigint not null constraint holdback_use_positive check (amount > 0),
    primary key (tranche_id, refund_id)
);
select make_append_only('holdback_use');
select make_sealed('holdback_use');

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('HOLDBACK_RELEASE', 'holdback_release', 'holdback_tranche', false, true),
    ('REFUND', 'refund', 'refund', false, true),
    ('REFUND_EXECUTE', 'refund_execute', 'refund', true, true);

-- A payout whose money went back has nothing left to pay, wherever it stood. An invoice that was refunded before it was settled needs no
-- settlement.
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('payout', 'failed', 'net_out', 'refunded', false, false),
    ('payout', 'returned', 'net_out', 'refunded', false, false),
    ('intent', 'processing', 'drop', 'cancelled', false, false);
