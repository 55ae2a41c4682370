"""The tutorial "A real installation", typed line by line in an empty folder: from nothing to a payout that the provider confirms."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from counterfoil.cli.local.local_stack import free_port
from tests.base.postgres_programs import short_folder
from tests.docs.pages import PAGES, blocks_of
from tests.docs.session import Terminal
from tests.house.tree import ROOT

PAGE = ROOT / "docs" / "tutorial" / "a-real-installation.md"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """An empty folder, and free ports in the place of those that the page names."""
    port, provider = free_port(), free_port()
    with short_folder() as folder:
        settings = {
            "COUNTERFOIL_PORT": str(port),
            "COUNTERFOIL_URL": f"http://127.0.0.1:{port}",
        }
        found = Terminal(folder, settings)
        found.more["setup"] = ["--provider-url", f"http://127.0.0.1:{provider}"]
        try:
            yield found
        finally:
            found.stop()


def test_from_nothing_to_a_reconciled_payout(terminal: Terminal) -> None:
    for block in blocks_of(PAGE):
        terminal.type_block(block)
    (payout,) = terminal.told("counterfoil payouts list", who="olga")
    assert (payout["state"], payout["amount"]) == ("completed", "9392")
    runs = terminal.told("counterfoil reconcile list", who="olga")
    assert {run["verdict"] for run in runs} == {"reconciled"}
    assert terminal.counterfoil(["people", "first", "eve", "adam"])[0] == 3, "once"
    code, printed = terminal.counterfoil(["setup", *SETUP])
    assert (code, printed) == (0, "Nothing to do: all of it is set up.\n")
    page = httpx2.get(f"{terminal.variables['COUNTERFOIL_URL']}/healthz", trust_env=False)
    assert page.is_success
    (invoice,) = terminal.told("counterfoil invoices list", who="olga")
    assert terminal.counterfoil(["simulator", "pay", invoice["id"]], who="olga")[0] == 3, "it is paid"
    assert terminal.counterfoil(["simulator", "pay", "inv_nonsense"], who="olga")[0] in (3, 4)
    assert terminal.counterfoil(["simulator", "fault", "no_such_fault"], who="olga")[0] == 3


SETUP = ["--name", "Bolt", "--asset", "EUR:2", "--platform-bps", "500", "--validator-bps", "100", "--provider", "simulator", "--yes"]


def test_the_front_page_shows_the_beginning_of_the_same_walk() -> None:
    walked = {one.command for block in blocks_of(PAGE) for one in block.typed}
    (block,) = [block for block in blocks_of(PAGES[0]) if "people first" in block.text]
    shown = [one.command.replace(".venv/bin/", "").partition("#")[0].strip() for one in block.typed]
    assert [one for one in shown if one not in walked and one != "counterfoil setup"] == []
