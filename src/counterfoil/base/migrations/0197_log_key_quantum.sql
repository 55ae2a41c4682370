-- Beside its Ed25519 key the log signs checkpoints with ML-DSA-44 (FIPS 204), from the first one on that is made where the library has it.
-- The private half follows from the seed of the Ed25519 key, so there is no second secret.
create table log_key_quantum (                      -- append-only
    key_id     text        primary key references log_key,
    public_key bytea       not null constraint log_key_quantum_is_ml_dsa_44 check (length(public_key) = 1312),
    size       bigint      not null constraint log_key_quantum_size_is_not_negative check (size >= 0),
    made_at    timestamptz not null
);
comment on column log_key_quantum.size is 'from this size of the log on each checkpoint of this key has a second line, of ML-DSA-44';
select make_append_only('log_key_quantum');
select keep_to_program('log_key_quantum', 'false');

create function log_key_signs_twice() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from log_key_quantum q where q.key_id = new.key_id and q.size <= new.size) and new.note !~ E'\n\n— [^\n]+\n— [^\n]+\n$' then
        raise exception 'a key of the log that signs with ML-DSA-44 signs no checkpoint without it' using errcode = 'CF390';
    end if;
    return null;
end $$;
create trigger log_key_signs_twice after insert on log_checkpoint for each row execute function log_key_signs_twice();
alter table log_checkpoint enable always trigger log_key_signs_twice;
