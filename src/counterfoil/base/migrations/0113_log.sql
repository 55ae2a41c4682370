-- The log: one Merkle tree (RFC 9162) per installation. Its leaves are every journal and every act of a person, in the order in which the
-- sequencer took them, each as the exact text that is hashed. Nothing here is on the path of a write: the sequencer follows behind.
--
-- A record is taken when its transaction, and every older one, has ended: `written_by` lies below the oldest transaction that is still
-- open. So none can appear later below what was taken, however long its transaction lasted.

-- Who wrote each record: the transaction, told by the database and by nobody else. Rows of before are the migration's.
do $$
declare
    target text;
begin
    foreach target in array array['action', 'approval_proposal', 'approval_decision', 'period_close', 'account_flag', 'account_guard'] loop
        execute format('alter table %I add column written_by xid8 not null default pg_current_xact_id()', target);
        execute format('create trigger note_transaction before insert on %I for each row execute function note_transaction()', target);
        execute format('alter table %I enable always trigger note_transaction', target);
    end loop;
    foreach target in array array['action', 'approval_proposal', 'approval_decision', 'period_close', 'account_flag', 'account_guard',
                                  'journal'] loop
        execute format('create index %I on %I (written_by)', target || '_by_writer', target);
    end loop;
end $$;
create index approval_use_by_writer on approval_use (coalesce(written_by, '1'::xid8));  -- those of before carry none

create table log_origin (                           -- append-only; what the log calls itself in its checkpoints
    one      boolean     primary key default true constraint log_has_one_origin check (one),
    origin   text        not null constraint log_origin_is_short check (origin ~ '^[A-Za-z0-9./_-]{1,200}$'),
    began_at timestamptz not null
);
select make_append_only('log_origin');

create table log_position (                         -- how far the sequencer has come: only a place to go on from
    one       boolean primary key default true constraint log_has_one_position check (one),
    server    text    not null,                     -- of whose transactions it counts
    next_xid  xid8    not null,                     -- every record of an older transaction is in the log
    swept_xid xid8                                  -- in a database that was restored: how far all records were looked through
);

create table log_entry (                            -- append-only
    index       bigint      primary key constraint log_begins_at_zero check (index >= 0),
    relation    text        not null,
    row_id      text        not null,
    recorded_at timestamptz not null,               -- as the record says
    leaf_hash   bytea       not null,
    record      text        not null,               -- canonical JSON
    constraint log_takes_a_record_once unique (relation, row_id),
    constraint log_leaf_is_hashed check (leaf_hash = sha256('\x00'::bytea || convert_to(record, 'UTF8')))
);
create index log_entry_by_time on log_entry (recorded_at, index);
select make_append_only('log_entry');

create function log_has_no_gap() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    seen record;
begin
    select min(n.index) as first, max(n.index) as last, count(*) as rows into seen from new_entry n;
    if seen.rows > 0 and (seen.last - seen.first + 1 <> seen.rows
                          or seen.first > 0 and not exists (select from log_entry e where e.index = seen.first - 1)) then
        raise exception 'the log is numbered without a gap' using errcode = 'CF390';
    end if;
    return null;
end $$;
create trigger log_has_no_gap after insert on log_entry referencing new table as new_entry
    for each statement execute function log_has_no_gap();
alter table log_entry enable always trigger log_has_no_gap;

create table log_subtree (                          -- append-only; roots of complete subtrees of 256, 65536 ... leaves
    height smallint not null constraint log_subtree_height_is_kept check (height in (8, 16, 24, 32, 40)),
    index  bigint   not null,
    hash   bytea    not null constraint log_subtree_is_a_hash check (length(hash) = 32),
    constraint log_subtree_is_computed_once primary key (height, index)
);
select make_append_only('log_subtree');

create table log_key (                              -- append-only; with which the log signs its checkpoints; the newest is used
    id         text        primary key,
    public_key bytea       not null constraint log_key_is_ed25519 check (length(public_key) = 32),
    seed       bytea,                               -- never here: see the envelope
    made_at    timestamptz not null,
    constraint log_key_is_made_once unique (public_key)
);
select make_append_only('log_key');
select make_confidential('log_key', 'seed');

create table log_checkpoint (                       -- append-only
    size   bigint      primary key constraint log_checkpoint_size_is_not_negative check (size >= 0),
    root   bytea       not null constraint log_checkpoint_root_is_a_hash check (length(root) = 32),
    key_id text        not null references log_key,
    note   text        not null,                    -- the signed note, as it left
    at     timestamptz not null
);
select make_append_only('log_checkpoint');

create table log_boundary (                         -- append-only; where periods end in the log, once that is certain
    at      timestamptz primary key,
    size    bigint      not null constraint log_boundary_size_is_not_negative check (size >= 0),
    made_at timestamptz not null
);
select make_append_only('log_boundary');

-- The log is the installation's: a caller of one program sees none of it.
select keep_to_program(target::regclass, 'false')
from unnest(array['log_origin', 'log_position', 'log_entry', 'log_subtree', 'log_key', 'log_checkpoint', 'log_boundary']) as target;
