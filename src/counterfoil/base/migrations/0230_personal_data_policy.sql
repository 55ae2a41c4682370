-- Under which policy of the house personal data lies in proofs. A proof names the one that was in force when its period ended.
create table personal_data_policy (                  -- append-only
    version     integer     primary key constraint personal_data_policy_is_counted check (version > 0),
    name        text        not null constraint personal_data_policy_has_a_name check (length(name) between 1 and 200),
    sha256      bytea       constraint personal_data_policy_digest_is_sha256 check (length(sha256) = 32),
    reason      text        not null,
    actor       text        not null,
    recorded_at timestamptz not null
);
comment on column personal_data_policy.sha256 is 'of the document itself, where it was given';
select make_append_only('personal_data_policy');
select make_sealed('personal_data_policy');
select keep_to_program('personal_data_policy', 'false');
