-- One administrator is left and nobody is locked out: nobody could approve a second one. It is announced at the server's machine, everybody
-- is told, whoever administers or reads the records may stop it, and it holds after 72 hours. The database counts them by its own clock.
create table second_administrator (
    id           text        primary key,
    principal_id text        not null references principal,
    reason       text        not null constraint second_administrator_has_a_reason check (reason <> ''),
    announced_by text        not null,
    announced_at timestamptz not null,
    begins_at    timestamptz not null,
    lapses_at    timestamptz not null,
    written_at   timestamptz not null,               -- by the database's clock
    stopped_by   text,
    stopped_at   timestamptz,
    stop_reason  text,
    begun_at     timestamptz,
    grant_id     text        references role_grant,
    constraint second_administrator_waits check (begins_at >= announced_at + interval '72 hours' and lapses_at > begins_at),
    constraint second_administrator_begins_in_time check (begun_at between begins_at and lapses_at),
    constraint second_administrator_is_granted check ((begun_at is null) = (grant_id is null)),
    constraint second_administrator_is_stopped_by_somebody
        check ((stopped_at is null) = (stopped_by is null) and (stopped_at is null) = (stop_reason is null)),
    constraint second_administrator_ends_once check (stopped_at is null or begun_at is null)
);
create index second_administrator_by_time on second_administrator (announced_at);
select make_fixed('second_administrator', 'id', 'principal_id', 'reason', 'announced_by', 'announced_at', 'begins_at', 'lapses_at', 'written_at');
select make_once('second_administrator', 'stopped_by', 'stopped_at', 'stop_reason', 'begun_at', 'grant_id');
select keep_to_program('second_administrator', 'false');  -- who administers is of the whole installation

create function note_moment() returns trigger language plpgsql set search_path to public, pg_temp as $$
begin
    new.written_at := clock_timestamp();
    return new;
end $$;
create trigger note_moment before insert on second_administrator for each row execute function note_moment();
alter table second_administrator enable always trigger note_moment;

-- A role takes two people, but for the administrator who was announced so long ago, and whom nobody stopped.
drop trigger two_people_principal_grant on role_grant;
select make_paired('role_grant', 'principal', 'grant', 'true', 'n.principal_id', $$
    p ->> 'role' = n.role and p ->> 'programId' is not distinct from n.program_id and (a.program_id is null or a.program_id = n.program_id)$$, $$
    (n.role = 'administrator' and n.program_id is null and exists (
        select from second_administrator s
        where s.grant_id = n.id and s.principal_id = n.principal_id and s.begun_at = n.granted_at
          and s.written_at + interval '72 hours' <= clock_timestamp()))$$);
