-- Lists that are sorted by amount, within each asset, and invoices by when they are due.
create index payout_by_amount on payout (asset, amount, id);
create index invoice_by_total on invoice (asset, total, id);
create index invoice_by_due on invoice (due_on, id);
