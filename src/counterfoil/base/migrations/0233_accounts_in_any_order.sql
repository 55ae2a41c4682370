-- Accounts by their program and asset, as a list that is sorted by what they hold.
create view listed_account as
select b.program_id || ':' || b.asset || ':' || a.name as id, b.program_id, b.asset, a.name,
       (case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end)::bigint as balance,
       (case when a.debit_normal then a.credits_pending else a.debits_pending end)::bigint as held,
       a.opened_at, a.id as account_id
from account a join book b on b.id = a.book_id;
comment on view listed_account is 'balance: on its normal side, minor units; held: what is set aside to lower it';
