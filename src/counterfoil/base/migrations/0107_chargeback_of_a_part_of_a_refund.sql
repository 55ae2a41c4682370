-- A refund that is owed may be larger than what the bank took: then a part of it is paid by the bank, and the rest is still owed.

alter table chargeback_refund add column amount bigint;
alter table chargeback_refund disable trigger is_append_only;
update chargeback_refund x set amount = r.amount from refund r where r.id = x.refund_id;
alter table chargeback_refund enable always trigger is_append_only;
alter table chargeback_refund alter column amount set not null;
alter table chargeback_refund add constraint chargeback_refund_positive check (amount > 0);
create index chargeback_refund_of_refund on chargeback_refund (refund_id);
do $$
declare
    broken constant jsonb := (select coalesce(jsonb_agg(b), '[]') from broken_seals(array['chargeback_refund']) b);
begin
    perform seal_anew('chargeback_refund', sealed_columns('chargeback_refund', '{}', '{amount}'), broken);
end $$;
