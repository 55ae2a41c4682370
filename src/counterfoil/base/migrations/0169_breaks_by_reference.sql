-- A payout's page asks which differences name its attempts, by the reference of a line or by the id of a record.
create index break_by_reference on break (program_id, reference);
create index break_by_record on break (program_id, record_id);
