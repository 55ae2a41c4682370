"""What is refused says what to do about it, in the terminal as on the page of its type: its own words, never those of another refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.problems import TO_DO, Busy
from counterfoil.cli.core.exit_codes import ADVICE, EXIT, tell
from counterfoil.client.problems import ApiProblem
from counterfoil.ledger.group_commit import OutcomeUnknown
from counterfoil.operations.approvals import KeyCannotApprove
from tests.api.office import PROGRAM, Office
from tests.cli.conftest import Cli


def test_a_server_that_refuses_says_what_to_do(cli: Cli, office: Office, tmp_path: Path):
    office.fund("payable:payee:bolt", 1_000)
    office.fund("fee:platform", 1)
    assert cli("accounts", "freeze", "payable:payee:bolt", "--asset", "EUR", "--reason", "the court says so").code == 0
    line = {"debit": "payable:payee:bolt", "credit": "fee:platform", "amount": "400"}
    file = tmp_path / "one.json"
    file.write_text(json.dumps({"programId": PROGRAM, "asset": "EUR", "key": "k", "lines": [line], "reason": "test"}))
    ran = cli("journal", "post", str(file))
    assert ran.code == EXIT["conflict"]
    assert "unfreeze it with a reason" in ran.err


def refused(problem: Any) -> ApiProblem:
    said = {"type": f"/problems/{type(problem).__name__}", "title": problem.headline(), "status": 503, "kind": problem.kind}
    return ApiProblem({**said, "whatToDo": problem.what_to_do(), "requestId": "r-1"}, 503)


def test_what_refuses_for_a_reason_of_its_own_does_not_advise_what_is_no_way_on(capsys: pytest.CaptureFixture[str]):
    assert tell(refused(KeyCannotApprove(key="billing"))) == EXIT["forbidden"]
    told = capsys.readouterr().err
    assert "approve there" in told
    assert ADVICE["forbidden"] not in told, "no key approves, of whichever role"


def test_nobody_is_told_that_nothing_was_changed_where_that_is_not_known(capsys: pytest.CaptureFixture[str]):
    assert tell(refused(OutcomeUnknown())) == EXIT["busy"]
    told = capsys.readouterr().err
    assert "Nothing was changed" not in told
    assert OutcomeUnknown.todo in told


def test_what_is_said_of_all_of_a_kind_is_said_as_a_terminal_needs_it(capsys: pytest.CaptureFixture[str]):
    assert tell(refused(Busy())) == EXIT["busy"]
    told = capsys.readouterr().err
    assert ADVICE["busy"] in told
    assert TO_DO["busy"] not in told
