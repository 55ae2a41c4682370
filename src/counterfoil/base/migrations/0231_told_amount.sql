-- What a person reads of an amount: whole units with their asset, `1,066.56 EUR`, as the application says it.
create function told_amount(minor bigint, code text) returns text stable language sql as $$
    select coalesce((
        select case when minor < 0 then '-' else '' end
               || to_char(left(digits, length(digits) - scale)::numeric, 'FM9,999,999,999,999,999,990')
               || case when scale > 0 then '.' || right(digits, scale) else '' end || ' ' || code
        from (select a.scale, lpad(abs(minor::numeric)::text, greatest(a.scale + 1, length(abs(minor::numeric)::text)), '0') as digits
              from asset a where a.code = told_amount.code) a), minor || ' minor units of ' || code)
$$;

do $$
declare
    body text := pg_get_functiondef('mandate_refuses(text, integer, timestamptz, bigint, integer)'::regprocedure);
begin
    body := replace(body, '%s minor units of %s in a transaction%s, and this is %s'', m.per_transaction, p.asset, whom, c.amount)',
        '%s in a transaction%s, and this is %s'', told_amount(m.per_transaction, p.asset), whom, told_amount(c.amount, p.asset))');
    body := replace(body, '%s minor units of %s in each %s%s, %s are spent', '%s in each %s%s, %s is spent');
    body := replace(body, 'most, p.asset, span, whom, spent, c.amount)',
        'told_amount(most, p.asset), span, whom, told_amount(spent, p.asset), told_amount(c.amount, p.asset))');
    if body like '%minor units%' or body not like '%told_amount(spent%' then
        raise 'mandate_refuses is another than was expected';
    end if;
    execute body;
end $$;
