"""`counterfoil holdbacks …`"""

from __future__ import annotations

from counterfoil.cli.core.verbs import noun_app
from counterfoil.payouts.refunds.release import HOLDBACK_NOUN

app = noun_app(HOLDBACK_NOUN)
