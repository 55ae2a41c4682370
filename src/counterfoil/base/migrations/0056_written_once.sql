-- What decides money and is known only after its row: written once, from nothing, and then it stays. What is known with the row is fixed
-- (see make_fixed in 0040); some columns had been left out there.

create function refuse_another_value() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    raise exception '% of % is written once', tg_argv[0], tg_table_name using errcode = 'CF001';
end $$;

-- A migration calls this for columns that get their value later than their row, once: `select make_once('provider_payout', 'paid')`.
create function make_once(target regclass, variadic columns text[]) returns void language plpgsql set search_path = public, pg_temp as $$
declare
    relation constant text := (select relname from pg_class where oid = target);
    one      text;
begin
    foreach one in array columns loop
        execute format('create trigger %1$I before update of %2$I on %3$s for each row
                        when (old.%2$I is not null and new.%2$I is distinct from old.%2$I)
                        execute function refuse_another_value(%4$L)', relation || '_once_' || one, one, target, one);
    end loop;
end $$;
revoke execute on function make_once(regclass, text[]) from public;

select make_fixed('invoice', 'carried_in', 'carried_out');
select make_fixed('break', 'kind', 'record_id', 'reference', 'subject', 'first_on', 'last_on', 'recurs_of');
select make_fixed('usage_fraction', 'program_id', 'customer_id', 'payee_id', 'asset');
select make_fixed('idempotency', 'scope', 'key', 'sha256');  -- `answer` is given once: it replaces what says that the work has begun
select make_fixed('provider_cursor', 'provider');

-- The provider's order that an attempt became, and what two people found paid. A destination that has ended stays ended: its token is
-- where money went; so does a key or a role that was taken back.
select make_once('provider_payout', 'provider_ref', 'paid');
select make_once('destination', 'ended_at');
select make_once('api_key', 'revoked_at');
select make_once('role_grant', 'revoked_at', 'revoked_by');
select make_once('principal', 'disabled_at');
select make_once('break', 'posted_after');
select make_once('reconciliation_run', 'finished_at', 'verdict', 'statement_sha256', 'inputs_sha256', 'rules_sha256', 'result_sha256',
                 'matched', 'breaks', 'expected', 'report', 'error');

-- Nought until it was paid late; what the payee owes back for it is in the books then.
create trigger provider_payout_once_beyond before update of beyond on provider_payout for each row
    when (old.beyond <> 0 and new.beyond <> old.beyond) execute function refuse_another_value('beyond');

-- A record's share of its invoice is cut when it is invoiced, in one statement with the invoice that it is on.
create trigger usage_record_once_invoiced before update of invoice_id, line, amount on usage_record for each row
    when (old.invoice_id is not null and (new.invoice_id, new.line, new.amount) is distinct from (old.invoice_id, old.line, old.amount))
    execute function refuse_another_value('the invoice');
