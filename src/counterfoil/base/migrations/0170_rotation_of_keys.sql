-- A key is rotated: it opens by a new secret from now on, and by those of before until a moment. Two administrators agree on it, as on a key.
create table api_key_secret (
    id          text        primary key,
    api_key_id  text        not null references api_key,
    number      integer     not null constraint api_key_secret_is_counted check (number > 0),
    secret_hash bytea       not null constraint api_key_secret_is_new unique,
    hint        text        not null,
    overlap     text        not null,               -- as it was agreed on
    before_until timestamptz not null,              -- the secrets of before open nothing from then on
    created_by  text        not null,
    created_at  timestamptz not null,
    constraint api_key_secret_number_is_one unique (api_key_id, number)
);
select make_append_only('api_key_secret');
select make_secret('api_key_secret', 'secret_hash');
select make_paired('api_key_secret', 'api_key', 'rotate', 'true', 'n.api_key_id', $$p ->> 'overlap' = n.overlap$$);
select keep_to_program('api_key_secret', 'api_key_id in (select id from api_key)');

-- Whose secret this is, while it opens something.
create function key_of_secret(hash bytea, at timestamptz) returns text stable language sql set search_path = public, pg_temp
    return (
        select f.id from (select id, 0 as number from api_key where secret_hash = hash
                          union all select api_key_id, number from api_key_secret where secret_hash = hash) f
        where not exists (select from api_key_secret n where n.api_key_id = f.id and n.number > f.number and n.before_until <= at));
