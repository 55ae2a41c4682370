-- What may become of a payout: quarantine, a cancelled attempt, money that turns out to be paid after it was given back, a new payout
-- for what is still owed, and conflicts that are opened and ended instead of only noted.

alter table payout
    add column reissue integer not null default 0 constraint payout_reissue_not_negative check (reissue >= 0),  -- 0: the first of its settlement
    drop constraint payout_of_a_settlement_is_one,
    add constraint payout_of_a_settlement_is_one unique (invoice_id, settlement_id, reissue);
create index payout_of_settlement on payout (settlement_id);
-- One payout of a settlement is under way at most, however often it was issued anew.
create unique index payout_under_way_is_one on payout (settlement_id)
    where state in ('pending', 'processing', 'reconcile_required');

alter table provider_payout
    add column failed_by    text constraint provider_payout_failed_by check (failed_by in ('provider', 'inference', 'person')),
    add column unconfirmed  text constraint provider_payout_unconfirmed check (unconfirmed in ('failed', 'returned')),  -- a webhook's word that a look-up has yet to confirm
    add column not_there_at timestamptz,           -- the last look-up that did not find it was made then
    add column paid         bigint constraint provider_payout_paid_positive check (paid > 0),  -- where two people found another amount than was asked for
    add column beyond       bigint not null default 0,  -- of its amount, what was no longer owed when it turned out to be paid: the payee owes it back
    add constraint provider_payout_beyond_within_amount check (beyond between 0 and amount);

-- Failed attempts of the time before: the provider's own word is recorded with its class, all else was concluded.
update provider_payout set failed_by = case error_class when 'provider' then 'provider' else 'inference' end where state = 'failed';

create table payout_netting (                      -- append-only: what a payee owed and was taken from what a payout had to pay
    payout_id text        not null references payout,
    number    integer     not null constraint payout_netting_number check (number > 0),
    amount    bigint      not null constraint payout_netting_moves_something check (amount <> 0),  -- less than nothing: it came back
    at        timestamptz not null,
    primary key (payout_id, number)
);
select make_append_only('payout_netting');

-- A conflict has states now: what it says stays as it was said, and it is open until the provider's present word or two people end it.
drop trigger is_append_only on provider_conflict;
drop trigger is_not_truncated on provider_conflict;
alter table provider_conflict
    add column id       text,
    add column number   integer,
    add column state    text not null default 'open',
    add column state_at timestamptz,
    add column steps    integer not null default 1;
update provider_conflict c set number = n.number, id = n.provider_payout_id || '.' || n.number, state_at = c.at
from (select provider_payout_id, said, row_number() over (partition by provider_payout_id order by at, said) as number
      from provider_conflict) n
where n.provider_payout_id = c.provider_payout_id and n.said = c.said;
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('provider_conflict', '', 'create', 'open', false, false),
    ('provider_conflict', 'open', 'settle', 'settled', false, false),
    ('provider_conflict', 'open', 'find_paid', 'paid', true, true),
    ('provider_conflict', 'open', 'find_unpaid', 'not_paid', true, true);
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'provider_conflict', id, 1, '', 'create', 'open', 'system:worker', 'migration', at from provider_conflict;
-- A doubt of the time before that the provider has ended since, by a word that moved the attempt, is over; the others are open.
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, cause, at)
select 'provider_conflict', c.id, 2, 'open', 'settle', 'settled', 'system:worker', 'migration', pp.state_at
from provider_conflict c join provider_payout pp on pp.id = c.provider_payout_id
where pp.state in ('succeeded', 'returned', 'failed') and pp.state_at > c.at;
update provider_conflict c set state = 'settled', state_at = s.at, steps = 2
from step s where s.machine = 'provider_conflict' and s.subject_id = c.id and s.step = 2;
alter table provider_conflict
    alter column id set not null,
    alter column number set not null,
    alter column state drop default,
    alter column state_at set not null,
    drop constraint provider_conflict_pkey,
    add primary key (id),
    add constraint provider_conflict_number check (number > 0),
    add constraint provider_conflict_number_is_unique unique (provider_payout_id, number);
create unique index provider_conflict_open_is_one on provider_conflict (provider_payout_id, said) where state = 'open';
create index provider_conflict_by_state on provider_conflict (state, provider_payout_id);
comment on table provider_conflict is 'app: select, insert, update (state, state_at, steps)';

create function conflict_keeps_its_word() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if tg_op = 'UPDATE' then
        if (new.id, new.provider_payout_id, new.number, new.said, new.expected, new.fact, new.at)
            is not distinct from (old.id, old.provider_payout_id, old.number, old.said, old.expected, old.fact, old.at) then
            return new;
        end if;
    end if;
    raise exception 'provider_conflict keeps what was said: % is refused', lower(tg_op) using errcode = 'CF001';
