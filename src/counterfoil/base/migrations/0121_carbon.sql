-- Carbon: grams of CO2e that agents emitted by the energy they used, and credits that were bought and retired. A unit, no money: asset CO2E,
-- scale 0. What the source said and what was posted of it is kept for ever; a serial that was retired never moves again.

create table carbon_energy (                        -- append-only
    id         text        primary key,
    program_id text        not null references program,
    agent_id   text        not null references agent,
    reference  text        not null constraint carbon_energy_reference check (length(reference) between 1 and 100),
    region     text        not null constraint carbon_energy_region check (region ~ '^[A-Z0-9_]{2,40}$'),
    day        date        not null,                -- UTC; an interval lies within one day
    starts_at  timestamptz not null,
    ends_at    timestamptz not null,
    watt_hours bigint      not null constraint carbon_energy_positive check (watt_hours between 1 and 1000000000000),
    actor      text        not null,
    at         timestamptz not null,
    constraint carbon_energy_counts_once unique (program_id, reference),
    constraint carbon_energy_is_of_its_day check (
        starts_at < ends_at and starts_at >= day at time zone 'UTC' and ends_at <= (day + 1) at time zone 'UTC')
);
create index carbon_energy_of_day on carbon_energy (day, region, agent_id);
create index carbon_energy_of_agent on carbon_energy (agent_id, day);
select make_append_only('carbon_energy');
select make_sealed('carbon_energy');

create table carbon_sync (                          -- append-only: a row for each time the source was asked
    id         text        primary key,
    actor      text        not null,
    forced     boolean     not null,
    reason     text,
    days       integer     not null,                -- days of a region that were asked for, and of them those without an answer
    failed     integer     not null,
    points     integer     not null,                -- intensities that were new, or other than before
    posted     integer     not null,
    breaks     integer     not null,
    error      text,
    started_at timestamptz not null,
    ended_at   timestamptz not null
);
create index carbon_sync_by_time on carbon_sync (started_at);
select make_append_only('carbon_sync');
select make_sealed('carbon_sync');

create table carbon_fetch (                         -- append-only: what of which day was heard when
    region  text        not null,
    day     date        not null,
    at      timestamptz not null,
    sync_id text        not null,
    until   timestamptz not null,                   -- asked for up to then
    points  integer     not null,
    primary key (region, day, at)
);
select make_append_only('carbon_fetch');
select make_sealed('carbon_fetch');

create table carbon_intensity (                     -- append-only: of one moment the newest number counts
    region   text        not null,
    point_at timestamptz not null,
    number   integer     not null,
    period_s integer     not null constraint carbon_intensity_period check (period_s between 1 and 86400),
    value    numeric     not null constraint carbon_intensity_value check (value between 0 and 100000),  -- marginal, pounds of CO2 a MWh
    model    text,
    sync_id  text        not null,
    at       timestamptz not null,
    primary key (region, point_at, number)
);
select make_append_only('carbon_intensity');
select make_sealed('carbon_intensity');

create table carbon_posting (                       -- append-only: grams of an agent, region and day, and each change of them
    id         text        primary key,
    program_id text        not null references program,
    agent_id   text        not null references agent,
    region     text        not null,
    day        date        not null,
    number     integer     not null,
    grams      bigint      not null constraint carbon_posting_moves check (grams <> 0),  -- more than before; below nothing: less
    total      bigint      not null constraint carbon_posting_total check (total >= 0),
    watt_hours bigint      not null,                -- that the total stands for
    forced     boolean     not null,
    sync_id    text        not null,
    at         timestamptz not null,
    constraint carbon_posting_number_is_one unique (agent_id, region, day, number)
);
create index carbon_posting_of_day on carbon_posting (day, agent_id);
select make_append_only('carbon_posting');
select make_sealed('carbon_posting');

create function carbon_posting_follows() returns trigger language plpgsql as $$
declare
    before record;
begin
    perform from agent where id = new.agent_id for update;
    select number, total into before from carbon_posting
    where (agent_id, region, day) = (new.agent_id, new.region, new.day) order by number desc limit 1;
    if new.number <> coalesce(before.number, 0) + 1 or new.total <> coalesce(before.total, 0) + new.grams then
        raise 'grams of % in % on %: % follow %', new.agent_id, new.region, new.day, new.number, coalesce(before.number, 0)
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger carbon_posting_follows before insert on carbon_posting for each row execute function carbon_posting_follows();

