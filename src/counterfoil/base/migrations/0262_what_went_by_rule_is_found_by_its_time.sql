-- What a payee got by rule in a day is asked before each payment by rule: it is found by where it went and when, however long its history is.
create index payout_approval_by_rule on payout_approval (destination_id, at) where basis = 'rule';
