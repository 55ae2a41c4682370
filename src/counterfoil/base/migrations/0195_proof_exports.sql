-- Exports of proofs as they go: how far each is and that it lives, so that a long one is told from one whose process was killed.
create table proof_export (
    id          text        primary key,
    from_at     timestamptz not null,
    to_at       timestamptz not null,
    actor       text        not null,
    started_at  timestamptz not null,
    heard_at    timestamptz not null,              -- its last sign of life, by the clock of the database
    stage       text        not null,              -- what it does, or did last
    done        bigint      not null default 0 constraint proof_export_done check (done >= 0),
    total       bigint      constraint proof_export_total check (total >= 0),   -- entries of the period; null until they are counted
    finished_at timestamptz,
    proof_id    text        references proof,
    error       text,
    constraint proof_export_does_not_pass_its_total check (done <= total)
);
select make_stateful('proof_export', 'proof_export');
select make_fixed('proof_export', 'from_at', 'to_at', 'actor', 'started_at');
alter table proof_export add constraint proof_export_ends_with_a_proof_or_a_reason check (
    (state = 'running' or finished_at is not null) and (state <> 'made' or proof_id is not null)
    and (state not in ('failed', 'cut_short') or error is not null));
create index proof_export_by_proof on proof_export (proof_id, id) where proof_id is not null;
create index proof_export_by_start on proof_export (started_at, id);
select keep_to_program('proof_export', 'false');  -- a proof is of the whole installation
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('proof_export', '', 'create', 'running', false, false),
    ('proof_export', 'running', 'finish', 'made', false, false),
    ('proof_export', 'running', 'fail', 'failed', false, false),
    ('proof_export', 'running', 'cut_short', 'cut_short', false, false);
