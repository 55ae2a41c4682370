-- A payment may be more than its invoice took; the rest is owed back to its customer. What a bank takes of such a payment is that rest first.

alter table chargeback add column excess bigint not null default 0;
alter table chargeback add constraint chargeback_excess check (excess >= 0 and excess + beyond <= amount);
select make_fixed('chargeback', 'excess');
do $$
declare
    broken constant jsonb := (select coalesce(jsonb_agg(b), '[]') from broken_seals(array['chargeback']) b);
begin
    perform seal_anew('chargeback', sealed_columns('chargeback', '{}', '{excess}'), broken);
end $$;
comment on constraint chargeback_excess on chargeback is 'what no invoice took was owed back already: it is no part of what had gone back before';
