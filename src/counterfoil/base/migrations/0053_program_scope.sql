-- A key or a login of one program sees that program: its transactions act as `counterfoil_program`, which may what the application may,
-- and of whose tables the database shows the rows of one program alone, the one that the transaction names. A query that forgets its
-- filter finds nothing of another program; a row that names another is refused.
--
-- For everybody else nothing changes and nothing is added to any plan: of their policies none is more than `true`. Two tables are left
-- out, because what fills them (COPY) cannot be used with policies: postings and bank lines. They are reached by the ids of journals,
-- accounts and files, which are kept to their program.

-- Who is a member of that role without acting as it is not kept: a login of the server that looks around. Without a named program nothing
-- is shown.

-- A migration calls this for a table that tells its program in another way than by a column `program_id`; grants.sql, for all others.
create function keep_to_program(target regclass, seen text default $$program_id = current_setting('counterfoil.program', true)$$,
                                written text default null) returns void language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from pg_policy where polrelid = target and polname = 'of_one_program') then
        return;
    end if;
    execute format('alter table %s enable row level security', target);
    execute format('create policy everybody on %s using (true)', target);
    execute format('create policy of_one_program on %s as restrictive to counterfoil_program
                    using (current_user <> ''counterfoil_program'' or (%s)) with check (current_user <> ''counterfoil_program'' or (%s))',
                   target, seen, coalesce(written, seen));
end $$;
revoke execute on function keep_to_program(regclass, text, text) from public;

-- What has a column `program_id` and is not kept by it.
create table not_kept_to_program (
    relation text primary key,
    why      text not null
);
comment on table not_kept_to_program is 'app: select';
insert into not_kept_to_program (relation, why) values
    ('bank_line', 'it is filled by COPY, which knows no policies'),
    ('bank_line_withdrawn', 'it is read with the bank lines, under the file''s account');

select keep_to_program('program', $$id = current_setting('counterfoil.program', true)$$);
select keep_to_program('queue_pause', $$program_id in ('', current_setting('counterfoil.program', true))$$,  -- a pause of everything counts here, too
                       $$program_id = current_setting('counterfoil.program', true)$$);
select keep_to_program('account', 'book_id in (select id from book)');
select keep_to_program('account_flag', 'account_id >> 40 in (select id from book)');
select keep_to_program('account_guard', 'account_id >> 40 in (select id from book)');
select keep_to_program('hold', 'debit >> 40 in (select id from book)');
select keep_to_program('open_hold', 'debit >> 40 in (select id from book)');
select keep_to_program(one.child::regclass, format('%I in (select id from %I)', one.key, one.parent))
from (values ('hold_resolution', 'hold_id', 'hold'), ('unposted_line', 'journal_id', 'journal'), ('reversal', 'journal_id', 'journal'),
             ('late_posting', 'journal_id', 'journal'), ('journal_import_step', 'import_id', 'journal_import'),
             ('break_remark', 'break_id', 'break'), ('break_proposal', 'break_id', 'break'),
             ('client_money_signature', 'client_money_id', 'client_money'), ('provider_conflict', 'provider_payout_id', 'provider_payout'),
             ('payout_netting', 'payout_id', 'payout'), ('reconciliation_break', 'run_id', 'reconciliation_run'),
             ('bank_statement', 'file_id', 'bank_file'), ('approval_decision', 'proposal_id', 'approval_proposal'),
             ('approval_use', 'proposal_id', 'approval_proposal')) as one (child, key, parent);
