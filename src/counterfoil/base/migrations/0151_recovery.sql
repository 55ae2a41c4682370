-- Backups of two kinds: a dump of the database, or a copy of the whole server, from which, with the log of writes behind it, a second is recovered.
alter table backup add column kind text not null default 'dump' constraint backup_kind check (kind in ('dump', 'base'));
select make_fixed('backup', 'kind');

-- How far the log of writes has been brought to the store. One row for each server that the books have been on.
create table wal_archive (
    system_id  text        primary key,   -- the name that initdb gave the server
    asked_at   timestamptz not null,      -- written and committed just before the log was fetched: so much of it was there
    kept_at    timestamptz,               -- everything that was committed before that moment lies in the store
    kept_place bigint      constraint wal_archive_place check (kept_place >= 0),  -- in the log of writes
    failed_at  timestamptz,
    error      text,
    ended_at   timestamptz,               -- nobody wants it any more
    constraint wal_archive_says_why check ((failed_at is null) = (error is null))
);

-- A recovery drill goes to a second, and passes by the same measures as a restore drill.
alter table drill add column recover_to timestamptz;
select make_fixed('drill', 'recover_to');
alter table drill drop constraint restore_drill_passes_by_its_measures;
alter table drill add constraint restore_drill_passes_by_its_measures
    check (state <> 'passed' or name not in ('restore', 'recovery')
           or (backup_id is not null and restore_ms is not null and lost_s is not null and lost_entries is not null and root_matches));
