-- Transactions between agents in two phases: every participant promises (a hold, and a vote that is written down), then one decision is
-- written down, and then every participant applies or releases what it promised. What must never be is refused here, whoever writes the row.

create table two_phase (
    id           text        primary key,
    program_id   text        not null references program,
    reference    text        not null constraint two_phase_reference_size check (length(reference) between 1 and 200),
    commits      text        not null constraint two_phase_commits check (commits in ('by_itself', 'on_request')),
    participants integer     not null constraint two_phase_participants check (participants between 2 and 100),
    expires_at   timestamptz not null,               -- without a decision by then, abort is decided
    created_at   timestamptz not null,
    created_by   text        not null,
    constraint two_phase_expires_later check (expires_at > created_at)
);
select make_stateful('two_phase', 'transaction'), make_workable('two_phase');
select make_fixed('two_phase', 'id', 'program_id', 'reference', 'commits', 'participants', 'expires_at', 'created_at', 'created_by');
select make_sealed('two_phase', array['id', 'program_id', 'reference', 'commits', 'participants', 'expires_at', 'created_at', 'created_by']);
create index two_phase_by_age on two_phase (created_at, id);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('transaction', '', 'create', 'initiated', false, false),
    ('transaction', 'initiated', 'prepare', 'preparing', false, false),
    ('transaction', 'initiated', 'cancel', 'aborting', false, false),
    ('transaction', 'preparing', 'vote', 'prepared', false, false),
    ('transaction', 'preparing', 'cancel', 'aborting', false, false),
    ('transaction', 'preparing', 'force_rollback', 'aborting', false, true),
    ('transaction', 'prepared', 'commit', 'committing', false, false),
    ('transaction', 'prepared', 'cancel', 'aborting', false, false),
    ('transaction', 'prepared', 'force_commit', 'committing', false, true),
    ('transaction', 'prepared', 'force_rollback', 'aborting', false, true),
    ('transaction', 'initiated', 'force_rollback', 'aborting', false, true),
    ('transaction', 'committing', 'finish', 'committed', false, false),
    ('transaction', 'aborting', 'finish', 'aborted', false, false);

create table two_phase_participant (                -- append-only
    transaction_id text    not null references two_phase,
    number         integer not null constraint two_phase_participant_number check (number between 1 and 100),
    program_id     text    not null references program,
    agent_id       text    not null references agent,
    side           text    not null constraint two_phase_participant_side check (side in ('debit', 'credit')),
    asset          text    not null references asset,
    amount         bigint  not null constraint two_phase_participant_positive check (amount > 0),
    primary key (transaction_id, number),
    constraint two_phase_names_an_agent_once unique (transaction_id, agent_id, asset)
);
create index two_phase_of_agent on two_phase_participant (agent_id, asset, transaction_id);
select make_append_only('two_phase_participant');
select make_sealed('two_phase_participant');

create sequence two_phase_vote_seq;
create table two_phase_vote (                       -- written once with the hold it promises; append-only
    transaction_id text        not null,
    number         integer     not null,
    program_id     text        not null references program,
    vote           text        not null constraint two_phase_vote_is_known check (vote in ('yes', 'no')),
    why            text,                            -- of a no
    hold_id        uuid        references hold,     -- of a yes
    seq            bigint      not null,            -- the votes of an agent in their order, and how many mandates it had by then
    mandates       integer     not null,
    at             timestamptz not null,
    primary key (transaction_id, number),
    foreign key (transaction_id, number) references two_phase_participant,
    constraint two_phase_vote_yes_holds check ((vote = 'yes') = (hold_id is not null) and (vote = 'no') = (why is not null))
);
select make_append_only('two_phase_vote');
select make_sealed('two_phase_vote');

