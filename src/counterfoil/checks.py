"""What each part declares that must hold, put together: the one list that the sentinel, the pages, the documents and the tests read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from counterfoil.audit.invariants import INVARIANTS as AUDIT_INVARIANTS
from counterfoil.base.invariant import Invariant
from counterfoil.ledger.invariants import INVARIANTS as LEDGER_INVARIANTS
from counterfoil.ledger.invariants import MONITORS as LEDGER_MONITORS
from counterfoil.operations.invariants import INVARIANTS as OPERATIONS_INVARIANTS
from counterfoil.operations.invariants import MONITORS as OPERATIONS_MONITORS
from counterfoil.operations.webhooks_out.checks import INVARIANTS as WEBHOOK_OUT_INVARIANTS
from counterfoil.operations.webhooks_out.checks import MONITORS as WEBHOOK_OUT_MONITORS
from counterfoil.payouts.batches.invariants import INVARIANTS as BATCH_INVARIANTS
from counterfoil.payouts.batches.invariants import MONITORS as BATCH_MONITORS
from counterfoil.payouts.chain_orders.invariants import INVARIANTS as CHAIN_INVARIANTS
from counterfoil.payouts.chargebacks.invariants import INVARIANTS as CHARGEBACK_INVARIANTS
from counterfoil.payouts.disputes.invariants import INVARIANTS as DISPUTE_INVARIANTS
from counterfoil.payouts.invariants import INVARIANTS as PAYOUT_INVARIANTS
from counterfoil.payouts.invariants import MONITORS as PAYOUT_MONITORS
from counterfoil.payouts.invoices.parts import INVARIANTS as UNPAID_INVARIANTS
from counterfoil.payouts.refunds.customer_debts import INVARIANTS as CUSTOMER_DEBT_INVARIANTS
from counterfoil.payouts.refunds.debts import INVARIANTS as DEBT_INVARIANTS
from counterfoil.payouts.refunds.invariants import INVARIANTS as REFUND_INVARIANTS
from counterfoil.proofs.declared import INVARIANTS as PROOF_INVARIANTS
from counterfoil.proofs.declared import MONITORS as PROOF_MONITORS
from counterfoil.reconciliation.breaks.invariants import INVARIANTS as BREAK_INVARIANTS
from counterfoil.reconciliation.breaks.invariants import MONITORS as BREAK_MONITORS
from counterfoil.settlement.affiliates.invariants import INVARIANTS as AFFILIATE_INVARIANTS
from counterfoil.settlement.commissions.invariants import INVARIANTS as COMMISSION_INVARIANTS
from counterfoil.settlement.escrow.invariants import INVARIANTS as ESCROW_INVARIANTS
from counterfoil.settlement.holdback import INVARIANTS as HOLDBACK_INVARIANTS
from counterfoil.settlement.invariants import INVARIANTS as SETTLEMENT_INVARIANTS
from counterfoil.settlement.invariants import MONITORS as SETTLEMENT_MONITORS
from counterfoil.settlement.treasury.invariants import INVARIANTS as TREASURY_INVARIANTS
from counterfoil.treasury.agents.invariants import INVARIANTS as AGENT_INVARIANTS
from counterfoil.treasury.carbon.invariants import INVARIANTS as CARBON_INVARIANTS
from counterfoil.treasury.carbon.invariants import MONITORS as CARBON_MONITORS
from counterfoil.treasury.two_phase.invariants import INVARIANTS as TWO_PHASE_INVARIANTS
from counterfoil.treasury.two_phase.invariants import MONITORS as TWO_PHASE_MONITORS

INVARIANTS_OF_PARTS: Final[Sequence[Invariant]] = (
    *LEDGER_INVARIANTS,
    *SETTLEMENT_INVARIANTS,
    *HOLDBACK_INVARIANTS,
    *ESCROW_INVARIANTS,
    *TREASURY_INVARIANTS,
    *AGENT_INVARIANTS,
    *TWO_PHASE_INVARIANTS,
    *CARBON_INVARIANTS,
    *AFFILIATE_INVARIANTS,
    *COMMISSION_INVARIANTS,
    *PAYOUT_INVARIANTS,
    *CHAIN_INVARIANTS,
    *REFUND_INVARIANTS,
    *BATCH_INVARIANTS,
    *DISPUTE_INVARIANTS,
    *CHARGEBACK_INVARIANTS,
    *DEBT_INVARIANTS,
    *CUSTOMER_DEBT_INVARIANTS,
    *UNPAID_INVARIANTS,
    *BREAK_INVARIANTS,
    *OPERATIONS_INVARIANTS,
    *WEBHOOK_OUT_INVARIANTS,
    *AUDIT_INVARIANTS,
    *PROOF_INVARIANTS,
)
MONITORS_OF_PARTS: Final[Sequence[Invariant]] = (
    *LEDGER_MONITORS,
    *SETTLEMENT_MONITORS,
    *PAYOUT_MONITORS,
    *BATCH_MONITORS,
    *OPERATIONS_MONITORS,
    *WEBHOOK_OUT_MONITORS,
    *PROOF_MONITORS,
    *CARBON_MONITORS,
    *TWO_PHASE_MONITORS,
    *BREAK_MONITORS,
)
