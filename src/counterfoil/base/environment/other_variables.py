"""Variables that begin with COUNTERFOIL_ and are no settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Read elsewhere than here, and no typos.
OTHER_VARIABLES: Final[Mapping[str, str]] = {
    "COUNTERFOIL_URL": "Where the command line and the client find the server.",
    "COUNTERFOIL_API_KEY": "With which key the command line and the client ask.",
    "COUNTERFOIL_NO_NAMESPACE": "Set for root: run the private PostgreSQL as nobody instead of in a user namespace.",
    "COUNTERFOIL_WATCH_PARENT": "Set: a process watches over the private PostgreSQL even where the kernel could.",
    "COUNTERFOIL_SIMULATOR_API_KEY": "The key that a simulator started by hand asks for.",
    "COUNTERFOIL_SIMULATOR_WEBHOOK_SECRET": "With what a simulator started by hand signs its webhooks.",
    "COUNTERFOIL_SHARED": "Tests: the folder of real data that some of them read.",
    "COUNTERFOIL_TEST_POSTGRES_BIN": "Tests: the programs of the PostgreSQL that they run on.",
}
