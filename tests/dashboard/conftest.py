"""A desk for a test or for a whole file, and a real browser."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.base.postgres.launcher import PrivatePostgres
from tests.builders import Clock, Desk
from tests.conftest import a_database
from tests.people import log_in_as, past_the_guard
from tests.simulators import spawn_simulator

# The first that is there: the shell without a window draws the same and takes a fifth less of the processor.
CHROMIUM = [Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium")]
_numbers = itertools.count(1)


@contextmanager
def a_desk(server: PrivatePostgres, folder: Path) -> Iterator[Desk]:
    """A fresh migrated database and a simulator of its own; the clock begins at this moment."""
    with a_database(server) as database, spawn_simulator(folder / "simulator", settle_ms=0, payout_fee=25) as simulator:
        yield Desk(database, simulator, Clock(now()))


@pytest.fixture
def desk(server: PrivatePostgres, tmp_path: Path) -> Iterator[Desk]:
    """A desk for one test."""
    with a_desk(server, tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def house(server: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """One of everything, and somebody who may see all of it; made once for whichever tests look at whole pages."""
    from tests.dashboard import days, whole_house

    with whole_house.a_whole_house(server, tmp_path_factory.mktemp("house")) as desk, days.served(desk) as url:
        with past_the_guard(desk.database.url) as conn:
            key = log_in_as(conn, "vera", "controller")[1]
        yield SimpleNamespace(desk=desk, url=url, key=key)


def wait_for_the_whole_page(locator: type[Any]) -> None:
    """After a click a test reads the page that follows: all of it, also where a busy machine is still parsing its end."""
    for name in ("click", "press"):
        act = getattr(locator, name)

        def then_whole(self: Any, *args: Any, _act: Callable[..., None] = act, **kwargs: Any) -> None:
            _act(self, *args, **kwargs)
            self.page.wait_for_load_state("domcontentloaded")

        setattr(locator, name, then_whole)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    there = next((one for one in CHROMIUM if one.exists()), None)
    if there is None:
        pytest.skip("no Chromium is there: apt-get install chromium-headless-shell")
    wait_for_the_whole_page(playwright.Locator)
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=str(there), args=["--no-sandbox"])
        yield opened
        opened.close()
