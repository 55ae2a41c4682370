"""A provider for a file of tests, whose desks go on where the one before stopped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from counterfoil.simulator.process import SimulatorProcess
from tests.simulators import spawn_simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """It settles at once and takes no fee for payouts."""
    with spawn_simulator(tmp_path_factory.mktemp("simulator"), settle_ms=0, payout_fee=0) as found:
        yield found
