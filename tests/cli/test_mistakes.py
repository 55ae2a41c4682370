"""What somebody types wrong is told in plain words, by every command: a missing file, an id that is none, an unknown flag."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.cli.core.commands import PARTS, load
from counterfoil.cli.core.exit_codes import OURS, USAGE
from counterfoil.proofs.verifying.verify import NOT_VERIFIED
from tests.api.office import NOWHERE, Office, opened
from tests.cli.conftest import Cli, beside, runner
from tests.conftest import a_database

STAY = frozenset({"demo", "serve", "worker", "up", "logout", "simulator run"})  # they run on, or forget the keys
MISSING = "no-such-file.csv"
COMMANDS: list[tuple[str, Any]] = []
for _name, _part in PARTS.items():
    _loaded = load(_name)
    COMMANDS += [
        (_name if _part.alone else f"{_name} {one.name}", one) for one in ([_loaded] if _part.alone else _loaded.commands.values())
    ]


def takes_file(param: Any) -> bool:
    return param.type_descriptor.annotation is Path


def words_of(name: str, command: Any) -> list[str]:
    """The command with something in every place that it needs: a missing file, an id that is none, a text."""
    words = name.split()
    for param in command.params:
        value = MISSING if takes_file(param) else filler(param)
        if param.param_type_name == "argument" and (param.required or takes_file(param)):
            words.append(value)
        elif param.required:
            words += [param.opts[0], value]
    if any("--dry-run" in param.opts for param in command.params):
        words.append("--dry-run")
    return words


def filler(param: Any) -> str:
    """Something of the option's kind."""
    kind = param.type_descriptor.annotation
    if param.name == "at":
        return "2026-01-05T10:00:00Z"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return str(next(iter(kind)).value)
    return {int: "1", datetime: "2026-01-05"}.get(kind, "nonsense")


@pytest.mark.parametrize(
    ("name", "command"), [one for one in COMMANDS if one[0] not in STAY], ids=[n for n, _ in COMMANDS if n not in STAY]
)
def test_nonsense_is_told_and_is_never_a_mistake_of_ours(stood: Cli, name: str, command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = stood(*words_of(name, command))
    said = ran.out + ran.err
    assert "Traceback" not in said, said
    assert ran.code != OURS, said
    if (
        any(takes_file(one) and one.name not in ("out", "folder", "into") and one.required for one in command.params)
        and "export" not in name
    ):
        assert (ran.code, MISSING in said.replace("\n", "").replace("│", "").replace(" ", "")) == (UNREADABLE.get(name, USAGE), True), said
    elif any(one.param_type_name == "argument" and one.required for one in command.params):
        assert ran.code != 0 or name in FINE, said


# Its 1 and 2 are verdicts of a proof: what cannot be read has a code of its own, as with the script in the package.
UNREADABLE = {"proof verify": NOT_VERIFIED}
# Commands for which any text is a good answer: names that are made or looked for.
FINE = frozenset(
    {
        "queue pause",
        "affiliates set",
        "people first",
        "people add",
        "keys create",
        "breaks limit",
        "accounts open",
        "destinations set",
        "breaks export",
    }
)


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_an_unknown_flag_is_refused_by_name(alone: Cli, name: str, command: Any) -> None:
    ran = alone(*name.split(), "--no-such-flag")
    assert (ran.code, "--no-such-flag" in ran.err) == (USAGE, True), ran.err


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Where no server is: an unknown flag is refused before anybody is asked."""
    monkeypatch.setenv("COUNTERFOIL_URL", NOWHERE)
    monkeypatch.setenv("TERM", "dumb")
    return runner(capsys)


@pytest.fixture(scope="module")
def standing(server: PrivatePostgres) -> Iterator[Office]:
    """One office for all: nonsense changes nothing in it."""
    with a_database(server) as database, opened(database) as found:
        yield found


@pytest.fixture
def stood(standing: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Beside a server, with a database of this machine's settings that is away."""
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert not Path(MISSING).exists()
    return beside(standing, tmp_path, monkeypatch, capsys)
