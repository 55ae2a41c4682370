-- Every moment of every schedule is listed, the newest first.
create index reconciliation_slot_newest on reconciliation_slot (slot_at, name);
create index reconciliation_gap_newest on reconciliation_gap (last_at, name);
