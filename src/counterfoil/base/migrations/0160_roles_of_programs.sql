-- A role may be of one program: operator in one, viewer in the next. Without a program it is of all that the person sees.
alter table role_grant add column program_id text references program;
do $$
declare
    broken constant jsonb := (select coalesce(jsonb_agg(b), '[]') from broken_seals(array['role_grant']) b);
begin
    perform make_fixed('role_grant', 'program_id');
    perform seal_anew('role_grant', sealed_columns('role_grant', '{}', '{program_id}'), broken);
end $$;
insert into not_kept_to_program (relation, why) values
    ('role_grant', 'who holds which role is asked before it is known which program a request is about');
drop index role_is_granted_once;
create unique index role_is_granted_once on role_grant (principal_id, role, coalesce(program_id, '')) where revoked_at is null;

-- The roles of a person for all programs, with a plus between; and those of single programs, by program.
create function roles_of(who text) returns text stable language sql set search_path = public, pg_temp
    return (select coalesce(string_agg(g.role, '+' order by g.role), '') from role_grant g
            where g.principal_id = who and g.revoked_at is null and g.program_id is null);
create function program_roles_of(who text) returns jsonb stable language sql set search_path = public, pg_temp
    return (select coalesce(jsonb_object_agg(of_one.program_id, of_one.roles), '{}')
            from (select g.program_id, string_agg(g.role, '+' order by g.role) as roles from role_grant g
                  where g.principal_id = who and g.revoked_at is null and g.program_id is not null group by g.program_id) of_one);

-- What conflicts in one program conflicts wherever both roles meet: in the same program, or where one of them is of all.
create or replace function roles_do_not_conflict() returns trigger language plpgsql as $$
declare
    own constant text := (select p.program_id from principal p where p.id = new.principal_id for update);  -- two grants at once see each other
begin
    if own <> new.program_id then
        raise '% is of the program %', new.principal_id, own using errcode = 'CF001';
    end if;
    if exists (select from role_grant g join role_conflict c on c.role = g.role and c.other = new.role
               where g.principal_id = new.principal_id and g.revoked_at is null
                 and (g.program_id is null or new.program_id is null or g.program_id = new.program_id)) then
        raise 'role % conflicts with one that % holds', new.role, new.principal_id using errcode = 'CF351';
    end if;
    return new;
end $$;

-- Whoever administers one program does not administer the installation.
create or replace function an_administrator_stays() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'principal' and not exists (
        select from role_grant where principal_id = new.id and role = 'administrator' and revoked_at is null
        union all select from api_key where principal_id = new.id and role = 'administrator' and revoked_at is null) then
        return null;
    end if;
    perform pg_advisory_xact_lock(4271035);
    if not exists (select from role_grant g join principal p on p.id = g.principal_id
                   where g.role = 'administrator' and g.revoked_at is null and g.program_id is null
                     and p.disabled_at is null and p.program_id is null)
       and not exists (select from api_key k join principal p on p.id = k.principal_id
                       where k.role = 'administrator' and k.revoked_at is null and p.disabled_at is null and k.program_id is null
                         and k.scopes is null) then
        raise 'nobody would administer this installation any more' using errcode = 'CF352';
    end if;
    return null;
end $$;

-- Whoever approves holds the role where the thing is: of all programs, or of that one.
create or replace function a_person_approves() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    needed text;
    about  text;
begin
    select coalesce((select a.role from approving_role a where a.machine = p.machine), 'approver'), p.program_id into needed, about
    from approval_proposal p where p.id = new.proposal_id;
    perform pg_advisory_xact_lock(4271036, hashtext(new.proposal_id));  -- of a yes and a no at once the later sees the earlier
    if new.decision = 'approved' and not exists (
        select from session s join principal p on p.id = s.principal_id
        where s.id = new.session_id and s.principal_id = new.checker_id and s.api_key_id is null and p.kind = 'person'
          and p.disabled_at is null and new.at >= s.created_at and new.at < s.expires_at) then
        raise 'an approval needs the login of a person' using errcode = 'CF361';
    end if;
    if new.decision = 'approved' and not exists (
        select from role_grant g where g.principal_id = new.checker_id and g.role = needed and g.revoked_at is null
                                   and (g.program_id is null or g.program_id = about)) then
        raise 'whoever approves this holds the role %', needed using errcode = 'CF363';
    end if;
    if exists (select from approval_decision d where d.proposal_id = new.proposal_id and d.decision <> 'approved')
       or exists (select from approval_use u where u.proposal_id = new.proposal_id) then
        raise 'proposal % is decided', new.proposal_id using errcode = 'CF362';
    end if;
    return new;
end $$;

create or replace function a_person_approves_the_batch() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not exists (
        select from session s join principal p on p.id = s.principal_id
        where s.id = new.session_id and s.principal_id = new.principal_id and s.api_key_id is null and p.kind = 'person'
          and p.disabled_at is null and new.at >= s.created_at and new.at < s.expires_at) then
        raise 'an approval needs the login of a person' using errcode = 'CF361';
    end if;
    if not exists (select from role_grant g where g.principal_id = new.principal_id and g.role = 'approver' and g.revoked_at is null
                     and (g.program_id is null or g.program_id = (select b.program_id from payout_batch b where b.id = new.batch_id))) then
        raise 'whoever approves a batch holds the role approver' using errcode = 'CF383';
    end if;
    if exists (select from payout_batch_maker m where m.batch_id = new.batch_id and m.principal_id = new.principal_id) then
        raise 'whoever made or changed batch % does not approve it', new.batch_id using errcode = 'CF381';
    end if;
    if not exists (select from payout_batch b where b.id = new.batch_id and b.state = 'pending_approval' and b.round = new.round
                                                and b.sha256 = new.sha256 and b.sha256 = payout_batch_digest(b.id)) then
        raise 'batch % is not what was approved', new.batch_id using errcode = 'CF382';
    end if;
    return new;
end $$;

-- What two people agreed on is the role and where it holds. Those who agree about one program give no power in another.
drop trigger two_people_principal_grant on role_grant;
select make_paired('role_grant', 'principal', 'grant', 'true', 'n.principal_id', $$
    p ->> 'role' = n.role and p ->> 'programId' is not distinct from n.program_id and (a.program_id is null or a.program_id = n.program_id)$$);
