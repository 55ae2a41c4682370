-- A moment of a schedule that was taken is not yet one whose work was done: how it ended is kept beside it.
create table schedule_end (                         -- append-only: the last one counts; a job by hand may make good what failed
    number   bigint      generated always as identity primary key,
    name     text        not null,
    slot_at  timestamptz not null,
    ended_at timestamptz not null,
    error    text        constraint schedule_end_error check (error <> ''),   -- null: it was done
    foreign key (name, slot_at) references reconciliation_slot
);
create index schedule_end_by_slot on schedule_end (name, slot_at, number desc);
select make_append_only('schedule_end');

-- How earlier ones ended was not kept: they count as done, so that nothing is said of nights that nobody can look at any more.
insert into schedule_end (name, slot_at, ended_at) select name, slot_at, taken_at from reconciliation_slot order by slot_at, name;

-- When the monitors were asked to the end: `asked_at` is when a round was taken, and it may trip in the middle.
alter table monitor_round add column done_at timestamptz;
update monitor_round set done_at = asked_at;

-- An alert of which people were not told, because of a silence or of something graver: they are told when that ends.
alter table alert add column untold_since timestamptz;
create index alert_untold on alert (id) where untold_since is not null;
