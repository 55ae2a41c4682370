-- Moments of a schedule that passed with nobody there: a gap, noticed by whoever came next, and shown.

create table reconciliation_gap (                  -- append-only
    name       text        not null references reconciliation_schedule,
    first_at   timestamptz not null,
    last_at    timestamptz not null,
    missed     integer     not null constraint reconciliation_gap_missed check (missed > 0),
    noticed_at timestamptz not null,
    noticed_by text        not null,
    primary key (name, first_at),
    constraint reconciliation_gap_in_order check (first_at <= last_at)
);
select make_append_only('reconciliation_gap');

-- Of earlier ones the count was kept, and that they lie before the moment that was taken.
insert into reconciliation_gap (name, first_at, last_at, missed, noticed_at, noticed_by)
select t.name, coalesce(lag(t.slot_at) over (partition by t.name order by t.slot_at), s.since), t.slot_at, t.skipped, t.taken_at, t.taken_by
from reconciliation_slot t join reconciliation_schedule s on s.name = t.name
where t.skipped > 0 and coalesce((select max(e.slot_at) from reconciliation_slot e where e.name = t.name and e.slot_at < t.slot_at), s.since)
                        <= t.slot_at
on conflict do nothing;
