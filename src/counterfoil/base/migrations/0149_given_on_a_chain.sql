-- What was given on a chain can be mined at any time, by whoever has its bytes. Its money is given back on the chain's own word alone: it was
-- reverted, or its nonce was used by another transaction. Two people with evidence are no such word.
create function given_on_a_chain() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if new.state in ('failed', 'cancelled') and new.state is distinct from old.state
       and (new.state = 'cancelled' or new.failed_by is distinct from 'provider')
       and exists (select from chain_order o where o.reference = new.id and not exists (
               select from chain_sighting s where s.key = o.key and s.state in ('final', 'taken')
               and s.number = (select max(number) from chain_sighting where key = o.key))) then
        raise exception 'the order of % is given on a chain, and is not over there', new.id
            using errcode = 'check_violation', constraint = 'provider_payout_is_given_on_a_chain';
    end if;
    return new;
end $$;
create trigger given_on_a_chain before update of state on provider_payout for each row execute function given_on_a_chain();
alter table provider_payout enable always trigger given_on_a_chain;
