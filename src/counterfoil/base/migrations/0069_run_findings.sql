-- What a run found is a finding, known by its identity; a break is the lasting thing that is filed from it.

alter table reconciliation_break rename to run_finding;
alter table run_finding rename column break_id to identity;
alter table run_finding rename constraint reconciliation_break_number to run_finding_number;
alter table run_finding rename constraint reconciliation_break_pkey to run_finding_pkey;
alter table run_finding rename constraint reconciliation_break_run_id_fkey to run_finding_run_id_fkey;
alter index reconciliation_break_again rename to run_finding_again;

-- Its seals go with it as they are: made anew, they would hide what was changed before today.
drop trigger is_sealed on run_finding;
drop function seal_reconciliation_break();
alter table seal disable trigger is_append_only;
alter table sealed_relation disable trigger is_append_only;
delete from sealed_relation where relation = 'reconciliation_break';
select make_sealed('run_finding');
delete from seal where relation = 'run_finding';
update seal set relation = 'run_finding' where relation = 'reconciliation_break';
alter table seal enable always trigger is_append_only;
alter table sealed_relation enable always trigger is_append_only;
