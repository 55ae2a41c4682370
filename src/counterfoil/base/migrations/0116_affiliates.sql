-- Affiliates and their commissions. Who referred whom is a tree; what each earned of a sale is worked out once, from facts that are frozen
-- with it, and whoever writes the row, the database works it out again.

create table affiliate (
    id         text        primary key,
    program_id text        not null references program,
    name       text        not null constraint affiliate_name_size check (length(name) between 1 and 100),
    parent_id  text,                               -- moves with `affiliate_placement` alone; null: nobody is above it
    created_at timestamptz not null,
    constraint affiliate_name_is_one unique (program_id, name),
    constraint affiliate_of_program unique (program_id, id),
    constraint affiliate_has_its_parent foreign key (program_id, parent_id) references affiliate (program_id, id),
    constraint affiliate_not_its_own_parent check (parent_id <> id)
);
select make_stateful('affiliate', 'affiliate'), make_workable('affiliate');
select make_fixed('affiliate', 'id', 'program_id', 'name', 'parent_id', 'created_at');
select make_sealed('affiliate', array['id', 'program_id', 'name', 'created_at']);
create index affiliate_of_parent on affiliate (parent_id) where parent_id is not null;
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('affiliate', '', 'create', 'active', false, false),
    ('affiliate', 'active', 'deactivate', 'inactive', true, false),
    ('affiliate', 'inactive', 'activate', 'active', true, false);

create table affiliate_placement (                  -- who stood under whom since when; append-only
    affiliate_id text        not null references affiliate,
    number       integer     not null,
    program_id   text        not null references program,
    parent_id    text,
    actor        text        not null,
    reason       text        not null,
    at           timestamptz not null,
    primary key (affiliate_id, number),
    constraint affiliate_placement_under_its_own_program
        foreign key (program_id, parent_id) references affiliate (program_id, id)
);
select make_append_only('affiliate_placement');
select make_sealed('affiliate_placement');

create function affiliate_depth_max() returns integer immutable language sql return 10;

-- An affiliate and those above it, level 1 first. A circle ends where it began, so that a broken tree can be read.
create function affiliate_path(affiliate_asked text) returns text[] stable language plpgsql as $$
declare
    path    text[] := '{}';
    current text   := affiliate_asked;
begin
    while current is not null and current <> all (path) loop
        path := path || current;
        current := (select parent_id from affiliate where id = current);
    end loop;
    return path;
end $$;

create function affiliate_is_placed() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    above integer;
    below integer;
begin
    -- One change of a program's tree at a time: two that are harmless alone can make a circle together.
    perform pg_advisory_xact_lock(hashtextextended('affiliate:' || new.program_id, 0));
    if new.number <> 1 + (select count(*) from affiliate_placement p where p.affiliate_id = new.affiliate_id)
       or not exists (select from affiliate a where (a.id, a.program_id) = (new.affiliate_id, new.program_id)) then
        raise 'the places of affiliate % follow one another', new.affiliate_id using errcode = 'CF002';
    end if;
    if new.affiliate_id = any (affiliate_path(new.parent_id)) then
        raise 'affiliate % would stand above itself', new.affiliate_id using errcode = 'CF002';
    end if;
    above := coalesce(cardinality(affiliate_path(new.parent_id)), 0);
    with recursive under (id, depth) as (
        select new.affiliate_id, 1
        union all select a.id, u.depth + 1 from affiliate a join under u on a.parent_id = u.id where u.depth <= affiliate_depth_max())
    select max(depth) into below from under;
    if above + below > affiliate_depth_max() then
        raise 'a tree of affiliates is at most % deep; this one would be %', affiliate_depth_max(), above + below using errcode = 'CF002';
    end if;
    update affiliate set parent_id = new.parent_id where id = new.affiliate_id;
    return new;
end $$;
create trigger affiliate_is_placed before insert on affiliate_placement for each row execute function affiliate_is_placed();
alter table affiliate_placement enable always trigger affiliate_is_placed;

