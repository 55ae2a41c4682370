-- Files of usage as they come in, part by part: how far each is, and when it was last heard of, so that one that is under way is told from
-- one whose sender fell silent. What came in before this is not known by its file.
create table usage_file (
    id         text        primary key,
    program_id text        not null references program,
    sha256     bytea       not null constraint usage_file_digest_is_sha256 check (length(sha256) = 32),
    file_name  text        not null,
    lines      integer     not null constraint usage_file_has_lines check (lines > 0),
    lines_done integer     not null constraint usage_file_does_not_pass_its_end check (lines_done between 0 and lines),
    new        integer     not null default 0 constraint usage_file_new check (new >= 0),
    rejected   integer     not null default 0 constraint usage_file_rejected check (rejected >= 0),
    actor      text        not null,
    began_at   timestamptz not null,
    heard_at   timestamptz not null,               -- when the last part of it came
    ended_at   timestamptz,
    constraint usage_file_is_known_once unique (program_id, sha256),
    constraint usage_file_ends_with_its_last_line check ((ended_at is not null) = (lines_done = lines))
);
comment on column usage_file.sha256 is 'of the whole file, as its sender tells it';
select make_fixed('usage_file', 'program_id', 'sha256', 'file_name', 'lines', 'actor', 'began_at');
create index usage_file_by_start on usage_file (began_at, id);
create index usage_file_by_word on usage_file (heard_at, id);
create index usage_file_by_name on usage_file (file_name, id);
