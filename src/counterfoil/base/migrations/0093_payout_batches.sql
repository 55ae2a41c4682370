-- What may be paid out: by rule, or in a batch that people approved. An attempt without its approval is refused by the database.

create table payout_policy (                        -- who approves payouts of a program in an asset; the newest counts; append-only
    program_id      text        not null references program,
    asset           text        not null references asset,
    version         integer     not null constraint payout_policy_version check (version > 0),
    by_rule_max     bigint      not null constraint payout_policy_by_rule_max check (by_rule_max >= 0),
    tiers_above     bigint[]    not null,           -- a batch of more than this …
    tiers_approvers integer[]   not null,           -- … takes so many people
    cooling_hours   integer     not null constraint payout_policy_cooling check (cooling_hours between 0 and 8760),
    reason          text        not null,
    actor           text        not null,
    at              timestamptz not null,
    primary key (program_id, asset, version),
    constraint payout_policy_tiers check (cardinality(tiers_above) = cardinality(tiers_approvers) and cardinality(tiers_above) <= 10
                                          and 0 <= all (tiers_above) and 0 < all (tiers_approvers))
);
select make_append_only('payout_policy');
select make_paired('payout_policy', 'payout_policy', 'set', 'true', $$n.program_id || ':' || n.asset$$, $$
    p ->> 'byRuleMax' = n.by_rule_max::text and (p ->> 'coolingHours')::integer = n.cooling_hours
    and p -> 'tiers' = (select coalesce(jsonb_agg(jsonb_build_object('above', above::text, 'approvers', approvers) order by place), '[]')
                        from unnest(n.tiers_above, n.tiers_approvers) with ordinality as tier (above, approvers, place))$$);

create table payout_batch (
    id          text        primary key,
    program_id  text        not null references program,
    asset       text        not null references asset,
    created_by  text        not null references principal,
    maker       text        not null,               -- as every record names them
    created_at  timestamptz not null,
    amount      bigint      not null default 0 constraint payout_batch_amount check (amount >= 0),
    lines       integer     not null default 0 constraint payout_batch_lines check (lines >= 0),
    round       integer     not null default 0,     -- of approvals: each freezing and each expiry begins a new one
    sha256      bytea       constraint payout_batch_is_hashed check (length(sha256) = 32),
    approvers   integer     not null default 1 constraint payout_batch_approvers check (approvers > 0),
    by_rule     boolean     not null default false,
    not_by_rule text,                               -- why the rule does not approve it
    frozen_at   timestamptz,
    approved_at timestamptz,
    executed_at timestamptz                         -- when its execution was begun
);
select make_stateful('payout_batch', 'payout_batch'), make_workable('payout_batch');
select make_fixed('payout_batch', 'id', 'program_id', 'asset', 'created_by', 'maker', 'created_at');
alter table payout_batch
    add constraint payout_batch_is_frozen check (state in ('draft', 'cancelled') or (sha256 is not null and frozen_at is not null and lines > 0)),
    add constraint payout_batch_is_approved
        check (state not in ('approved', 'executing', 'partially_executed', 'executed', 'closed') or approved_at is not null);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('payout_batch', '', 'create', 'draft', false, false),
    ('payout_batch', 'draft', 'submit', 'pending_approval', false, false),
    ('payout_batch', 'draft', 'cancel', 'cancelled', true, false),
    ('payout_batch', 'pending_approval', 'approve', 'approved', false, false),
    ('payout_batch', 'pending_approval', 'reject', 'rejected', true, false),
    ('payout_batch', 'pending_approval', 'edit', 'draft', true, false),
    ('payout_batch', 'pending_approval', 'cancel', 'cancelled', true, false),
    ('payout_batch', 'approved', 'execute', 'executing', false, false),
    ('payout_batch', 'approved', 'expire', 'pending_approval', false, false),
    ('payout_batch', 'approved', 'take_back', 'pending_approval', true, false),
    ('payout_batch', 'executing', 'finish', 'executed', false, false),
    ('payout_batch', 'executing', 'fall_short', 'partially_executed', false, false),
    ('payout_batch', 'executing', 'stop', 'partially_executed', true, false),
    ('payout_batch', 'partially_executed', 'finish', 'executed', false, false),
    ('payout_batch', 'partially_executed', 'close', 'closed', true, false);

