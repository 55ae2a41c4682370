-- What the application may do with a column, and what the auditor may not see. grants.sql reads both from comments on columns, beside
-- the comments on tables; a comment on a function gives the application a function that writes: `app: execute`.

-- A migration calls this for columns that are written once, with the row, and never again: `select make_fixed('payout', 'amount')`.
create function make_fixed(target regclass, variadic columns text[]) returns void language plpgsql set search_path = public, pg_temp as $$
declare
    one text;
begin
    foreach one in array columns loop
        execute format('comment on column %s.%I is %L', target, one, concat_ws('; ', 'app: select, insert', (
            select substring(col_description(a.attrelid, a.attnum) from 'auditor: none')
            from pg_attribute a where a.attrelid = target and a.attname = one)));
    end loop;
end $$;

-- And this for columns that hold a secret: the auditor reads all the others.
create function make_secret(target regclass, variadic columns text[]) returns void language plpgsql set search_path = public, pg_temp as $$
declare
    one text;
begin
    foreach one in array columns loop
        execute format('comment on column %s.%I is %L', target, one, concat_ws('; ', (
            select substring(col_description(a.attrelid, a.attnum) from 'app: [a-z, ]+')
            from pg_attribute a where a.attrelid = target and a.attname = one), 'auditor: none'));
    end loop;
end $$;

-- A sequence of another schema must not stand in for the ledger's own.
create or replace function program_version(program_id text) returns regclass stable parallel safe language sql
    return ('public.ledger_version_' || (hashtextextended(program_id, 4271003) & 15))::regclass;

comment on function enter_program(text, boolean, integer) is 'app: execute';
comment on function lock_accounts(text, text, text[]) is 'app: execute';

-- Kept by triggers, which act as the owner: for everybody else to read.
comment on table open_hold is 'app: select';
comment on table reversal is 'app: select';

-- Nothing is deleted, unless its table says so.
comment on table idempotency is 'app: select, insert, update, delete';
comment on table reconciliation_run is 'app: select, insert, update, delete';

select make_fixed('event', 'id', 'name', 'level', 'program_id', 'subject_id', 'payload', 'at');
select make_fixed('webhook_in', 'id', 'provider', 'event_id', 'event_type', 'body', 'body_sha256', 'received_at');
select make_fixed('api_key', 'id', 'name', 'role', 'secret_hash', 'hint', 'created_by', 'created_at', 'expires_at', 'principal_id',
                  'program_id', 'skeleton');
select make_fixed('session', 'id', 'secret_hash', 'api_key_id', 'principal_id', 'csrf', 'address', 'created_at');
select make_fixed('principal', 'id', 'kind', 'name', 'skeleton', 'created_by', 'created_at');
select make_fixed('role_grant', 'id', 'principal_id', 'role', 'granted_by', 'granted_at');
select make_fixed('provider_conflict', 'id', 'provider_payout_id', 'number', 'said', 'expected', 'fact', 'at');
select make_fixed('call_answer', 'id', 'kind', 'answer', 'answered_at');
select make_fixed('usage_import', 'id', 'program_id', 'file_name', 'sha256', 'records', 'actor', 'at');
select make_fixed('invoice', 'id', 'program_id', 'customer_id', 'payee_id', 'asset', 'total', 'issued_at', 'due_on');
select make_fixed('usage_record', 'id', 'program_id', 'external_id', 'import_id', 'customer_id', 'payee_id', 'asset', 'description',
                  'quantity_micro', 'price_micro', 'occurred_at');
select make_fixed('intent', 'id', 'program_id', 'invoice_id', 'provider', 'created_at');
select make_fixed('destination', 'id', 'program_id', 'payee_id', 'provider', 'token', 'actor', 'created_at');
select make_fixed('payout', 'id', 'program_id', 'payee_id', 'invoice_id', 'settlement_id', 'reissue', 'key', 'asset', 'amount',
                  'created_at');
select make_fixed('provider_payout', 'id', 'payout_id', 'program_id', 'number', 'provider', 'idempotency_key', 'destination', 'asset',
                  'amount', 'payload_sha256', 'created_at');
select make_fixed('reconciliation_run', 'id', 'program_id', 'source', 'scope', 'first_on', 'last_on', 'actor', 'slot_at', 'started_at');
select make_fixed('break', 'id', 'program_id', 'source', 'identity', 'asset', 'first_run', 'opened_at');

-- Whose account a destination is, who holds which key, and what a provider or a caller sent in full.
select make_secret('api_key', 'secret_hash');
select make_secret('session', 'secret_hash', 'csrf');
select make_secret('password', 'hash');
select make_secret('destination', 'token');
select make_secret('provider_payout', 'destination');
select make_secret('webhook_in', 'body');
select make_secret('idempotency', 'answer');
