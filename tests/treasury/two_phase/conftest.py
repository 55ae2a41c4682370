from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.treasury.two_phase.two_servers import Pair, two_servers


@pytest.fixture
def pair(make_database_url: Any) -> Iterator[Pair]:
    with two_servers(make_database_url) as found:
        yield found
