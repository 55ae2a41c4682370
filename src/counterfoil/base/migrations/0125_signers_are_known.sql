-- Which of these names, as records write them, are of people and keys that may act in a program: who is not known never signs.
create function signers_known(names text[], program_asked text, moment timestamptz) returns setof text stable language plpgsql
    security definer set search_path = public, pg_temp as $$
begin
    return query
    select 'person:' || p.name from principal p
    where p.kind = 'person' and 'person:' || p.name = any (names) and p.disabled_at is null
          and (p.program_id is null or p.program_id = program_asked)
    union
    select 'key:' || k.name from api_key k
    where 'key:' || k.name = any (names) and k.revoked_at is null and (k.expires_at is null or k.expires_at > moment)
          and (k.program_id is null or k.program_id = program_asked);
end $$;
