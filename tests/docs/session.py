"""A reader at a terminal: types what a page shows, in a folder of their own, and compares what comes with what is shown."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from counterfoil.cli.core import money
from counterfoil.cli.main import run
from tests.docs.pages import Block, Typed
from tests.house.tree import ROOT

OTHERS = frozenset({"cat", "cp", "ls", "mkdir", "python"})  # what a page may type beside counterfoil
_RULE = re.compile(r"[─━\-=]{3,}")
_LOOSE = re.compile(
    r"…|━+|[a-z]+_[0-9A-Z]{26}|[a-z]+_[0-9a-f]{8}_\d{10}|\d{4}-\d\d-\d\dT[\d:.]+Z?|\d{4}-\d\d-\d\d|\d[\d,.:]*|\b[0-9a-f]{12,}\b"
)


class Terminal:
    """One reader. `people` is who has which password."""

    def __init__(self, folder: Path, environment: Mapping[str, str], people: Mapping[str, str] | None = None) -> None:
        self.home, self.folder = folder, folder
        self.variables = dict(environment)
        self.people = dict(people or {})
        self.once: dict[str, str] = {}
        self.ids: dict[str, str] = {}
        self.printed = ""
        self.more: dict[str, list[str]] = {}  # options that a command gets here beside those of the page
        self.columns = "200"
        self.stays: list[subprocess.Popen[bytes]] = []
        if not (folder / "docs").exists():
            shutil.copytree(ROOT / "docs" / "samples", folder / "docs" / "samples")

    def type_block(self, block: Block) -> None:
        """Type every line of a console block. Raises AssertionError, with the place, where one ends or prints otherwise."""
        wanted = {int(code) for code in re.findall(r"\d+", (block.mark("ends:") or "0").partition(",")[0])}
        for name, source in block.ids.items():
            self.ids[name] = self._looked_up(source, block.typed[0].who)
        if (sign := block.mark("stays:")) is not None:
            self._stay(block.typed[0], sign)
            return
        end = time.monotonic() + int(block.mark("within:") or "0")
        while True:
            try:
                self._type_all(block, wanted)
            except AssertionError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
            else:
                return

    def _type_all(self, block: Block, wanted: set[int]) -> None:
        """Each line ends as the page says; those before the last may end well, too."""
        lines = block.typed
        for one in lines:
            code = self.type(one, block.where)
            said = f"{block.where}: {one.command}\nends with {code}, not {sorted(wanted)}:\n{self.printed}"
            assert code in wanted or (code == 0 and one is not lines[-1]), said
            compare(one.printed, self.printed, f"{block.where}: {one.command}")

    def type(self, one: Typed, where: str) -> int:
        """Type a line, and keep what it prints."""
        words = self._words(one.command)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            self.variables[name] = value
            return self._said(0, "")
        if words[0] == "cd":
            self.folder = (self.folder / words[1]).resolve()
            return self._said(0 if self.folder.is_dir() else 1, "")
        if assigned := re.fullmatch(r"([A-Z_]+)=\$\((.*)\)", one.command):
            code = self.type(one._replace(command=assigned[2]), where)
            self.variables[assigned[1]] = self.printed.strip()
            return code
        if words[0].rpartition("/")[2] == "counterfoil":
            return self._said(*self.counterfoil(words[1:], who=one.who))
        assert words[0] in OTHERS, f"{where}: {words[0]} is not typed in a test; say beside the block why it is not run"
        if words[0] == "python":
            words[0] = sys.executable  # that of the environment, as `.venv/bin/python`
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        return self._said(done.returncode, done.stdout + done.stderr)

    def counterfoil(self, words: list[str], *, who: str = "") -> tuple[int, str]:
        """Run a command in this process, as who types it."""
        typed = ""
        words = [*words, *self.more.get(words[0], [])]
        if words[0] == "login" and "--password-stdin" not in words:
            words, typed = [*words, "--password-stdin"], self._passwords(words[1])
        kept = dict(os.environ), Path.cwd(), sys.stdin
        shown = io.StringIO()
        try:
            for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
                del os.environ[name]
            os.environ.update(self.variables, XDG_CONFIG_HOME=str(self.home / f"config-{who}"), COLUMNS=self.columns, TERM="dumb")
            os.chdir(self.folder)
            sys.stdin = io.StringIO(typed)
            money._scales.cache_clear()  # what another process would ask anew
            with redirect_stdout(shown), redirect_stderr(shown):
                code = run(words)
        finally:
            os.chdir(kept[1])
            os.environ.clear()
            os.environ.update(kept[0])
            sys.stdin = kept[2]
        self._learn_secrets(shown.getvalue())
        return code, shown.getvalue()

    def told(self, command: str, *, who: str = "") -> Any:
        """What a command answers, as JSON."""
        code, printed = self.counterfoil([*self._words(command)[1:], "--output", "json"], who=who)
        assert code in (0, 1), f"{command}: {printed}"
        return json.JSONDecoder().raw_decode(printed)[0]  # what follows says how much of a list it is

    def stop(self) -> None:
        """End what stays, the last first."""
        for process in reversed(self.stays):
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def _stay(self, one: Typed, sign: str) -> None:
        """Start a command that stays, as a process of its own, and wait until it says `sign`."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
        log = self.home / f"stays-{len(self.stays)}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "counterfoil", *self._words(one.command)[1:]],
                env={**kept, **self.variables},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        self.stays.append(process)
        end = time.monotonic() + 90
        while sign not in log.read_text(errors="replace"):
            assert process.poll() is None, f"{one.command} ended:\n{log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"{one.command} does not say {sign!r}"
            time.sleep(0.1)

    def _looked_up(self, source: str, who: str) -> str:
        path, _, command = source.partition(" of: ")
        found = self.told(command, who=who)
        for step in path.split("."):
            found = found[int(step) if step.lstrip("-").isdigit() else step]
        return str(found)

    def _words(self, command: str) -> list[str]:
        for name, value in self.ids.items():
            command = command.replace(name, value)
        for name, value in self.variables.items():
            command = re.sub(rf"\${name}\b", lambda _, value=value: value, command)
        return shlex.split(command, comments=True)

    def _passwords(self, name: str) -> str:
        chosen = f"{name} horse battery staple"
        if name in self.once:
            self.people[name] = chosen
            return f"{self.once.pop(name)}\n{chosen}\n"
        return f"{self.people[name]}\n"

    def _learn_secrets(self, printed: str) -> None:
        """One-time secrets stand in tables and in lists of fields."""
        names = re.findall(r"^name\s+(\w+)", printed, re.MULTILINE)
        for name, secret in zip(names, re.findall(r"^once\s+(cf_once_\w+)", printed, re.MULTILINE), strict=False):
            self.once[name] = secret
        for line in printed.splitlines():
            if row := re.search(r"prn_\w+\s+(\w+)\s.*(cf_once_\w+)", line):
                self.once[row[1]] = row[2]

    def _said(self, code: int, printed: str) -> int:
        self.printed = printed
        return code


def compare(shown: Iterable[str], printed: str, where: str) -> None:
    """Every line that a page shows is printed, in this order. Figures, ids, times and `…` stand for any; columns for their words."""
    lines = [" ".join(line.split()) for line in printed.splitlines()]
    at = 0
    for line in shown:
        words = " ".join(line.split())
        if not words or words == "…" or not _RULE.sub("", words).strip():
            continue
        pattern = ".*?".join(re.escape(part) for part in _LOOSE.split(words))
        found = next((n for n in range(at, len(lines)) if re.fullmatch(pattern, lines[n])), None)
        assert found is not None, f"{where}\nthe page shows:\n  {words}\nand this came:\n{printed}"
        at = found + 1