create table carbon_credit (                        -- append-only: credits that were bought, by their serial numbers
    id           text        primary key,
    program_id   text        not null references program,
    registry     text        not null constraint carbon_credit_registry check (length(registry) between 1 and 60),
    series       text        not null constraint carbon_credit_series check (length(series) between 1 and 100),
    first_serial bigint      not null constraint carbon_credit_first check (first_serial > 0),
    last_serial  bigint      not null,
    grams_each   bigint      not null constraint carbon_credit_grams check (grams_each between 1 and 1000000000000),
    vintage      integer     not null constraint carbon_credit_vintage check (vintage between 1990 and 2200),
    reference    text        not null constraint carbon_credit_reference check (length(reference) between 1 and 200),
    reason       text        not null,
    actor        text        not null,
    at           timestamptz not null,
    constraint carbon_credit_range check (last_serial between first_serial and first_serial + 99999999)
);
create index carbon_credit_of_series on carbon_credit (registry, series, first_serial);
select make_append_only('carbon_credit');
select make_sealed('carbon_credit');

create function carbon_credit_is_bought_once() returns trigger language plpgsql as $$
declare
    other text;
begin
    perform pg_advisory_xact_lock(hashtextextended('carbon:' || new.registry || ':' || new.series, 0));  -- of two at once the later sees the earlier
    select c.id into other from carbon_credit c
    where (c.registry, c.series) = (new.registry, new.series) and c.first_serial <= new.last_serial and c.last_serial >= new.first_serial
    limit 1;
    if found then
        raise 'serials % to % of % % are among those of %', new.first_serial, new.last_serial, new.registry, new.series, other
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger carbon_credit_is_bought_once before insert on carbon_credit for each row execute function carbon_credit_is_bought_once();

create table carbon_retirement (                    -- append-only: what was retired stays so
    id           text        primary key,
    program_id   text        not null references program,
    credit_id    text        not null references carbon_credit,
    first_serial bigint      not null,
    last_serial  bigint      not null,
    agent_id     text        references agent,      -- for whose emissions; null: the house's
    grams        bigint      not null,
    reason       text        not null,
    actor        text        not null,
    at           timestamptz not null,
    constraint carbon_retirement_range check (last_serial >= first_serial)
);
create index carbon_retirement_of_credit on carbon_retirement (credit_id, first_serial);
create index carbon_retirement_by_time on carbon_retirement (program_id, at);
select make_append_only('carbon_retirement');
select make_sealed('carbon_retirement');

create function carbon_serial_is_retired_once() returns trigger language plpgsql as $$
declare
    c     carbon_credit;
    other text;
begin
    select * into c from carbon_credit where id = new.credit_id;
    perform pg_advisory_xact_lock(hashtextextended('carbon:' || c.registry || ':' || c.series, 0));
    select r.id into other from carbon_retirement r
    where r.credit_id = new.credit_id and r.first_serial <= new.last_serial and r.last_serial >= new.first_serial limit 1;
    if found then
        raise 'serials % to % of %: some are retired already, by %', new.first_serial, new.last_serial, new.credit_id, other using errcode = 'CF002';
    elsif new.first_serial < c.first_serial or new.last_serial > c.last_serial or new.program_id <> c.program_id
          or new.grams <> (new.last_serial - new.first_serial + 1) * c.grams_each
          or new.agent_id is not null and not exists (select from agent a where (a.id, a.program_id) = (new.agent_id, new.program_id)) then
        raise 'serials % to % are not of %', new.first_serial, new.last_serial, new.credit_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger carbon_serial_is_retired_once before insert on carbon_retirement for each row execute function carbon_serial_is_retired_once();

-- What is retired never moves, whoever posts: nothing is ever taken out of these accounts.
create function retired_never_moves() returns trigger language plpgsql as $$
begin
    raise 'account %: what is retired never moves', new.name using errcode = 'CF002';
end $$;
create trigger retired_never_moves before update of debits, debits_pending on account for each row
    when ((new.debits > old.debits or new.debits_pending > old.debits_pending) and new.name like 'carbon:retired:%')
    execute function retired_never_moves();

insert into key_space (word, kind, source_type, is_fact, is_late_ok, is_reversible) values
    ('CARBON_EMIT', 'carbon_emission', 'carbon_posting', true, true, false),
    ('CARBON_BUY', 'carbon_purchase', 'carbon_credit', false, true, false),
    ('CARBON_RETIRE', 'carbon_retirement', 'carbon_retirement', false, true, false);
