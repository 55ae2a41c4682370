-- What is confidential is kept encrypted: AES-256-GCM, by the application, under a key that this database never sees. A table has one
-- column for it, `envelope` (id of the key, nonce, ciphertext); table, column and primary key are authenticated with it, so that an envelope
-- of another row does not open. The columns of before that held it in clear stay, empty. `counterfoil encryption rotate` encrypts rows that
-- were written before, and brings rows under another key; only the owner may.

set constraints all immediate;  -- rows are written below, and a table with checks still to come cannot be altered

create function refuse_clear() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    raise '%: what is confidential is kept encrypted', tg_table_name using errcode = 'CF050';
end $$;

-- A migration calls this for a table whose `columns` are confidential. A row is added encrypted; afterwards only its envelope may change, to
-- another one, and what lies in clear may only be taken away with it. All that was append-only stays so.
create function make_confidential(target regclass, variadic columns text[]) returns void language plpgsql
    set search_path = public, pg_temp as $$
declare
    named    constant text := (select relname from pg_class where oid = target);
    in_clear constant text := (select string_agg(format('new.%I is not null', one), ' or ') from unnest(columns) one);
    one      text;
begin
    execute format('alter table %s add column envelope bytea constraint %I check (length(envelope) >= 32)', target,
                   named || '_envelope_is_whole');
    foreach one in array columns loop
        execute format('alter table %s alter column %I drop not null, alter column %I drop default', target, one, one);
    end loop;
    execute format('create index %I on %s (substr(envelope, 1, 4))', named || '_by_encryption_key', target);
    execute format('create trigger is_encrypted before insert on %s for each row when (new.envelope is null or %s)
                    execute function refuse_clear()', target, in_clear);
    execute format('create trigger is_encrypted_anew before update of envelope, %s on %s for each row
                    when (new.envelope is null or %s) execute function refuse_clear()',
                   (select string_agg(quote_ident(c), ', ') from unnest(columns) c), target, in_clear);
    if exists (select from pg_trigger where tgrelid = target and tgname = 'is_append_only') then
        execute format('drop trigger is_append_only on %s', target);
        execute format('create trigger is_append_only before delete or update of %s on %s for each statement execute function refuse_change()',
                       (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
                        where a.attrelid = target and a.attnum > 0 and not a.attisdropped and a.attname <> all (columns || 'envelope'::text)),
                       target);
        execute format('alter table %s enable always trigger is_append_only', target);
    else
        perform make_fixed(target, 'envelope');
    end if;
    perform make_secret(target, variadic columns);
end $$;

-- A migration calls this when other columns of a table are to be sealed than before. What stood beside another seal than its own still does:
-- a seal is made anew of rows that were whole, and of no others.
create function seal_anew(target regclass, columns text[], broken jsonb) returns void language plpgsql set search_path = public, pg_temp as $$
declare
    named constant text := (select relname from pg_class where oid = target);
begin
    alter table seal disable trigger is_append_only;
    alter table sealed_relation disable trigger is_append_only;
    delete from seal s where s.relation = named and not exists (
        select from jsonb_to_recordset(broken) as b (row_id text, what text) where b.row_id = s.row_id and b.what = 'was taken out');
    delete from sealed_relation r where r.relation = named;
    execute format('drop trigger is_sealed on %s', target);
    execute format('drop function %I()', 'seal_' || named);
    perform make_sealed(target, columns);
    update seal s set sha256 = decode(repeat('00', 32), 'hex')
    from jsonb_to_recordset(broken) as b (row_id text, what text)
    where s.relation = named and s.row_id = b.row_id and b.what = 'was changed';
    delete from seal s using jsonb_to_recordset(broken) as b (row_id text, what text)
    where s.relation = named and s.row_id = b.row_id and b.what = 'was put in past its rules';
    alter table seal enable always trigger is_append_only;
    alter table sealed_relation enable always trigger is_append_only;
end $$;

-- The columns that are sealed, without some and with others.
create function sealed_columns(target regclass, without text[], also text[] default '{}') returns text[] stable language sql
    return (select array_agg(one order by place) from (
                select one, place from sealed_relation r, unnest(r.columns) with ordinality as c (one, place)
                where r.relation = (select relname from pg_class where oid = target) and one <> all (without)
                union all
                select one, 1000 + place from unnest(also) with ordinality as c (one, place)) named);

create function broken_of(named text) returns jsonb stable language sql
    return (select coalesce(jsonb_agg(jsonb_build_object('row_id', row_id, 'what', what)), '[]') from broken_seals(array[named]));

-- Where a payout goes is said once, by the destination; an attempt names it. Its own copy of the token is erased.
alter table provider_payout add column destination_id text references destination, alter column destination drop not null;
do $$
declare
    broken constant jsonb := broken_of('provider_payout');
begin
    update provider_payout pp set destination_id = (
        select d.id from destination d join payout p on p.id = pp.payout_id
        where (d.program_id, d.payee_id, d.provider, d.token) = (p.program_id, p.payee_id, pp.provider, pp.destination)
        order by d.created_at <= pp.created_at desc, d.created_at desc, d.id desc limit 1);
    update provider_payout set destination = null where destination_id is not null;  -- one that names none we know keeps what it says
    perform make_fixed('provider_payout', 'destination_id');
    perform seal_anew('provider_payout', sealed_columns('provider_payout', '{destination}', '{destination_id}'), broken);
end $$;
create function refuse_nowhere() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    raise 'an attempt names the destination that it goes to' using errcode = 'CF050';
end $$;
create trigger goes_somewhere before insert on provider_payout for each row
    when (new.destination_id is null or new.destination is not null) execute function refuse_nowhere();
create index provider_payout_of_destination on provider_payout (destination_id);

do $$
declare
    broken constant jsonb := broken_of('destination');
begin
    perform make_confidential('destination', 'token');
    perform seal_anew('destination', sealed_columns('destination', '{token}'), broken);
end $$;
alter table destination add constraint destination_envelope_size check (length(envelope) <= 2000);

-- What two people agreed on is held against what is written: by a keyed hash, for the account itself is not seen here. Whether the hash is
-- that of the account within is asked by whoever has the keys (DESTINATION_NOT_AS_AGREED).
alter table destination add column fingerprint bytea constraint destination_fingerprint_is_whole check (length(fingerprint) = 36);
select make_fixed('destination', 'fingerprint');
drop trigger two_people_destination_set on destination;
select make_paired('destination', 'destination', 'set', 'true', $$n.program_id || ':' || n.payee_id$$, $$
    p ->> 'programId' = n.program_id and p ->> 'payeeId' = n.payee_id and p ->> 'provider' = n.provider
    and p ->> 'fingerprint' = encode(n.fingerprint, 'hex')$$);

-- A hash of a body would let somebody who knows most of it find the rest: whether a webhook came with another body is asked of the envelope.
do $$
declare
    broken constant jsonb := broken_of('webhook_in');
begin
    perform make_confidential('webhook_in', 'body', 'body_sha256');
    perform seal_anew('webhook_in', sealed_columns('webhook_in', '{body, body_sha256}'), broken);
end $$;
alter table webhook_in add constraint webhook_in_envelope_size check (length(envelope) <= 262144 + 32);

-- Of a bank line, the words: they name people and their accounts. Amounts, days and the bank's own references are compared by SQL.
drop view bank_line_counted;
do $$
declare
    broken constant jsonb := broken_of('bank_line');
begin
    perform make_confidential('bank_line', 'reference', 'counterparty', 'memo');
    perform seal_anew('bank_line', sealed_columns('bank_line', '{reference, counterparty, memo}'), broken);
end $$;
create view bank_line_counted as                   -- what moved a bank account, each movement once
select l.* from bank_line l
where not exists (select from bank_line_withdrawn w where w.program_id = l.program_id and w.account = l.account and w.key = l.key);
select make_secret('bank_line_counted', 'reference', 'counterparty', 'memo');

-- And of its file, the rows that could not be read, which may hold any of that.
alter table bank_file add column rejected_count integer not null default 0;
do $$
declare
    broken constant jsonb := broken_of('bank_file');
begin
    alter table bank_file disable trigger is_append_only;
    update bank_file set rejected_count = jsonb_array_length(rejected);
    alter table bank_file enable always trigger is_append_only;
    perform make_confidential('bank_file', 'rejected');
    perform seal_anew('bank_file', sealed_columns('bank_file', '{rejected}', '{rejected_count}'), broken);
end $$;

-- Files of payments and what banks said of them: names and accounts of payees. The hash of the plain text stays: the bank has the file, and
-- whoever doubts it compares.
alter table payment_file drop constraint payment_file_is_hashed;
alter table payment_file add constraint payment_file_is_hashed check (length(sha256) = 32 and (body is null or sha256 = sha256(body)));
alter table bank_report drop constraint bank_report_is_hashed;
alter table bank_report add constraint bank_report_is_hashed check (length(sha256) = 32 and (body is null or sha256 = sha256(body)));
select make_confidential('payment_file', 'body');
select make_confidential('bank_report', 'body');

drop function broken_of(text);
