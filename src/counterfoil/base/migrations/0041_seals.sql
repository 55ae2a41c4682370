-- A seal for each record that is never changed: SHA-256 over it, written by a trigger with the record. Whoever edits the record past every
-- rule, takes it out, or puts one in without its trigger leaves it beside another seal than its own, or beside none; `broken_seals` looks.
--
-- A seal tells of a hand that did not know of it. Who edits record and seal together is found by what was signed outside this database.
-- Postings have none, for their number: their balances are a chain, and what else they say is compared with their journal.

-- How often somebody failed lately is forgotten after a while.
comment on table access_attempt is 'app: select, insert, update, delete';

create table seal (                                -- append-only
    relation text  not null,
    row_id   text  not null,                       -- its primary key
    sha256   bytea not null constraint seal_is_a_hash check (length(sha256) = 32),
    constraint seal_is_put_once primary key (relation, row_id)
);
comment on table seal is 'app: select';
select make_append_only('seal');

create table sealed_relation (                     -- what is sealed, and which columns of it; append-only
    relation text   primary key,
    key      text[] not null,
    columns  text[] not null
);
comment on table sealed_relation is 'app: select';
select make_append_only('sealed_relation');

-- The expressions for a row `n`: what names it, and its seal. A row's text tells NULL from '' and one column from the next; the functions
-- that use it fix time zone and formats.
create function seal_expressions(key text[], columns text[], out row_id text, out sha256 text) immutable language sql
    return (
        select (case when cardinality(key) = 1 then string_agg(format('n.%I::text', one), '') filter (where is_key)
                     else 'row(' || string_agg(format('n.%I', one), ', ' order by place) filter (where is_key) || ')::text' end,
                'sha256(convert_to(row(' || string_agg(format('n.%I', one), ', ' order by place) filter (where not is_key)
                || ')::text, ''UTF8''))')
        from (select one, place, true as is_key from unnest(key) with ordinality as k (one, place)
              union all
              select one, place, false from unnest(columns) with ordinality as c (one, place)) named);

-- A migration calls this for a table whose rows are never changed, or after make_fixed for one of which some columns are not; without
-- columns, for all that there are by now. Rows that are there already are sealed as they are.
create function make_sealed(target regclass, columns text[] default null) returns void language plpgsql
    set search_path = public, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' set bytea_output = 'hex' as $$
declare
    relation constant text := (select relname from pg_class where oid = target);
    key      constant text[] := array(
        select a.attname from pg_index i
        cross join unnest(i.indkey) with ordinality as k (attnum, place)
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
        where i.indrelid = target and i.indisprimary order by k.place);
    chosen   constant text[] := coalesce(columns, array(
        select a.attname from pg_attribute a
        where a.attrelid = target and a.attnum > 0 and not a.attisdropped
          and (not exists (select from pg_description d
                           where d.objoid = target and d.classoid = 'pg_class'::regclass and d.description like '%app: select, insert%' and d.objsubid > 0)
               or col_description(target, a.attnum) like '%app: select, insert%')
        order by a.attnum));
    inserts  constant text := (
        select format('insert into seal (relation, row_id, sha256) select %L, %s, %s from ', relation, e.row_id, e.sha256)
        from seal_expressions(key, chosen) e);
begin
    insert into sealed_relation values (relation, key, chosen);
    execute inserts || format('%s n', target);
    execute format($f$
        create function %I() returns trigger language plpgsql security definer
            set search_path = public, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' set bytea_output = 'hex' as $t$
        begin
            %s new_row n;
            return null;
        end $t$ $f$, 'seal_' || relation, inserts);
    execute format('create trigger is_sealed after insert on %s referencing new table as new_row for each statement execute function %I()',
                   target, 'seal_' || relation);
    execute format('alter table %s enable always trigger is_sealed', target);
end $$;

-- Records beside another seal than their own. Reads everything that is sealed, or the relations named; secrets too, and tells none.
create function broken_seals(relations text[] default null) returns table (relation text, row_id text, what text) stable language plpgsql
    security definer set search_path = public, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' set bytea_output = 'hex' as $$
declare
    one    record;
    of_row record;
begin
    for one in select * from sealed_relation r where relations is null or r.relation = any (relations) order by r.relation loop
        select * into of_row from seal_expressions(one.key, one.columns);
        return query execute format($q$
            select %1$L::text, coalesce(r.row_id, s.row_id),
                   case when r.row_id is null then 'was taken out' when s.row_id is null then 'was put in past its rules' else 'was changed' end
            from (select %2$s as row_id, %3$s as sha256 from %4$I n) r
            full join (select row_id, sha256 from seal where relation = %1$L) s on s.row_id = r.row_id
            where r.sha256 is distinct from s.sha256 $q$, one.relation, of_row.row_id, of_row.sha256, one.relation);
    end loop;
end $$;

select make_sealed(c.oid::regclass)
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
  and (exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgfoid = 'refuse_change'::regproc)
       or c.relname in ('api_key', 'break', 'call_answer', 'destination', 'event', 'intent', 'invoice', 'payout', 'principal',
                        'provider_conflict', 'provider_payout', 'role_grant', 'usage_import', 'usage_record', 'webhook_in'))
  -- Kept by triggers and compared with what they follow; or so many that each would cost too much.
  and c.relname not in ('account', 'hold', 'hold_resolution', 'posting', 'program_segment', 'reversal', 'seal', 'sealed_relation', 'unposted_line')
order by c.relname;

-- An account's totals move and its flags are set; what it was opened with stays, and so does whether it was to be overdrawn until a flag says.
select make_sealed('account', array['id', 'book_id', 'name', 'debit_normal', 'opened_at', 'opened_by']);

create table account_guard (                       -- as it was opened; append-only
    account_id   bigint  primary key,
    no_overdraft boolean not null
);
comment on table account_guard is 'app: select';
select make_append_only('account_guard');
insert into account_guard
select a.id, coalesce((select not f.value from account_flag f where f.account_id = a.id and f.flag = 'no_overdraft' order by f.step limit 1),
                      a.no_overdraft)
from account a;

create function account_guard_is_kept() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into account_guard (account_id, no_overdraft) select id, no_overdraft from new_account;
    return null;
end $$;
create trigger account_guard_is_kept after insert on account referencing new table as new_account
    for each statement execute function account_guard_is_kept();
alter table account enable always trigger account_guard_is_kept;
select make_sealed('account_guard');
