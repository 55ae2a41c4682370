-- A key may be narrower than its role: `payouts:read` is to read payouts and nothing else. What two administrators approved is what is written.
alter table api_key add column scopes text[];      -- sorted; null: all that its role allows
alter table api_key add constraint api_key_scopes_are_named check (
    scopes is null
    or cardinality(scopes) between 1 and 50 and array_position(scopes, null) is null
       and array_to_string(scopes, ' ') ~ '^[a-z]+(-[a-z]+)*:[a-z]+(_[a-z]+)*( [a-z]+(-[a-z]+)*:[a-z]+(_[a-z]+)*)*$');
do $$
declare
    broken constant jsonb := (select coalesce(jsonb_agg(b), '[]') from broken_seals(array['api_key']) b);
begin
    perform make_fixed('api_key', 'scopes');
    perform seal_anew('api_key', sealed_columns('api_key', '{}', '{scopes}'), broken);
end $$;

drop trigger two_people_api_key_create on api_key;
select make_paired('api_key', 'api_key', 'create', 'true', $$'key:' || n.name$$, $$
    p ->> 'name' = n.name and p ->> 'role' = n.role
    and (p ->> 'expiresAt')::timestamptz is not distinct from n.expires_at
    and p ->> 'programId' is not distinct from n.program_id
    and coalesce(p -> 'scopes', 'null') = coalesce(to_jsonb(n.scopes), 'null')
    and case when p ->> 'principalId' is null
             then exists (select from principal o where o.id = n.principal_id and o.kind = 'service' and o.name = n.name)
             else p ->> 'principalId' = n.principal_id end$$);

-- A key with scopes does not administer the installation, whatever its role.
create or replace function an_administrator_stays() returns trigger language plpgsql as $$
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
                       where k.role = 'administrator' and k.revoked_at is null and p.disabled_at is null and k.program_id is null
                         and k.scopes is null) then
        raise 'nobody would administer this installation any more' using errcode = 'CF352';
    end if;
    return null;
end $$;
