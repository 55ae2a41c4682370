-- What stands between each customer and the house, as one row for each asset, so that the list is sorted as others are.
create view customer_balance as
select e.program_id || ':' || e.customer_id || ':' || e.asset as id, e.program_id, e.customer_id, e.asset, sum(e.amount)::bigint as balance,
       coalesce((select sum(i.total - i.credited - i.written_off - i.paid) from invoice i
                 where i.program_id = e.program_id and i.customer_id = e.customer_id and i.asset = e.asset and i.state = 'overdue'),
                0)::bigint as overdue,
       count(*) as documents, max(e.at) as last_at
from customer_entry e group by e.program_id, e.customer_id, e.asset;
comment on view customer_balance is 'id: program, customer and asset; overdue: what of the balance is due on invoices, and late';

-- Lists that are narrowed to a payee, a customer or an invoice, also of a whole installation: what is asked for stands first in its index.
create index dispute_by_payee on dispute (payee_id, id, program_id);
create index dispute_by_customer on dispute (customer_id, id, program_id);
create index dispute_by_invoice on dispute (invoice_id, id);
create index refund_by_payee on refund (payee_id, id, program_id);
drop index refund_of_customer;
create index refund_of_customer on refund (customer_id, program_id, id);
create index chargeback_by_payee on chargeback (payee_id, id, program_id);
drop index chargeback_of_customer;
create index chargeback_of_customer on chargeback (customer_id, program_id, id);
drop index holdback_tranche_of_payee;
create index holdback_tranche_of_payee on holdback_tranche (payee_id, program_id, asset);
create index escrow_by_payee on escrow (payee_id, id, program_id);
drop index escrow_of_customer;
create index escrow_of_customer on escrow (customer_id, program_id, id);
drop index overpayment_of_customer;
create index overpayment_of_customer on overpayment (customer_id, program_id, id);
create index overpayment_by_invoice on overpayment (invoice_id, id);
