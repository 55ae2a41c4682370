-- A provider may give the fee of a won chargeback back later than the money.

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('CHARGEBACK_FEE', 'chargeback_fee_back', 'chargeback', true, true);