create function affiliate_is_born_alone() returns trigger language plpgsql as $$
begin
    if new.parent_id is not null or new.state <> 'active' then
        raise 'an affiliate begins active and alone; a placement puts it under another' using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger affiliate_is_born_alone before insert on affiliate for each row execute function affiliate_is_born_alone();

create table referral (                             -- which customer came through whom; once, append-only
    program_id   text        not null references program,
    customer_id  text        not null constraint referral_customer_size check (length(customer_id) between 1 and 64),
    affiliate_id text        not null,
    actor        text        not null,
    at           timestamptz not null,
    primary key (program_id, customer_id),
    foreign key (program_id, affiliate_id) references affiliate (program_id, id)
);
create index referral_of_affiliate on referral (affiliate_id);
select make_append_only('referral');
select make_sealed('referral');

create function nobody_refers_himself() returns trigger language plpgsql as $$
begin
    if exists (select from affiliate a where a.id = new.affiliate_id and new.customer_id in (a.id, a.name)) then
        raise 'an affiliate does not refer itself: %', new.customer_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger nobody_refers_himself before insert on referral for each row execute function nobody_refers_himself();

create table commission_rate (                      -- versions of the contract; append-only
    program_id   text        not null references program,
    asset        text        not null references asset,
    version      integer     not null constraint commission_rate_version check (version > 0),
    base         text        not null constraint commission_rate_base check (base in ('gross', 'net_of_platform', 'platform_fee')),
    mode         text        not null constraint commission_rate_mode check (mode in ('rates', 'pool')),
    levels       integer[]   not null,              -- basis points of the base, level 1 first
    cap_bps      integer     not null,
    mature_days  integer     not null constraint commission_rate_days check (mature_days between 0 and 3650),
    minimum      bigint      not null constraint commission_rate_minimum check (minimum >= 0),  -- less is not paid; it carries over
    effective_at timestamptz not null,
    actor        text        not null,
    recorded_at  timestamptz not null,
    primary key (program_id, asset, version),
    constraint commission_rate_levels check (cardinality(levels) between 1 and 10 and 1 <= all (levels)
                                             and array_position(levels, null) is null),
    constraint commission_rate_cap check (cap_bps between 1 and 10000),
    constraint commission_rate_looks_ahead check (effective_at >= recorded_at)
);
select make_append_only('commission_rate');
select make_sealed('commission_rate');

create function commission_rates_within_cap() returns trigger language plpgsql as $$
begin
    if (select sum(bps) from unnest(new.levels) as l (bps)) > new.cap_bps then
        raise 'all levels together are at most % basis points', new.cap_bps using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger commission_rates_within_cap before insert on commission_rate for each row execute function commission_rates_within_cap();

create function commission_version_at(program text, of_asset text, moment timestamptz) returns integer stable language sql
    return (select version from commission_rate r where (r.program_id, r.asset) = (program, of_asset) and r.effective_at <= moment
            order by r.effective_at desc, r.version desc limit 1);

create function commission_base(kind text, gross bigint, platform_fee bigint) returns bigint immutable language sql
    return case kind when 'gross' then gross when 'net_of_platform' then gross - platform_fee else platform_fee end;

-- What each level gets of a base. By rates each is rounded down; a pool is rounded down and then divided by largest remainder.
create function commission_shares(base bigint, levels integer[], mode text) returns bigint[] immutable language sql
    return (with level as (select n, bps from unnest(levels) with ordinality as u (bps, n)),
                 pot as (select div(base::numeric * sum(bps), 10000) as minor, sum(bps) as bps from level),
                 part as (select n, case mode when 'rates' then div(base::numeric * l.bps, 10000) else div(p.minor * l.bps, p.bps) end as whole,
                                 case mode when 'rates' then 0 else mod(p.minor * l.bps, p.bps) end as rest
                          from level l cross join pot p),
                 ranked as (select n, whole, row_number() over (order by rest desc, n) as place from part)
            select array_agg((whole + case when mode = 'pool' and place <= (select minor from pot) - (select sum(whole) from part)
                                           then 1 else 0 end)::bigint order by n) from ranked);

