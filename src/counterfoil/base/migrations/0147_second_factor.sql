-- Who gets in: a second factor, sessions that end when nobody uses them, and waits that grow with each round of failures.

create table second_factor (                        -- of a person: an authenticator's secret, from which one-time codes are made
    id           text        primary key,
    principal_id text        not null references principal,
    secret       text,                              -- never here: see the envelope
    made_at      timestamptz not null,
    confirmed_at timestamptz,                       -- null: shown once, and no code of it was given yet
    ended_at     timestamptz,
    used_step    bigint      not null default 0     -- the newest 30 seconds whose code was used: none is used twice, none before it
);
create unique index second_factor_is_one on second_factor (principal_id) where confirmed_at is not null and ended_at is null;
create index second_factor_of_principal on second_factor (principal_id);
select make_fixed('second_factor', 'id', 'principal_id', 'made_at');
select make_once('second_factor', 'confirmed_at', 'ended_at');
select make_confidential('second_factor', 'secret');

create function a_code_is_used_once() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    raise 'a one-time code is used once' using errcode = 'CF001';
end $$;
create trigger a_code_is_used_once before update of used_step on second_factor for each row
    when (new.used_step <= old.used_step) execute function a_code_is_used_once();

create table recovery_code (                        -- for who lost the authenticator: each lets in once
    factor_id text        not null references second_factor,
    number    integer     not null constraint recovery_code_number check (number between 1 and 20),
    sha256    bytea       not null constraint recovery_code_is_hashed check (length(sha256) = 32),
    used_at   timestamptz,
    primary key (factor_id, number)
);
select make_fixed('recovery_code', 'factor_id', 'number', 'sha256');
select make_once('recovery_code', 'used_at');
select make_secret('recovery_code', 'sha256');

-- A session: when it was last used, after how many seconds without use it is over, and until when a second factor counts as fresh.
alter table session add column seen_at timestamptz;
alter table session add column idle_s integer constraint session_idle_is_positive check (idle_s > 0);
alter table session add column factor_until timestamptz;
alter table session add column agent text not null default '';
select make_fixed('session', 'idle_s', 'factor_until', 'agent');
create index session_of_principal on session (principal_id, id);

-- Each round of failures waits longer than the last.
alter table access_attempt add column rounds integer not null default 0;

alter table access_event drop constraint access_event_kind;
alter table access_event add constraint access_event_kind check (kind in (
    'login', 'login_failed', 'login_limited', 'logout', 'key_refused', 'refused', 'password_changed', 'password_reset',
    'factor_added', 'factor_removed', 'recovery_used', 'session_ended'));

-- Whoever has a second factor approves with it, in a session where it is fresh.
create function approves_with_second_factor(session_id text, at timestamptz) returns boolean stable language sql
    set search_path = public, pg_temp
    return not exists (
        select from session s join second_factor f on f.principal_id = s.principal_id
        where s.id = session_id and f.confirmed_at is not null and f.ended_at is null
          and (s.factor_until is null or s.factor_until <= at));

create function a_fresh_factor_approves() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if not approves_with_second_factor(new.session_id, new.at) then
        raise 'an approval needs a fresh second factor' using errcode = 'CF365';
    end if;
    return new;
end $$;
create trigger a_fresh_factor_approves before insert on approval_decision for each row when (new.decision = 'approved')
    execute function a_fresh_factor_approves();
create trigger a_fresh_factor_approves before insert on payout_batch_approval for each row execute function a_fresh_factor_approves();
