"""What must always hold of what was recorded once: it is there, as it was written. See the migration of seals for what they show."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "LEDGER_MUTATED",
        "Is every journal, account, rate, flag and closing of a period still there, as it was written?",
        """select relation, row_id, what
           from broken_seals(array['account', 'account_flag', 'account_guard', 'asset', 'book', 'fee_rate', 'journal', 'journal_import',
                                   'journal_import_step', 'period_close', 'program'])""",
        "critical",
        "Somebody edited the database past its rules: verify from the last good proof.",
        "P2",
    ),
    Invariant(
        "RECORD_MUTATED",
        "Is every other record that is never changed still there, as it was written: payouts, payments, steps, approvals, keys?",
        """select relation, row_id, what
           from broken_seals(array(
               select relation from sealed_relation
               where relation not in ('account', 'account_flag', 'account_guard', 'asset', 'book', 'fee_rate', 'journal', 'journal_import',
                                      'journal_import_step', 'period_close', 'program')))""",
        "critical",
        "Somebody edited the database past its rules: verify from the last good proof.",
        "P2",
    ),
)
