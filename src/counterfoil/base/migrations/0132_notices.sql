-- Notices: what is told to people on their channels. The row is the job: it is written with what it tells, so no crash loses it.

create table notice (
    id         text        primary key,
    program_id text        not null default '',      -- empty: of the whole installation
    channel    text        not null constraint notice_has_a_channel check (channel <> ''),
    group_key  text        not null,                 -- what it is about: more of the same goes into the same notice while it waits
    level      text        not null constraint notice_level check (level in ('info', 'warning', 'critical')),
    title      text        not null constraint notice_has_a_title check (length(title) between 1 and 300),
    body       text        not null constraint notice_is_short check (length(body) <= 10000),
    times      integer     not null default 1 constraint notice_tells_something check (times > 0),
    created_at timestamptz not null
);
select make_stateful('notice', 'notice');
select make_workable('notice');
select make_fixed('notice', 'program_id', 'channel', 'group_key', 'level', 'created_at');
create index notice_of_group on notice (channel, group_key, id desc);
create table notice_attempt (                        -- append-only: each time that one was handed to its channel
    notice_id text        not null references notice,
    fence     bigint      not null,
    at        timestamptz not null,
    taken     boolean     not null,
    error     text,
    by        text        not null,
    primary key (notice_id, fence),
    constraint notice_attempt_says_why check (taken = (error is null))
);
select make_append_only('notice_attempt');
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('notice', '', 'create', 'waiting', false, false),
    ('notice', 'waiting', 'deliver', 'delivered', false, false),
    ('notice', 'waiting', 'give_up', 'failed', false, false),
    ('notice', 'failed', 'send_again', 'waiting', true, false);

create index alert_by_snooze on alert (snoozed_until) where snoozed_until is not null;

create table silence (                               -- for a time, no notices of some alerts
    id         text        primary key,
    program_id text        not null default '',      -- empty: of every program
    code       text        not null default '',      -- empty: of every check
    until      timestamptz not null,
    reason     text        not null constraint silence_has_a_reason check (btrim(reason) <> ''),
    actor      text        not null,
    created_at timestamptz not null,
    constraint silence_has_an_end check (until > created_at and until <= created_at + interval '90 days')
);
select make_stateful('silence', 'silence');
select make_fixed('silence', 'program_id', 'code', 'until', 'reason', 'actor', 'created_at');
create index silence_by_end on silence (until) where state = 'active';
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('silence', '', 'create', 'active', false, false),
    ('silence', 'active', 'end', 'ended', true, false),
    ('silence', 'active', 'expire', 'ended', false, false);
