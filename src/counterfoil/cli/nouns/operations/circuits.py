"""`counterfoil circuits …`"""

from __future__ import annotations

from counterfoil.cli.core.verbs import noun_app
from counterfoil.operations.work.circuits import CIRCUIT_NOUN

app = noun_app(CIRCUIT_NOUN)
