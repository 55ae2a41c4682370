-- An escrow's conditions are passed by two people or by none: who froze it does not rule on it, and what came to the bank account is booked
-- by two, since no provider told of it.

create function escrow_frozen_by(escrow_asked text) returns text stable language sql
    return (select s.actor from step s where (s.machine, s.subject_id, s.verb) = ('escrow', escrow_asked, 'freeze')
            order by s.step desc limit 1);

create function ruled_by_another() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if new.actor is not distinct from escrow_frozen_by(new.escrow_id) then
        raise 'escrow % is ruled on by another than who froze it', new.escrow_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger ruled_by_another before insert on escrow_movement for each row when (new.by_ruling) execute function ruled_by_another();
alter table escrow_movement enable always trigger ruled_by_another;

select make_paired('escrow_movement', 'escrow', 'fund_from_bank', $$new.kind = 'fund' and new.payment_id is null$$, 'n.escrow_id', $$
    p ->> 'amount' = n.amount::text and p ->> 'reference' = n.reference$$);
