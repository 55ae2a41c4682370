"""One of each thing that the planted books have none of, with the step of its birth."""

from __future__ import annotations

from typing import Final


def _birth(machine: str, subject_id: str, state: str) -> str:
    return f""";
        insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
        values ('{machine}', '{subject_id}', 1, '', 'create', '{state}', 'x', now())"""


BORN: Final = {
    "payment_file": """insert into payment_file (id, provider, program_id, asset, orders, amount, body, sha256, execute_on, created_at,
               state, state_at)
        values ('file_1', 'bank', 'main', 'EUR', 1, 1, '', '', now(), now(), 'made', now())"""
    + _birth("payment_file", "file_1", "made"),
    "proof": """insert into proof (id, from_at, to_at, open_size, close_size, entries, verdict, reconciliation, manifest_sha256,
               duration_ms, made_by, created_at, state, state_at)
        values ('prf_1', now() - interval '1 day', now(), 0, 0, 0, 'complete', 'reconciled', sha256(''), 1, 't', now(), 'waiting', now())"""
    + _birth("proof", "prf_1", "waiting"),
    "proof_export": """insert into proof_export (id, from_at, to_at, actor, started_at, heard_at, stage, state, state_at)
        values ('exp_1', now() - interval '1 day', now(), 't', now(), now(), 'It begins', 'running', now())"""
    + _birth("proof_export", "exp_1", "running"),
    "backup": "insert into backup (id, actor, started_at, state, state_at) values ('bkp_1', 't', now(), 'running', now())"
    + _birth("backup", "bkp_1", "running"),
    "copy": """insert into store_copy (id, store, path, bytes, sha256, found_at, state, state_at)
        values ('cpy_1', 's3://x', 'proofs/y', 1, sha256('x'), now(), 'waiting', now())"""
    + _birth("copy", "cpy_1", "waiting"),
    "drill": "insert into drill (id, name, actor, asked_at, state, state_at) values ('drl_1', 'restore', 't', now(), 'waiting', now())"
    + _birth("drill", "drl_1", "waiting"),
    "runbook_run": """insert into runbook_run (id, runbook, kind, title, ordered, steps_written, sha256, started_by, started_at,
               state, state_at)
        values ('rbr_1', 'morning', 'checklist', 'x', false, '[{}]', sha256(''), 't', now(), 'running', now())"""
    + _birth("runbook_run", "rbr_1", "running"),
    "notice": """insert into notice (id, channel, group_key, level, title, body, created_at, state, state_at)
        values ('ntc_1', 'mail', 'x', 'info', 'x', 'x', now(), 'waiting', now())"""
    + _birth("notice", "ntc_1", "waiting"),
    "silence": """insert into silence (id, until, reason, actor, created_at, state, state_at)
        values ('sil_1', now() + interval '1 day', 'x', 'x', now(), 'active', now())"""
    + _birth("silence", "sil_1", "active"),
}
