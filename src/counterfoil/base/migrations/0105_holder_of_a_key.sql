-- Whose a key is while its work lasts: a fresh id of the attempt, which only a takeover replaces. The time of the last renewal said it
-- before; but when the acknowledgement of a renewal's commit is lost, its holder does not know that time. Empty for a key that is answered
-- in the transaction of its effect. Work that was begun before this file has none: it is begun anew after 15 minutes, as if it had died.
alter table idempotency add column holder text constraint idempotency_holder_is_short check (length(holder) between 1 and 80);
