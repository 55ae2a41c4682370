"""`counterfoil overpayments …`"""

from __future__ import annotations

from counterfoil.cli.core.verbs import noun_app
from counterfoil.settlement.payments.overpayments import OVERPAYMENT_NOUN

app = noun_app(OVERPAYMENT_NOUN)
