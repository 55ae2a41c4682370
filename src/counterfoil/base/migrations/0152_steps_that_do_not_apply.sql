-- Any step of a runbook may be about nothing that is there: then the machine says that it does not apply. Only where the step says when.

alter table runbook_answer drop constraint runbook_answer_is_its_types_own;
alter table runbook_answer add constraint runbook_answer_is_its_types_own check (outcome = any (case type
    when 'check' then array['passed', 'failed', 'not_checked', 'does_not_apply', 'skipped']
    when 'query' then array['passed', 'not_checked', 'does_not_apply', 'skipped']
    when 'action' then array['passed', 'failed', 'not_checked', 'does_not_apply', 'skipped']
    when 'wait' then array['passed', 'failed', 'not_checked', 'does_not_apply', 'skipped']
    else array['done', 'does_not_apply', 'skipped'] end));

create function runbook_answer_does_not_apply() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    step jsonb := (select steps_written -> (new.number - 1) from runbook_run where id = new.run_id);
begin
    if coalesce(step ->> 'applies', '') = '' and step -> 'things' is distinct from '[]'::jsonb then
        raise 'step % of run % applies always', new.number, new.run_id
            using errcode = 'check_violation', constraint = 'runbook_answer_does_not_apply';
    end if;
    return new;
end $$;
create trigger runbook_answer_does_not_apply before insert on runbook_answer for each row
    when (new.outcome = 'does_not_apply') execute function runbook_answer_does_not_apply();
