"""The catalogue of what must hold, as the runbooks count it, and which of our checks asks each of it."""

from __future__ import annotations

from typing import Final, NamedTuple


class Entry(NamedTuple):
    """A code of the catalogue: our checks that ask it, and what is to be said of the difference."""

    code: str
    checks: tuple[str, ...]
    says: str = ""


BY_RUNS: Final = (
    "Each run of reconciliation compares it, and a difference is a break; the checks see that runs are made and none is hidden."
)
CATALOGUE: Final = (
    Entry("LEDGER_UNBALANCED", ("LEDGER_UNBALANCED",)),
    Entry("TRIAL_BALANCE_NONZERO", ("TRIAL_BALANCE_NONZERO",)),
    Entry("LEDGER_LOG_BROKEN", ("LOG_SKIPPED", "LOG_MUTATED", "LOG_BEHIND", "CHECKPOINT_BEHIND")),
    Entry("LEDGER_MUTATED", ("LEDGER_MUTATED", "RECORD_MUTATED", "LOG_MUTATED")),
    Entry("ACCOUNT_BALANCE_DRIFT", ("ACCOUNT_BALANCE_DRIFT",), "Also called WALLET_DRIFT."),
    Entry("NEGATIVE_BALANCE", ("NEGATIVE_BALANCE",)),
    Entry("IDEMPOTENCY_CONFLICT", ("IDEMPOTENCY_CONFLICT", "KEY_OF_ANOTHER_WRITER")),
    Entry("FINALIZE_MISSING", ("FINALIZE_MISSING",)),
    Entry("FINALIZE_ORPHAN", ("FINALIZE_ORPHAN",)),
    Entry(
        "FINALIZE_AMOUNT_MISMATCH",
        ("PAYOUT_LEDGER_TIE", "PAYOUT_AMOUNT_TIE"),
        "Reconciliation holds it against the provider.",
    ),
    Entry("DOUBLE_PAYOUT", ("DOUBLE_PAYOUT", "BATCH_LINE_TWICE", "OVERPAID_BOOKED")),
    Entry("OUTBOX_SENDING_STUCK", ("OUTBOX_SENDING_STUCK",)),
    Entry("PAYOUT_SENT_SILENT", ("PAYOUT_SENT_SILENT",)),
    Entry("PAYOUT_PROCESSING_AGED", ("PAYOUT_PROCESSING_AGED",)),
    Entry("HELD_AGED", ("HELD_AGED",)),
    Entry("QUARANTINE_LEAK", ("QUARANTINE_LEAK",)),
    Entry("PAYOUT_SUM", ("PAYOUT_SUM",)),
    Entry("ESCROW_CONSERVATION", ("ESCROW_CONSERVATION", "ESCROW_TOTALS", "ESCROW_LEDGER_TIE")),
    Entry("INVOICE_LEDGER_TIE", ("INVOICE_LEDGER_TIE", "PAYMENT_WITHOUT_JOURNAL")),
    Entry("PAID_INVOICE_NO_PAYOUT", ("PAYOUT_MISSING", "INTENT_STUCK")),
    Entry("DISPUTE_HOLD_MISSING", ("DISPUTE_HOLD",)),
    Entry("DISPUTE_CONSERVATION", ("DISPUTE_EFFECT",)),
    Entry("REFUND_OVER", ("REFUND_WITHIN_PAID", "CHARGEBACK_TIE")),
    Entry("HOLDBACK_TIE", ("HOLDBACK_TIE", "HOLDBACK_OVERDUE")),
    Entry("RECEIVABLE_NOT_NETTED", ("RECEIVABLE_NOT_NETTED",)),
    Entry("TREASURY_TIE", ("TREASURY_LEDGER_TIE", "SETTLEMENT_LEDGER_TIE")),
    Entry("VALIDATOR_FEE_TIE", ("TREASURY_LEDGER_TIE", "SETTLEMENT_LEDGER_TIE")),
    Entry("CLEARING_AGED", ("CLEARING_AGED", "PAYOUT_PROCESSING_AGED", "STALE_SOURCE")),
    Entry("TWOPC_STUCK", ("TRANSACTION_STUCK",)),
    Entry("TWOPC_ATOMICITY", ("TRANSACTION_ATOMIC", "TRANSACTION_DECIDED_RIGHTLY")),
    Entry("HOLD_ORPHAN", ("HOLD_ORPHAN", "HOLD_OVERDUE", "TRANSACTION_PROMISES_STAND")),
    Entry("BATCH_TIE", ("BATCH_DIGEST",)),
    Entry("APPROVAL_POLICY", ("BATCH_UNAPPROVED", "PAYOUT_UNAPPROVED", "BREAK_TWO_PEOPLE")),
    Entry("BATCH_AGED", ("BATCH_AGED", "BATCH_STALLED")),
    Entry("COMMISSION_TIE", ("COMMISSION_TIE", "COMMISSION_LEDGER_TIE", "COMMISSION_PAID_ONCE")),
    Entry("AFFILIATE_TREE", ("AFFILIATE_TREE",)),
    Entry("PROVIDER_TIE", ("BREAK_FOUND_IS_SHOWN", "STALE_SOURCE"), BY_RUNS),
    Entry("BANK_TIE", ("BREAK_FOUND_IS_SHOWN", "STALE_SOURCE"), BY_RUNS),
    Entry("CLIENT_MONEY_SHORTFALL", ("CLIENT_MONEY_SHORTFALL", "CLIENT_MONEY_STALE")),
    Entry("WEBHOOK_IN_PARKED", ("WEBHOOK_IN_PARKED", "WEBHOOK_IN_REFUSED", "EVENT_PARKED")),
    Entry("WEBHOOK_OUT_DEAD", ("WEBHOOK_OUT_DEAD", "WEBHOOK_OUT_FAILING")),
    Entry("INTENT_STUCK", ("INTENT_STUCK",)),
    Entry("JOB_NOT_RUN", ("JOB_NOT_RUN", "JOB_FAILED")),
    Entry("WORKER_DOWN", ("WORKER_DOWN", "QUEUE_DEPTH", "PROCESSING_SLOW")),
    Entry("CHECK_NOT_RUN", ("CHECK_NOT_RUN", "STALE_SOURCE")),
    Entry("PROOF_GAP", ("PROOF_GAP",), "That a proof verifies is asked where it is made, and by whoever has it."),
    Entry("RESTORE_DRILL_OVERDUE", ("RESTORE_DRILL_OVERDUE", "DRILL_FAILED")),
    Entry("PERIOD_CLOSED_POST", ("PERIOD_CLOSED_POST", "PERIOD_REOPENED_ALONE")),
    Entry(
        "MANUAL_ACTION_UNPAIRED",
        ("BREAK_TWO_PEOPLE", "BREAK_JOURNAL_ORPHAN", "BREAK_JOURNAL_PAYLOAD", "WRITE_OFF_LEDGER_TIE", "TRANSACTION_FORCED_WAS_VERIFIED"),
        "Other acts that take two are refused by the database without the second person.",
    ),
    Entry("DESTINATION_CHANGE_RISK", ("DESTINATION_CHANGE_RISK", "DESTINATION_NOT_AS_AGREED")),
    Entry("CARBON_TIE", ("CARBON_TIE", "CARBON_BILLED")),
)
