-- Attempts that paid less than was ordered: few, and what is left of them waits for a person.
create index provider_payout_paid_in_part on provider_payout (payout_id) where paid < amount;
