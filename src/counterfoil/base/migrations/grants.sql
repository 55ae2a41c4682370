-- Who may do what; runs after the migrations, each time, and says everything anew.
-- A table is append-only when it has the trigger of refuse_change (see make_append_only): no second list to forget.

revoke all on schema public from public;
grant usage on schema public to counterfoil_app, counterfoil_auditor;

do $$
declare
    item record;
begin
    for item in
        select c.oid::regclass as name, c.relkind in ('v', 'm') as is_view, exists (
                   select from pg_trigger t
                   where t.tgfoid = 'refuse_change'::regproc
                     and (t.tgrelid = c.oid or t.tgrelid in (select relid from pg_partition_ancestors(c.oid)))) as append_only
        from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm')
    loop
        execute format('revoke all on %s from public, counterfoil_app, counterfoil_auditor', item.name);
        execute format('grant select on %s to counterfoil_app, counterfoil_auditor', item.name);
        if item.name::text in ('migration', 'transition', 'open_hold', 'reversal') or item.is_view then
            continue;                                       -- written by migrations or by triggers alone
        elsif item.append_only then
            execute format('grant insert on %s to counterfoil_app', item.name);
        else
            execute format('grant insert, update, delete on %s to counterfoil_app', item.name);
        end if;
    end loop;
end $$;

grant usage on all sequences in schema public to counterfoil_app;
grant select on all sequences in schema public to counterfoil_auditor;
