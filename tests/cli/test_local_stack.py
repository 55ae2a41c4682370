"""What was started and does not answer says whether it ended or was too slow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from counterfoil.cli.local import local_stack
from counterfoil.cli.local.local_stack import Child, ProcessDidNotStart, World
from counterfoil.simulator import process
from counterfoil.simulator.process import SimulatorDidNotStart, SimulatorProcess


def a_world(folder: Path, code: str) -> World:
    """A world of a server alone, which runs this."""
    world = World(folder)
    world.server = Child("server", [], {}, folder / "server.log")
    world.server._command = [sys.executable, "-c", code]
    world.server.start()
    return world


def test_a_server_that_ended_says_with_which_code_and_what_it_said(tmp_path: Path) -> None:
    world = a_world(tmp_path, "print('no port is free', flush=True); raise SystemExit(5)")
    with pytest.raises(ProcessDidNotStart, match=r"it ended with 5\. Its log: no port is free"):
        world.await_server()
    world.stop()


def test_a_server_that_runs_and_does_not_answer_is_called_too_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_stack, "START_S", 1)
    world = a_world(tmp_path, "import time; time.sleep(60)")
    try:
        with pytest.raises(ProcessDidNotStart, match=r"it runs, and did not answer within 1 s: .*it said nothing"):
            world.await_server()
    finally:
        world.stop()


SAID = [("raise SystemExit(5)", "it ended with 5"), ("import time; time.sleep(60)", "said nothing within 1 s")]


@pytest.mark.parametrize(("code", "why"), SAID)
def test_so_does_the_simulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, why: str) -> None:
    class Other(SimulatorProcess):
        def launch(self, command: list[str], environment: dict[str, str], log):
            return super().launch([command[0], "-c", code], environment, log)

    monkeypatch.setattr(process, "START_S", 1)
    with pytest.raises(SimulatorDidNotStart, match=why):
        Other(tmp_path, [], port=0, api_key="k", webhook_secret=None)
