-- Who may do what; runs after the migrations, each time, and says everything anew.
--
-- Tables. One is append-only when it has the trigger of refuse_change (see make_append_only): no second list to forget. One whose comment
-- begins with `app: ` gives the application just that: comment on table account is 'app: select, insert'. Any other may be read, added to
-- and updated, and nothing is deleted from it. A column whose comment says so is written once, with its row (see make_fixed), and one that
-- holds a secret is not for the auditor (see make_secret).
--
-- Functions. Each finds its tables in `public` and nowhere before that, so that no object of a session can stand in for one. Nobody runs
-- one, except those that only read (stable or immutable), and for the application those whose comment is `app: execute`. Triggers need
-- no right to run.

revoke all on schema public from public;
grant usage on schema public to counterfoil_app, counterfoil_auditor;

do $$
declare
    item    record;
    allowed text;
begin
    for item in
        select c.oid::regclass as name, c.relkind,
               case when obj_description(c.oid, 'pg_class') like 'app: %' then
                        substring(obj_description(c.oid, 'pg_class') from '^app: ([a-z0-9_, ()]+)$')
                    when c.relkind in ('v', 'm') or c.relname in ('migration', 'transition') then 'select'
                    when exists (
                        select from pg_trigger t
                        where t.tgfoid = 'refuse_change'::regproc
                          and (t.tgrelid = c.oid or t.tgrelid in (select relid from pg_partition_ancestors(c.oid))))
                    then 'select, insert'
                    else 'select, insert, update' end as allowed,
               columns.fixed, columns.secret, columns.moving, columns.open
        from pg_class c
        cross join lateral (
            select count(*) filter (where said like '%app: select, insert%') > 0 as fixed,
                   count(*) filter (where said like '%auditor: none%') > 0 as secret,
                   string_agg(quote_ident(attname), ', ' order by attnum) filter (where said not like '%app: select, insert%') as moving,
                   string_agg(quote_ident(attname), ', ' order by attnum) filter (where said not like '%auditor: none%') as open
            from (select a.attname, a.attnum, coalesce(col_description(a.attrelid, a.attnum), '') as said
                  from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) a
        ) columns
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    loop
        allowed := item.allowed;
        if item.fixed then
            allowed := regexp_replace(allowed, ', update\M(?! ?\()', coalesce(', update (' || item.moving || ')', ''));
        end if;
        execute format('revoke all on %s from public, counterfoil_app, counterfoil_auditor', item.name);
        execute format('grant %s on %s to counterfoil_app', allowed, item.name);
        execute format('grant select%s on %s to counterfoil_auditor', case when item.secret then ' (' || item.open || ')' else '' end,
                       item.name);
    end loop;
    for item in
        select p.oid::regprocedure as name, p.prokind = 'a' as is_aggregate,
               coalesce(p.proconfig, '{}') @> array['search_path=public, pg_temp'] as is_safe,
               p.prorettype = 'trigger'::regtype as is_trigger, p.provolatile <> 'v' as only_reads,
               obj_description(p.oid, 'pg_proc') = 'app: execute' as is_for_app
        from pg_proc p
        where p.pronamespace = 'public'::regnamespace and p.proowner = current_user::regrole
    loop
        if not (item.is_aggregate or item.is_safe) then
            execute format('alter routine %s set search_path = public, pg_temp', item.name);
        end if;
        execute format('revoke all on routine %s from public, counterfoil_app, counterfoil_auditor', item.name);
        if item.only_reads and not item.is_trigger then
            execute format('grant execute on routine %s to counterfoil_app, counterfoil_auditor', item.name);
        elsif item.is_for_app then
            execute format('grant execute on routine %s to counterfoil_app', item.name);
        end if;
    end loop;
end $$;

grant usage, select on all sequences in schema public to counterfoil_app;  -- a backup says where each of them stands
grant select on all sequences in schema public to counterfoil_auditor;

-- Programs. Every table with a column `program_id` shows a caller of one program its rows of that program alone (see keep_to_program);
-- a view shows nobody more than its tables do.

do $$
declare
    item record;
begin
    if to_regclass('not_kept_to_program') is null then
        return;
    end if;
    for item in
        select c.oid::regclass as name
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'program_id' and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and c.relname not in (select relation from not_kept_to_program)
          and not exists (select from pg_policy p where p.polrelid = c.oid and p.polname = 'of_one_program')
    loop
        perform keep_to_program(item.name);
    end loop;
    for item in
        select c.oid::regclass as name from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
          and not coalesce(c.reloptions, '{}') @> array['security_invoker=true']
    loop
        execute format('alter view %s set (security_invoker = true)', item.name);
    end loop;
end $$;
