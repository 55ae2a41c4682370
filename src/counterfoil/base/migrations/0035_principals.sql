-- Who acts: persons and services. Keys, logins, proposals and decisions belong to one of them by its id, so that two keys are not two people.

create table principal (
    id          text        primary key,
    kind        text        not null constraint principal_kind check (kind in ('person', 'service')),
    name        text        not null constraint principal_name_is_short check (length(name) between 1 and 80),
    skeleton    text        not null constraint principal_name_is_taken unique,  -- what the name looks like: lookalikes share it
    program_id  text        references program,  -- sees this program only; null: every one
    created_by  text        not null,
    created_at  timestamptz not null,
    disabled_at timestamptz
);
comment on table principal is 'app: select, insert, update';

-- A name that was made stands for the same principal in every record for ever; only its end is written later.
create function principal_stays_itself() returns trigger language plpgsql as $$
begin
    if (new.id, new.kind, new.name, new.skeleton, new.created_by, new.created_at)
       is distinct from (old.id, old.kind, old.name, old.skeleton, old.created_by, old.created_at) then
        raise '% stays what it is: make another principal', old.name using errcode = 'CF001';
    end if;
    return new;
end $$;
create trigger principal_stays_itself before update on principal for each row execute function principal_stays_itself();

create table role_grant (                           -- the roles of persons; a key of a service carries its own
    id           text        primary key,
    principal_id text        not null references principal,
    role         text        not null,
    granted_by   text        not null,
    granted_at   timestamptz not null,
    revoked_by   text,
    revoked_at   timestamptz,
    constraint role_grant_is_revoked_by_somebody check ((revoked_by is null) = (revoked_at is null))
);
comment on table role_grant is 'app: select, insert, update';
create unique index role_is_granted_once on role_grant (principal_id, role) where revoked_at is null;

create table role_conflict (                        -- two roles that one principal never holds together
    role  text not null,
    other text not null,
    primary key (role, other)
);
comment on table role_conflict is 'app: select';
with pair (a, b) as (values
    ('approver', 'operator'), ('approver', 'controller'), ('approver', 'administrator'), ('administrator', 'operator'),
    ('administrator', 'controller'), ('auditor', 'operator'), ('auditor', 'controller'), ('auditor', 'approver'),
    ('auditor', 'administrator'))
insert into role_conflict (role, other) select a, b from pair union all select b, a from pair;

create function roles_do_not_conflict() returns trigger language plpgsql as $$
begin
    perform 1 from principal where id = new.principal_id for update;  -- two grants at once see each other
    if exists (select from role_grant g join role_conflict c on c.role = g.role and c.other = new.role
               where g.principal_id = new.principal_id and g.revoked_at is null) then
        raise 'role % conflicts with one that % holds', new.role, new.principal_id using errcode = 'CF351';
    end if;
    return new;
end $$;
create trigger roles_do_not_conflict before insert on role_grant for each row execute function roles_do_not_conflict();

create table password (                             -- of a person; only what a slow hash made of it
    principal_id text        primary key references principal,
    hash         text        not null,
    set_at       timestamptz not null,
    expires_at   timestamptz                         -- a one-time secret: it only sets the first password
);

alter table api_key add column principal_id text references principal;
alter table api_key add column program_id text references program;
alter table api_key add column skeleton text;

-- Keys from before belong to services of their own names; of names that look alike the later ones carry a part of their id.
create temporary view key_from_before as
select id, created_by, created_at, 'prn_0' || upper(substr(md5(id), 1, 25)) as principal_id,
       case when row_number() over (partition by looks order by created_at, id) = 1 then name else left(name, 60) || ' ' || right(id, 12) end as name,
       case when row_number() over (partition by looks order by created_at, id) = 1 then looks else looks || ' ' || id end as skeleton
from (select *, replace(replace(translate(lower(normalize(name, NFKC)), '01i|_. ', 'olll---'), 'rn', 'm'), 'vv', 'w') as looks from api_key) k;
insert into principal (id, kind, name, skeleton, created_by, created_at)
select principal_id, 'service', name, skeleton, created_by, created_at from key_from_before;
update api_key k set principal_id = b.principal_id, skeleton = b.skeleton from key_from_before b where b.id = k.id;
drop view key_from_before;
alter table api_key alter column principal_id set not null;
alter table api_key alter column skeleton set not null;
alter table api_key add constraint api_key_name_is_taken unique (skeleton);

-- Whoever administers can be changed, and never the last one away: two who leave at once wait for each other.
create function an_administrator_stays() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'principal' and not exists (
        select from role_grant where principal_id = new.id and role = 'administrator' and revoked_at is null
        union all select from api_key where principal_id = new.id and role = 'administrator' and revoked_at is null) then
        return null;
    end if;
    perform pg_advisory_xact_lock(4271035);
    if not exists (select from role_grant g join principal p on p.id = g.principal_id
                   where g.role = 'administrator' and g.revoked_at is null and p.disabled_at is null and p.program_id is null)
       and not exists (select from api_key k join principal p on p.id = k.principal_id
                       where k.role = 'administrator' and k.revoked_at is null and p.disabled_at is null and k.program_id is null) then
        raise 'nobody would administer this installation any more' using errcode = 'CF352';
    end if;
    return null;
end $$;
create trigger an_administrator_stays after update of revoked_at on role_grant
    for each row when (old.role = 'administrator' and new.revoked_at is not null and old.revoked_at is null)
    execute function an_administrator_stays();
create trigger an_administrator_stays after update of revoked_at on api_key
    for each row when (old.role = 'administrator' and new.revoked_at is not null and old.revoked_at is null)
    execute function an_administrator_stays();
create trigger an_administrator_stays after update of disabled_at on principal
    for each row when (new.disabled_at is not null and old.disabled_at is null) execute function an_administrator_stays();

-- Sessions belong to a principal: opened with a key of theirs, or by a person who logged in. Who was logged in logs in again.
delete from dashboard_session;
alter table dashboard_session rename to session;
alter table session alter column api_key_id drop not null;
alter table session alter column csrf drop not null;
alter table session add column id text not null unique;
alter table session add column principal_id text not null references principal;
alter table session add column address text not null default '';
