-- What a participant of a transaction promised and has given, the others have got: a reversal by hand of its part alone would make money, or
-- lose some. Parts that were reversed before are found by the invariant TRANSACTION_ATOMIC; people post what is right.

create function promised_money_is_not_reversed() returns trigger language plpgsql as $$
begin
    if exists (select from hold_resolution x join hold h on h.id = x.hold_id where x.journal_id = new.reverses and h.promised) then
        raise 'journal % is of a hold that is promised: another transaction moves it back', new.reverses using errcode = 'CF118';
    end if;
    return new;
end $$;
create trigger promised_money_is_not_reversed before insert on journal
    for each row when (new.reverses is not null) execute function promised_money_is_not_reversed();
alter table journal enable always trigger promised_money_is_not_reversed;
