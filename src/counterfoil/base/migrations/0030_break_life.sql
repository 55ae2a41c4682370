-- A break lives by evidence: the newest view decides, whatever closed it. A run is numbered before its first read, so that of two runs
-- that overlap it is known which one saw the world later.

create sequence reconciliation_run_number;

alter table reconciliation_run
    add column number bigint,                      -- taken before its first read; a higher one has read later
    add column complete boolean not null default true;  -- it saw all of its days: only then does not finding mean gone

update reconciliation_run r set number = n.number
from (select id, row_number() over (order by started_at, id) as number from reconciliation_run) n where n.id = r.id;
update reconciliation_run set complete = false where verdict = 'incomplete';
select setval('reconciliation_run_number', coalesce((select max(number) from reconciliation_run), 0) + 1, false);

alter table reconciliation_run alter column number set default nextval('reconciliation_run_number');
alter table reconciliation_run alter column number set not null;
alter table reconciliation_run add constraint reconciliation_run_number_is_given_once unique (number);
create index reconciliation_run_newest on reconciliation_run (program_id, source, number desc) where state = 'finished';

alter table break
    add column subject           text,             -- the thing of the real world that it is about, the same in every source of a provider
    add column seen_number       bigint,           -- of the newest run that said something about it
    add column evidence_sha256   bytea,            -- of what that run found: kind, amounts, fields
    add column accepted_at_stake bigint,           -- what a person accepted
    add column accepted_sha256   bytea,
    add column duplicate_of      text references break,  -- the living break that it is shown through
    add column posted_after      bigint,           -- the newest number given out when its journal was posted: those runs read before it
    add constraint break_copies_another check (duplicate_of <> id);

update break b set
    seen_number = greatest(l.number, g.number),
    accepted_at_stake = case when b.state = 'accepted' then b.at_stake end,
    subject = case
        when b.source like '%:payouts' then 'payout:' || b.record_id
        when b.source like '%:charges' then 'charge:' || b.record_id
        when b.source not like '%:%' and b.record_id like 'charge:%' then b.record_id
        when b.source not like '%:%' and b.record_id like 'payout%' then
            coalesce('payout:' || coalesce(f.detail #>> '{left,0,batch}', f.detail #>> '{right,0,batch}'), b.record_id)
        else b.record_id end
from reconciliation_run l, break o
left join reconciliation_run g on g.id = o.gone_run
left join reconciliation_break f on f.run_id = o.last_run and f.number = o.last_number
where o.id = b.id and l.id = b.last_run;

alter table break
    alter column subject set not null,
    alter column seen_number set not null,
    add constraint break_is_accepted_with_its_amount check (state <> 'accepted' or accepted_at_stake is not null);

-- A closed break that is found again is another one: what stands once is what somebody still has to do something about.
drop index break_stands_once;
create unique index break_lives_once on break (program_id, source, identity)
    where state in ('open', 'timing', 'investigating', 'pending_adjustment');
create index break_of_subject on break (program_id, subject);
create index break_copies on break (duplicate_of) where duplicate_of is not null;
create index break_waits on break (due_on) where state = 'timing';
