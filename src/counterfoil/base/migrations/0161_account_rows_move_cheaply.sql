-- What is retired never moves, by a check of the row and no longer by a trigger before it. A trigger for each row that stands before an update has
-- PostgreSQL lock every row first, its condition true or not: that was a seventh of what a movement costs the server.
-- Accounts are opened with nothing on them, so what never grows is nothing.
alter table account add constraint account_keeps_what_is_retired
    check (debits = 0 and debits_pending = 0 or name not like 'carbon:retired:%');
drop trigger retired_never_moves on account;
drop function retired_never_moves();

-- The server looks every 5 seconds what has changed, so that no plan from when a table was empty is kept. Two tables change so much that they were
-- vacuumed and analysed again each time, a tenth of the server's time while bulks are written, for nothing: what moves on an account is in no index, and
-- the old versions of its row are pruned as the next is written; postings are never changed, and what a sample of them says hardly changes.
-- Both are still analysed as soon as they hold something, and whenever they have grown a lot.
alter table account set (autovacuum_vacuum_scale_factor = 100, autovacuum_analyze_scale_factor = 100);
alter table posting set (autovacuum_analyze_scale_factor = 1);
