-- What the search compares, whole, that no index had: the amount of what was paid too much and of escrows, the reference
-- of a break in whatever program, and what a provider calls a payout. The last is written when the attempt moves to another state, which
-- writes its index of states as well.
create index overpayment_by_amount on overpayment (asset, amount, id);
create index escrow_by_amount on escrow (asset, amount, id);
create index provider_payout_by_reference on provider_payout (provider_ref) where provider_ref is not null;
create index break_by_reference_alone on break (reference) where reference is not null;
