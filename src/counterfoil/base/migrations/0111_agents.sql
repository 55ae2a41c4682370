-- Agents: programs that act on the treasury's money by themselves, within what people allow. Each has an account `treasury:agent:{id}` in
-- every asset of its program. What one may spend is its mandate, which two people grant and one takes back.

create table agent (
    id         text        primary key,
    program_id text        not null references program,
    name       text        not null constraint agent_name_size check (length(name) between 1 and 100),
    created_at timestamptz not null,
    created_by text        not null,
    constraint agent_has_a_name_of_its_own unique (program_id, name)
);
select make_stateful('agent', 'agent');
select make_fixed('agent', 'id', 'program_id', 'name', 'created_at', 'created_by');
select make_sealed('agent', array['id', 'program_id', 'name', 'created_at', 'created_by']);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('agent', '', 'create', 'active', false, false),
    ('agent', 'active', 'freeze', 'frozen', true, false),
    ('agent', 'frozen', 'unfreeze', 'active', false, true),
    ('agent', 'active', 'close', 'closed', true, false),
    ('agent', 'frozen', 'close', 'closed', true, false);

-- Of one agent, asset and counterparty the newest row counts. Without a counterparty: what it may spend at all, and without such a row it
-- spends nothing. With one: what of that may go to this other agent. Amounts in minor units; null is no limit of that kind.
create table agent_mandate (                        -- append-only
    id              text        primary key,
    agent_id        text        not null references agent,
    program_id      text        not null references program,
    number          integer     not null,           -- of the agent's mandates
    asset           text        not null references asset,
    counterparty_id text        references agent,
    towards         text        not null constraint agent_mandate_towards check (towards in ('anyone', 'named')),  -- named: who has a row
    per_transaction bigint      constraint agent_mandate_per_transaction check (per_transaction > 0),
    per_hour        bigint      constraint agent_mandate_per_hour check (per_hour > 0),
    per_day         bigint      constraint agent_mandate_per_day check (per_day > 0),
    per_week        bigint      constraint agent_mandate_per_week check (per_week > 0),
    per_month       bigint      constraint agent_mandate_per_month check (per_month > 0),
    expires_at      timestamptz,
    revoked         boolean     not null,
    actor           text        not null,
    reason          text        not null,
    at              timestamptz not null,
    constraint agent_mandate_number_is_one unique (agent_id, number),
    constraint agent_mandate_is_not_towards_itself check (counterparty_id <> agent_id),
    constraint agent_mandate_names_others_once check (counterparty_id is null or towards = 'anyone'),
    constraint agent_mandate_ends_later check (revoked or expires_at > at)
);
create index agent_mandate_newest on agent_mandate (agent_id, asset, counterparty_id, number desc);
select make_append_only('agent_mandate');
select make_sealed('agent_mandate');
select make_paired('agent_mandate', 'agent', 'grant', $$not new.revoked$$, 'n.agent_id', $$
    p ->> 'asset' = n.asset and p ->> 'counterparty' is not distinct from n.counterparty_id and p ->> 'towards' = n.towards
    and p ->> 'per_transaction' is not distinct from n.per_transaction::text and p ->> 'per_hour' is not distinct from n.per_hour::text
    and p ->> 'per_day' is not distinct from n.per_day::text and p ->> 'per_week' is not distinct from n.per_week::text
    and p ->> 'per_month' is not distinct from n.per_month::text
    and (p ->> 'expires_at')::timestamptz is not distinct from n.expires_at$$);

create function agent_mandate_fits() returns trigger language plpgsql as $$
begin
    perform from agent where id = new.agent_id for update;  -- of two at once the later comes after the earlier
    if new.number <> 1 + (select count(*) from agent_mandate m where m.agent_id = new.agent_id)
       or exists (select from agent a where a.id in (new.agent_id, new.counterparty_id) and a.program_id <> new.program_id)
       or not exists (select from book b where (b.program_id, b.asset) = (new.program_id, new.asset))
       or not new.revoked and exists (select from agent a where a.id = new.agent_id and a.state = 'closed') then
        raise 'agent %: its mandates follow one another, in an asset and among agents of its program', new.agent_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger agent_mandate_fits before insert on agent_mandate for each row execute function agent_mandate_fits();
alter table agent_mandate enable always trigger agent_mandate_fits;
