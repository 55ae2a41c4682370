-- Escrow: a customer's money that waits for its conditions. It goes to the payee (release), back to the customer (refund, expiry), in
-- parts if need be, and never more than was funded. What may move, and when, is decided here, whoever writes the row.

create table escrow (
    id           text        primary key,
    program_id   text        not null references program,
    customer_id  text        not null,
    payee_id     text        not null,
    asset        text        not null references asset,
    amount       bigint      not null constraint escrow_amount_positive check (amount > 0),
    reference    text        not null constraint escrow_reference_size check (length(reference) between 1 and 200),
    rate_version integer     not null,              -- the fees of every release are of these rates
    expires_at   timestamptz not null,
    created_at   timestamptz not null,
    funded       bigint      not null default 0,    -- these four move with `escrow_movement` alone
    released     bigint      not null default 0,
    refunded     bigint      not null default 0,
    repaid       bigint      not null default 0,    -- of what was refunded, what its customer has
    warned_at    timestamptz,
    foreign key (program_id, rate_version) references fee_rate,
    constraint escrow_expires_later check (expires_at > created_at),
    constraint escrow_funded_within_amount check (funded between 0 and amount),
    constraint escrow_gives_no_more_than_it_has check (released >= 0 and refunded >= 0 and released + refunded <= funded),
    constraint escrow_repaid_within_refunded check (repaid between 0 and refunded)
);
select make_stateful('escrow', 'escrow'), make_workable('escrow');
select make_fixed('escrow', 'id', 'program_id', 'customer_id', 'payee_id', 'asset', 'amount', 'reference', 'rate_version', 'expires_at',
                  'created_at', 'funded', 'released', 'refunded', 'repaid');
select make_sealed('escrow', array['id', 'program_id', 'customer_id', 'payee_id', 'asset', 'amount', 'reference', 'rate_version', 'expires_at',
                                   'created_at']);
alter table escrow
    add constraint escrow_active_is_funded check (state not in ('active', 'disputed') or funded = amount),
    add constraint escrow_over_holds_nothing
        check (state not in ('released', 'refunded', 'split', 'expired') or released + refunded = funded);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('escrow', '', 'create', 'pending', false, false),
    ('escrow', 'pending', 'fund_part', 'pending', false, false),
    ('escrow', 'pending', 'fund', 'active', false, false),
    ('escrow', 'pending', 'refund', 'refunded', false, false),
    ('escrow', 'pending', 'expire', 'expired', false, false),
    ('escrow', 'active', 'release_part', 'active', false, false),
    ('escrow', 'active', 'refund_part', 'active', false, false),
    ('escrow', 'active', 'release', 'released', false, false),
    ('escrow', 'active', 'refund', 'refunded', false, false),
    ('escrow', 'active', 'split', 'split', false, false),
    ('escrow', 'active', 'expire', 'expired', false, false),
    ('escrow', 'active', 'freeze', 'disputed', true, false),
    ('escrow', 'disputed', 'unfreeze', 'active', true, false),
    ('escrow', 'disputed', 'release', 'released', false, false),
    ('escrow', 'disputed', 'refund', 'refunded', false, false),
    ('escrow', 'disputed', 'split', 'split', false, false);

create function escrow_is_born_empty() returns trigger language plpgsql as $$
begin
    if (new.funded, new.released, new.refunded, new.repaid, new.state) <> (0, 0, 0, 0, 'pending') then
        raise 'an escrow begins pending, with nothing in it' using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger escrow_is_born_empty before insert on escrow for each row execute function escrow_is_born_empty();

create table escrow_condition (                     -- what must hold before anything is released; append-only
    escrow_id   text        not null references escrow,
    number      integer     not null constraint escrow_condition_number check (number between 1 and 20),
    program_id  text        not null references program,
    kind        text        not null,
    not_before  timestamptz,
    signers     text[]      not null default '{}',  -- as records name them: person:anna, key:portal
    needed      integer,
    least_micro bigint,                             -- millionths: of a quantity used, or of a score
    primary key (escrow_id, number),
    constraint escrow_condition_says_what check (case kind
        when 'time' then not_before is not null and cardinality(signers) = 0 and needed is null and least_micro is null
        when 'signature' then not_before is null and cardinality(signers) = 1 and needed = 1 and least_micro is null
        when 'm_of_n' then not_before is null and cardinality(signers) between 2 and 20 and needed between 1 and cardinality(signers)
                           and least_micro is null
        when 'usage' then not_before is null and cardinality(signers) = 0 and needed is null and least_micro > 0
        when 'score' then not_before is null and cardinality(signers) = 0 and needed is null and least_micro >= 0
        else false end)
);
select make_append_only('escrow_condition');
select make_sealed('escrow_condition');

