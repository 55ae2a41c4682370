-- A payment that lies in suspense, or funded escrows, may be taken back by the customer's bank. What it had not funded comes out of
-- suspense; what it had funded its customer owes from then on, never the others whose money lies in suspense. Until the bank has decided
-- nothing leaves an escrow that it funded; once it is lost, what is still in the escrow pays the debt.

create table chargeback_escrow (                    -- of what was taken, what had funded which escrow; append-only
    chargeback_id text   not null references chargeback,
    escrow_id     text   not null references escrow,
    amount        bigint not null constraint chargeback_escrow_positive check (amount > 0),
    primary key (chargeback_id, escrow_id)
);
create index chargeback_escrow_of_escrow on chargeback_escrow (escrow_id);
select make_append_only('chargeback_escrow');
select make_sealed('chargeback_escrow');
select keep_to_program('chargeback_escrow', 'chargeback_id in (select id from chargeback)');

-- What a payment that lies in suspense still has.
create or replace function payment_unused(payment_asked text) returns bigint stable language sql
    return (select p.amount - coalesce((select sum(m.amount) from escrow_movement m where m.payment_id = p.id), 0)
                   - coalesce((select sum(c.amount - coalesce((select sum(x.amount) from chargeback_escrow x where x.chargeback_id = c.id), 0))
                               from chargeback c where c.payment_id = p.id and c.state <> 'won'), 0)
            from payment p where p.id = payment_asked and p.invoice_id is null);

-- Whoever uses a payment, or takes it back, locks its row first: of two at once the second sees what the first left.
create function lock_payments(ids text[]) returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
    perform from payment where id = any (ids) order by id for update;
end $$;
comment on function lock_payments is 'app: execute';

create function chargeback_within_payment() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    most bigint;
begin
    perform lock_payments(array[new.payment_id]);
    select p.amount - coalesce((select sum(c.amount) from chargeback c where c.payment_id = p.id and c.state <> 'won'), 0)
    into most from payment p where p.id = new.payment_id;
    if new.amount > most then
        raise 'chargeback % takes %, and % is left of payment %', new.id, new.amount, most, new.payment_id using errcode = 'CF002';
    end if;
    return new;
end $$;
create trigger chargeback_within_payment before insert on chargeback for each row execute function chargeback_within_payment();
alter table chargeback enable always trigger chargeback_within_payment;

-- The chargeback that is open on a payment that funded an escrow; null without one.
create function escrow_charged_back(escrow_asked text) returns text stable language sql
    return (select min(c.id) from chargeback c
            where c.state = 'open' and c.payment_id in (select m.payment_id from escrow_movement m where m.escrow_id = escrow_asked));

alter table escrow_movement
    drop constraint escrow_movement_kind,
    drop constraint escrow_movement_names_the_other_side;
alter table escrow_movement
    add constraint escrow_movement_kind check (kind in ('fund', 'release', 'refund', 'expire', 'repay', 'charge_back', 'set_off')),
    add constraint escrow_movement_names_the_other_side
        check ((kind in ('fund', 'repay', 'charge_back', 'set_off')) = (provider is not null and reference is not null));
insert into key_space (word, kind, source_type, is_fact, is_late_ok) values
    ('ESCROW_CHARGE_BACK', 'escrow_charge_back', 'escrow_movement', true, true),
    ('CHARGEBACK_ESCROW', 'chargeback_escrow', 'chargeback', true, true);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('escrow', 'active', 'charge_back_part', 'active', false, false),
    ('escrow', 'disputed', 'charge_back_part', 'disputed', false, false);

-- What lost chargebacks took of an escrow's money, and has not been taken out of it or set off yet.
create function escrow_lost(escrow_asked text) returns bigint stable language sql
    return (coalesce((select sum(x.amount) from chargeback_escrow x join chargeback c on c.id = x.chargeback_id
                      where x.escrow_id = escrow_asked and c.state = 'lost'), 0)
            - coalesce((select sum(m.amount) from escrow_movement m
                        where m.escrow_id = escrow_asked and m.kind in ('charge_back', 'set_off')), 0));

create or replace function escrow_moves() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    e    escrow;
    held bigint;
    cb   text;
