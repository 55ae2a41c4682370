-- States and their history. Every noun with states shares these two tables; its own row carries state, state_at and steps.

create table transition (
    machine      text    not null,
    from_state   text    not null,           -- '' before the first
    verb         text    not null,
    to_state     text    not null,
    needs_reason boolean not null,
    needs_pair   boolean not null,           -- two people
    primary key (machine, from_state, verb, to_state)
);

create table step (                          -- append-only; a noun's state is its last row here
    machine    text        not null,
    subject_id text        not null,
    step       integer     not null constraint step_starts_at_one check (step > 0),
    from_state text        not null,
    verb       text        not null,
    to_state   text        not null,
    actor      text        not null,
    reason     text,
    cause      text,                         -- the event, job or request that led to it
    at         timestamptz not null,
    constraint step_is_taken_once primary key (subject_id, step),
    constraint step_is_allowed foreign key (machine, from_state, verb, to_state) references transition
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only: % is refused', tg_table_name, lower(tg_op) using errcode = 'CF001';
end $$;

-- A migration calls this for each table whose rows are never changed: `select make_append_only('posting')`.
-- The triggers hold for everybody, also while a session replays as a replica; grants.sql reads from them what the application may do.
create function make_append_only(target regclass) returns void language plpgsql as $$
declare
    triggers constant jsonb := '{"is_append_only": "update or delete", "is_not_truncated": "truncate"}';
    trigger_name text;
    happening    text;
begin
    for trigger_name, happening in select key, value from jsonb_each_text(triggers) loop
        execute format('create trigger %I before %s on %s for each statement execute function refuse_change()',
                       trigger_name, happening, target);
        execute format('alter table %s enable always trigger %I', target, trigger_name);
    end loop;
end $$;

select make_append_only('step');

-- A noun's table calls this before an update of its state, with the machine's name: `execute function state_follows_table('payout')`.
create function state_follows_table() returns trigger language plpgsql as $$
begin
    if new.state is distinct from old.state and not exists (
        select from transition where machine = tg_argv[0] and from_state = old.state and to_state = new.state) then
        raise exception '%: % to % is not a transition', tg_argv[0], old.state, new.state using errcode = 'CF002';
    end if;
    return new;
end $$;

-- What each idempotency key asked for, and the answer it got; written in the transaction of its effect.
create table idempotency (
    scope    text        not null,            -- who asked for what kind of thing; keys of two scopes do not meet
    key      text        not null constraint idempotency_key_is_short check (length(key) between 1 and 255),
    sha256   bytea       not null constraint idempotency_request_is_hashed check (length(sha256) = 32),
    answer   jsonb,
    at       timestamptz not null,
    primary key (scope, key)
);
create index idempotency_by_time on idempotency (at);
