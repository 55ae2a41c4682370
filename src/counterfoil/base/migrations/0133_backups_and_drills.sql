-- Backups: what was kept of the database, when, where in the log it ends, and how it came out. The files themselves lie in the store.

create table backup (
    id              text        primary key,
    actor           text        not null,
    slot_at         timestamptz,                   -- the moment of the schedule that it was made for
    started_at      timestamptz not null,
    finished_at     timestamptz,
    snapshot_at     timestamptz,                   -- everything that was committed by then is in it, and nothing later
    log_size        bigint      constraint backup_log_size check (log_size >= 0),
    log_root        bytea       constraint backup_log_root check (length(log_root) = 32),
    migration       integer,                       -- the last that its schema has
    server_version  integer,
    key_id          text,                          -- of the key that opens it
    bytes           bigint      constraint backup_has_bytes check (bytes > 0),
    sha256          bytea       constraint backup_sha256 check (length(sha256) = 32),
    manifest_sha256 bytea       constraint backup_manifest_sha256 check (length(manifest_sha256) = 32),
    error           text
);
select make_stateful('backup', 'backup');
select make_fixed('backup', 'actor', 'slot_at', 'started_at');
alter table backup add constraint backup_is_whole_when_kept check (
    state in ('running', 'failed') or
    (finished_at is not null and snapshot_at is not null and log_size is not null and log_root is not null and migration is not null
     and server_version is not null and key_id is not null and bytes is not null and sha256 is not null and manifest_sha256 is not null));
alter table backup add constraint backup_says_why_it_failed check (state <> 'failed' or (error is not null and finished_at is not null));
create index backup_by_snapshot on backup (snapshot_at desc) where state = 'kept';
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('backup', '', 'create', 'running', false, false),
    ('backup', 'running', 'keep', 'kept', false, false),
    ('backup', 'running', 'fail', 'failed', false, false),
    ('backup', 'kept', 'prune', 'pruned', false, false);

-- Drills: what was practised, whether it went as it must, and the signed evidence. The row is the job: a worker takes what waits.

create table drill (
    id           text        primary key,
    name         text        not null,
    actor        text        not null,                  -- who asked for it
    asked_at     timestamptz not null,
    backup_id    text,                                  -- which backup is restored; of the newest once it has begun
    started_at   timestamptz,
    beat_at      timestamptz,
    progress     text,
    finished_at  timestamptz,
    restore_ms   bigint      constraint drill_took_time check (restore_ms >= 0),
    lost_s       bigint      constraint drill_lost_time check (lost_s >= 0),      -- from the backup's moment to the beginning of the drill
    lost_entries bigint      constraint drill_lost_entries check (lost_entries >= 0),  -- of the log, in that time
    root_matches boolean,
    evidence     text,                                  -- a signed note: what was looked at, and what was found
    error        text
);
select make_stateful('drill', 'drill');
select make_fixed('drill', 'name', 'actor', 'asked_at');
alter table drill add constraint drill_ends_with_evidence
    check ((state in ('passed', 'failed')) = (finished_at is not null) and (state <> 'passed' or (evidence is not null and error is null)));
alter table drill add constraint restore_drill_passes_by_its_measures
    check (state <> 'passed' or name <> 'restore'
           or (backup_id is not null and restore_ms is not null and lost_s is not null and lost_entries is not null and root_matches));
create index drill_by_name on drill (name, finished_at desc) where finished_at is not null;
create unique index drill_runs_once on drill (name) where state in ('waiting', 'running');
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('drill', '', 'create', 'waiting', false, false),
    ('drill', 'waiting', 'start', 'running', false, false),
    ('drill', 'running', 'pass', 'passed', false, false),
    ('drill', 'running', 'fail', 'failed', false, false);

create table drill_check (                              -- what a drill looked at, in order; append-only
    drill_id text        not null references drill,
    place    integer     not null constraint drill_check_place check (place > 0),
    what     text        not null,
    outcome  text        not null constraint drill_check_outcome check (outcome in ('passed', 'failed', 'not_checked')),
    told     text        not null constraint drill_check_told check (length(told) between 1 and 4000),
    at       timestamptz not null,
    primary key (drill_id, place)
);
select make_append_only('drill_check');
select make_sealed('drill_check');

-- A part that is missing or was not looked at is a failed drill.
create function drill_passes_by_its_checks() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if new.state = 'passed' and old.state <> 'passed'
       and not coalesce((select bool_and(outcome = 'passed') from drill_check where drill_id = new.id), false) then
        raise 'drill % has checks that did not pass', new.id using errcode = 'check_violation', constraint = 'drill_passes_by_its_checks';
    end if;
    return new;
end $$;
create trigger drill_passes_by_its_checks before update of state on drill for each row execute function drill_passes_by_its_checks();
