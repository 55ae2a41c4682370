"""A house that makes proofs, for a file of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboard.conftest import a_desk
from tests.proofs.builders import House, a_house


@pytest.fixture(scope="module")
def house(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for the whole file."""
    folder = tmp_path_factory.mktemp("house")
    with a_desk(server, folder) as desk:
        yield a_house(desk, folder / "store")
