"""A package that holds and the house it comes from, once for all files of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from counterfoil.proofs.log.checkpoints import keys_of_log, seed_of
from tests.dashboard.conftest import a_desk
from tests.proofs.builders import Files, House, Verifiers, a_house, unpacked


class Case(NamedTuple):
    """A package that holds, its keys, and the house it comes from."""

    house: House
    package: bytes
    previous: bytes
    keys: dict[str, Any]
    verify: Verifiers
    seed: bytes  # of the log: what the owner of the server has

    @property
    def files(self) -> Files:
        return unpacked(self.package)


@pytest.fixture(scope="package")
def case(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("attacks")
    with a_desk(server, folder) as desk:
        house = a_house(desk, folder / "store")
        first, second = house.two_periods("b", "20.00")
        assert (second.verdict, second.reconciliation) == ("complete", "reconciled"), house.package(second.id)
        house.sign(second.id, house.ann, house.otto)
        with desk.database.transaction() as conn:
            seed = seed_of(conn, keys_of_log(conn)[0].id)
        yield Case(house, house.package(second.id), house.package(first.id), house.keys(), Verifiers(folder), seed)