-- What is sold, to whom: an invoice's settlement, or a release of an escrow.
create view sale as
select s.id, s.program_id, i.customer_id, s.invoice_id, s.payee_id, s.asset, s.gross, s.platform_fee, s.validator_fee, s.holdback, s.net,
       s.rate_version, s.at, true as is_settlement
from settlement s join invoice i on i.id = s.invoice_id
union all
select m.id, m.program_id, e.customer_id, m.escrow_id, e.payee_id, e.asset, m.amount, m.platform_fee, m.validator_fee, 0, m.net,
       e.rate_version, m.at, false
from escrow_movement m join escrow e on e.id = m.escrow_id
where m.kind = 'release';

create table commission_sale (                      -- a sale that was referred, with what its commissions follow from; append-only
    id           text        primary key,           -- the settlement's, or the release's
    program_id   text        not null references program,
    customer_id  text        not null,
    asset        text        not null references asset,
    gross        bigint      not null,
    platform_fee bigint      not null,
    rate_version integer     not null,
    base_kind    text        not null,
    mode         text        not null,
    levels       integer[]   not null,
    path         text[]      not null constraint commission_path_size check (cardinality(path) between 1 and 10),  -- level 1 first
    earns        boolean[]   not null,              -- who of the path was active, and not the customer
    at           timestamptz not null,
    foreign key (program_id, asset, rate_version) references commission_rate,
    constraint commission_path_says_who_earns check (cardinality(path) = cardinality(earns))
);
select make_append_only('commission_sale');
select make_sealed('commission_sale');

create function commission_sale_is_true() returns trigger language plpgsql as $$
begin
    if not exists (
        select from sale s join commission_rate r on (r.program_id, r.asset, r.version) = (s.program_id, s.asset, new.rate_version)
        join referral f on (f.program_id, f.customer_id) = (s.program_id, s.customer_id)
        where s.id = new.id and f.at <= s.at and r.version = commission_version_at(s.program_id, s.asset, s.at)
          and (s.program_id, s.customer_id, s.asset, s.gross, s.platform_fee) =
              (new.program_id, new.customer_id, new.asset, new.gross, new.platform_fee)
          and (r.base, r.mode, r.levels) = (new.base_kind, new.mode, new.levels) and new.path[1] = f.affiliate_id) then
        raise 'sale %: it was not referred so, or other rates were in force', new.id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger commission_sale_is_true before insert on commission_sale for each row execute function commission_sale_is_true();

-- What each level of a sale is due, after what went back to the customer since; 0 where it stays with the platform.
create function commission_due(sale_asked text, with_refunds boolean) returns bigint[] stable language sql
    return (select (select array_agg(case when c.earns[n] then share else 0 end order by n)
                    from unnest((commission_shares(
                        commission_base(c.base_kind, c.gross - b.amount, c.platform_fee - b.platform_fee), c.levels, c.mode))
                        [1:cardinality(c.path)]) with ordinality as u (share, n))
            from commission_sale c
            cross join lateral (
                select coalesce(sum(r.amount), 0)::bigint as amount, coalesce(sum(r.platform_fee), 0)::bigint as platform_fee
                from refund r where with_refunds and r.settlement_id = c.id and r.state <> 'won_back') b
            where c.id = sale_asked);
create index refund_of_settlement on refund (settlement_id) where settlement_id is not null;

