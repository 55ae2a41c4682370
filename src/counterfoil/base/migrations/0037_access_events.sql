-- Who tried to get in, who was refused and from where; and how often lately, for every process of the installation together.

create table access_event (                         -- append-only
    id           text        primary key,
    at           timestamptz not null,
    kind         text        not null constraint access_event_kind
                 check (kind in ('login', 'login_failed', 'login_limited', 'logout', 'key_refused', 'refused')),
    name         text        not null,              -- as it was given, cleaned and cut; a name that nobody has, too
    principal_id text,
    api_key_id   text,
    address      text        not null,
    method       text        not null,
    path         text        not null,              -- the route, never what stands in it
    needs        text,                              -- the permission that was missing
    request_id   text        not null
);
create index access_event_by_time on access_event (at, id);
select make_append_only('access_event');

create table access_attempt (                       -- failures of a name or an address within a window
    bucket     text        primary key,
    began_at   timestamptz not null,
    failures   integer     not null
);
create index access_attempt_by_time on access_attempt (began_at);
