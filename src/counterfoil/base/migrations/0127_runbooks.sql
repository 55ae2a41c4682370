-- Runs of checklists and playbooks: which file it was, what each step answered, who signed. What the machine asks, no person can tick.

create table runbook_run (
    id            text        primary key,
    program_id    text        not null default '',  -- empty: the whole installation
    runbook       text        not null,
    kind          text        not null constraint runbook_run_kind check (kind in ('checklist', 'playbook')),
    title         text        not null,
    ordered       boolean     not null,
    steps_written jsonb       not null constraint runbook_run_has_steps check (jsonb_array_length(steps_written) between 1 and 50),
    sha256        bytea       not null constraint runbook_run_sha256 check (length(sha256) = 32),  -- of the file
    starts_at     timestamptz,
    ends_at       timestamptz,
    subject       text        not null default '',
    alert_id      text        references alert,
    started_by    text        not null,
    started_at    timestamptz not null,
    ended_by      text,
    ended_at      timestamptz,
    constraint runbook_run_covers_a_span check ((starts_at is null) = (ends_at is null) and (starts_at is null or starts_at < ends_at))
);
select make_stateful('runbook_run', 'runbook_run');
alter table runbook_run add constraint runbook_run_ends_by_somebody
    check ((state = 'running' or ended_at is not null) and (ended_at is null) = (ended_by is null));
select make_fixed('runbook_run', 'program_id', 'runbook', 'kind', 'title', 'ordered', 'steps_written', 'sha256', 'starts_at', 'ends_at', 'subject',
                  'alert_id', 'started_by', 'started_at');
create index runbook_run_by_name on runbook_run (runbook, id desc);
create index runbook_run_of_alert on runbook_run (alert_id) where alert_id is not null;
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('runbook_run', '', 'create', 'running', false, false),
    ('runbook_run', 'running', 'sign', 'signed', false, false),
    ('runbook_run', 'running', 'close', 'closed', true, false);

create table runbook_answer (                        -- what a step answered, each time; append-only
    run_id   text        not null references runbook_run,
    number   integer     not null,                   -- of the step, from 1
    attempt  integer     not null constraint runbook_answer_attempt check (attempt > 0),
    type     text        not null constraint runbook_answer_type check (type in ('check', 'query', 'action', 'wait', 'approval', 'note')),
    outcome  text        not null,
    told     text        not null constraint runbook_answer_told check (length(told) between 1 and 4000),
    evidence jsonb       not null,
    actor    text        not null,
    at       timestamptz not null,
    primary key (run_id, number, attempt),
    -- A check is answered by what it found; a person answers a note and an approval, and nothing else.
    constraint runbook_answer_is_its_types_own check (outcome = any (case type
        when 'check' then array['passed', 'failed', 'not_checked', 'does_not_apply', 'skipped']
        when 'query' then array['passed', 'not_checked', 'skipped']
        when 'action' then array['passed', 'failed', 'skipped']
        when 'wait' then array['passed', 'failed', 'skipped']
        else array['done', 'skipped'] end)),
    constraint runbook_answer_passes_by_its_evidence check (type <> 'check' or outcome <> 'passed' or (evidence ->> 'found')::bigint = 0)
);
select make_append_only('runbook_answer');
select make_sealed('runbook_answer');

create function runbook_answer_belongs() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    run  runbook_run;
    step jsonb;
begin
    select * into run from runbook_run where id = new.run_id for share;
    step := run.steps_written -> (new.number - 1);
    if run.state <> 'running' then
        raise 'run % is %', new.run_id, run.state using errcode = 'check_violation', constraint = 'runbook_answer_while_it_runs';
    end if;
    if new.number < 1 or step is null or step ->> 'type' <> new.type then
        raise 'step % of run % is not of type %', new.number, new.run_id, new.type
            using errcode = 'check_violation', constraint = 'runbook_answer_belongs';
    end if;
    if new.outcome = 'skipped' and not coalesce((step ->> 'optional')::boolean, false) then
        raise 'step % of run % is not optional', new.number, new.run_id
            using errcode = 'check_violation', constraint = 'runbook_answer_skips_what_is_optional';
    end if;
    if new.type = 'approval' and new.actor = run.started_by then
        raise 'step % of run % takes another person', new.number, new.run_id
            using errcode = 'check_violation', constraint = 'runbook_answer_takes_another_person';
    end if;
    return new;
end $$;
create trigger runbook_answer_belongs before insert on runbook_answer for each row execute function runbook_answer_belongs();

create function runbook_run_is_signed_when_it_passed() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if new.state = 'signed' and old.state <> 'signed' and jsonb_array_length(new.steps_written) <> (
        select count(*) from (select distinct on (number) outcome from runbook_answer where run_id = new.id order by number, attempt desc) n
        where outcome in ('passed', 'done', 'skipped', 'does_not_apply')) then
        raise 'run % has steps that did not pass', new.id
            using errcode = 'check_violation', constraint = 'runbook_run_is_signed_when_it_passed';
    end if;
    return new;
end $$;
create trigger runbook_run_is_signed_when_it_passed before update of state on runbook_run
    for each row execute function runbook_run_is_signed_when_it_passed();