create table two_phase_decision (                   -- one for each transaction, never changed; append-only
    transaction_id text        primary key references two_phase,
    program_id     text        not null references program,
    decision       text        not null constraint two_phase_decision_is_known check (decision in ('commit', 'abort')),
    cause          text        not null constraint two_phase_decision_cause check (
                       cause in ('votes', 'request', 'no_vote', 'time_out', 'cancelled', 'forced')),
    approval       text        constraint two_phase_approval_size check (length(approval) between 1 and 200),  -- reference of a forced one
    actor          text        not null,
    reason         text,
    at             timestamptz not null,
    constraint two_phase_cause_fits check (case decision when 'commit' then cause in ('votes', 'request', 'forced')
                                                         else cause in ('no_vote', 'time_out', 'cancelled', 'forced') end),
    constraint two_phase_forced_has_its_approval check ((cause = 'forced') = (approval is not null))
);
select make_append_only('two_phase_decision');
select make_sealed('two_phase_decision');
select make_paired('two_phase_decision', 'transaction', 'force_commit', $$new.cause = 'forced' and new.decision = 'commit'$$,
                   'n.transaction_id', $$p ->> 'approval' = n.approval$$);
select make_paired('two_phase_decision', 'transaction', 'force_rollback', $$new.cause = 'forced' and new.decision = 'abort'$$,
                   'n.transaction_id', $$p ->> 'approval' = n.approval$$);

create table two_phase_outcome (                    -- what became of each participant; append-only
    transaction_id text        not null,
    number         integer     not null,
    program_id     text        not null references program,
    outcome        text        not null constraint two_phase_outcome_is_known check (outcome in ('applied', 'released')),
    journal_id     uuid,                            -- of what was applied
    at             timestamptz not null,
    primary key (transaction_id, number),
    foreign key (transaction_id, number) references two_phase_participant,
    constraint two_phase_applied_is_posted check ((outcome = 'applied') = (journal_id is not null))
);
select make_append_only('two_phase_outcome');
select make_sealed('two_phase_outcome');

create table two_phase_check (                      -- participants verified after a forced decision took effect; append-only
    transaction_id text        not null references two_phase,
    agent_id       text        not null references agent,
    program_id     text        not null references program,
    agrees         boolean     not null,
    found          text        not null,
    at             timestamptz not null,
    primary key (transaction_id, agent_id)
);
select make_append_only('two_phase_check');
select make_sealed('two_phase_check');

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values ('TWO_PHASE', null, 'two_phase', false, true);

create function two_phase_agent_account(agent text) returns text immutable language sql return 'treasury:agent:' || agent;

-- What an agent spent or promised in an asset from `since` on, before the vote of transaction `but` that has the seq `upto`; with `other`, towards that
-- agent: of a transaction with several creditors, as much as that one got, which is the most that can have gone there.
create function agent_spent(agent text, of_asset text, other text, since timestamptz, upto bigint, but text) returns bigint
    stable language sql return coalesce((
        select sum(case when other is null then p.amount else least(p.amount, coalesce((
                       select c.amount from two_phase_participant c
                       where (c.transaction_id, c.agent_id, c.asset, c.side) = (p.transaction_id, other, p.asset, 'credit')), 0)) end)
        from two_phase_participant p
        join two_phase_vote v on (v.transaction_id, v.number) = (p.transaction_id, p.number) and v.vote = 'yes'
        where p.agent_id = agent and p.asset = of_asset and p.side = 'debit' and p.transaction_id <> but
              and v.at >= since and v.seq < upto
              and not exists (select from two_phase_outcome o
                              where (o.transaction_id, o.number, o.outcome) = (p.transaction_id, p.number, 'released'))), 0)::bigint;

-- Why the mandates of its agent do not allow what a participant is asked to pay, or null where they do. Asked of a vote that was given:
-- `upto` its seq, and by which `mandates` it was.
create function mandate_refuses(txn text, participant integer, moment timestamptz, upto bigint default 9223372036854775807,
                                mandates integer default 2147483647) returns text
    stable language plpgsql as $$
declare
    p      two_phase_participant;
    m      agent_mandate;
    c      record;
    span   text;
    most   bigint;
    spent  bigint;
    named  boolean := false;
    whom   text;
