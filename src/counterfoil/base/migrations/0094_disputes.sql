-- Disputes: what was paid on an invoice is held until it is decided who gets it. One is open on an invoice at most.

create table dispute (
    id           text        primary key,
    program_id   text        not null references program,
    invoice_id   text        not null references invoice,
    customer_id  text        not null,
    payee_id     text        not null,
    asset        text        not null references asset,
    exposure     bigint      not null constraint dispute_is_about_something check (exposure > 0),  -- when it was opened
    cause        text        not null constraint dispute_has_a_cause check (length(cause) between 1 and 2000),
    opened_by    text        not null,             -- the principal
    opened_at    timestamptz not null,
    level        integer     not null default 0 constraint dispute_level check (level between 0 and 3),
    outcome      text        constraint dispute_outcome check (outcome in ('provider_win', 'customer_win', 'partial')),
    refund       bigint      constraint dispute_refund_not_negative check (refund >= 0),
    retain_fees  boolean     not null default false,
    resolved_by  text,
    appealed_by  text,
    appeal_until timestamptz,
    refund_id    text        references refund,
    ended_at     timestamptz,                      -- until then nothing of its invoice is settled, paid out, refunded or released
    constraint dispute_ruling_is_whole check ((outcome is null) = (refund is null))
);
select make_stateful('dispute', 'dispute'), make_workable('dispute');
select make_fixed('dispute', 'program_id', 'invoice_id', 'customer_id', 'payee_id', 'asset', 'exposure', 'cause', 'opened_by', 'opened_at');
select make_once('dispute', 'appealed_by', 'refund_id', 'ended_at');
select make_sealed('dispute');
create unique index dispute_open_is_one on dispute (invoice_id) where ended_at is null;
create index dispute_of_payee on dispute (program_id, payee_id) where ended_at is null;
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('dispute', '', 'create', 'open', false, false),
    ('dispute', 'open', 'ask_evidence', 'evidence', false, false),
    ('dispute', 'open', 'review', 'under_review', false, false),
    ('dispute', 'evidence', 'review', 'under_review', false, false),
    ('dispute', 'open', 'escalate', 'escalated', true, false),
    ('dispute', 'evidence', 'escalate', 'escalated', true, false),
    ('dispute', 'under_review', 'escalate', 'escalated', true, false),
    ('dispute', 'escalated', 'escalate', 'escalated', true, false),
    ('dispute', 'open', 'reject', 'rejected', true, false),
    ('dispute', 'evidence', 'reject', 'rejected', true, false),
    ('dispute', 'under_review', 'reject', 'rejected', true, false),
    ('dispute', 'escalated', 'reject', 'rejected', true, false),
    ('dispute', 'open', 'cancel', 'cancelled', true, false),
    ('dispute', 'evidence', 'cancel', 'cancelled', true, false),
    ('dispute', 'under_review', 'resolve', 'resolved_pending_appeal', true, false),
    ('dispute', 'escalated', 'resolve', 'resolved_pending_appeal', true, false),
    ('dispute', 'resolved_pending_appeal', 'appeal', 'under_review', true, false),
    ('dispute', 'resolved_pending_appeal', 'finalize', 'final', false, false),
    ('payout', 'pending', 'hold', 'held', false, false),
    ('payout', 'failed', 'hold', 'held', false, false),
    ('payout', 'processing', 'hold', 'held', false, false),
    ('payout', 'reconcile_required', 'hold', 'held', false, false),
    ('payout', 'held', 'release', 'pending', false, false),
    ('payout', 'held', 'net_out', 'refunded', false, false),
    ('payout', 'held', 'complete', 'completed', false, false),
    ('payout', 'held', 'cancel', 'cancelled', true, false);

create table dispute_evidence (                    -- files as they were handed in; append-only
    dispute_id text        not null references dispute,
    number     integer     not null constraint dispute_evidence_number check (number > 0),
    name       text        not null constraint dispute_evidence_name check (length(name) between 1 and 200),
    sha256     bytea       not null constraint dispute_evidence_sha256 check (length(sha256) = 32),
    content    bytea       not null constraint dispute_evidence_size check (length(content) between 1 and 5000000),
    given_by   text        not null,               -- the principal
    actor      text        not null,
    at         timestamptz not null,
    primary key (dispute_id, number),
    constraint dispute_evidence_is_its_hash check (sha256 = sha256(content)),
    constraint dispute_evidence_is_given_once unique (dispute_id, sha256)
);
select make_append_only('dispute_evidence');
select make_sealed('dispute_evidence');

select keep_to_program('dispute_evidence', 'dispute_id in (select id from dispute)');
select keep_to_program('refund_execution', 'refund_id in (select id from refund)');
select keep_to_program('holdback_use', 'tranche_id in (select id from holdback_tranche)');
