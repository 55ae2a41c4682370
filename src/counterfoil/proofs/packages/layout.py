"""What lies in a package, and how a manifest is named: what who makes it and who verifies it must agree on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.ids import ALPHABET

FORMAT: Final = "counterfoil-proof-1"
KEYS_FORMAT: Final = "counterfoil-keys-1"
MANIFEST: Final = "manifest.json"
ENVELOPE: Final = "manifest.dsse.json"
REPORT: Final = "reconciliation_report.json"
FILES: Final = (
    "VERIFY.md",
    "accounts.json",
    "actions.jsonl",
    "alerts.jsonl",
    "approvals.jsonl",
    "breaks.jsonl",
    "checkpoint.close",
    "checkpoint.open",
    "consistency.json",
    "entries.jsonl",
    "keys.json",
    REPORT,
    "runs.jsonl",
    "trial_balance_close.json",
    "trial_balance_open.json",
    "verify.py",
)
ALL: Final = frozenset({*FILES, MANIFEST, ENVELOPE})
APPROVALS: Final = frozenset({"approval_decision", "approval_proposal", "approval_use"})
# Runs of playbooks and checklists in runs.jsonl: their kinds, the act that begins one, and what those that end one make of it.
RUN_KINDS: Final = ("checklist", "playbook")
RUN_BEGINS: Final = "runbook_run.create"
RUN_ENDS: Final[Mapping[str, str]] = {"runbook_run.sign": "signed", "runbook_run.close": "closed"}
_LETTERS: Final = 26
_BITS: Final = 5


def proof_id(manifest: Mapping[str, Any]) -> str:
    """The name that a manifest gets by what it says without it: 130 bits of its SHA-256."""
    told = {name: value for name, value in manifest.items() if name != "proof_id"}
    number = int.from_bytes(hashlib.sha256(canonical_json(told).encode()).digest()) >> 256 - _LETTERS * _BITS
    return "prf_" + "".join(ALPHABET[number >> _BITS * place & 31] for place in reversed(range(_LETTERS)))
