-- The sentinel: its runs, what each check answered, the alerts that it opened, and the incidents that people answer.

create sequence sentinel_run_number;

create table sentinel_run (
    id          text        primary key,
    number      bigint      not null default nextval('sentinel_run_number') unique,
    kind        text        not null constraint sentinel_run_kind check (kind in ('recent', 'full')),
    actor       text        not null,
    slot_at     timestamptz,                   -- the moment of the schedule that it was run for
    started_at  timestamptz not null,
    beat_at     timestamptz not null,
    progress    text,                          -- the check that it asks just now
    since       timestamptz,                   -- a recent run asks of what was touched after it; null: of everything
    watermark   timestamptz,                   -- up to when everything was looked at; null while it is not known
    finished_at timestamptz,
    touched     jsonb       not null default '{}',  -- how many of each noun a recent run asked of
    checks      integer     not null default 0,
    holding     integer     not null default 0,
    broken      integer     not null default 0,
    failed      integer     not null default 0,
    findings    integer     not null default 0,
    opened      integer     not null default 0,
    error       text,
    constraint sentinel_run_adds_up check (checks = holding + broken + failed)
);
select make_stateful('sentinel_run', 'sentinel_run');
alter table sentinel_run add constraint sentinel_run_is_green_when_nothing_failed check (state <> 'finished' or failed = 0);
create index sentinel_run_by_kind on sentinel_run (kind, number desc);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('sentinel_run', '', 'create', 'running', false, false),
    ('sentinel_run', 'running', 'finish', 'finished', false, false),
    ('sentinel_run', 'running', 'cut_short', 'cut_short', false, false);

create table sentinel_check (                       -- what one check answered in one run; append-only
    run_id    text        not null references sentinel_run,
    place     integer     not null,
    code      text        not null,
    outcome   text        not null constraint sentinel_check_outcome check (outcome in ('holds', 'broken', 'failed')),
    findings  integer     not null default 0 constraint sentinel_check_counts check (findings >= 0),
    took_ms   integer     not null,
    error     text,
    at        timestamptz not null,
    primary key (run_id, place),
    constraint sentinel_check_is_asked_once unique (run_id, code),
    constraint sentinel_check_is_told check ((outcome = 'broken') = (findings > 0) and (outcome = 'failed') = (error is not null))
);
select make_append_only('sentinel_check');
select make_sealed('sentinel_check');
create index sentinel_check_by_code on sentinel_check (code, run_id desc);

-- Which steps are new is asked by time; the table only grows, in about that order.
create index step_by_time on step using brin (at) with (pages_per_range = 16);

create table incident (
    id               text        primary key,
    program_id       text        not null,          -- empty: the whole installation
    level            text        not null constraint incident_level check (level in ('P0', 'P1', 'P2', 'P3')),
    code             text        not null,
    title            text        not null,
    opened_at        timestamptz not null,
    respond_by       timestamptz not null,
    responded_at     timestamptz,
    responded_by     text,
    brake            text,                          -- the queue that was paused for it
    post_mortem_by   timestamptz,
    post_mortem      text,
    closed_at        timestamptz
);
select make_stateful('incident', 'incident');
select make_workable('incident');
select make_fixed('incident', 'program_id', 'code', 'title', 'opened_at', 'respond_by');
alter table incident add constraint incident_is_closed_at_a_time check (state <> 'closed' or closed_at is not null);
create unique index incident_stands_once on incident (code, program_id) where state <> 'closed';
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('incident', '', 'create', 'open', false, false),
    ('incident', 'open', 'respond', 'responding', true, false),
    ('incident', 'open', 'close', 'closed', true, false),
    ('incident', 'responding', 'close', 'closed', true, false);

create table alert (
    id             text        primary key,
    program_id     text        not null,            -- empty: the whole installation
    code           text        not null,
    subject        text        not null,            -- what breaks the rule
    period         text        not null default '', -- of which time it is; empty: of none
    severity       text        not null constraint alert_severity check (severity in ('critical', 'warning')),
    times          integer     not null default 1 constraint alert_was_seen check (times > 0),  -- runs that found it
    first_seen_at  timestamptz not null,
    last_seen_at   timestamptz not null,
    first_run      text        references sentinel_run,
    last_run       text        references sentinel_run,
    gone_run       text        references sentinel_run,  -- the newest run that no longer found it
    owner          text,
    evidence       jsonb       not null,             -- as it was last seen: query, columns, rows, up to when they were read
    first_evidence jsonb       not null,
    rest           integer     not null default 0,   -- more findings of this check that no alert was opened for
    previous       text        references alert,     -- the alert before it with the same identity
    incident_id    text        references incident,
    extent         text        not null constraint alert_extent check (extent in ('one', 'several', 'system', 'regulator')),
    escalated_to   text        not null,
    respond_by     timestamptz,                      -- without an answer by then it goes one step up
    snoozed_until  timestamptz,
    accepted_until timestamptz,
    constraint alert_is_found_in_order check (first_seen_at <= last_seen_at)
);
select make_stateful('alert', 'alert');
select make_workable('alert');
select make_fixed('alert', 'program_id', 'code', 'subject', 'period', 'first_seen_at', 'first_run', 'first_evidence', 'previous');
create unique index alert_stands_once on alert (code, program_id, subject, period) where state <> 'resolved';
create index alert_by_identity on alert (code, program_id, subject, period, id desc);
create index alert_of_incident on alert (incident_id) where incident_id is not null;
alter table alert add constraint alert_is_accepted_for_a_time check (state <> 'accepted' or accepted_until is not null);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('alert', '', 'create', 'open', false, false),
    ('alert', 'open', 'ack', 'acknowledged', false, false),
    ('alert', 'open', 'resolve', 'resolved', false, false),
    ('alert', 'open', 'accept', 'accepted', true, false),
    ('alert', 'acknowledged', 'reopen', 'open', true, false),
    ('alert', 'acknowledged', 'resolve', 'resolved', false, false),
    ('alert', 'acknowledged', 'accept', 'accepted', true, false),
    ('alert', 'accepted', 'lapse', 'open', false, false),
    ('alert', 'accepted', 'resolve', 'resolved', false, false);

-- A pause that the machine pulled is let go by two people, whichever queue it is of.
drop trigger two_people_queue_resume on queue_pause;
select make_paired('queue_pause', 'queue', 'resume', 'not new.paused', 'n.queue', $$
    p ->> 'queue' = n.queue and p ->> 'provider' = n.provider and p ->> 'program_id' = n.program_id
    and (p ->> 'pause')::bigint = (
        select max(q.number) from queue_pause q
        where (q.queue, q.provider, q.program_id) = (n.queue, n.provider, n.program_id) and q.number < n.number)
    and n.reason = a.reason
    and exists (select from approval_decision d where d.proposal_id = a.id and d.decision = 'approved' and d.checker = n.actor)$$,
    $$not exists (select from money_queue m where m.queue = n.queue)
      and not exists (
          select from (select q.actor from queue_pause q
                       where (q.queue, q.provider, q.program_id) = (n.queue, n.provider, n.program_id) and q.number < n.number
                       order by q.number desc limit 1) before
          where before.actor like 'system:%')$$);
