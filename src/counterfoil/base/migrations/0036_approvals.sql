-- Two people: one proposes exactly this, another approves exactly this, and it is done once. For every noun the same three tables.

create table approval_proposal (                    -- append-only
    id             text        primary key,
    machine        text        not null,            -- the noun, and which of its verbs is to be said of which of its things
    subject_id     text        not null,
    verb           text        not null,
    program_id     text        references program,  -- null: it belongs to no program
    payload        jsonb       not null,
    payload_sha256 bytea       not null constraint approval_proposal_is_hashed check (length(payload_sha256) = 32),
    reason         text        not null,
    maker_id       text        not null references principal,
    maker          text        not null,            -- as every record names them
    made_at        timestamptz not null,
    expires_at     timestamptz not null,
    constraint approval_proposal_lives_a_day check (expires_at = made_at + interval '24 hours'),
    constraint approval_proposal_is_whole unique (id, maker_id, payload_sha256, expires_at)
);
create index approval_proposal_of_subject on approval_proposal (subject_id, id);
create index approval_proposal_by_time on approval_proposal (made_at, id);
select make_append_only('approval_proposal');

create table approval_decision (                    -- one of each person; a single no ends it; append-only
    proposal_id    text        not null,
    maker_id       text        not null,
    payload_sha256 bytea       not null,            -- what was decided on is what was proposed
    expires_at     timestamptz not null,
    decision       text        not null constraint approval_decision_word check (decision in ('approved', 'rejected', 'withdrawn')),
    checker_id     text        not null references principal,
    checker        text        not null,
    session_id     text        references session (id),
    reason         text        not null,
    at             timestamptz not null,
    primary key (proposal_id, checker_id),
    constraint approval_decision_on_the_whole foreign key (proposal_id, maker_id, payload_sha256, expires_at)
        references approval_proposal (id, maker_id, payload_sha256, expires_at),
    constraint maker_is_not_checker check (decision <> 'approved' or checker_id <> maker_id),
    constraint approval_in_time check (decision <> 'approved' or at <= expires_at)
);
select make_append_only('approval_decision');

create table approval_use (                         -- it was done, once; append-only
    proposal_id text        primary key references approval_proposal,
    machine     text        not null,
    subject_id  text        not null,
    verb        text        not null,
    step        integer,                            -- the step that it led to; null for a noun without states
    result_id   text,                               -- what was made: a journal, a key
    at          timestamptz not null,
    constraint approval_leads_to_one_step unique (machine, subject_id, step)
);
select make_append_only('approval_use');

-- What two people did about breaks until now. They were named by their keys; the reason why these rows need no login.
insert into principal (id, kind, name, skeleton, created_by, created_at)
select 'prn_0' || upper(substr(md5(who), 1, 25)), 'service', left(who, 80), 'before ' || who, 'system:migration', min(at)
from (select maker as who, made_at as at from break_proposal union all select checker, at from break_decision) named
where not exists (select from api_key k where 'key:' || k.name = who)
group by who;
create temporary view who_was as
select who, coalesce((select k.principal_id from api_key k where 'key:' || k.name = who order by k.created_at, k.id limit 1),
                     'prn_0' || upper(substr(md5(who), 1, 25))) as id
from (select maker as who from break_proposal union select checker from break_decision) named;
insert into approval_proposal (id, machine, subject_id, verb, program_id, payload, payload_sha256, reason, maker_id, maker, made_at, expires_at)
select p.id, 'break', p.break_id, case p.kind when 'adjustment' then 'adjust' else 'write_off' end, b.program_id, p.payload, p.payload_sha256,
       p.reason, w.id, p.maker, p.made_at, p.expires_at
