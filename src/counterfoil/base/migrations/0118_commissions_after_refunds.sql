-- What a level keeps after refunds is never more than it got, and never less than nothing. Of a smaller pool the largest remainder can fall
-- to another level, and a refund that kept its fees can be followed by one that gave them back: both would take back less than nothing.
create or replace function commission_due(sale_asked text, with_refunds boolean) returns bigint[] stable language sql
    return (select (select array_agg(case when c.earns[n] then least(whole, rest) else 0 end order by n)
                    from unnest(
                        (commission_shares(commission_base(c.base_kind, c.gross, c.platform_fee), c.levels, c.mode))[1:cardinality(c.path)],
                        (commission_shares(greatest(0, commission_base(c.base_kind, c.gross - b.amount, c.platform_fee - b.platform_fee)),
                                           c.levels, c.mode))[1:cardinality(c.path)])
                        with ordinality as u (whole, rest, n))
            from commission_sale c
            cross join lateral (
                select coalesce(sum(r.amount), 0)::bigint as amount, coalesce(sum(r.platform_fee), 0)::bigint as platform_fee
                from refund r where with_refunds and r.settlement_id = c.id and r.state <> 'won_back') b
            where c.id = sale_asked);
