-- Lists that are narrowed to a payee or a customer, also of a whole installation: what is asked for stands first in its index. Behind a
-- payee come the ids, so that the newest stand together; behind a customer the program and the moment, as a statement asks for them.
drop index payout_of_payee;
create index payout_of_payee on payout (payee_id, id, program_id);
drop index invoice_of_customer;
create index invoice_of_customer on invoice (customer_id, program_id, issued_at);
create index invoice_of_payee on invoice (payee_id, id, program_id);
drop index destination_of_payee;
create index destination_of_payee on destination (payee_id, program_id);
