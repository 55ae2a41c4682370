-- A destination has a state: it is paid at, or a person stopped paying there, or it is over. `ended_at` says since when another took its place;
-- one that was replaced while it was quarantined stays quarantined until two people clear it, so that its account is not set again.

alter table destination add column state text, add column state_at timestamptz, add column steps integer not null default 1;
update destination set state = case when ended_at is null then 'active' else 'ended' end, state_at = coalesce(ended_at, created_at),
                       steps = case when ended_at is null then 1 else 2 end;
alter table destination alter column state set not null, alter column state_at set not null,
    add constraint destination_that_is_over_ended check (state <> 'ended' or ended_at is not null);
create index destination_of_payee on destination (program_id, payee_id);
create index destination_by_state on destination (state, id);
create trigger destination_follows_table before update of state on destination
    for each row execute function state_follows_table('destination');
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('destination', '', 'create', 'active', false, false),
    ('destination', 'active', 'replace', 'ended', false, false),
    ('destination', 'active', 'quarantine', 'quarantined', true, false),
    ('destination', 'quarantined', 'release', 'active', false, true),
    ('destination', 'quarantined', 'clear', 'ended', false, true);
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'destination', id, 1, '', 'create', 'active', actor, 'migration', created_at from destination;
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'destination', id, 2, 'active', 'replace', 'ended', 'system:migration', 'migration', ended_at from destination where ended_at is not null;
