-- A second factor may be demanded of everybody who logs in by a password. A session knows whether it was, when it began.
alter table session add column factor_needed boolean not null default false;
select make_fixed('session', 'factor_needed');
