-- What must hold in time is asked each minute. Such a run is kept where it found something, ended something, or could not ask.
alter table sentinel_run drop constraint sentinel_run_kind;
alter table sentinel_run add constraint sentinel_run_kind check (kind in ('recent', 'full', 'monitors'));
alter table sentinel_run add constraint sentinel_run_of_monitors_reaches_nowhere
    check (kind <> 'monitors' or (since is null and watermark is null));

create table monitor_round (                         -- one row: when every monitor was last asked, and by whom
    only_row boolean     primary key default true constraint monitor_round_is_one check (only_row),
    asked_at timestamptz not null,
    every_s  integer     not null constraint monitor_round_comes_back check (every_s > 0),
    asked_by text        not null,
    asked    integer     not null default 0,         -- monitors that answered
    failed   integer     not null default 0          -- those that could not be asked
);
