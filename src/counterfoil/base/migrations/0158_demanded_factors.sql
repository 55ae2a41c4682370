-- A second factor may be demanded of whoever approves. A login knows whether it was, when it began.
alter table session add column factor_demanded boolean not null default false;
select make_fixed('session', 'factor_demanded');

create or replace function approves_with_second_factor(session_id text, at timestamptz) returns boolean stable language sql
    set search_path = public, pg_temp
    return not exists (
        select from session s
        left join second_factor f on f.principal_id = s.principal_id and f.confirmed_at is not null and f.ended_at is null
        where s.id = session_id and (f.id is not null and (s.factor_until is null or s.factor_until <= at)
                                     or f.id is null and s.factor_demanded));
