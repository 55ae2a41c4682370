-- Logging in by an OpenID provider: who at the provider is who here, and logins that were begun.

create table login_subject (                        -- an administrator says so, and another approves; nobody has rights by it alone
    id           text        primary key,
    principal_id text        not null references principal,
    issuer       text        not null,
    subject      text        not null constraint login_subject_length check (length(subject) between 1 and 255),
    linked_by    text        not null,
    linked_at    timestamptz not null,
    ended_at     timestamptz
);
create unique index login_subject_is_one on login_subject (issuer, subject) where ended_at is null;
create index login_subject_of_principal on login_subject (principal_id, linked_at);
select make_fixed('login_subject', 'id', 'principal_id', 'issuer', 'subject', 'linked_by', 'linked_at');
select make_once('login_subject', 'ended_at');

create table login_attempt (                        -- a browser went to the provider; its answer is taken once, within ten minutes
    state_sha256   bytea       primary key constraint login_attempt_state_is_hashed check (length(state_sha256) = 32),
    browser_sha256 bytea       not null constraint login_attempt_browser_is_hashed check (length(browser_sha256) = 32),
    nonce          text        not null,
    verifier       text        not null,            -- of PKCE; emptied when the answer came
    next_path      text        not null,
    begun_at       timestamptz not null,
    finished_at    timestamptz
);
create index login_attempt_by_time on login_attempt (begun_at);
select make_fixed('login_attempt', 'state_sha256', 'browser_sha256', 'nonce', 'next_path', 'begun_at');
select make_once('login_attempt', 'finished_at');
select make_secret('login_attempt', 'nonce', 'verifier');
comment on table login_attempt is 'app: select, insert, update, delete';

select make_paired('login_subject', 'principal', 'link', 'true', 'n.principal_id', $$
    p ->> 'issuer' = n.issuer and p ->> 'subject' = n.subject$$);