begin
    select * into p from two_phase_participant where (transaction_id, number) = (txn, participant);
    if p.side is distinct from 'debit' then
        return null;
    end if;
    for c in
        select null::text as other, p.amount as amount
        union all
        select q.agent_id, least(p.amount, q.amount) from two_phase_participant q
        where (q.transaction_id, q.asset, q.side) = (p.transaction_id, p.asset, 'credit')
        order by 1 nulls first
    loop
        select * into m from agent_mandate a
        where a.agent_id = p.agent_id and a.asset = p.asset and a.counterparty_id is not distinct from c.other
              and a.number <= mandates
        order by a.number desc limit 1;
        whom := case when c.other is null then '' else ' towards ' || c.other end;
        if m.id is null or m.revoked or m.expires_at <= moment then
            if c.other is null then
                return format('it has no mandate in %s', p.asset);
            elsif named then
                return format('its mandate in %s does not name %s', p.asset, c.other);
            end if;
            continue;
        end if;
        if c.other is null then
            named := m.towards = 'named';
        end if;
        if c.amount > m.per_transaction then
            return format('its mandate allows %s minor units of %s in a transaction%s, and this is %s', m.per_transaction, p.asset, whom, c.amount);
        end if;
        foreach span in array array['hour', 'day', 'week', 'month'] loop
            most := case span when 'hour' then m.per_hour when 'day' then m.per_day when 'week' then m.per_week else m.per_month end;
            continue when most is null;
            spent := agent_spent(p.agent_id, p.asset, c.other, date_trunc(span, moment, 'UTC'), upto, txn);
            if spent + c.amount > most then
                return format('its mandate allows %s minor units of %s in each %s%s, %s are spent, and this is %s',
                              most, p.asset, span, whom, spent, c.amount);
            end if;
        end loop;
    end loop;
    return null;
end $$;

-- What a participant promises: out of its account, or into it, by way of what is between agents.
create function two_phase_promise(txn text, participant integer) returns table (debit text, credit text) stable language sql as $$
    select case p.side when 'debit' then two_phase_agent_account(p.agent_id) else 'two_phase' end,
           case p.side when 'debit' then 'two_phase' else two_phase_agent_account(p.agent_id) end
    from two_phase_participant p where (p.transaction_id, p.number) = (txn, participant)
$$;

create function two_phase_is_balanced() returns trigger language plpgsql as $$
begin
    if (select count(*) from two_phase_participant p where p.transaction_id = new.id) <> new.participants or exists (
        select from two_phase_participant p where p.transaction_id = new.id group by p.asset
        having sum(case p.side when 'debit' then p.amount else -p.amount end) <> 0) or exists (
        select from two_phase_participant p join agent a on a.id = p.agent_id
        where p.transaction_id = new.id and (a.program_id <> new.program_id or p.program_id <> new.program_id)) then
        raise 'transaction %: as much is debited as credited in each asset, among agents of its program', new.id using errcode = 'CF002';
    end if;
    return null;
end $$;
create constraint trigger two_phase_is_balanced after insert on two_phase deferrable initially deferred
    for each row execute function two_phase_is_balanced();
alter table two_phase enable always trigger two_phase_is_balanced;

create function two_phase_vote_fits() returns trigger language plpgsql as $$
declare
    t   two_phase;
    p   two_phase_participant;
    why text;
begin
    select * into t from two_phase where id = new.transaction_id for update;
    select * into p from two_phase_participant where (transaction_id, number) = (new.transaction_id, new.number);
    perform from agent where id = p.agent_id for update;
    new.seq := nextval('two_phase_vote_seq');  -- under that lock
    new.mandates := (select count(*) from agent_mandate m where m.agent_id = p.agent_id);
    if t.state <> 'preparing' or exists (select from two_phase_decision d where d.transaction_id = t.id)
       or exists (select from two_phase_outcome o where (o.transaction_id, o.number) = (p.transaction_id, p.number)) then
        raise 'transaction %: participant % votes no more', t.id, p.number using errcode = 'CF002';
    end if;
    if new.vote = 'no' then
        return new;
    end if;
    why := mandate_refuses(p.transaction_id, p.number, new.at);
    if why is not null or not exists (
        select from hold h
        join account d on d.id = h.debit join account c on c.id = h.credit join book b on b.id = d.book_id
        cross join two_phase_promise(p.transaction_id, p.number) w
        where h.id = new.hold_id and h.promised and (h.source_type, h.source_id) = ('two_phase', p.transaction_id || ':' || p.number)
              and (b.program_id, b.asset, d.name, c.name, h.amount) = (t.program_id, p.asset, w.debit, w.credit, p.amount)
              and exists (select from open_hold o where o.hold_id = h.id)) or not exists (
        select from agent a where a.id = p.agent_id and case p.side when 'debit' then a.state = 'active' else a.state <> 'closed' end) then
        raise 'transaction %: participant % promises nothing: %', t.id, p.number, coalesce(why, 'its hold or its agent is another')
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger two_phase_vote_fits before insert on two_phase_vote for each row execute function two_phase_vote_fits();
alter table two_phase_vote enable always trigger two_phase_vote_fits;

