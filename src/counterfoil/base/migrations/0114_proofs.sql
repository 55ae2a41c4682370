-- Proofs of periods, and who signs them. A signer is a person's key; the private half never comes here. A proof waits for signatures of
-- different people in different roles; what is signed is the statement of its request, and a new request begins anew.

create table signer (
    id            text        primary key,
    principal_id  text        not null references principal,
    person        text        not null,              -- as every record names them
    role          text        not null constraint signer_role_is_known check (
        role in ('operator', 'approver', 'controller', 'auditor', 'administrator')),
    public_key    bytea       not null constraint signer_key_is_ed25519 check (length(public_key) = 32),
    created_by    text        not null,
    created_at    timestamptz not null,
    valid_until   timestamptz not null constraint signer_is_valid_for_a_while check (valid_until > created_at),
    revoked_at    timestamptz,
    revoked_by    text,
    revoke_reason text,
    constraint signer_key_is_one_persons unique (public_key),
    constraint signer_is_revoked_whole check ((revoked_at is null) = (revoked_by is null) and (revoked_at is null) = (revoke_reason is null))
);
select make_fixed('signer', 'id', 'principal_id', 'person', 'role', 'public_key', 'created_by', 'created_at', 'valid_until');
select make_once('signer', 'revoked_at', 'revoked_by', 'revoke_reason');
select make_sealed('signer', array['id', 'principal_id', 'person', 'role', 'public_key', 'created_by', 'created_at', 'valid_until']);
insert into approving_role (machine, role) values ('signer', 'administrator');
select make_paired('signer', 'signer', 'add', 'true', 'n.principal_id', $$
    p ->> 'publicKey' = encode(n.public_key, 'hex') and p ->> 'role' = n.role and (p ->> 'validUntil')::timestamptz = n.valid_until$$);

create table proof (                                 -- of what was entered from one moment to another
    id              text        primary key,         -- by what its manifest says: the same proof is the same id
    from_at         timestamptz not null,
    to_at           timestamptz not null,
    open_size       bigint      not null,
    close_size      bigint      not null,
    entries         bigint      not null constraint proof_counts_its_entries check (entries = close_size - open_size and entries >= 0),
    verdict         text        not null constraint proof_verdict_is_known check (verdict in ('complete', 'incomplete')),
    reconciliation  text        not null,            -- the verdict of its report
    manifest_sha256 bytea       not null constraint proof_manifest_is_hashed check (length(manifest_sha256) = 32),
    previous_id     text        references proof,
    duration_ms     integer     not null,            -- that its making took
    made_by         text        not null,
    created_at      timestamptz not null,
    constraint proof_period_is_in_order check (from_at < to_at)
);
select make_stateful('proof', 'proof');
create index proof_by_period on proof (to_at, created_at);
insert into transition (machine, from_state, verb, to_state, needs_reason, needs_pair) values
    ('proof', '', 'create', 'waiting', false, false),
    ('proof', 'waiting', 'complete', 'signed', false, false),
    ('proof', 'waiting', 'reissue', 'waiting', true, false),
    ('proof', 'signed', 'reissue', 'waiting', true, false);
select make_fixed('proof', 'id', 'from_at', 'to_at', 'open_size', 'close_size', 'entries', 'verdict', 'reconciliation', 'manifest_sha256',
                  'previous_id', 'duration_ms', 'made_by', 'created_at');
select make_sealed('proof', array['id', 'from_at', 'to_at', 'open_size', 'close_size', 'entries', 'verdict', 'reconciliation',
                                  'manifest_sha256', 'previous_id', 'duration_ms', 'made_by', 'created_at']);

create table proof_file (                            -- append-only; the files of a proof, which lie in the store
    proof_id text   not null references proof,
    name     text   not null,
    sha256   bytea  not null constraint proof_file_is_hashed check (length(sha256) = 32),
    bytes    bigint not null constraint proof_file_size_is_not_negative check (bytes >= 0),
    crc32    bigint not null,
    primary key (proof_id, name)
);
select make_append_only('proof_file');
select make_sealed('proof_file');

create table proof_request (                         -- append-only; signatures are asked for; only those of the last request count
    proof_id     text        not null references proof,
    number       integer     not null constraint proof_request_starts_at_one check (number > 0),
    quorum       integer     not null constraint proof_quorum_is_small check (quorum between 1 and 5),
    statement    bytea       not null,               -- what is signed
    requested_by text        not null,
    requested_at timestamptz not null,
    primary key (proof_id, number)
);
select make_append_only('proof_request');
select make_sealed('proof_request');

create table proof_signature (                       -- append-only; each of another person, in another role
    proof_id     text        not null,
    number       integer     not null,
    signer_id    text        not null references signer,
    principal_id text        not null,
    role         text        not null,
    signature    bytea       not null constraint proof_signature_is_ed25519 check (length(signature) = 64),
    at           timestamptz not null,
    primary key (proof_id, number, signer_id),
    foreign key (proof_id, number) references proof_request,
    constraint proof_is_signed_once_by_a_person unique (proof_id, number, principal_id),
    constraint proof_is_signed_once_in_a_role unique (proof_id, number, role)
);
select make_append_only('proof_signature');
select make_sealed('proof_signature');

select keep_to_program(target::regclass, 'false')
from unnest(array['signer', 'proof', 'proof_file', 'proof_request', 'proof_signature']) as target;
