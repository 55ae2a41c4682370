-- Webhooks out: partners' endpoints, the deliveries of each event to each of them, and every attempt.

create table webhook_endpoint (
    id          text        primary key,
    program_id  text        references program,       -- null: events of every program, and of none
    url         text        not null constraint webhook_endpoint_url_size check (length(url) between 8 and 2000),
    events      text[]      not null,                 -- names; empty: all
    min_level   text        not null constraint webhook_endpoint_level check (min_level in ('debug', 'info', 'warning', 'critical')),
    owner_email text        not null constraint webhook_endpoint_owner_size check (length(owner_email) between 3 and 254),
    about       text        not null constraint webhook_endpoint_about_size check (length(about) <= 200),
    created_by  text        not null,
    created_at  timestamptz not null,
    failures      integer   not null default 0,       -- attempts that failed since the last one that did not
    failing_since timestamptz,
    delivered_at  timestamptz,                        -- the last
    not_before    timestamptz                         -- it asked to be left alone until then
);
select make_stateful('webhook_endpoint', 'endpoint');
select make_fixed('webhook_endpoint', 'id', 'program_id', 'url', 'events', 'min_level', 'owner_email', 'about', 'created_by', 'created_at');

-- With what deliveries are signed. The newest counts; the one before it signs, too, until the newest is `overlap_days` old.
create table webhook_secret (
    id           text        primary key,
    endpoint_id  text        not null references webhook_endpoint,
    number       integer     not null,
    overlap_days integer     not null constraint webhook_secret_overlap check (overlap_days between 0 and 7),
    public_key   text        not null,
    secret       text,
    seed         text,
    created_by   text        not null,
    created_at   timestamptz not null,
    constraint webhook_secret_number_is_one unique (endpoint_id, number)
);
select make_append_only('webhook_secret');
select make_confidential('webhook_secret', 'secret', 'seed');
select make_paired('webhook_secret', 'endpoint', 'rotate', 'new.number > 1', 'n.endpoint_id', $$(p ->> 'overlapDays')::integer = n.overlap_days$$);
select keep_to_program('webhook_secret', 'endpoint_id in (select id from webhook_endpoint)');

create table webhook_delivery (
    id           text        primary key,
    endpoint_id  text        not null references webhook_endpoint,
    event_id     text        not null references event,
    program_id   text        not null,                -- the endpoint's, empty for one of all programs
    created_at   timestamptz not null,
    constraint webhook_delivery_is_one unique (endpoint_id, event_id)
);
select make_stateful('webhook_delivery', 'delivery'), make_workable('webhook_delivery');
select make_fixed('webhook_delivery', 'id', 'endpoint_id', 'event_id', 'program_id', 'created_at');
create index webhook_delivery_of_endpoint on webhook_delivery (endpoint_id, id);
create index webhook_delivery_due_by_endpoint on webhook_delivery (endpoint_id, due_at, id) where due_at is not null;

create table webhook_attempt (
    delivery_id text        not null references webhook_delivery,
    number      integer     not null,
    at          timestamptz not null,
    took_ms     integer     not null,
    status      integer,                              -- null: no answer came
    error       text        not null,                 -- empty: it was taken
    answer      text        not null constraint webhook_attempt_answer_size check (octet_length(answer) <= 16384),
    primary key (delivery_id, number)
);
select make_append_only('webhook_attempt');
select keep_to_program('webhook_attempt', 'delivery_id in (select id from webhook_delivery)');

insert into approving_role (machine, role) values ('endpoint', 'administrator');
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('endpoint', '', 'create', 'draft', false, false),
    ('endpoint', 'draft', 'enable', 'enabled', true, true),
    ('endpoint', 'enabled', 'disable', 'disabled', true, false),
    ('endpoint', 'disabled', 'enable', 'enabled', true, true),
    ('endpoint', 'draft', 'remove', 'removed', true, false),
    ('endpoint', 'enabled', 'remove', 'removed', true, false),
    ('endpoint', 'disabled', 'remove', 'removed', true, false),
    ('delivery', '', 'create', 'due', false, false),
    ('delivery', '', 'create', 'kept', false, false),
    ('delivery', 'due', 'deliver', 'delivered', false, false),
    ('delivery', 'due', 'fail', 'failed', false, false),
    ('delivery', 'due', 'keep', 'kept', false, false),
    ('delivery', 'due', 'cancel', 'cancelled', false, false),
    ('delivery', 'kept', 'deliver', 'delivered', false, false),
    ('delivery', 'kept', 'cancel', 'cancelled', false, false),
    ('delivery', 'failed', 'cancel', 'cancelled', false, false),
    ('delivery', 'kept', 'retry', 'due', true, false),
    ('delivery', 'failed', 'retry', 'due', true, false),
    ('delivery', 'delivered', 'retry', 'due', true, false);

-- Is this endpoint told of this event? What happens to endpoints themselves is told to none: two that fail would tell each other for ever.
create function is_told(of_program text, names text[], from_level text, event_program text, event_name text, event_level text, subject text)
    returns boolean immutable language sql
    return (of_program is null or of_program = event_program)
       and (cardinality(names) = 0 or event_name = any (names))
       and array_position(array['debug', 'info', 'warning', 'critical'], event_level)
           >= array_position(array['debug', 'info', 'warning', 'critical'], from_level)
       and subject !~ '^wh[ed]_';

-- The id of a delivery: the moment of its event as ids begin (base.ids), then a hash of what it is of, so that it is made once.
create function delivery_id(moment timestamptz, endpoint text, event text) returns text immutable language sql
    return 'whd_' || (
        select string_agg(substr('0123456789ABCDEFGHJKMNPQRSTVWXYZ',
                                 ((floor(extract(epoch from moment at time zone 'UTC') * 1000)::bigint >> (5 * digit)) & 31)::integer + 1, 1), ''
                          order by digit desc)
        from generate_series(0, 9) digit)
        || upper(left(encode(sha256(convert_to(endpoint || ' ' || event, 'UTF8')), 'hex'), 16));

-- Deliveries are written with their event, in its statement: whoever emits it, none is forgotten and none is of what was rolled back.
-- It acts as the owner, because a key of one program does not see the endpoints of all programs, which are told all the same.
create function deliver_events() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not exists (select from webhook_endpoint where state in ('enabled', 'disabled')) then
        return null;
    end if;
    with made as (
        insert into webhook_delivery (id, endpoint_id, event_id, program_id, created_at, state, state_at, due_at)
        select delivery_id(e.at, w.id, e.id), w.id, e.id, coalesce(w.program_id, ''), e.at,
               case w.state when 'enabled' then 'due' else 'kept' end, e.at, case w.state when 'enabled' then e.at end
        from emitted e join webhook_endpoint w on w.state in ('enabled', 'disabled')
        where is_told(w.program_id, w.events, w.min_level, e.program_id, e.name, e.level, e.subject_id)
        returning id, state, created_at)
    insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
    select 'delivery', id, 1, '', 'create', state, 'system', created_at from made;
    if found then
        perform pg_notify('counterfoil_deliveries', '');
    end if;
    return null;
end $$;
revoke execute on function deliver_events() from public;
create trigger event_is_delivered after insert on event referencing new table as emitted
    for each statement execute function deliver_events();
alter table event enable always trigger event_is_delivered;