end $$;
create trigger conflict_keeps_its_word before update or delete on provider_conflict
    for each row execute function conflict_keeps_its_word();
alter table provider_conflict enable always trigger conflict_keeps_its_word;
create trigger conflict_is_not_truncated before truncate on provider_conflict
    for each statement execute function conflict_keeps_its_word();
alter table provider_conflict enable always trigger conflict_is_not_truncated;
create trigger provider_conflict_follows_table before update of state on provider_conflict
    for each row execute function state_follows_table('provider_conflict');

-- What is open of the time before is asked for again.
update provider_payout pp set due_at = now()
where due_at is null and state <> 'queued' and exists (
    select from provider_conflict c where c.provider_payout_id = pp.id and c.state = 'open');
-- A payout that waited for the ledger and is no longer due: nobody could make it due again.
update payout set due_at = now(), attempt = 0 where state = 'pending' and due_at is null;

drop index provider_payout_live_is_one;
create unique index provider_payout_live_is_one on provider_payout (payout_id)
    where state in ('queued', 'sending', 'sent', 'unknown', 'quarantined');

-- A late "paid" may put a success beside a live attempt; a new attempt may never begin beside either.
create function refuse_second_attempt() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (select from provider_payout o where o.payout_id = new.payout_id and o.id <> new.id
                   and o.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined', 'succeeded'))
        or exists (select from payout mine join payout theirs on theirs.settlement_id = mine.settlement_id
                   join provider_payout o on o.payout_id = theirs.id and o.id <> new.id
                   where mine.id = new.payout_id and o.state in ('queued', 'sending', 'sent', 'unknown', 'quarantined')) then
        raise exception 'payout %: another attempt is alive or paid', new.payout_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger second_attempt_is_refused before insert on provider_payout
    for each row execute function refuse_second_attempt();
alter table provider_payout enable always trigger second_attempt_is_refused;

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('payout', 'pending', 'complete', 'completed', false, false),
    ('payout', 'pending', 'net_out', 'refunded', false, false),
    ('payout', 'processing', 'unreserve', 'pending', false, false),
    ('payout', 'processing', 'net_out', 'refunded', false, false),
    ('payout', 'reconcile_required', 'unreserve', 'pending', false, false),
    ('payout', 'reconcile_required', 'net_out', 'refunded', false, false),
    ('payout', 'failed', 'complete', 'completed', false, false),
    ('payout', 'cancelled', 'complete', 'completed', false, false),
    ('payout', 'completed', 'net_out', 'refunded', false, false),
    ('payout', 'returned', 'complete', 'completed', false, false),
    ('payout', 'returned', 'close', 'refunded', true, false),
    ('provider_payout', 'queued', 'accept', 'sent', false, false),
    ('provider_payout', 'queued', 'succeed', 'succeeded', false, false),
    ('provider_payout', 'queued', 'fail', 'failed', false, false),
    ('provider_payout', 'queued', 'lose', 'unknown', false, false),
    ('provider_payout', 'queued', 'cancel', 'cancelled', true, false),
    ('provider_payout', 'queued', 'quarantine', 'quarantined', true, false),
    ('provider_payout', 'sending', 'succeed', 'succeeded', false, false),
    ('provider_payout', 'sending', 'cancel', 'cancelled', true, false),
    ('provider_payout', 'sending', 'quarantine', 'quarantined', true, false),
    ('provider_payout', 'sent', 'quarantine', 'quarantined', true, false),
    ('provider_payout', 'sent', 'force_finalize', 'succeeded', true, true),
    ('provider_payout', 'unknown', 'quarantine', 'quarantined', true, false),
    ('provider_payout', 'unknown', 'force_finalize', 'succeeded', true, true),
    ('provider_payout', 'unknown', 'mark_failed', 'failed', true, true),
    ('provider_payout', 'unknown', 'cancel', 'cancelled', true, false),
    ('provider_payout', 'quarantined', 'succeed', 'succeeded', false, false),
    ('provider_payout', 'quarantined', 'fail', 'failed', false, false),
    ('provider_payout', 'quarantined', 'force_finalize', 'succeeded', true, true),
    ('provider_payout', 'quarantined', 'release_to_queue', 'queued', true, true),
    ('provider_payout', 'quarantined', 'release_to_look_up', 'unknown', true, false),
    ('provider_payout', 'quarantined', 'release_cancelled', 'cancelled', true, true),
    ('provider_payout', 'quarantined', 'cancel', 'cancelled', true, false),
    ('provider_payout', 'failed', 'pay_late', 'succeeded', false, false),
    ('provider_payout', 'failed', 'return_late', 'returned', false, false),
    ('provider_payout', 'cancelled', 'pay_late', 'succeeded', false, false),
    ('provider_payout', 'cancelled', 'return_late', 'returned', false, false);
