-- What an id names it names for good: the application may set it once, with the row. These tables had left that open.
do $$
declare
    one text;
begin
    foreach one in array array['alert', 'backup', 'chargeback', 'dispute', 'drill', 'holdback_tranche', 'incident', 'notice', 'overpayment',
                               'proof_export', 'refund', 'runbook_run', 'sentinel_run', 'silence', 'store_copy', 'usage_file'] loop
        perform make_fixed(one::regclass, 'id');
    end loop;
end $$;
