-- A drill's end and its evidence are written just before the step that they allow, so a drill that ended has them, and one that runs may.
alter table drill drop constraint drill_ends_with_evidence;
alter table drill add constraint drill_ends_with_evidence
    check ((state not in ('passed', 'failed') or finished_at is not null)
           and (state <> 'passed' or (evidence is not null and error is null)));
