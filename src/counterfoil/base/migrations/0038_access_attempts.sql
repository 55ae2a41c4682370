-- Old windows of failed logins are forgotten by whoever counts the next failure.
comment on table access_attempt is 'app: select, insert, update, delete';
