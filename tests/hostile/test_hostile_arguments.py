"""Hostile values at every argument and option of every command, derived from the commands themselves: told in plain words, never a
traceback."""

from __future__ import annotations

import io
import itertools
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from counterfoil.cli.core.exit_codes import EXIT, NOT_GREEN, OURS, USAGE
from counterfoil.proofs.verifying.verify import NOT_VERIFIED
from tests.api.office import Office
from tests.cli import test_mistakes
from tests.cli.conftest import Cli, beside
from tests.cli.test_mistakes import COMMANDS, STAY, filler, takes_file
from tests.hostile.values import TEXTS

standing = test_mistakes.standing  # the office that nothing here changes
OF_A_COMMAND: Final = 5
ENDS_S: Final = 30
OTHERS: Final = {
    "an option": "--help-me",
    "a short option": "-x",
    "the end of options": "--",
    "standard input": "-",
    "the folder that one stands in": ".",
    "a folder": "folder",
    "a file in a folder that is none": "file.csv/inside",
    "a file that is missing": "missing/missing.csv",
    "a binary file": "binary",
    "an empty file": "empty.csv",
    "an equals sign": "a=b=c",
    "a variable": "$HOME",
    "a home": "~nobody/x",
    "a very large number": "9" * 30,
    "a small number": "-1",
}
# No way out of the folder of the test: what a command writes, it may write there.
VALUES: Final = {name: text for name, text in {**TEXTS, **OTHERS}.items() if ".." not in text and not text.startswith("/")}
DOCUMENTED: Final = {0, NOT_GREEN, USAGE, *EXIT.values(), NOT_VERIFIED}


class Hangs(BaseException):
    """It does not end by itself."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    def hangs(*_: Any) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def takes_value(param: Any) -> bool:
    return not getattr(param, "is_flag", False) and param.name not in ("help", "output")


def with_value(name: str, command: Any, at: Any, value: str) -> list[str]:
    """The command as it would be typed, with the value at one of its places."""
    words = name.split()
    for param in command.params:
        given = value if param is at else "file.csv" if takes_file(param) else filler(param)
        if param.param_type_name == "argument":
            if param is at or param.required or takes_file(param):
                words.append(given)
        elif param is at or param.required:
            words.append(f"{param.opts[0]}={given}")
    if any("--dry-run" in param.opts for param in command.params):
        words.append("--dry-run")
    return words


def is_named(command: Any, said: str) -> bool:
    """Does the message say which of what is typed behind the command it is about?"""
    plain = letters(said)
    return any(letters(word) in plain for one in command.params for word in (one.name, *one.opts, one.metavar or one.name))


def letters(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


@pytest.fixture
def stood(standing: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """In a folder with some files, beside a server; the database of this machine's settings is away."""
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.csv").write_text("a,b\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "binary").write_bytes(bytes(range(256)) * 10)
    return beside(standing, tmp_path, monkeypatch, capsys)


def test_no_command_fails_by_what_is_typed_behind_it(stood: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    values, asked = itertools.cycle(VALUES), 0
    wrong: list[tuple[str, str, str, str]] = []
    unnamed: list[tuple[str, str, str, str]] = []
    for name, command in COMMANDS:
        places = [param for param in command.params if takes_value(param)]
        if name in STAY or not places:
            continue
        for at in itertools.islice(itertools.cycle(places), max(OF_A_COMMAND, len(places))):
            value = next(values)
            words = with_value(name, command, at, VALUES[value])
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"")))
            asked += 1
            try:
                with within(ENDS_S):
                    ran = stood(*words)
            except Hangs:
                wrong.append((name, at.name, value, "does not end"))
                continue
            said = ran.out + ran.err
            if ran.code not in DOCUMENTED or ran.code == OURS or "Traceback" in said:
                wrong.append((name, at.name, value, f"{ran.code}: {said.strip()[-150:]}"))
            elif ran.code == USAGE and not is_named(command, said) and "file.csv" not in said and VALUES[value][:99] not in said:
                unnamed.append((name, at.name, value, said[-300:]))
    assert not wrong, "\n".join(map(repr, wrong))
    assert not unnamed, "\n".join(map(repr, unnamed))
    assert asked > 1_000