create table payout_batch_line (
    batch_id       text        not null references payout_batch,
    number         integer     not null constraint payout_batch_line_number check (number > 0),
    program_id     text        not null references program,
    payout_id      text        not null references payout,
    payee_id       text        not null,
    destination_id text        not null references destination,
    provider       text        not null,
    asset          text        not null references asset,
    amount         bigint      not null constraint payout_batch_line_amount check (amount > 0),
    live           boolean     not null default true,   -- its batch may still pay it
    removed_at     timestamptz,                         -- taken out while the batch was a draft
    paid_at        timestamptz,
    left_at        timestamptz,                         -- taken out after the batch was frozen; `left_why` is the reason
    left_why       text,
    primary key (batch_id, number),
    constraint payout_batch_line_over check (live or removed_at is not null or paid_at is not null or left_at is not null),
    constraint payout_batch_line_left check ((left_at is null) = (left_why is null))
);
create unique index payout_batch_line_lives_once on payout_batch_line (payout_id) where live;
create index payout_batch_line_of_payout on payout_batch_line (payout_id);
select make_fixed('payout_batch_line', 'batch_id', 'number', 'program_id', 'payout_id', 'payee_id', 'destination_id', 'provider', 'asset',
                  'amount');
select make_once('payout_batch_line', 'removed_at', 'paid_at', 'left_at', 'left_why');

create table payout_batch_maker (                   -- whoever made or changed it never approves it; append-only
    batch_id     text        not null references payout_batch,
    program_id   text        not null references program,
    principal_id text        not null references principal,
    at           timestamptz not null,
    primary key (batch_id, principal_id)
);
select make_append_only('payout_batch_maker');

create table payout_batch_approval (                -- one of each person in each round; append-only
    batch_id     text        not null references payout_batch,
    round        integer     not null,
    sha256       bytea       not null constraint payout_batch_approval_is_hashed check (length(sha256) = 32),
    program_id   text        not null references program,
    principal_id text        not null references principal,
    approver     text        not null,
    session_id   text        not null references session (id),
    at           timestamptz not null,
    primary key (batch_id, round, principal_id)
);
select make_append_only('payout_batch_approval');

-- The one form of a batch's lines, and its hash: what people approve is what is paid.
create function payout_batch_digest(batch text) returns bytea stable language sql set search_path = public, pg_temp
    return (select sha256(convert_to(coalesce(string_agg(
                jsonb_build_array(l.number, l.payout_id, l.payee_id, l.destination_id, l.provider, l.asset, l.amount::text)::text,
                E'\n' order by l.number), ''), 'UTF8'))
            from payout_batch_line l where l.batch_id = batch and l.removed_at is null);

create function payout_batch_lines_are_frozen() returns trigger language plpgsql as $$
begin
    if not exists (select from payout_batch b where b.id = new.batch_id and b.state = 'draft') then
        raise 'the lines of batch % are frozen', new.batch_id using errcode = 'CF380';
    end if;
    return new;
end $$;
create trigger payout_batch_lines_are_frozen before insert on payout_batch_line
    for each row execute function payout_batch_lines_are_frozen();
create trigger payout_batch_lines_stay before update of removed_at on payout_batch_line
    for each row when (new.removed_at is distinct from old.removed_at) execute function payout_batch_lines_are_frozen();