create table escrow_evidence (                      -- signatures and scores; append-only
    id          text        primary key,
    escrow_id   text        not null,
    condition   integer     not null,
    program_id  text        not null references program,
    actor       text        not null,
    score_micro bigint      constraint escrow_evidence_score check (score_micro >= 0),
    source      text,                               -- of a score: where it can be seen
    at          timestamptz not null,
    foreign key (escrow_id, condition) references escrow_condition
);
create unique index escrow_evidence_one_signs_once on escrow_evidence (escrow_id, condition, actor) where score_micro is null;
create index escrow_evidence_of_condition on escrow_evidence (escrow_id, condition, at);
select make_append_only('escrow_evidence');
select make_sealed('escrow_evidence');

create function escrow_evidence_fits() returns trigger language plpgsql as $$
begin
    if not exists (
        select from escrow_condition c join escrow e on e.id = c.escrow_id
        where (c.escrow_id, c.number, c.program_id) = (new.escrow_id, new.condition, new.program_id)
          and case when new.score_micro is null then c.kind in ('signature', 'm_of_n') and new.actor = any (c.signers)
                   else c.kind = 'score' and new.source is not null end
          and e.state in ('pending', 'active', 'disputed')) then
        raise 'escrow %: this fulfils no condition of it', new.escrow_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger escrow_evidence_fits before insert on escrow_evidence for each row execute function escrow_evidence_fits();
create index usage_of_parties on usage_record (program_id, customer_id, payee_id, occurred_at);

-- Each condition, how far it is, and whether it holds at this moment. Used is what the customer used of the payee since the escrow began.
create function escrow_standing(escrow_asked text, moment timestamptz)
    returns table (number integer, kind text, reached bigint, holds boolean) stable language plpgsql as $$
begin
    return query
    select c.number, c.kind, f.reached, case c.kind when 'time' then moment >= c.not_before
                                                   when 'signature' then f.reached >= c.needed
                                                   when 'm_of_n' then f.reached >= c.needed
                                                   else f.reached >= c.least_micro end
    from escrow_condition c
    join escrow e on e.id = c.escrow_id
    cross join lateral (
        select case c.kind
            when 'time' then 0
            when 'usage' then coalesce((
                select sum(u.quantity_micro) from usage_record u
                where (u.program_id, u.customer_id, u.payee_id) = (e.program_id, e.customer_id, e.payee_id)
                  and u.occurred_at >= e.created_at and u.occurred_at <= moment), 0)
            when 'score' then coalesce((  -- the last word counts
                select v.score_micro from escrow_evidence v
                where v.escrow_id = e.id and v.condition = c.number and v.at <= moment order by v.at desc, v.id desc limit 1), -1)
            else (select count(distinct v.actor) from escrow_evidence v
                  where v.escrow_id = e.id and v.condition = c.number and v.actor = any (c.signers) and v.at <= moment)
        end::bigint as reached) f
    where c.escrow_id = escrow_asked
    order by c.number;
end $$;

create table escrow_movement (                      -- append-only
    id            text        primary key,
    escrow_id     text        not null references escrow,
    number        integer     not null,
    program_id    text        not null references program,
    kind          text        not null constraint escrow_movement_kind check (kind in ('fund', 'release', 'refund', 'expire', 'repay')),
    amount        bigint      not null constraint escrow_movement_positive check (amount > 0),
    platform_fee  bigint      not null default 0,
    validator_fee bigint      not null default 0,
    net           bigint      not null default 0,   -- of a release: what the payee gets
    payment_id    text        references payment,   -- of a funding through a provider
    provider      text,                             -- where the money came from or went to: a provider, or bank
    reference     text        constraint escrow_movement_reference check (length(reference) between 1 and 200),
    by_ruling     boolean     not null default false,
    actor         text        not null,
    reason        text,
    at            timestamptz not null,
    constraint escrow_movement_number_is_one unique (escrow_id, number),
    constraint escrow_release_adds_up check (least(platform_fee, validator_fee, net) >= 0 and case when kind = 'release'
        then amount = platform_fee + validator_fee + net else platform_fee + validator_fee + net = 0 end),
    constraint escrow_movement_names_the_other_side check ((kind in ('fund', 'repay')) = (provider is not null and reference is not null)),
    constraint escrow_movement_has_a_payment check (payment_id is null or kind = 'fund'),
    constraint escrow_funding_by_a_provider_has_its_payment check (kind <> 'fund' or (provider = 'bank') = (payment_id is null)),
    constraint escrow_movement_by_ruling check (not by_ruling or kind in ('release', 'refund'))
);
create unique index escrow_funding_by_the_bank_counts_once on escrow_movement (reference) where kind = 'fund' and payment_id is null;
create unique index escrow_repayment_counts_once on escrow_movement (provider, reference) where kind = 'repay';
create index escrow_movement_of_payment on escrow_movement (payment_id) where payment_id is not null;
create index escrow_movement_by_time on escrow_movement (at);
select make_append_only('escrow_movement');
select make_sealed('escrow_movement');

