"""An office for each test."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from counterfoil.base.edge import Database
from counterfoil.base.logs import start_logging
from tests.api.office import Office, opened


@pytest.fixture
def office(database: Database) -> Iterator[Office]:
    """A running server with a key of each role."""
    with opened(database) as found:
        yield found


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """Requests are logged as in production, not as a developer's terminal would have them, and nobody reads it."""
    start_logging("error", stream=io.StringIO())
