-- What is looked for by the payout is found by it: once statistics had been taken of an empty queue, the plan that was made went through
-- everything that was alive for each new attempt, and a queue of thousands was slower to fill with each row. As "offset 0" keeps each
-- look-up apart, no plan can do so.
create or replace function refuse_second_attempt() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from provider_payout o where o.payout_id = new.payout_id and o.id <> new.id
                   and o.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined', 'succeeded'))
        or exists (select from payout mine
                   cross join lateral (select p.id from payout p where p.settlement_id = mine.settlement_id offset 0) theirs
                   cross join lateral (
                       select from provider_payout o where o.payout_id = theirs.id and o.id <> new.id
                           and o.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined') offset 0) alive
                   where mine.id = new.payout_id) then
        raise exception 'payout %: another attempt is alive or paid', new.payout_id using errcode = 'CF002';
    end if;
    return new;
end $$;
