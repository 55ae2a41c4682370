-- What a chargeback froze may be frozen by a person, too.

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('escrow', 'disputed', 'freeze', 'disputed', true, false);
