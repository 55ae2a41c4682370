-- Chargebacks: what a customer's bank took back of a payment, as the provider tells it. A fact: nothing refuses it.

create table chargeback (
    id            text        primary key,
    program_id    text        not null references program,
    provider      text        not null,
    provider_ref  text        not null constraint chargeback_is_named check (length(provider_ref) between 1 and 200),
    charge_id     text        not null,
    payment_id    text        not null references payment,
    invoice_id    text        references invoice,   -- null: of a payment that nobody has identified
    customer_id   text,
    payee_id      text,
    asset         text        not null references asset,
    amount        bigint      not null constraint chargeback_positive check (amount > 0),
    fee           bigint      not null constraint chargeback_fee check (fee >= 0),  -- what the provider took beside it
    fee_back      bigint      not null default 0 constraint chargeback_fee_back check (fee_back between 0 and fee),
    beyond        bigint      not null constraint chargeback_beyond check (beyond between 0 and amount),
    cause         text        not null,             -- the bank's reason, in the provider's word
    answer_by     timestamptz,                      -- until when the provider takes evidence
    opened_at     timestamptz not null,
    ended_at      timestamptz,
    constraint chargeback_is_told_once unique (provider, provider_ref)
);
comment on column chargeback.beyond is 'what was taken although it had gone back already: the customer owes it, or it comes out of suspense';
select make_stateful('chargeback', 'chargeback');
select make_fixed('chargeback', 'program_id', 'provider', 'provider_ref', 'charge_id', 'payment_id', 'invoice_id', 'customer_id', 'payee_id',
                  'asset', 'amount', 'fee', 'beyond', 'cause', 'opened_at');
select make_once('chargeback', 'ended_at');
select make_sealed('chargeback');
create index chargeback_of_invoice on chargeback (invoice_id);
create index chargeback_of_payment on chargeback (payment_id);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('chargeback', '', 'create', 'open', false, false),
    ('chargeback', 'open', 'win', 'won', false, false),
    ('chargeback', 'open', 'lose', 'lost', false, false),
    ('refund', 'owed', 'charge_back', 'charged_back', false, false),
    ('refund', 'charged_back', 'win_back', 'won_back', false, false),
    ('refund', 'charged_back', 'owe_again', 'owed', false, false);

create table chargeback_refund (                    -- the refunds that the bank paid out by itself; append-only
    chargeback_id text    not null references chargeback,
    refund_id     text    not null references refund,
    is_own        boolean not null,                 -- made for it; otherwise it was owed before
    primary key (chargeback_id, refund_id)
);
select make_append_only('chargeback_refund');
select make_sealed('chargeback_refund');
select keep_to_program('chargeback_refund', 'chargeback_id in (select id from chargeback)');

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('CHARGEBACK', 'chargeback', 'chargeback', true, true),
    ('CHARGEBACK_WON', 'chargeback_won', 'chargeback', true, true);

-- What of a ruling was still there when it took effect: the bank may have taken a part of it before.
alter table dispute add column booked bigint constraint dispute_books_no_more_than_is_ruled check (booked between 0 and refund);
select make_once('dispute', 'booked');
update dispute set booked = refund where state = 'final';

create table receivable_write_off (                 -- what a payee owes and never pays; two people; append-only
    id         text        primary key,
    program_id text        not null references program,
    payee_id   text        not null,
    asset      text        not null references asset,
    amount     bigint      not null constraint receivable_write_off_positive check (amount > 0),
    reason     text        not null,
    actor      text        not null,
    at         timestamptz not null
);
select make_append_only('receivable_write_off');
select make_sealed('receivable_write_off');
select make_paired('receivable_write_off', 'receivable', 'write_off', 'true', $$n.program_id || ':' || n.payee_id || ':' || n.asset$$,
                   $$p ->> 'amount' = n.amount::text$$);
insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('RECEIVABLE_WRITE_OFF', 'receivable_write_off', 'receivable_write_off', false, false);
