"""`counterfoil alerts …`"""

from __future__ import annotations

from counterfoil.cli.core.verbs import noun_app
from counterfoil.wiring import ALERT_NOUN

app = noun_app(ALERT_NOUN)
