-- Keys that sign proofs are of two kinds: Ed25519, and ML-DSA-44, whose public half has 1,312 bytes and whose signature 2,420.
alter table signer drop constraint signer_key_is_ed25519,
    add constraint signer_key_is_of_a_kind check (length(public_key) in (32, 1312));
alter table proof_signature drop constraint proof_signature_is_ed25519,
    add constraint proof_signature_is_of_a_kind check (length(signature) in (64, 2420));

-- The log's own key is changed by two administrators. The key of before signs the statement of it, unless it was stolen or lost; from the
-- size on that the log had then, it signs no checkpoint more.
create table log_key_change (                       -- append-only
    key_id     text        primary key references log_key,
    before_id  text        not null references log_key,
    cause      text        not null constraint log_key_change_cause_is_known check (cause in ('planned', 'stolen', 'lost')),
    size       bigint      not null constraint log_key_change_size_is_not_negative check (size >= 0),
    statement  text        not null,                -- a signed note, as it left
    created_by text        not null,
    created_at timestamptz not null,
    constraint log_key_is_changed_once unique (before_id),
    constraint log_key_is_changed_for_another check (key_id <> before_id)
);
select make_append_only('log_key_change');
insert into approving_role (machine, role) values ('log_key', 'administrator');
select make_paired('log_key_change', 'log_key', 'change', 'true', 'n.before_id', $$p ->> 'cause' = n.cause$$);
select keep_to_program('log_key_change', 'false');

-- No second key without such a statement, and no checkpoint of a key that has ended.
create function log_key_is_agreed_on() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from log_key k where k.id <> new.id) and not exists (select from log_key_change c where c.key_id = new.id) then
        raise exception 'the key of the log is changed by a statement' using errcode = 'CF390';
    end if;
    return null;
end $$;
create constraint trigger log_key_is_agreed_on after insert on log_key deferrable initially deferred
    for each row execute function log_key_is_agreed_on();
alter table log_key enable always trigger log_key_is_agreed_on;

create function log_key_has_ended() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from log_key_change c where c.before_id = new.key_id and c.size < new.size) then
        raise exception 'a key of the log that has ended signs no checkpoint more' using errcode = 'CF390';
    end if;
    return null;
end $$;
create trigger log_key_has_ended after insert on log_checkpoint for each row execute function log_key_has_ended();
alter table log_checkpoint enable always trigger log_key_has_ended;
