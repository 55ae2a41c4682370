-- The last administrator stays. A key whose time is over opens nothing, so it is none: who would be the last is counted without it.
create or replace function an_administrator_stays() returns trigger language plpgsql set search_path to public, pg_temp as $$
declare
    at timestamptz := case when tg_table_name = 'principal' then to_jsonb(new) ->> 'disabled_at' else to_jsonb(new) ->> 'revoked_at' end;
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
                         and k.scopes is null and (k.expires_at is null or k.expires_at > at)) then
        raise 'nobody would administer this installation any more' using errcode = 'CF352';
    end if;
    return null;
end $$;
