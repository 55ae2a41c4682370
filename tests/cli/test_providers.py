"""`counterfoil providers check`: the suite as a command, for whoever writes an adapter."""

from __future__ import annotations

import json

from counterfoil.cli.core.exit_codes import EXIT, NOT_GREEN
from counterfoil.cli.main import run
from counterfoil.operations.providers.conformance.checks import CHECKS
from counterfoil.operations.providers.conformance.sandbox import Sandbox
from counterfoil.operations.providers.simulator import SimulatorProvider
from tests.builders import SECRET

NOBODY = "http://127.0.0.1:9"


def nobody() -> Sandbox:
    """A sandbox at which nobody answers: no check of it can pass but the one for that."""
    return Sandbox("nobody", NOBODY, lambda url, s: SimulatorProvider(url, "sk", SECRET, timeout_s=s), "EUR", "acct_1")


def test_an_adapter_that_does_all_it_must_ends_the_command_with_0(capsys):
    assert run(["providers", "check", "simulator", "--output", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["verdict"] for one in told] == ["passed"] * len(CHECKS)
    assert all(one["says"] for one in told)


def test_a_sandbox_of_somebody_elses_is_named_by_its_function_and_what_fails_is_told(capsys):
    assert run(["providers", "check", f"{__name__}:nobody"]) == NOT_GREEN
    told = capsys.readouterr().out
    assert "failed       send: " in told
    assert "passed       no connection" in told
    assert "not checked  definite refusal: the sandbox names no destination" in told


def test_a_provider_that_there_is_not_is_refused_with_the_names_that_there_are(capsys):
    assert run(["providers", "check", "nope"]) == EXIT["missing"]
    assert "stripe" in capsys.readouterr().err
    assert run(["providers", "check", "tests.cli.test_providers:nope"]) == EXIT["missing"]
