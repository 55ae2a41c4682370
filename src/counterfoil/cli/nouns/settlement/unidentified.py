"""`counterfoil unidentified-payments …`"""

from __future__ import annotations

from counterfoil.cli.core.verbs import noun_app
from counterfoil.settlement.payments.unidentified_noun import UNIDENTIFIED_NOUN

app = noun_app(UNIDENTIFIED_NOUN)
