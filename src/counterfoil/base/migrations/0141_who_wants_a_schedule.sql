-- Which schedule each worker has in its settings ('' for none): while two that live differ, none of them sets it for the other.

create table schedule_wish (
    name    text        not null,
    worker  text        not null,
    cron    text        not null,
    since   timestamptz not null,              -- since when it wants this
    said_at timestamptz not null,              -- when it said so last
    primary key (name, worker)
);
comment on table schedule_wish is 'app: select, insert, update, delete';
