-- What a provider says of a charge is recorded with the account of ours that it was paid into, so that all of it can be held against
-- the provider's own books. Null: recorded before, or by a provider that names none.

alter table payment add column account text constraint payment_account_is_short check (length(account) between 1 and 200);