create table commission (
    id           text        primary key,
    program_id   text        not null references program,
    sale_id      text        not null references commission_sale,
    affiliate_id text        not null,
    level        integer     not null,
    asset        text        not null references asset,
    amount       bigint      not null constraint commission_positive check (amount > 0),
    taken_back   bigint      not null default 0,    -- moves with `commission_reversal` alone
    matures_at   timestamptz not null,
    created_at   timestamptz not null,
    payment_id   text,                              -- from the moment its payment is made, so that no other pays it too
    paid         bigint,                            -- what that payment counted of it
    foreign key (program_id, affiliate_id) references affiliate (program_id, id),
    constraint commission_of_a_level_is_one unique (sale_id, level),
    constraint commission_taken_back_within check (taken_back between 0 and amount),
    constraint commission_paid_with_its_payment check ((payment_id is null) = (paid is null)),
    constraint commission_paid_within check (paid between 1 and amount)
);
select make_stateful('commission', 'commission'), make_workable('commission');
select make_fixed('commission', 'id', 'program_id', 'sale_id', 'affiliate_id', 'level', 'asset', 'amount', 'taken_back', 'matures_at',
                  'created_at');
select make_once('commission', 'payment_id', 'paid');
select make_sealed('commission', array['id', 'program_id', 'sale_id', 'affiliate_id', 'level', 'asset', 'amount', 'matures_at', 'created_at']);
create index commission_of_affiliate on commission (affiliate_id, asset, state);
create index commission_of_payment on commission (payment_id) where payment_id is not null;
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('commission', '', 'create', 'accrued', false, false),
    ('commission', 'accrued', 'mature', 'payable', false, false),
    ('commission', 'accrued', 'reverse', 'reversed', false, false),
    ('commission', 'payable', 'reverse', 'reversed', false, false),
    ('commission', 'payable', 'pay', 'paid', false, false),
    ('commission', 'reversed', 'reinstate', 'accrued', false, false);

create function commission_is_due() returns trigger language plpgsql as $$
begin
    if not exists (select from commission_sale s where s.id = new.sale_id and s.path[new.level] = new.affiliate_id
                   and (s.program_id, s.asset) = (new.program_id, new.asset) and (commission_due(s.id, false))[new.level] = new.amount)
       or (new.state, new.taken_back) <> ('accrued', 0) or new.payment_id is not null then
        raise 'sale %: level % is not due this', new.sale_id, new.level using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger commission_is_due before insert on commission for each row execute function commission_is_due();

create table commission_reversal (                  -- what refunds took back of a commission; below nothing: given again; append-only
    id            text        primary key,
    commission_id text        not null references commission,
    number        integer     not null,
    program_id    text        not null references program,
    amount        bigint      not null constraint commission_reversal_of_something check (amount <> 0),
    state         text        not null,             -- of the commission then; of one that was paid it is netted in the next payment
    at            timestamptz not null,
    constraint commission_reversal_number_is_one unique (commission_id, number)
);
select make_append_only('commission_reversal');
select make_sealed('commission_reversal');

create function commission_is_reversed() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    c commission;
begin
    select * into c from commission where id = new.commission_id for update;
    if new.number <> 1 + (select count(*) from commission_reversal r where r.commission_id = c.id) or new.program_id <> c.program_id
       or new.state <> c.state
       or c.taken_back + new.amount <> c.amount - coalesce((commission_due(c.sale_id, true))[c.level], 0) then
        raise 'commission %: this is not what refunds took back of it', c.id using errcode = 'CF002';
    end if;
    update commission set taken_back = taken_back + new.amount where id = c.id;
    return new;
end $$;
create trigger commission_is_reversed before insert on commission_reversal for each row execute function commission_is_reversed();
alter table commission_reversal enable always trigger commission_is_reversed;