from break_proposal p join break b on b.id = p.break_id join who_was w on w.who = p.maker;
insert into approval_decision (proposal_id, maker_id, payload_sha256, expires_at, decision, checker_id, checker, reason, at)
select d.proposal_id, p.maker_id, d.payload_sha256, d.expires_at, d.decision, w.id, d.checker, d.reason, d.at
from break_decision d join approval_proposal p on p.id = d.proposal_id join who_was w on w.who = d.checker;
insert into approval_use (proposal_id, machine, subject_id, verb, step, result_id, at)
select d.proposal_id, 'break', p.subject_id, p.verb, s.step, d.journal_id::text, d.at
from break_decision d join approval_proposal p on p.id = d.proposal_id
join step s on s.machine = 'break' and s.subject_id = p.subject_id and s.verb = p.verb and s.cause = p.id
where d.decision = 'approved';
drop view who_was;
drop trigger break_is_closed_by_two on break;
drop function break_closes_by_two();
drop table break_decision;

-- API keys never approve, nor does a service or somebody whose login is over: an approval names the login of a person.
create function a_person_approves() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(4271036, hashtext(new.proposal_id));  -- of a yes and a no at once the later sees the earlier
    if new.decision = 'approved' and not exists (
        select from session s join principal p on p.id = s.principal_id
        where s.id = new.session_id and s.principal_id = new.checker_id and s.api_key_id is null and p.kind = 'person'
          and p.disabled_at is null and new.at >= s.created_at and new.at < s.expires_at) then
        raise 'an approval needs the login of a person' using errcode = 'CF361';
    end if;
    if exists (select from approval_decision d where d.proposal_id = new.proposal_id and d.decision <> 'approved')
       or exists (select from approval_use u where u.proposal_id = new.proposal_id) then
        raise 'proposal % is decided', new.proposal_id using errcode = 'CF362';
    end if;
    return new;
end $$;
create trigger a_person_approves before insert on approval_decision for each row execute function a_person_approves();

create function approval_is_used_rightly() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(4271036, hashtext(new.proposal_id));
    if not exists (
        select from approval_proposal p join approval_decision d on d.proposal_id = p.id
        where p.id = new.proposal_id and (p.machine, p.subject_id, p.verb) = (new.machine, new.subject_id, new.verb)
          and new.at <= p.expires_at and d.at <= new.at
        having bool_and(d.decision = 'approved')) then
        raise 'proposal % does not approve this', new.proposal_id using errcode = 'CF360';
    end if;
    return new;
end $$;
create trigger approval_is_used_rightly before insert on approval_use for each row execute function approval_is_used_rightly();

-- For every machine: a step whose verb needs two people, and a change of state that only such verbs allow, is refused without them.
create function paired_steps_are_approved() returns trigger language plpgsql as $$
declare
    lacking record;
begin
    select s.machine, s.subject_id, s.verb into lacking
    from new_step s join transition t using (machine, from_state, verb, to_state)
    where t.needs_pair and not exists (
        select from approval_use u where (u.machine, u.subject_id, u.verb, u.step) = (s.machine, s.subject_id, s.verb, s.step))
    limit 1;
    if found then
        raise '%: % of % needs the approval of a second person', lacking.machine, lacking.verb, lacking.subject_id using errcode = 'CF360';
    end if;
    return null;
end $$;
create trigger paired_steps_are_approved after insert on step
    referencing new table as new_step for each statement execute function paired_steps_are_approved();

create or replace function state_follows_table() returns trigger language plpgsql as $$
declare
    known  boolean;
    paired boolean;
begin
    if new.state is distinct from old.state then
        select count(*) > 0, bool_and(needs_pair) into known, paired
        from transition where machine = tg_argv[0] and from_state = old.state and to_state = new.state;
        if not known then
            raise exception '%: % to % is not a transition', tg_argv[0], old.state, new.state using errcode = 'CF002';
        end if;
        if paired and not exists (
            select from approval_use where machine = tg_argv[0] and subject_id = new.id and step = new.steps) then
            raise '%: % to % needs the approval of a second person', tg_argv[0], old.state, new.state using errcode = 'CF360';
        end if;
    end if;
    return new;
end $$;
