-- Calls: each order that was announced to somebody who moves money. A row is written before the first byte leaves, and never cleared:
-- what may still land is known from here, not from the state of the thing that is being paid.

create table call (
    id             text        primary key,
    subject_id     text        not null,           -- the provider payout that is to be paid
    number         integer     not null constraint call_number_positive check (number > 0),  -- the subject's nth call
    provider       text        not null,
    key            text        not null,           -- the idempotency key that goes with it
    payload_sha256 bytea       not null constraint call_payload_is_hashed check (length(payload_sha256) = 32),
    worker         text        not null,
    fence          bigint      not null,           -- of the claim that it was announced under
    announced_at   timestamptz not null,           -- by the database's clock
    horizon_at     timestamptz not null,           -- from then on it cannot land any more
    constraint call_number_is_unique unique (subject_id, number),
    constraint call_has_a_horizon check (horizon_at > announced_at)
);
create index call_of_key on call (provider, key);
select make_append_only('call');

-- What came back, stored as it came and before anything is made of it; then its row is the job of applying it.
create table call_answer (
    id          text        primary key references call,
    kind        text        not null constraint call_answer_kind check (kind in ('accepted', 'later', 'refused', 'unclear')),
    answer      jsonb       not null,
    answered_at timestamptz not null,
    state       text        not null default 'stored' constraint call_answer_state check (state in ('stored', 'applied')),
    applied_at  timestamptz,
    due_at      timestamptz,
    attempt     integer     not null default 0,
    lease_owner text,
    lease_until timestamptz,
    fence       bigint      not null default 0,
    last_error  text,
    constraint call_answer_applied_is_dated check ((state = 'applied') = (applied_at is not null))
);
create index call_answer_due on call_answer (due_at, id) where due_at is not null;
comment on table call_answer is
    'app: select, insert, update (state, applied_at, due_at, attempt, lease_owner, lease_until, fence, last_error)';

create function call_answer_keeps_its_word() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' then
        if (new.id, new.kind, new.answer, new.answered_at) is not distinct from (old.id, old.kind, old.answer, old.answered_at)
            and (old.state = 'stored' or new.state = 'applied') then
            return new;
        end if;
    end if;
    raise exception 'call_answer is append-only: % is refused', lower(tg_op) using errcode = 'CF001';
end $$;
create trigger call_answer_keeps_its_word before update or delete on call_answer
    for each row execute function call_answer_keeps_its_word();
alter table call_answer enable always trigger call_answer_keeps_its_word;
create trigger call_answer_is_not_truncated before truncate on call_answer
    for each statement execute function call_answer_keeps_its_word();
alter table call_answer enable always trigger call_answer_is_not_truncated;

-- A call is closed by its own definite answer, or by its horizon: `closed_at` in the future means that it is open.
create view call_standing as
select c.*, a.kind, a.answer, a.answered_at, a.applied_at,
       case when a.kind <> 'unclear' then least(a.answered_at, c.horizon_at) else c.horizon_at end as closed_at
from call c left join call_answer a on a.id = c.id;

-- Provider payouts of the time before calls were kept: each time that one began to be sent counts as a call. Whether that one left is
-- not known any more, so none is taken for harmless before its horizon. Their answers are in the states of their rows.
insert into call (id, subject_id, number, provider, key, payload_sha256, worker, fence, announced_at, horizon_at)
select 'call_' || pp.id || '_' || row_number() over (partition by pp.id order by s.step), pp.id,
       row_number() over (partition by pp.id order by s.step), pp.provider, pp.idempotency_key, pp.payload_sha256, s.actor, 0, s.at,
       s.at + interval '15 minutes'
from provider_payout pp join step s on s.subject_id = pp.id and s.machine = 'provider_payout' and s.verb = 'send';
