-- What must never be of a transaction in two phases is looked for once in a statement, in all the rows that it writes: hundreds of
-- transactions are taken on by a few statements, and a look row by row was most of what they cost. The rules are those of before. Every row
-- is found by its key, however a plan is made (`offset 0`).

drop trigger two_phase_vote_fits on two_phase_vote;
drop trigger two_phase_decision_fits on two_phase_decision;
drop trigger two_phase_outcome_fits on two_phase_outcome;
drop trigger two_phase_follows_records on two_phase;

create function two_phase_vote_is_numbered() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    payer text := (select agent_id from two_phase_participant where (transaction_id, number) = (new.transaction_id, new.number));
begin
    perform from agent where id = payer for update;
    new.seq := nextval('two_phase_vote_seq');  -- under that lock: who votes later sees what this one promised
    new.mandates := (select count(*) from agent_mandate m where m.agent_id = payer);
    return new;
end $$;
create trigger two_phase_vote_is_numbered before insert on two_phase_vote for each row execute function two_phase_vote_is_numbered();
alter table two_phase_vote enable always trigger two_phase_vote_is_numbered;

create or replace function two_phase_vote_fits() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    wrong record;
begin  -- the accounts are those of two_phase_promise: calling that for each row would cost more than all the rest
    perform from two_phase where id = any(array(select transaction_id from new_vote)) order by id for update;
    select v.transaction_id, v.number, w.over, w.why into wrong
    from new_vote v
    cross join lateral (select t.program_id, t.state from two_phase t where t.id = v.transaction_id offset 0) t
    cross join lateral (
        select p.* from two_phase_participant p where (p.transaction_id, p.number) = (v.transaction_id, v.number) offset 0) p
    cross join lateral (
        select t.state <> 'preparing' or exists (select from two_phase_decision d where d.transaction_id = v.transaction_id)
               or exists (select from two_phase_outcome o where (o.transaction_id, o.number) = (v.transaction_id, v.number)) as over,
               case when v.vote = 'yes' and p.side = 'debit' and p.agent_id is not null
                    then mandate_refuses(v.transaction_id, v.number, v.at, v.seq, v.mandates) end as why offset 0) w
    cross join lateral (select coalesce('treasury:agent:' || p.agent_id, 'clearing:' || p.peer) as name offset 0) o
    where w.over or v.vote = 'yes' and (w.why is not null or not exists (
              select from hold h
              join account d on d.id = h.debit join account c on c.id = h.credit join book b on b.id = d.book_id
              where h.id = v.hold_id and h.promised and (h.source_type, h.source_id) = ('two_phase', v.transaction_id || ':' || v.number)
                    and (b.program_id, b.asset, h.amount) = (t.program_id, p.asset, p.amount)
                    and (d.name, c.name) = (case p.side when 'debit' then o.name else 'two_phase' end,
                                            case p.side when 'debit' then 'two_phase' else o.name end)
                    and exists (select from open_hold u where u.hold_id = h.id) offset 0)
          or p.agent_id is not null and not exists (
              select from agent a where a.id = p.agent_id and case p.side when 'debit' then a.state = 'active' else a.state <> 'closed' end))
    limit 1;
    if wrong.over then
        raise 'transaction %: participant % votes no more', wrong.transaction_id, wrong.number using errcode = 'CF002';
    elsif found then
        raise 'transaction %: participant % promises nothing: %', wrong.transaction_id, wrong.number,
            coalesce(wrong.why, 'its hold or its agent is another') using errcode = 'CF002';
    end if;
    return null;
end $$;
create trigger two_phase_vote_fits after insert on two_phase_vote referencing new table as new_vote
    for each statement execute function two_phase_vote_fits();
alter table two_phase_vote enable always trigger two_phase_vote_fits;

create or replace function two_phase_decision_fits() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    wrong record;
begin
    perform from two_phase where id = any(array(select transaction_id from new_decision)) order by id for update;
    select n.transaction_id, t.coordinator, n.decision = 'commit' and t.participants <> (
               select count(*) from two_phase_vote v where v.transaction_id = n.transaction_id and v.vote = 'yes') as early
    into wrong
    from new_decision n
    cross join lateral (select t.coordinator, t.participants from two_phase t where t.id = n.transaction_id offset 0) t
    where (t.coordinator is null) = (n.cause = 'told') and not (t.coordinator is not null and n.cause = 'no_vote')
       or n.decision = 'commit' and t.participants <> (
           select count(*) from two_phase_vote v where v.transaction_id = n.transaction_id and v.vote = 'yes')
    limit 1;
    if wrong.early then
        raise 'transaction %: commit is decided once every participant has promised', wrong.transaction_id using errcode = 'CF002';
    elsif found then
        raise 'transaction %: it is decided by %', wrong.transaction_id, coalesce(wrong.coordinator, 'this server') using errcode = 'CF002';
    end if;
    return null;