create table commission_payment (                   -- matured commissions that are paid out together; append-only
    id           text        primary key,
    program_id   text        not null references program,
    affiliate_id text        not null,
    asset        text        not null,
    earned       bigint      not null,              -- of its commissions
    netted       bigint      not null,              -- taken back of commissions that were paid before; below nothing: given again
    amount       bigint      not null constraint commission_payment_positive check (amount > 0),
    rate_version integer     not null,              -- whose minimum it reaches
    actor        text        not null,
    at           timestamptz not null,
    foreign key (program_id, affiliate_id) references affiliate (program_id, id),
    foreign key (program_id, asset, rate_version) references commission_rate,
    constraint commission_payment_adds_up check (amount = earned - netted)
);
create index commission_payment_of_affiliate on commission_payment (affiliate_id, asset);
select make_append_only('commission_payment');
select make_sealed('commission_payment');
alter table commission add foreign key (payment_id) references commission_payment;

-- What was taken back of an affiliate's paid commissions and not netted yet.
create function commission_carried(affiliate_asked text, of_asset text) returns bigint stable language sql
    return (coalesce((select sum(r.amount) from commission_reversal r join commission c on c.id = r.commission_id
                      where (c.affiliate_id, c.asset, r.state) = (affiliate_asked, of_asset, 'paid')), 0)
          - coalesce((select sum(p.netted) from commission_payment p
                      where (p.affiliate_id, p.asset) = (affiliate_asked, of_asset)), 0))::bigint;

create function commission_payment_nets() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform from affiliate where id = new.affiliate_id for update;  -- of two payments at once the later sees the earlier
    if new.netted <> commission_carried(new.affiliate_id, new.asset)
       or new.amount < (select minimum from commission_rate r
                        where (r.program_id, r.asset, r.version) = (new.program_id, new.asset, new.rate_version)) then
        raise 'a payment nets % of affiliate %, and reaches the minimum', commission_carried(new.affiliate_id, new.asset), new.affiliate_id
            using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger commission_payment_nets before insert on commission_payment for each row execute function commission_payment_nets();

create function commission_payment_is_whole() returns trigger language plpgsql as $$
begin
    if new.earned <> coalesce((select sum(c.paid) from commission c where c.payment_id = new.id and c.state = 'paid'
                               and (c.program_id, c.affiliate_id, c.asset) = (new.program_id, new.affiliate_id, new.asset)
                               and c.paid = c.amount - c.taken_back), 0) then
        raise 'payment % is not the sum of its commissions', new.id using errcode = 'CF002';
    end if;
    return null;
end $$;
create constraint trigger commission_payment_is_whole after insert on commission_payment deferrable initially deferred
    for each row execute function commission_payment_is_whole();

-- Is a dispute or a chargeback open on what was sold?
create function commission_contested(sale_asked text) returns boolean stable language sql
    return exists (select from settlement s where s.id = sale_asked and (
        exists (select from dispute d where d.invoice_id = s.invoice_id and d.ended_at is null)
        or exists (select from chargeback k where k.invoice_id = s.invoice_id and k.ended_at is null)));

create function commission_is_paid_by_its_payment() returns trigger language plpgsql as $$
begin
    if (old.state, new.state) = ('accrued', 'payable') and (new.state_at < new.matures_at or commission_contested(new.sale_id)) then
        raise 'commission % matures at %, and not while its sale is disputed', new.id, new.matures_at using errcode = 'CF002';
    end if;
    if (new.state = 'paid') <> (new.payment_id is not null) then
        raise 'commission % is paid by a payment, and by one alone', new.id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger commission_is_paid_by_its_payment before update of state on commission
    for each row execute function commission_is_paid_by_its_payment();

create or replace view payout_source as
select id, program_id, invoice_id, payee_id, asset, gross, platform_fee, validator_fee, holdback, net, rate_version, at from sale
union all
select id, program_id, id, affiliate_id, asset, earned, 0, 0, 0, amount, rate_version, at from commission_payment;

insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('COMMISSION_ACCRUE', 'commission_accrual', 'commission_sale', false, true),
    ('COMMISSION_MATURE', 'commission_maturity', 'commission', false, true),
    ('COMMISSION_REVERSE', 'commission_reversal', 'commission_reversal', false, true),
    ('COMMISSION_PAY', 'commission_payment', 'commission_payment', false, true);
