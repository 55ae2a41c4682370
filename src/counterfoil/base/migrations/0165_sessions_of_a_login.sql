-- A session on the pages that the token of a login opened ends with that login.
alter table session add column opened_by text references session (id);
select make_fixed('session', 'opened_by');