-- Only the login of a person who neither made nor changed it, and of exactly what is frozen now.
create function a_person_approves_the_batch() returns trigger language plpgsql security definer as $$
begin
    if not exists (
        select from session s join principal p on p.id = s.principal_id
        where s.id = new.session_id and s.principal_id = new.principal_id and s.api_key_id is null and p.kind = 'person'
          and p.disabled_at is null and new.at >= s.created_at and new.at < s.expires_at) then
        raise 'an approval needs the login of a person' using errcode = 'CF361';
    end if;
    if not exists (select from role_grant g where g.principal_id = new.principal_id and g.role = 'approver' and g.revoked_at is null) then
        raise 'whoever approves a batch holds the role approver' using errcode = 'CF383';
    end if;
    if exists (select from payout_batch_maker m where m.batch_id = new.batch_id and m.principal_id = new.principal_id) then
        raise 'whoever made or changed batch % does not approve it', new.batch_id using errcode = 'CF381';
    end if;
    if not exists (select from payout_batch b where b.id = new.batch_id and b.state = 'pending_approval' and b.round = new.round
                                                and b.sha256 = new.sha256 and b.sha256 = payout_batch_digest(b.id)) then
        raise 'batch % is not what was approved', new.batch_id using errcode = 'CF382';
    end if;
    return new;
end $$;
create trigger a_person_approves_the_batch before insert on payout_batch_approval
    for each row execute function a_person_approves_the_batch();

-- Approved: by as many people as it takes, or by the rule; executed: only what was approved.
create function payout_batch_is_approved_rightly() returns trigger language plpgsql as $$
begin
    if new.sha256 is distinct from payout_batch_digest(new.id) then
        raise 'the lines of batch % are not those that were frozen', new.id using errcode = 'CF382';
    end if;
    if not new.by_rule and new.approvers > (
        select count(*) from payout_batch_approval a where (a.batch_id, a.round, a.sha256) = (new.id, new.round, new.sha256)) then
        raise 'batch % takes the approval of % people', new.id, new.approvers using errcode = 'CF360';
    end if;
    return new;
end $$;
create trigger payout_batch_is_approved_rightly before update of state on payout_batch
    for each row when (new.state <> old.state and new.state in ('approved', 'executing')) execute function payout_batch_is_approved_rightly();

-- By what each attempt was allowed; append-only. `none`: nobody set a policy. `before`: it is older than these approvals.
create table payout_approval (
    provider_payout_id text        primary key,
    payout_id          text        not null references payout,
    program_id         text        not null references program,
    basis              text        not null constraint payout_approval_basis check (basis in ('none', 'rule', 'batch', 'before')),
    policy_version     integer,
    batch_id           text,                         -- no reference: checking it would lock the batch, which waits for its lines
    destination_id     text        references destination,
    amount             bigint      not null constraint payout_approval_amount check (amount > 0),
    at                 timestamptz not null,
    constraint payout_approval_names_its_batch check ((basis = 'batch') = (batch_id is not null)),
    constraint payout_approval_names_its_policy check (basis <> 'rule' or policy_version is not null),
    constraint payout_approval_names_its_destination check (basis = 'before' or destination_id is not null)
);
create index payout_approval_of_payout on payout_approval (payout_id);
create index payout_approval_of_batch on payout_approval (batch_id) where batch_id is not null;
select make_append_only('payout_approval');
insert into payout_approval (provider_payout_id, payout_id, program_id, basis, amount, at)
select id, payout_id, program_id, 'before', amount, created_at from provider_payout;
alter table provider_payout add constraint provider_payout_is_approved
    foreign key (id) references payout_approval deferrable initially deferred;

create function a_batch_pays_its_lines() returns trigger language plpgsql as $$
begin
    if not exists (
        select from payout_batch_line l join payout_batch b on b.id = l.batch_id
        where l.payout_id = new.payout_id and l.batch_id = new.batch_id and l.live and l.removed_at is null
          and (l.amount, l.destination_id) = (new.amount, new.destination_id) and b.state in ('executing', 'partially_executed')) then
        raise 'batch % does not pay this', new.batch_id using errcode = 'CF382';
    end if;
    return new;
end $$;
create trigger a_batch_pays_its_lines before insert on payout_approval
    for each row when (new.basis = 'batch') execute function a_batch_pays_its_lines();
