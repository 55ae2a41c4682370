"""Key spaces: a key that begins with one of these words and a colon belongs to the part of the product that posts under it.

A caller's key never lies in one, so nobody can take the key of a real settlement before it is posted. Each space also says what
its journals are: facts, which are booked whatever was frozen or closed since, or decisions, which may be refused. The database
holds the same rows (table `key_space`), and a test compares them.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class KeySpace(NamedTuple):
    """`word` begins the key. `kind` and `source_type` are those of its journals; None leaves them open.

    `is_fact`: it has happened already, so a freeze does not stop it and a closed account opens again. `is_late_ok`: when its period
    is closed, it is booked on the first open day, with the day on which it happened beside it.
    """

    word: str
    kind: str | None
    source_type: str | None
    is_fact: bool
    is_late_ok: bool
    is_reversible: bool = True

    def key(self, *parts: str) -> str:
        """A key in this space."""
        return ":".join([self.word, *parts])


PAYMENT: Final = KeySpace("PAYMENT", "payment", "charge", True, True)
SETTLEMENT: Final = KeySpace("SETTLEMENT", "settlement", "settlement", False, True)
PAYOUT_RESERVE: Final = KeySpace("PAYOUT_RESERVE", "payout_reserve", "provider_payout", False, True, is_reversible=False)
PAYOUT_FINALIZE: Final = KeySpace("PAYOUT_FINALIZE", "payout_finalize", "provider_payout", True, True, is_reversible=False)
PAYOUT_RELEASE: Final = KeySpace("PAYOUT_RELEASE", "payout_release", "provider_payout", True, True, is_reversible=False)
PAYOUT_RETURN: Final = KeySpace("PAYOUT_RETURN", "payout_return", "provider_payout", True, True)
# Money that was thought to have come back, and had been paid: it is set aside again. And a debt that is paid from what is owed.
PAYOUT_RESERVE_AGAIN: Final = KeySpace("PAYOUT_RESERVE_AGAIN", "payout_reserve_again", "provider_payout", True, True, is_reversible=False)
PAYOUT_NETTING: Final = KeySpace("PAYOUT_NETTING", "payout_netting", "payout", True, True)
PAYOUT_SWEEP: Final = KeySpace("PAYOUT_SWEEP", "payout_sweep", "provider_payout", True, True)
CHAIN_GAS: Final = KeySpace("CHAIN_GAS", "chain_gas", "provider_payout", True, True, is_reversible=False)
HOLDBACK_RELEASE: Final = KeySpace("HOLDBACK_RELEASE", "holdback_release", "holdback_tranche", False, True)
REFUND: Final = KeySpace("REFUND", "refund", "refund", False, True)
REFUND_EXECUTE: Final = KeySpace("REFUND_EXECUTE", "refund_execute", "refund", True, True)
TREASURY_DISTRIBUTE: Final = KeySpace("TREASURY_DISTRIBUTE", "treasury_distribution", "treasury_movement", False, True)
TREASURY_WITHDRAW: Final = KeySpace("TREASURY_WITHDRAW", "treasury_withdrawal", "treasury_movement", False, True)
ESCROW_FUND: Final = KeySpace("ESCROW_FUND", "escrow_fund", "escrow_movement", True, True)
ESCROW_RELEASE: Final = KeySpace("ESCROW_RELEASE", "escrow_release", "escrow_movement", False, True)
ESCROW_REFUND: Final = KeySpace("ESCROW_REFUND", "escrow_refund", "escrow_movement", False, True)
ESCROW_REPAY: Final = KeySpace("ESCROW_REPAY", "escrow_repay", "escrow_movement", True, True)
COMMISSION_ACCRUE: Final = KeySpace("COMMISSION_ACCRUE", "commission_accrual", "commission_sale", False, True)
COMMISSION_MATURE: Final = KeySpace("COMMISSION_MATURE", "commission_maturity", "commission", False, True)
COMMISSION_REVERSE: Final = KeySpace("COMMISSION_REVERSE", "commission_reversal", "commission_reversal", False, True)
COMMISSION_PAY: Final = KeySpace("COMMISSION_PAY", "commission_payment", "commission_payment", False, True)
ESCROW_CHARGE_BACK: Final = KeySpace("ESCROW_CHARGE_BACK", "escrow_charge_back", "escrow_movement", True, True)
CHARGEBACK: Final = KeySpace("CHARGEBACK", "chargeback", "chargeback", True, True)
CHARGEBACK_WON: Final = KeySpace("CHARGEBACK_WON", "chargeback_won", "chargeback", True, True)
CHARGEBACK_FEE: Final = KeySpace("CHARGEBACK_FEE", "chargeback_fee_back", "chargeback", True, True)
CHARGEBACK_DEBT: Final = KeySpace("CHARGEBACK_DEBT", "chargeback_debt", "chargeback", True, True)
CHARGEBACK_ESCROW: Final = KeySpace("CHARGEBACK_ESCROW", "chargeback_escrow", "chargeback", True, True)
CHARGEBACK_REPAID: Final = KeySpace("CHARGEBACK_REPAID", "chargeback_repaid", "chargeback", True, True)
RECEIVABLE_WRITE_OFF: Final = KeySpace("RECEIVABLE_WRITE_OFF", "receivable_write_off", "receivable_write_off", False, False)
TWO_PHASE: Final = KeySpace("TWO_PHASE", None, "two_phase", False, True)  # of holds: what a participant of a transaction promised
CARBON_EMIT: Final = KeySpace("CARBON_EMIT", "carbon_emission", "carbon_posting", True, True, is_reversible=False)
CARBON_BUY: Final = KeySpace("CARBON_BUY", "carbon_purchase", "carbon_credit", False, True, is_reversible=False)
CARBON_RETIRE: Final = KeySpace("CARBON_RETIRE", "carbon_retirement", "carbon_retirement", False, True, is_reversible=False)
OVERPAYMENT_REPAY: Final = KeySpace("OVERPAYMENT_REPAY", "overpayment_repay", "overpayment", True, True)
UNIDENTIFIED_REPAY: Final = KeySpace("UNIDENTIFIED_REPAY", "unidentified_repay", "unidentified_payment", True, True)
INVOICE_WRITE_OFF: Final = KeySpace("INVOICE_WRITE_OFF", "invoice_write_off", "invoice_write_off", False, False)
CUSTOMER_DEBT_PAID: Final = KeySpace("CUSTOMER_DEBT_PAID", "customer_debt_paid", "customer_debt_entry", True, True)
CUSTOMER_WRITE_OFF: Final = KeySpace("CUSTOMER_WRITE_OFF", "customer_write_off", "customer_debt_entry", False, False)
BREAK: Final = KeySpace("break", None, "break", False, False)
HOLD_POST: Final = KeySpace("hold.post", None, None, False, True)
REVERSAL: Final = KeySpace("reversal", "reversal", None, False, False)

SPACES: Final = {
    space.word: space
    for space in (
        PAYMENT,
        SETTLEMENT,
        PAYOUT_RESERVE,
        PAYOUT_FINALIZE,
        PAYOUT_RELEASE,
        PAYOUT_RETURN,
        PAYOUT_RESERVE_AGAIN,
        PAYOUT_NETTING,
        PAYOUT_SWEEP,
        CHAIN_GAS,
        HOLDBACK_RELEASE,
        REFUND,
        REFUND_EXECUTE,
        TREASURY_DISTRIBUTE,
        TREASURY_WITHDRAW,
        ESCROW_FUND,
        ESCROW_RELEASE,
        ESCROW_REFUND,
        ESCROW_REPAY,
        COMMISSION_ACCRUE,
        COMMISSION_MATURE,
        COMMISSION_REVERSE,
        COMMISSION_PAY,
        ESCROW_CHARGE_BACK,
        CHARGEBACK,
        CHARGEBACK_WON,
        CHARGEBACK_FEE,
        CHARGEBACK_DEBT,
        CHARGEBACK_ESCROW,
        CHARGEBACK_REPAID,
        RECEIVABLE_WRITE_OFF,
        TWO_PHASE,
        CARBON_EMIT,
        CARBON_BUY,
        CARBON_RETIRE,
        OVERPAYMENT_REPAY,
        UNIDENTIFIED_REPAY,
        INVOICE_WRITE_OFF,
        CUSTOMER_DEBT_PAID,
        CUSTOMER_WRITE_OFF,
        BREAK,
        HOLD_POST,
        REVERSAL,
    )
}
FAMILY: Final = "PAYOUT_"  # also the kinds of journals of a payout that are still to come


def word_of(key: str) -> str | None:
    """The word of the key space that a key lies in; None when it is a caller's."""
    word, colon, _ = key.partition(":")
    return word if colon and (word in SPACES or word.startswith(FAMILY)) else None