create function two_phase_decision_fits() returns trigger language plpgsql as $$
declare
    t two_phase;
begin
    select * into t from two_phase where id = new.transaction_id for update;
    if new.decision = 'commit' and (
        select count(*) from two_phase_vote v where v.transaction_id = t.id and v.vote = 'yes') <> t.participants then
        raise 'transaction %: commit is decided once every participant has promised', t.id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger two_phase_decision_fits before insert on two_phase_decision for each row execute function two_phase_decision_fits();
alter table two_phase_decision enable always trigger two_phase_decision_fits;

create function two_phase_outcome_fits() returns trigger language plpgsql as $$
declare
    decided text;
    held    uuid;
begin
    perform from two_phase where id = new.transaction_id for update;
    select d.decision into decided from two_phase_decision d where d.transaction_id = new.transaction_id;
    select v.hold_id into held from two_phase_vote v where (v.transaction_id, v.number) = (new.transaction_id, new.number);
    if new.outcome = 'applied' and (decided is distinct from 'commit' or not exists (
        select from hold_resolution r join hold h on h.id = r.hold_id
        where r.hold_id = held and r.verb = 'post' and r.amount = h.amount and r.journal_id = new.journal_id)) then
        raise 'transaction %: participant % applies what it promised, once commit is decided', new.transaction_id, new.number
            using errcode = 'CF002';
    elsif new.outcome = 'released' and (decided is distinct from 'abort' or held is not null and not exists (
        select from hold_resolution r where r.hold_id = held and r.verb = 'void')) then
        raise 'transaction %: participant % releases what it promised, once abort is decided', new.transaction_id, new.number
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger two_phase_outcome_fits before insert on two_phase_outcome for each row execute function two_phase_outcome_fits();
alter table two_phase_outcome enable always trigger two_phase_outcome_fits;

-- The states follow the records, whoever moves them.
create function two_phase_follows_records() returns trigger language plpgsql as $$
declare
    decided text;
begin
    if new.state = old.state then
        return new;
    end if;
    select d.decision into decided from two_phase_decision d where d.transaction_id = new.id;
    if (case new.state
           when 'preparing' then decided is not null
           when 'prepared' then decided is not null or
               (select count(*) from two_phase_vote v where v.transaction_id = new.id and v.vote = 'yes') <> new.participants
           when 'committing' then decided is distinct from 'commit'
           when 'aborting' then decided is distinct from 'abort'
           when 'committed' then
               (select count(*) from two_phase_outcome o where o.transaction_id = new.id and o.outcome = 'applied') <> new.participants
           when 'aborted' then
               (select count(*) from two_phase_outcome o where o.transaction_id = new.id and o.outcome = 'released') <> new.participants
           else true end) then
        raise 'transaction %: its records do not say %', new.id, new.state using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger two_phase_follows_records before update of state on two_phase for each row execute function two_phase_follows_records();
alter table two_phase enable always trigger two_phase_follows_records;

-- A promise is kept by who made it: no hand posts it or gives it back while its transaction is not decided, or otherwise than it is.
create function promise_of_two_phase_is_kept() returns trigger language plpgsql as $$
begin
    if exists (
        select from new_resolution r
        join hold h on h.id = r.hold_id and h.source_type = 'two_phase' and h.promised
        left join two_phase_decision d on d.transaction_id = split_part(h.source_id, ':', 1)
        where case r.verb when 'post' then d.decision is distinct from 'commit' or r.amount <> h.amount
                          else d.decision is distinct from 'abort' end) then
        raise 'what a participant of a transaction promised is posted when commit is decided, and given back when abort is' using errcode = 'CF002';
    end if;
    return null;
end $$;
create trigger promise_of_two_phase_is_kept after insert on hold_resolution referencing new table as new_resolution
    for each statement execute function promise_of_two_phase_is_kept();
alter table hold_resolution enable always trigger promise_of_two_phase_is_kept;
