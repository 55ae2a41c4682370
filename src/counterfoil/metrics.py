"""What each part declares to be measured, put together: the one list that `/metrics`, the dashboard and the documents read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from counterfoil.base.metric import Metric
from counterfoil.integrity.metrics.declared import METRICS as INTEGRITY_METRICS
from counterfoil.integrity.metrics.folding import folding
from counterfoil.ledger.metrics import METRICS as LEDGER_METRICS
from counterfoil.operations.metrics import METRICS as WORK_METRICS
from counterfoil.operations.work.jobs import Job
from counterfoil.payouts.metrics import METRICS as PAYOUT_METRICS
from counterfoil.proofs.metrics import METRICS as PROOF_METRICS
from counterfoil.reconciliation.metrics import METRICS as RECONCILIATION_METRICS
from counterfoil.settlement.metrics import METRICS as SETTLEMENT_METRICS

METRICS_OF_PARTS: Final[Sequence[Metric]] = (
    *LEDGER_METRICS,
    *SETTLEMENT_METRICS,
    *PAYOUT_METRICS,
    *RECONCILIATION_METRICS,
    *PROOF_METRICS,
    *INTEGRITY_METRICS,
    *WORK_METRICS,
)
JOBS: Final[Sequence[Job]] = (folding(METRICS_OF_PARTS),)
