-- Pausing a queue, wholly or for one provider or program: a switch with its history. The newest row of each counts.

create table queue_pause (
    number     bigint      primary key generated always as identity,
    queue      text        not null constraint queue_pause_names_a_queue check (queue <> ''),
    provider   text        not null default '',     -- '': of every provider
    program_id text        not null default '',     -- '': of every program
    paused     boolean     not null,
    reason     text        not null constraint queue_pause_has_a_reason check (btrim(reason) <> ''),
    actor      text        not null,
    at         timestamptz not null
);
create index queue_pause_latest on queue_pause (queue, provider, program_id, number desc);
select make_append_only('queue_pause');

create view queue_paused as
select * from (select distinct on (queue, provider, program_id) * from queue_pause
               order by queue, provider, program_id, number desc) latest
where paused;
