-- What stands between each customer and the house, as one row for each asset, so that the list is sorted as others are.
create view customer_balance as
select e.program_id || ':' || e.customer_id || ':' || e.asset as id, e.program_id, e.customer_id, e.asset, sum(e.amount)::bigint as balance,
       coalesce((select sum(i.total - i.credited - i.written_off - i.paid) from invoice i
                 where i.program_id = e.program_id and i.customer_id = e.customer_id and i.asset = e.asset and i.state = 'overdue'),
                0)::bigint as overdue,
       count(*) as documents, max(e.at) as last_at
from customer_entry e group by e.program_id, e.customer_id, e.asset;
comment on view customer_balance is 'id: program, customer and asset; overdue: what of the balance is due on invoices, and late';
