-- Copies of proofs, checkpoints and backups in a store beyond the reach of who runs this machine. The row is the job: what waits is copied.
create table store_copy (
    id           text        primary key,
    store        text        not null,                 -- its address
    path         text        not null constraint store_copy_path check (length(path) between 1 and 900),  -- its name there
    subject_id   text,                                 -- the proof or the backup that it is of
    bytes        bigint      not null constraint store_copy_bytes check (bytes >= 0),
    sha256       bytea       not null constraint store_copy_sha256 check (length(sha256) = 32),
    found_at     timestamptz not null,
    kept_at      timestamptz,
    version      text,                                 -- by which the store knows these very bytes
    checksum     text,                                 -- what the store reckoned of them
    locked_until timestamptz,                          -- nobody can take it away before
    looked_at    timestamptz,
    unwanted_at  timestamptz,                          -- the policy keeps the original no more
    error        text
);
select make_stateful('store_copy', 'copy'), make_workable('store_copy');
select make_fixed('store_copy', 'store', 'path', 'subject_id', 'bytes', 'sha256', 'found_at');
alter table store_copy add constraint store_copy_is_known_when_kept
    check (state not in ('kept', 'wrong') or (kept_at is not null and version is not null and checksum is not null));
alter table store_copy add constraint store_copy_says_what_is_wrong check (state <> 'wrong' or error is not null);
-- What is locked stays, whoever wants it away.
alter table store_copy add constraint store_copy_is_dropped_when_unlocked
    check (state <> 'dropped' or locked_until is null or locked_until <= state_at);
create unique index store_copy_lies_once on store_copy (store, path) where state <> 'dropped' and unwanted_at is null;
create index store_copy_by_subject on store_copy (subject_id) where subject_id is not null;
create index store_copy_by_look on store_copy (looked_at) where state in ('kept', 'wrong');
create index store_copy_unwanted on store_copy (id) where unwanted_at is not null and state <> 'dropped';
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('copy', '', 'create', 'waiting', false, false),
    ('copy', 'waiting', 'keep', 'kept', false, false),
    ('copy', 'waiting', 'drop', 'dropped', false, false),
    ('copy', 'kept', 'find_wrong', 'wrong', false, false),
    ('copy', 'kept', 'drop', 'dropped', false, false),
    ('copy', 'wrong', 'find_right', 'kept', false, false),
    ('copy', 'wrong', 'renew', 'waiting', true, false),
    ('copy', 'wrong', 'drop', 'dropped', false, false);
