-- Breaks as lasting cases: what runs find is worked on by people until it is closed. Runs keep what they found as they found it.

create table break (
    id          text        primary key,
    program_id  text        not null references program,
    source      text        not null,
    identity    text        not null,              -- the same in every run that finds it
    kind        text        not null,
    severity    text        not null constraint break_severity check (severity in ('low', 'medium', 'high', 'critical')),
    asset       text        not null,
    at_stake    bigint      not null constraint break_at_stake_not_negative check (at_stake >= 0),
    difference  bigint,                            -- what the source has more than our books; null over several assets
    cause       text        not null,              -- the best supported hypothesis; empty without one
    record_id   text        not null,              -- of the first record in it
    reference   text        not null,
    first_on    date        not null,
    last_on     date        not null,
    first_run   text        not null references reconciliation_run,
    last_run    text        not null references reconciliation_run,  -- the last that found it
    last_number integer     not null,              -- and under which number
    gone_run    text        references reconciliation_run,           -- that covered its days and no longer found it
    recurs_of   text        references break,
    owner       text,
    due_on      date        not null,
    opened_at   timestamptz not null,
    state       text        not null,
    state_at    timestamptz not null,
    steps       integer     not null default 1,
    constraint break_days_in_order check (first_on <= last_on),
    constraint break_is_matched_by_a_run check (state <> 'matched' or gone_run is not null),
    constraint break_recurs_of_another check (recurs_of <> id)
);
comment on table break is 'app: select, insert, update';
create unique index break_stands_once on break (program_id, source, identity) where gone_run is null;
create index break_of_identity on break (program_id, source, identity);
create index break_by_state on break (state, id);
create index break_standing_days on break (program_id, source, first_on) where gone_run is null;

create table break_remark (                        -- comments, and who was made its owner; append-only
    break_id text        not null references break,
    number   integer     not null constraint break_remark_number check (number > 0),
    kind     text        not null constraint break_remark_kind check (kind in ('comment', 'owner')),
    text     text        not null constraint break_remark_size check (length(text) <= 2000),
    actor    text        not null,
    at       timestamptz not null,
    primary key (break_id, number)
);
select make_append_only('break_remark');

create table write_off_limit (                     -- the newest counts; append-only
    program_id text        not null references program,
    asset      text        not null references asset,
    version    integer     not null constraint write_off_limit_version check (version > 0),
    minor      bigint      not null constraint write_off_limit_not_negative check (minor >= 0),
    reason     text        not null,
    actor      text        not null,
    at         timestamptz not null,
    primary key (program_id, asset, version)
);
select make_append_only('write_off_limit');

create table break_proposal (                      -- a journal that one person proposes; its payload never changes; append-only
    id             text        primary key,
    break_id       text        not null references break,
    number         integer     not null constraint break_proposal_number check (number > 0),
    kind           text        not null constraint break_proposal_kind check (kind in ('adjustment', 'write_off')),
    payload        jsonb       not null,
    payload_sha256 bytea       not null constraint break_proposal_is_hashed check (length(payload_sha256) = 32),
    minor          bigint      not null constraint break_proposal_moves_something check (minor > 0),
    limit_minor    bigint,                         -- what a write-off was allowed to come to
    reason         text        not null,
    maker          text        not null,
    made_at        timestamptz not null,
    expires_at     timestamptz not null,
    constraint break_proposal_is_numbered_once unique (break_id, number),
    constraint break_proposal_is_whole unique (id, maker, payload_sha256, expires_at),
    constraint write_off_within_limit check ((kind = 'write_off') = (limit_minor is not null) and minor <= coalesce(limit_minor, minor)),
    constraint break_proposal_lives_a_day check (expires_at = made_at + interval '24 hours')
);
select make_append_only('break_proposal');

create table break_decision (                      -- what became of a proposal, once; append-only
    proposal_id    text        primary key,
    maker          text        not null,
    payload_sha256 bytea       not null,           -- what was decided on is what was proposed
    expires_at     timestamptz not null,
    decision       text        not null constraint break_decision_word check (decision in ('approved', 'withdrawn')),
    checker        text        not null,
    reason         text        not null,
    at             timestamptz not null,
    journal_id     uuid        references journal,
    constraint break_decision_on_the_whole foreign key (proposal_id, maker, payload_sha256, expires_at)
        references break_proposal (id, maker, payload_sha256, expires_at),
    constraint maker_is_not_checker check (decision <> 'approved' or checker <> maker),
    constraint approval_in_time check (decision <> 'approved' or at <= expires_at),
    constraint approval_posts_a_journal check ((decision = 'approved') = (journal_id is not null))
);
select make_append_only('break_decision');

-- Nothing is adjusted or written off without the approved journal of two people, whoever asks.
create function break_closes_by_two() returns trigger language plpgsql as $$
begin
    if new.state in ('adjusted', 'written_off') and new.state is distinct from old.state and not exists (
        select from break_decision d join break_proposal p on p.id = d.proposal_id
        where p.break_id = new.id and d.decision = 'approved'
          and p.kind = case new.state when 'adjusted' then 'adjustment' else 'write_off' end) then
        raise 'break % is not % without an approved journal', new.id, new.state using errcode = 'CF301';
    end if;
    return new;
end $$;

insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('break', '', 'create', 'open', false, false),
    ('break', 'open', 'investigate', 'investigating', false, false),
    ('break', 'open', 'match', 'matched', false, false),
    ('break', 'open', 'wait', 'timing', false, false),
    ('break', 'timing', 'match', 'matched', false, false),
    ('break', 'timing', 'mature', 'open', false, false),
    ('break', 'investigating', 'match', 'matched', false, false),
    ('break', 'investigating', 'propose', 'pending_adjustment', false, false),
    ('break', 'investigating', 'accept', 'accepted', true, false),
    ('break', 'investigating', 'mark_duplicate', 'duplicate', false, false),
    ('break', 'investigating', 'reopen', 'open', false, false),
    ('break', 'pending_adjustment', 'adjust', 'adjusted', false, true),
    ('break', 'pending_adjustment', 'write_off', 'written_off', false, true),
    ('break', 'pending_adjustment', 'withdraw', 'investigating', false, false);

create trigger break_follows_table before update of state on break
    for each row execute function state_follows_table('break');
create trigger break_is_closed_by_two before update of state on break
    for each row execute function break_closes_by_two();
