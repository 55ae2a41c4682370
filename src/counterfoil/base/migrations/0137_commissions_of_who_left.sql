-- Who left is paid whatever is left, and what was given again after it was paid is paid although nothing else matured.

create or replace function commission_payment_nets() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform from affiliate where id = new.affiliate_id for update;  -- of two payments at once the later sees the earlier
    if new.netted <> commission_carried(new.affiliate_id, new.asset)
       or new.amount < (select r.minimum from commission_rate r join affiliate a on a.id = new.affiliate_id and a.state = 'active'
                        where (r.program_id, r.asset, r.version) = (new.program_id, new.asset, new.rate_version)) then
        raise 'a payment nets % of affiliate %, and reaches the minimum', commission_carried(new.affiliate_id, new.asset), new.affiliate_id
            using errcode = 'CF002';
    end if;
    return new;
end $$;

-- Those who left before, and those who were given something again: the next tick pays them.
update affiliate a set due_at = now()
where a.due_at is null and (a.state = 'inactive' and exists (select from commission c where (c.affiliate_id, c.state) = (a.id, 'payable'))
                            or exists (select from commission c where (c.affiliate_id, c.state) = (a.id, 'paid')
                                       and commission_carried(a.id, c.asset) < 0));
