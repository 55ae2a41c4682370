"""The command line, in this process, against a running server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from counterfoil.base.edge import Database
from counterfoil.cli.main import run
from tests.api.office import Office, opened


class Ran(NamedTuple):
    """What a command line printed, and how it ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Cli = Callable[..., Ran]


def runner(capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `counterfoil …` in this process."""

    def ask(*arguments: str) -> Ran:
        capsys.readouterr()
        code = run(list(arguments))
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return ask


@pytest.fixture
def office(database: Database) -> Iterator[Office]:
    """A running server with a key of each role."""
    with opened(database) as found:
        yield found


@pytest.fixture
def cli(office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `counterfoil …` where the demo has left an address and keys."""
    return beside(office, tmp_path, monkeypatch, capsys)


def beside(office: Office, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `counterfoil …` in a folder that knows this office's address and keys."""
    (folder / ".counterfoil").mkdir()
    (folder / ".counterfoil" / "client.json").write_text(json.dumps({"url": office.url, "keys": office.keys}))
    monkeypatch.chdir(folder)
    for name in ("COUNTERFOIL_URL", "COUNTERFOIL_API_KEY", "COUNTERFOIL_DATA_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    return runner(capsys)