-- What a payment that lies in suspense still has.
create function payment_unused(payment_asked text) returns bigint stable language sql
    return (select p.amount - coalesce((select sum(m.amount) from escrow_movement m where m.payment_id = p.id), 0)
            from payment p where p.id = payment_asked and p.invoice_id is null);

create function escrow_moves() returns trigger language plpgsql security definer as $$
declare
    e    escrow;
    held bigint;
begin
    select * into e from escrow where id = new.escrow_id for update;
    held := e.funded - e.released - e.refunded;
    if new.number <> 1 + (select count(*) from escrow_movement m where m.escrow_id = new.escrow_id) or new.program_id <> e.program_id then
        raise 'the movements of escrow % follow one another', e.id using errcode = 'CF002';
    end if;
    if new.kind = 'release' and (
        new.by_ruling and e.state <> 'disputed' or not new.by_ruling and (
            e.state <> 'active' or new.at >= e.expires_at or exists (select from escrow_standing(e.id, new.at) c where not c.holds))) then
        raise 'escrow % is not released: it is %, expires at %, or a condition of it does not hold', e.id, e.state, e.expires_at
            using errcode = 'CF002';
    elsif new.kind = 'refund' and not (case when new.by_ruling then e.state = 'disputed' else e.state in ('pending', 'active') end) then
        raise 'escrow % is not refunded: it is %', e.id, e.state using errcode = 'CF002';
    elsif new.kind = 'expire' and (e.state not in ('pending', 'active') or new.at < e.expires_at or new.amount <> held) then
        raise 'escrow % does not expire: it is %, until %', e.id, e.state, e.expires_at using errcode = 'CF002';
    elsif new.kind = 'fund' and (e.state <> 'pending' or new.at >= e.expires_at or new.amount > e.amount - e.funded) then
        raise 'escrow % takes no more: it is %, until %', e.id, e.state, e.expires_at using errcode = 'CF002';
    elsif new.kind in ('release', 'refund', 'expire') and new.amount > held then
        raise 'escrow % holds %', e.id, held using errcode = 'CF002';
    elsif new.kind = 'repay' and (new.amount > e.refunded - e.repaid or exists (
        select from refund_execution r where (r.provider, r.reference) = (new.provider, new.reference))) then
        raise 'escrow % owes its customer %, and each reference pays once', e.id, e.refunded - e.repaid using errcode = 'CF002';
    end if;
    if new.payment_id is not null then
        perform from payment where id = new.payment_id for update;
        if not exists (select from payment p where p.id = new.payment_id and (p.program_id, p.asset, p.provider, p.charge_id)
                       = (e.program_id, e.asset, new.provider, new.reference)) or new.amount > coalesce(payment_unused(new.payment_id), 0) then
            raise 'payment % has not so much for escrow %', new.payment_id, e.id using errcode = 'CF002';
        end if;
    end if;
    update escrow
    set funded = funded + case when new.kind = 'fund' then new.amount else 0 end,
        released = released + case when new.kind = 'release' then new.amount else 0 end,
        refunded = refunded + case when new.kind in ('refund', 'expire') then new.amount else 0 end,
        repaid = repaid + case when new.kind = 'repay' then new.amount else 0 end
    where id = e.id;
    return new;
end $$;
create trigger escrow_moves before insert on escrow_movement for each row execute function escrow_moves();
alter table escrow_movement enable always trigger escrow_moves;

create function refund_reference_is_of_no_escrow() returns trigger language plpgsql as $$
begin
    if exists (select from escrow_movement m where m.kind = 'repay' and (m.provider, m.reference) = (new.provider, new.reference)) then
        raise 'reference % paid an escrow back', new.reference using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger refund_reference_is_of_no_escrow before insert on refund_execution
    for each row execute function refund_reference_is_of_no_escrow();

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('ESCROW_FUND', 'escrow_fund', 'escrow_movement', true, true),
    ('ESCROW_RELEASE', 'escrow_release', 'escrow_movement', false, true),
    ('ESCROW_REFUND', 'escrow_refund', 'escrow_movement', false, true),
    ('ESCROW_REPAY', 'escrow_repay', 'escrow_movement', true, true);

-- Whatever leaves something to be paid out: a settlement, or a release of an escrow.
create view payout_source as
select id, program_id, invoice_id, payee_id, asset, gross, platform_fee, validator_fee, holdback, net, rate_version, at from settlement
union all
select m.id, m.program_id, m.escrow_id, e.payee_id, e.asset, m.amount, m.platform_fee, m.validator_fee, 0, m.net, e.rate_version, m.at
from escrow_movement m join escrow e on e.id = m.escrow_id
where m.kind = 'release';
