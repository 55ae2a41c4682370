-- Transactions across servers: some agents live on another counterfoil server, a peer. Each server keeps a transaction of its own that is
-- balanced by what the two owe each other (`clearing:{peer}`). One of them decides; the other promises, and follows what it is told.

alter table two_phase
    add column coordinator text constraint two_phase_coordinator_name check (coordinator ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
    add column foreign_id  text constraint two_phase_foreign_id_size check (length(foreign_id) between 1 and 64),
    add column asked       bytea,                    -- SHA-256 of what the coordinator asked for
    add constraint two_phase_of_a_peer_is_known_by_its_id
        check ((coordinator is null) = (foreign_id is null) and (coordinator is null) = (asked is null));
create unique index two_phase_is_of_a_peer_once on two_phase (coordinator, foreign_id) where coordinator is not null;
select make_fixed('two_phase', 'coordinator', 'foreign_id', 'asked');

alter table two_phase_participant
    alter column agent_id drop not null,
    add column peer       text constraint two_phase_peer_name check (peer ~ '^[a-z0-9][a-z0-9_-]{0,39}$'),
    add column peer_agent text constraint two_phase_peer_agent_size check (length(peer_agent) between 1 and 64),
    add constraint two_phase_participant_is_of_one_server check ((agent_id is null) = (peer is not null) and (peer_agent is null or peer is not null));
create unique index two_phase_names_a_peer_once on two_phase_participant (transaction_id, peer, coalesce(peer_agent, ''), asset)
    where peer is not null;

do $$
declare
    broken jsonb;
begin
    broken := (select coalesce(jsonb_agg(b), '[]') from broken_seals(array['two_phase']) b);
    perform seal_anew('two_phase', sealed_columns('two_phase', '{}', '{coordinator, foreign_id, asked}'), broken);
    broken := (select coalesce(jsonb_agg(b), '[]') from broken_seals(array['two_phase_participant']) b);
    perform seal_anew('two_phase_participant', sealed_columns('two_phase_participant', '{}', '{peer, peer_agent}'), broken);
end $$;

alter table two_phase_decision drop constraint two_phase_decision_cause, drop constraint two_phase_cause_fits;
alter table two_phase_decision
    add constraint two_phase_decision_cause check (cause in ('votes', 'request', 'no_vote', 'time_out', 'cancelled', 'forced', 'told')),
    add constraint two_phase_cause_fits check (case decision when 'commit' then cause in ('votes', 'request', 'forced', 'told')
                                                             else cause in ('no_vote', 'time_out', 'cancelled', 'forced', 'told') end);

create table two_phase_call (                       -- what a peer still has to be told, and when it is asked again
    transaction_id text        not null references two_phase,
    peer           text        not null,
    program_id     text        not null references program,
    due_at         timestamptz,
    attempt        integer     not null default 0,
    last_error     text,
    primary key (transaction_id, peer)
);
create index two_phase_call_due on two_phase_call (due_at) where due_at is not null;
select make_fixed('two_phase_call', 'transaction_id', 'peer', 'program_id');

create or replace function two_phase_promise(txn text, participant integer) returns table (debit text, credit text) stable language sql as $$
    select case p.side when 'debit' then o.name else 'two_phase' end, case p.side when 'debit' then 'two_phase' else o.name end
    from two_phase_participant p
    cross join lateral (select coalesce(two_phase_agent_account(p.agent_id), 'clearing:' || p.peer) as name) o
    where (p.transaction_id, p.number) = (txn, participant)
$$;

create or replace function two_phase_is_balanced() returns trigger language plpgsql as $$
begin
    if (select count(*) from two_phase_participant p where p.transaction_id = new.id) <> new.participants or exists (
        select from two_phase_participant p where p.transaction_id = new.id group by p.asset
        having sum(case p.side when 'debit' then p.amount else -p.amount end) <> 0) or exists (
        select from two_phase_participant p left join agent a on a.id = p.agent_id
        where p.transaction_id = new.id and (a.program_id <> new.program_id or p.program_id <> new.program_id
              or p.peer is not null and (p.peer_agent is null) <> (new.coordinator is not null))) then
        raise 'transaction %: as much is debited as credited in each asset, among agents of its program', new.id using errcode = 'CF002';
    end if;
    return null;
end $$;

-- As before, but for participants that live on another server: they have no mandate here, and are named by none.
do $migration$
declare
    body text := pg_get_functiondef('mandate_refuses(text, integer, timestamptz, bigint, integer)'::regprocedure);
begin
    body := replace(body, 'if p.side is distinct from ''debit'' then', 'if p.side is distinct from ''debit'' or p.agent_id is null then');
    body := replace(body, 'where (q.transaction_id, q.asset, q.side) = (p.transaction_id, p.asset, ''credit'')',
                    'where (q.transaction_id, q.asset, q.side) = (p.transaction_id, p.asset, ''credit'') and q.agent_id is not null');
    body := replace(body, E'    return null;\nend', E'    if named and exists (\n        select from two_phase_participant q '
        || E'where (q.transaction_id, q.asset, q.side) = (p.transaction_id, p.asset, ''credit'') and q.peer is not null) then\n'
        || E'        return format(''its mandate in %s names nobody of another server'', p.asset);\n    end if;\n    return null;\nend');
    execute body;
end $migration$;

create or replace function two_phase_vote_fits() returns trigger language plpgsql as $$
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
              and exists (select from open_hold o where o.hold_id = h.id)) or p.agent_id is not null and not exists (
        select from agent a where a.id = p.agent_id and case p.side when 'debit' then a.state = 'active' else a.state <> 'closed' end) then
        raise 'transaction %: participant % promises nothing: %', t.id, p.number, coalesce(why, 'its hold or its agent is another')
            using errcode = 'CF002';
    end if;
    return new;
end $$;

create or replace function two_phase_decision_fits() returns trigger language plpgsql as $$
declare
    t two_phase;
begin
    select * into t from two_phase where id = new.transaction_id for update;
    if new.decision = 'commit' and (
        select count(*) from two_phase_vote v where v.transaction_id = t.id and v.vote = 'yes') <> t.participants then
        raise 'transaction %: commit is decided once every participant has promised', t.id using errcode = 'CF002';
    elsif (t.coordinator is null) = (new.cause = 'told') and not (t.coordinator is not null and new.cause = 'no_vote') then
        raise 'transaction %: it is decided by %', t.id, coalesce(t.coordinator, 'this server') using errcode = 'CF002';
    end if;
    return new;
end $$;
