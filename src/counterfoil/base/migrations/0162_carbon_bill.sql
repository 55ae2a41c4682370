-- Bills of the source of carbon figures: what it counted of a program's energy, by region and day. Held against the books; nothing is
-- posted of them, so that a bill that is wrong is seen and never booked.

create table carbon_bill (                          -- append-only
    id         text        primary key,
    program_id text        not null references program,
    source     text        not null constraint carbon_bill_source check (length(source) between 1 and 60),
    reference  text        not null constraint carbon_bill_reference check (length(reference) between 1 and 100),
    first_day  date        not null,                -- UTC; it speaks of every day up to the last, also of those without a line
    last_day   date        not null,
    lines      integer     not null,
    watt_hours bigint      not null,
    grams      bigint      not null,
    digest     text        not null,                -- SHA-256 of its lines: the same reference again says the same
    final_at   timestamptz not null,                -- the source's time for changes of the last day, by the setting when the bill came
    actor      text        not null,
    at         timestamptz not null,
    constraint carbon_bill_counts_once unique (program_id, source, reference),
    constraint carbon_bill_period check (last_day between first_day and first_day + 366)
);
create index carbon_bill_of_days on carbon_bill (program_id, first_day, last_day);
select make_append_only('carbon_bill');
select make_sealed('carbon_bill');

create table carbon_bill_line (                     -- append-only; below nothing: it takes back what an earlier bill counted
    bill_id    text   not null references carbon_bill deferrable initially deferred,  -- lines come first, and the bill over them
    program_id text   not null references program,
    region     text   not null constraint carbon_bill_line_region check (region ~ '^[A-Z0-9_]{2,40}$'),
    day        date   not null,
    watt_hours bigint not null constraint carbon_bill_line_energy check (watt_hours between -1000000000000000 and 1000000000000000),
    grams      bigint not null constraint carbon_bill_line_grams check (grams between -1000000000000000 and 1000000000000000),
    primary key (bill_id, region, day)
);
create index carbon_bill_line_of_day on carbon_bill_line (program_id, day, region);
select make_append_only('carbon_bill_line');
select make_sealed('carbon_bill_line');

-- Lines come first. The bill over them names their sums, and after it no line is added.
create function carbon_bill_is_over_its_lines() returns trigger language plpgsql as $$
begin
    if tg_table_name = 'carbon_bill_line' then
        if exists (select from carbon_bill where id = new.bill_id) then
            raise 'bill %: no line is added to it', new.bill_id using errcode = 'CF002';
        end if;
    elsif (new.lines, new.watt_hours, new.grams) is distinct from
              (select (count(*)::integer, coalesce(sum(l.watt_hours), 0)::bigint, coalesce(sum(l.grams), 0)::bigint)
               from carbon_bill_line l where l.bill_id = new.id)
          or exists (select from carbon_bill_line l where l.bill_id = new.id
                     and (l.program_id <> new.program_id or l.day not between new.first_day and new.last_day)) then
        raise 'bill %: its lines are not those that it names', new.reference using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger carbon_bill_is_over_its_lines before insert on carbon_bill_line
    for each row execute function carbon_bill_is_over_its_lines();
create trigger carbon_bill_is_over_its_lines before insert on carbon_bill
    for each row execute function carbon_bill_is_over_its_lines();
