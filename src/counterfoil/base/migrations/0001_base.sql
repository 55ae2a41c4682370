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

create trigger step_is_append_only before update or delete on step for each statement execute function refuse_change();
create trigger step_is_not_truncated before truncate on step for each statement execute function refuse_change();
alter table step enable always trigger step_is_append_only;
alter table step enable always trigger step_is_not_truncated;

-- A noun's table calls this before an update of its state, with the machine's name: `execute function state_follows_table('payout')`.
create function state_follows_table() returns trigger language plpgsql as $$
begin
    if new.state is distinct from old.state and not exists (
        select from transition where machine = tg_argv[0] and from_state = old.state and to_state = new.state) then
        raise exception '%: % to % is not a transition', tg_argv[0], old.state, new.state using errcode = 'CF002';
    end if;
    return new;
end $$;
