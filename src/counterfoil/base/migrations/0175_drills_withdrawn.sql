-- A drill that was begun by mistake, or that nobody ever ends, is withdrawn by a person who says why. It proves nothing and counts as nothing.
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('drill', 'waiting', 'withdraw', 'withdrawn', true, false),
    ('drill', 'running', 'withdraw', 'withdrawn', true, false);

-- Whatever way a drill ends, it has its end and its signed result; what ended before this was so stays as it was.
alter table drill add constraint drill_that_ended_has_its_result
    check (state not in ('passed', 'failed', 'withdrawn') or (finished_at is not null and evidence is not null)) not valid;