end $$;
create trigger two_phase_decision_fits after insert on two_phase_decision referencing new table as new_decision
    for each statement execute function two_phase_decision_fits();
alter table two_phase_decision enable always trigger two_phase_decision_fits;

create or replace function two_phase_outcome_fits() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    wrong record;
begin
    perform from two_phase where id = any(array(select transaction_id from new_outcome)) order by id for update;
    select n.transaction_id, n.number, n.outcome into wrong
    from new_outcome n
    left join lateral (select d.decision from two_phase_decision d where d.transaction_id = n.transaction_id offset 0) d on true
    left join lateral (
        select v.hold_id from two_phase_vote v where (v.transaction_id, v.number) = (n.transaction_id, n.number) offset 0) v on true
    left join lateral (
        select r.verb, r.journal_id, r.amount = h.amount as whole from hold_resolution r join hold h on h.id = r.hold_id
        where r.hold_id = v.hold_id offset 0) r on true
    where not coalesce(case n.outcome
        when 'applied' then d.decision = 'commit' and r.verb = 'post' and r.whole and r.journal_id = n.journal_id
        else d.decision = 'abort' and (v.hold_id is null or r.verb = 'void') end, false)
    limit 1;
    if found then
        raise 'transaction %: participant % % what it promised, once % is decided', wrong.transaction_id, wrong.number,
            case wrong.outcome when 'applied' then 'applies' else 'releases' end,
            case wrong.outcome when 'applied' then 'commit' else 'abort' end using errcode = 'CF002';
    end if;
    return null;
end $$;
create trigger two_phase_outcome_fits after insert on two_phase_outcome referencing new table as new_outcome
    for each statement execute function two_phase_outcome_fits();
alter table two_phase_outcome enable always trigger two_phase_outcome_fits;

create or replace function two_phase_follows_records() returns trigger language plpgsql
    set search_path = public, pg_temp set enable_nestloop = off as $$  -- old rows and new ones are as many, and never looked for one by one
declare
    wrong record;
begin
    select n.id, n.state into wrong
    from new_row n
    join old_row o on o.id = n.id
    left join lateral (select d.decision from two_phase_decision d where d.transaction_id = n.id offset 0) d on true
    where n.state <> o.state and case n.state
        when 'preparing' then d.decision is not null
        when 'prepared' then d.decision is not null or
            (select count(*) from two_phase_vote v where v.transaction_id = n.id and v.vote = 'yes') <> n.participants
        when 'committing' then d.decision is distinct from 'commit'
        when 'aborting' then d.decision is distinct from 'abort'
        when 'committed' then (select count(*) from two_phase_outcome o where o.transaction_id = n.id and o.outcome = 'applied') <> n.participants
        when 'aborted' then (select count(*) from two_phase_outcome o where o.transaction_id = n.id and o.outcome = 'released') <> n.participants
        else true end
    limit 1;
    if found then
        raise 'transaction %: its records do not say %', wrong.id, wrong.state using errcode = 'CF002';
    end if;
    return null;
end $$;
create trigger two_phase_follows_records after update on two_phase referencing old table as old_row new table as new_row
    for each statement execute function two_phase_follows_records();
alter table two_phase enable always trigger two_phase_follows_records;

create or replace function promise_of_two_phase_is_kept() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if exists (
        select from new_resolution r
        cross join lateral (
            select h.amount, h.source_id from hold h
            where h.id = r.hold_id and h.source_type = 'two_phase' and h.promised offset 0) h
        left join lateral (
            select d.decision from two_phase_decision d where d.transaction_id = split_part(h.source_id, ':', 1) offset 0) d on true
        where case r.verb when 'post' then d.decision is distinct from 'commit' or r.amount <> h.amount
                          else d.decision is distinct from 'abort' end) then
        raise 'what a participant of a transaction promised is posted when commit is decided, and given back when abort is' using errcode = 'CF002';
    end if;
    return null;
end $$;

-- What a peer decided was left due after its end: the worker passed over it again and again.
update two_phase set due_at = null where due_at is not null and state in ('committed', 'aborted');
