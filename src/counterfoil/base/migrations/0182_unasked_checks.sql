-- What a run of the sentinel did not ask is said with what it found. Of earlier runs it was not kept.
alter table sentinel_run add column unasked text[] not null default '{}';
