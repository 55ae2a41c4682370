-- What is measured each minute, so that service levels and trends are of what was, not of what is: is the system there, and how deep are queues.

create table minute_sample (                         -- append-only; a minute without a row is one in which nobody measured
    minute     timestamptz primary key
        constraint minute_sample_is_whole check (date_trunc('minute', minute at time zone 'UTC') = minute at time zone 'UTC'),
    available  boolean,                              -- null: no server was asked, the queues alone were measured
    answered_ms integer    not null constraint minute_sample_took_time check (answered_ms >= 0),
    why_not    text,
    measured_by text       not null,
    at         timestamptz not null,
    constraint minute_sample_says_why check (coalesce(available, true) = (why_not is null))
);
select make_append_only('minute_sample');

create table queue_hour (                            -- of each hour and queue: how deep it was, over the minutes that were measured
    hour        timestamptz not null,
    queue       text        not null,
    samples     integer     not null constraint queue_hour_was_measured check (samples between 1 and 60),
    depth_sum   bigint      not null,
    depth_max   integer     not null,
    oldest_max_s integer    not null,
    primary key (hour, queue),
    constraint queue_hour_adds_up check (depth_sum between depth_max and depth_max::bigint * samples and depth_max >= 0)
);
