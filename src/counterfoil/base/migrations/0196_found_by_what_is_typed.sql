-- What the search compares, whole, and what the money map asks of the oldest. Payments alone have no index by amount: every payment would
-- pay for it, so the search goes back 31 days there, and says so.
create index refund_by_amount on refund (asset, amount, id);
create index dispute_by_exposure on dispute (asset, exposure, id);
create index chargeback_by_amount on chargeback (asset, amount, id);
create index chargeback_of_charge on chargeback (charge_id);
create index chargeback_by_reference on chargeback (provider_ref);
create index payout_batch_by_amount on payout_batch (asset, amount, id);
create index break_by_difference on break (asset, abs(difference), id) where difference is not null;
create index break_by_identity on break (identity);
create index escrow_by_reference on escrow (reference);
create index payment_of_nobody on payment (program_id, asset, recorded_at) where invoice_id is null;
