-- One transfer pays one thing: a refund, or an escrow back. Of two that name it at once the second waits here for the first.
create function reference_paid(of_provider text, of_reference text) returns boolean language plpgsql security definer
    set search_path = public, pg_temp as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('paid:' || of_provider || ':' || of_reference, 0));
    return exists (select from refund_execution r where (r.provider, r.reference) = (of_provider, of_reference))
        or exists (select from escrow_movement m where m.kind = 'repay' and (m.provider, m.reference) = (of_provider, of_reference));
end $$;
comment on function reference_paid is 'app: execute';

create function reference_pays_once() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if reference_paid(new.provider, new.reference) then
        raise 'reference % of % paid something else', new.reference, new.provider using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger reference_pays_once before insert on escrow_movement for each row when (new.kind = 'repay')
    execute function reference_pays_once();
alter table escrow_movement enable always trigger reference_pays_once;
drop trigger refund_reference_is_of_no_escrow on refund_execution;
drop function refund_reference_is_of_no_escrow();
create trigger reference_pays_once before insert on refund_execution for each row execute function reference_pays_once();
alter table refund_execution enable always trigger reference_pays_once;
