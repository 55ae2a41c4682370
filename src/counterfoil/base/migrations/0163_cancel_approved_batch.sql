-- A batch that is approved, and not begun, can be given up: before, its approval had to be taken back first.
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('payout_batch', 'approved', 'cancel', 'cancelled', true, false);
