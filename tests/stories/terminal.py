"""Whoever walks a runbook: commands and requests against one running server, with a key of each role."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from counterfoil.base.edge import make_id
from counterfoil.cli.main import run
from tests.receiver import Receiver


@dataclass
class Terminal:
    """One running server, by its commands and by its HTTP."""

    url: str
    keys: dict[str, str]
    capsys: pytest.CaptureFixture[str]
    folder: Path
    receiver: Receiver  # whom the server tells of alerts

    def __call__(self, *words: str) -> tuple[int, str]:
        """Type a command: its exit code and what it printed."""
        self.capsys.readouterr()
        code = run(words)
        printed = self.capsys.readouterr()
        return code, printed.out or printed.err

    def ask(self, path: str, body: dict[str, Any] | None = None, *, role: str = "viewer", status: int | None = None) -> Any:
        """GET a path, or POST a body to it; what is answered, as JSON. `status`: which is wanted, any that is well if absent."""
        headers = {"Authorization": f"Bearer {self.keys[role]}", "Idempotency-Key": make_id("key")}
        with httpx2.Client(base_url=self.url, headers=headers, timeout=20, trust_env=False) as client:
            answer = client.get(path) if body is None else client.post(path, json=body)
        assert answer.status_code == status if status else answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The rows of a list."""
        found: list[dict[str, Any]] = self.ask(path)["data"]
        return found

    def by_two(self, *words: str) -> None:
        """Propose by a command, and have another person look and approve; most of what is approved is done by that."""
        proposed = self(*words, "--output", "json")
        assert proposed[0] == 0, proposed[1]
        one = told(proposed)
        named, sha256 = one.get("proposalId") or one["proposal"], one["payloadSha256"]
        code, printed = self("approvals", "approve", named, "--sha256", sha256, "--reason", "seen")
        assert code == 0, printed


def told(answer: tuple[int, str]) -> Any:
    """What a command printed, as JSON."""
    return json.JSONDecoder().raw_decode(answer[1])[0]  # what follows says how much of a list it is
