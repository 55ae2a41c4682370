"""`counterfoil chargebacks …`: everything of it is derived from the noun."""

from __future__ import annotations

from counterfoil.cli.core.verbs import noun_app
from counterfoil.payouts.chargebacks.noun import CHARGEBACK_NOUN

app = noun_app(CHARGEBACK_NOUN)
