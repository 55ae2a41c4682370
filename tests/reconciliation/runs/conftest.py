"""A house for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfoil.base.edge import Database
from tests.reconciliation.runs.builders import House


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    """Books, a provider and a clock."""
    return House(database, tmp_path / "runs")
