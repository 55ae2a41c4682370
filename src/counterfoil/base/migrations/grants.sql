-- Who may do what; runs after the migrations, each time, and says everything anew.
-- A table is append-only when it has the trigger of refuse_change (see make_append_only): no second list to forget.
-- A table whose comment begins with `app: ` gives the application just that: comment on table account is 'app: select, insert'.

revoke all on schema public from public;
grant usage on schema public to counterfoil_app, counterfoil_auditor;

do $$
declare
    item record;
begin
    for item in
        select c.oid::regclass as name,
               case when obj_description(c.oid, 'pg_class') like 'app: %' then
                        substring(obj_description(c.oid, 'pg_class') from '^app: ([a-z0-9_, ()]+)$')
                    when c.relkind in ('v', 'm') or c.relname in ('migration', 'transition') then 'select'
                    when exists (
                        select from pg_trigger t
                        where t.tgfoid = 'refuse_change'::regproc
                          and (t.tgrelid = c.oid or t.tgrelid in (select relid from pg_partition_ancestors(c.oid))))
                    then 'select, insert'
                    else 'select, insert, update, delete' end as allowed
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    loop
        execute format('revoke all on %s from public, counterfoil_app, counterfoil_auditor', item.name);
        execute format('grant %s on %s to counterfoil_app', item.allowed, item.name);
        execute format('grant select on %s to counterfoil_auditor', item.name);
    end loop;
end $$;

grant usage on all sequences in schema public to counterfoil_app;
grant select on all sequences in schema public to counterfoil_auditor;
