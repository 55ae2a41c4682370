-- What a payout set aside, and what ended that, is undone by the payout's own verbs. A reversal by hand would take the money from under an
-- attempt that is on its way, or from another one beside it: what the provider did could then never be booked.

alter table key_space add column is_reversible boolean not null default true;
update key_space set is_reversible = false
where word in ('PAYOUT_RESERVE', 'PAYOUT_RESERVE_AGAIN', 'PAYOUT_FINALIZE', 'PAYOUT_RELEASE');

create function money_in_transit_is_not_reversed() returns trigger language plpgsql as $$
begin
    if exists (select from journal j join key_space s on s.word = key_word(j.key) where j.id = new.reverses and not s.is_reversible) then
        raise 'journal % is of money in transit: its payout undoes it', new.reverses using errcode = 'CF117';
    end if;
    return new;
end $$;
create trigger money_in_transit_is_not_reversed before insert on journal
    for each row when (new.reverses is not null) execute function money_in_transit_is_not_reversed();
alter table journal enable always trigger money_in_transit_is_not_reversed;