begin
    if new.payment_id is not null then  -- before the escrow, as everywhere
        perform lock_payments(array[new.payment_id]);
    end if;
    select * into e from escrow where id = new.escrow_id for update;
    held := e.funded - e.released - e.refunded;
    cb := escrow_charged_back(e.id);
    if new.number <> 1 + (select count(*) from escrow_movement m where m.escrow_id = new.escrow_id) or new.program_id <> e.program_id then
        raise 'the movements of escrow % follow one another', e.id using errcode = 'CF002';
    end if;
    if new.kind in ('release', 'refund', 'expire', 'repay', 'charge_back', 'set_off') and cb is not null then
        raise 'chargeback % of money that funded escrow % is open: nothing leaves it until the bank has decided', cb, e.id
            using errcode = 'CF002';
    elsif new.kind = 'release' and (
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
    elsif new.kind in ('release', 'refund', 'expire', 'charge_back') and new.amount > held then
        raise 'escrow % holds %', e.id, held using errcode = 'CF002';
    elsif new.kind in ('charge_back', 'set_off') and new.amount > escrow_lost(e.id) then
        raise 'of escrow % banks have taken % that it has not given', e.id, escrow_lost(e.id) using errcode = 'CF002';
    elsif new.kind in ('repay', 'set_off') and new.amount > e.refunded - e.repaid then
        raise 'escrow % owes its customer %', e.id, e.refunded - e.repaid using errcode = 'CF002';
    end if;
    if new.payment_id is not null and (
        not exists (select from payment p where p.id = new.payment_id and (p.program_id, p.asset, p.provider, p.charge_id)
                    = (e.program_id, e.asset, new.provider, new.reference)) or new.amount > coalesce(payment_unused(new.payment_id), 0)) then
        raise 'payment % has not so much for escrow %', new.payment_id, e.id using errcode = 'CF002';
    end if;
    update escrow
    set funded = funded + case when new.kind = 'fund' then new.amount else 0 end,
        released = released + case when new.kind = 'release' then new.amount else 0 end,
        refunded = refunded + case when new.kind in ('refund', 'expire', 'charge_back') then new.amount else 0 end,
        repaid = repaid + case when new.kind in ('repay', 'charge_back', 'set_off') then new.amount else 0 end
    where id = e.id;
    return new;
end $$;

-- Chargebacks of the time before came out of suspense in full, also where the payment had funded escrows: that part was other customers'
-- money. Each is told anew, and whoever follows the event books what its customer owes; what is still in the escrow is frozen with it.
insert into chargeback_escrow (chargeback_id, escrow_id, amount)
with back as (
    select c.id, c.payment_id, c.amount, sum(c.amount) over earlier - c.amount as before
    from chargeback c where c.invoice_id is null and c.state <> 'won'
    window earlier as (partition by c.payment_id order by c.opened_at, c.id)
), used as (
    select m.payment_id, m.escrow_id, sum(m.amount) as amount,
           sum(sum(m.amount)) over (partition by m.payment_id order by max(m.at) desc, m.escrow_id) - sum(m.amount) as before
    from escrow_movement m where m.payment_id is not null group by m.payment_id, m.escrow_id
), place as (  -- first what nothing was funded with, then the escrows, the last one first
    select b.id, u.escrow_id, p.amount - f.amount + u.before as starts, p.amount - f.amount + u.before + u.amount as ends,
           b.before as taken_from, b.before + b.amount as taken_to
    from back b join payment p on p.id = b.payment_id join used u on u.payment_id = b.payment_id
    join (select payment_id, sum(amount) as amount from used group by payment_id) f on f.payment_id = b.payment_id
)
select id, escrow_id, least(ends, taken_to) - greatest(starts, taken_from) from place where least(ends, taken_to) > greatest(starts, taken_from);
create temporary table told on commit drop as
select c.id || '.chargeback_escrow_found.1' as id, c.program_id, c.id as subject_id
from chargeback c where exists (select from chargeback_escrow x where x.chargeback_id = c.id);
insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at, due_at)
select id, 'chargeback_escrow_found', 'critical', program_id, subject_id, '{}', now(), 'due', now(), now() from told;
insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
select 'event', id, 1, '', 'create', 'due', 'system', now() from told;
drop table told;
