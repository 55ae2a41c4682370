"""Desks that begin quietly. One for a file of tests, no test of which changes what another reads; or one for each test."""

from __future__ import annotations

import pytest

from tests.builders import a_program
from tests.dashboard import days
from tests.dashboard.conftest import a_desk


@pytest.fixture(scope="module")
def desk(request, server, tmp_path_factory):
    """A desk for a file, on a day on which nothing has happened; everybody in it has a name of their own."""
    with a_desk(server, tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])) as made:
        days.an_empty_day(made)
        yield made


@pytest.fixture(scope="module")
def served(desk):
    """The address of its pages."""
    with days.served(desk) as url:
        yield url


@pytest.fixture(autouse=True)
def later(desk):
    """What failed in the test before is over: nobody waits for it, and no code of it comes again."""
    desk.clock.advance(minutes=6)


@pytest.fixture
def desk_of_main(server, tmp_path):
    """A desk for one test, whose program `main` has one payee."""
    with a_desk(server, tmp_path) as made:
        a_program(made.database)
        yield made
