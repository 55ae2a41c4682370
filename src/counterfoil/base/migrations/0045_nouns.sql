-- What every noun with states has, said once: a migration that makes one calls these two, as it calls `make_append_only`.

-- State, since when, and how many steps it took; a change of state must be a transition of the machine. The table has `id text primary key`
-- and no rows yet. `select make_stateful('parcel', 'parcel')`: the table, and its machine's name.
create function make_stateful(target regclass, machine text) returns void language plpgsql set search_path = public, pg_temp as $$
begin
    execute format('alter table %s add column state text not null, add column state_at timestamptz not null,
                    add column steps integer not null default 1', target);
    execute format('create index %I on %s (state, id)', machine || '_by_state', target);
    execute format('create trigger %I before update of state on %s for each row execute function state_follows_table(%L)',
                   machine || '_follows_table', target, machine);
end $$;

-- When it is due, how often it was tried, who holds it: what the runner reads and writes. `select make_workable('parcel')`.
create function make_workable(target regclass) returns void language plpgsql set search_path = public, pg_temp as $$
declare
    named constant text := (select relname from pg_class where oid = target);
begin
    execute format('alter table %s add column due_at timestamptz, add column attempt integer not null default 0,
                    add column lease_owner text, add column lease_until timestamptz, add column fence bigint not null default 0,
                    add column last_error text', target);
    execute format('create index %I on %s (due_at, id) where due_at is not null', named || '_due', target);
end $$;

-- Only migrations make nouns.
revoke execute on function make_stateful(regclass, text), make_workable(regclass) from public;
