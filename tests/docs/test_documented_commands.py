"""Every command that the documentation shows is typed, in a folder of samples beside a running demo, and does what the page says."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rich.console import Console

from counterfoil.cli.core.commands import PARTS, load
from counterfoil.cli.core.money import is_amount
from counterfoil.cli.local.demo import demo
from counterfoil.cli.local.local_stack import World
from tests.base.postgres_programs import short_folder
from tests.docs.pages import PAGES, Block, blocks_of
from tests.docs.session import Terminal, compare
from tests.house.tree import ROOT

SAMPLES = ROOT / "docs" / "samples"
ELSEWHERE = ("docs/tutorial/a-real-installation.md",)  # typed by tests/stories/test_first_installation.py
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
REASON_MIN = 15  # characters
ID = re.compile(r"[a-z]+_[0-9A-Z]{26}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Demo(NamedTuple):
    """A demo whose day is over, and what it printed."""

    world: World
    printed: str


@pytest.fixture(scope="module")
def played() -> Iterator[Demo]:
    """One demo for all pages."""
    with short_folder() as folder, demo.world_of(folder) as world:
        out = io.StringIO()
        before = os.environ.get("COUNTERFOIL_DATA_FOLDER")
        os.environ["COUNTERFOIL_DATA_FOLDER"] = str(folder)
        try:
            with redirect_stdout(out):
                assert demo._play(world, Console(file=out, width=150))
        finally:
            os.environ.pop("COUNTERFOIL_DATA_FOLDER")
            os.environ.update({"COUNTERFOIL_DATA_FOLDER": before} if before else {})
        yield Demo(world, out.getvalue())


def terminal_of(folder: Path, played: Demo) -> Terminal:
    """A terminal in the folder in which the demo was started."""
    (folder / ".counterfoil").mkdir(parents=True)
    (folder / ".counterfoil" / "client.json").write_text((played.world.folder / "client.json").read_text())
    settings = {"COUNTERFOIL_DATABASE_URL": played.world.database_url, "COUNTERFOIL_ENCRYPTION_KEYS": played.world.encryption_keys}
    found = Terminal(folder, settings, played.world.people)
    found.printed = played.printed
    return found


def test_every_command_of_every_page_does_what_the_page_says(played: Demo, tmp_path: Path) -> None:
    wrong = []
    for page in PAGES:
        if str(page.relative_to(ROOT)) in ELSEWHERE:
            continue
        terminal = terminal_of(tmp_path / page.stem, played)
        for block in blocks_of(page):
            try:
                _use(terminal, block)
            except AssertionError as error:
                wrong.append(str(error))
    assert wrong == [], "\n\n".join(wrong)


def _use(terminal: Terminal, block: Block) -> None:
    """Type a block, write its file, or compare it with what was printed last."""
    if block.mark("not run:") is not None or block.language.startswith("{"):
        return
    if block.mark("output") is not None:
        compare(block.text.splitlines(), terminal.printed, block.where)
    elif block.name:
        (terminal.folder / block.name).write_text(block.text)
    else:
        terminal.type_block(block)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.where)
def test_a_block_is_typed_or_says_why_not(block: Block) -> None:
    reason = block.mark("not run:")
    if reason is not None:
        assert len(reason) >= REASON_MIN, "say beside it why it cannot be run"
    elif not block.language.startswith("{") and block.mark("output") is None and not block.name:
        assert block.language == "console", "a command is written `$ …` in a console block; see tests/docs/pages.py"
        assert block.typed, "no line begins with `$ `"


@pytest.mark.parametrize("block", [one for one in BLOCKS if one.name], ids=lambda block: block.where)
def test_a_file_that_a_page_shows_is_the_sample_that_lies_beside_it(block: Block) -> None:
    page = ROOT / block.where.rpartition(":")[0]
    sample = SAMPLES / page.stem / block.name
    if sample.exists():
        assert sample.read_text("utf-8") == block.text


def test_every_folder_of_samples_belongs_to_a_page_that_names_it() -> None:
    for folder in sorted(one for one in SAMPLES.iterdir() if one.is_dir()):
        named = [page for page in PAGES if page.stem == folder.name and f"docs/samples/{folder.name}" in page.read_text("utf-8")]
        assert named, f"{folder.name} belongs to no page"


def test_a_page_that_shows_something_else_than_what_comes_is_noticed() -> None:
    compare(
        ["1 invoices issued.", "po_… completed 12.50", "──── ───"],
        "7 invoices issued.\n po_X  completed   9.00\n",
        "here",
    )
    with pytest.raises(AssertionError, match="the page shows"):
        compare(["1 invoices issued.", "po_… failed 12.50"], "7 invoices issued.\n po_X  completed   9.00\n", "here")


def test_the_keys_of_the_demo_are_where_the_pages_say(played: Demo) -> None:
    assert {"url", "keys", "people", "simulator"} <= set(json.loads((played.world.folder / "client.json").read_text()))


class Reading(NamedTuple):
    """A command that shows something and needs no argument."""

    words: tuple[str, ...]
    options: frozenset[str]


# Commands without an argument that do more than show, and what is no list of rows.
ACTS = frozenset(
    {
        "backup base",
        "backup fetch-log",
        "backup end-log",
        "bank-files make",
        "encryption rotate",
        "credentials prepare",
        "credentials rotate",
        "setup",
        "demo",
        "serve",
        "worker",
        "up",
        "migrate",
        "logout",
        "reconcile run",
        "reconcile bank",
        "client-money make",
        "sentinel run",
        "notify test",
    }
)
OF_ONE = {"accounts trial": ("--asset", "EUR")}  # the demo's program has two assets, and no total of both
WHOLE = {  # lists without `--limit`, and why they are never long
    "workers list": "those of the last hour",
    "queue status": "one row for each queue",
    "queue pauses": "one row for each pause",
    "jobs list": "one row for each job",
    "schedules list": "one row for each schedule",
    "backup reach": "one row for each stretch of time in which every second can be recovered",
    "copies stored": "says by itself where it is cut, at 10,000",
    "backup list": "everything that lies in the store: what could be restored is never cut",
    "webhooks kinds": "one row for each kind of event",
    "slo": "one row for each objective",
    "parked list": "says by itself where the server cuts it, at 500",
    "logins list": "a person's own, of some hours; says where it is cut, at 50",
    "people seconds": "of which two at most wait; the newest hundred",
    "people list": "shows everybody, page after page",
    "keys list": "shows every key, page after page",
    "programs status": "one row for each book",
    "reconcile sources": "one row for each source",
    "providers list": "one row for each provider",
    "providers stats": "one row for each provider",
    "circuits list": "one row for each provider and queue",
    "health": "one row for each counter",
    "invariants": "one row for each question",
    "sentinel checks": "one row for each check",
    "checklist list": "one row for each checklist",
    "runbook catalogue": "one row for each runbook",
    "doctor": "one row for each check",
    "encryption status": "one row for each key and table",
    "encryption verify": "those that do not open",
}


def readings() -> list[Reading]:
    """Every command that shows something and can be typed as it stands."""
    found = []
    for name, part in PARTS.items():
        loaded = load(name)
        for one in [loaded] if part.alone else loaded.commands.values():
            words = (name,) if part.alone else (name, one.name)
            options = frozenset(option for param in one.params for option in param.opts)
            needs = any(param.required for param in one.params)
            if (
                "--output" in options
                and not needs
                and one.name != "show"
                and not {"--dry-run", "--reason"} & options
                and " ".join(words) not in ACTS
            ):
                found.append(Reading((*words, *OF_ONE.get(" ".join(words), ())), options))
    return found


def amounts_of(thing: Any, asset: str | None = None) -> Iterator[tuple[str, str]]:
    """Every amount in an answer, in minor units, with its asset."""
    if isinstance(thing, list):
        for one in thing:
            yield from amounts_of(one, asset)
    elif isinstance(thing, dict):
        asset = thing.get("asset") if isinstance(thing.get("asset"), str) else asset
        for name, value in thing.items():
            if is_amount(name, value) and asset:
                yield value, asset
            else:
                yield from amounts_of(value, asset)


def ids_of(thing: Any) -> Iterator[str]:
    """What stands under `id` in the rows of an answer."""
    for one in thing if isinstance(thing, list) else []:
        if isinstance(one, dict) and isinstance(one.get("id"), str):
            yield one["id"]


def test_the_amounts_ids_and_lengths_of_every_list_are_told_as_they_must_be(
    played: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Major units beside their asset; ids in one piece however narrow the terminal is; how much of a list is shown."""
    terminal = terminal_of(tmp_path, played)
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda _: True))
    wrong, long, seen = [], 0, 0
    for one in readings():
        command = " ".join(("counterfoil", *one.words))
        told = terminal.told(command)
        rows = told if isinstance(told, list) else told.get("data", [])
        terminal.columns = "60"
        _, table = terminal.counterfoil([*one.words])
        terminal.columns = "1000"
        _, wide = terminal.counterfoil([*one.words])  # where nothing is broken into pieces that look like amounts
        minor = {value for value, _ in amounts_of(told) if len(value.lstrip("-")) > 2}
        plain = {token for token in wide.split() if token in minor}
        seen += len(minor)
        wrong += [f"{command} shows {token} in minor units" for token in plain - other_figures(told)]
        first = [given for given in ids_of(rows[:40]) if ID.fullmatch(given) and given in wide]  # of 50: newer ones may have come
        wrong += [f"{command} breaks the id {given}" for given in first if given not in table]
        if "--limit" in one.options and len(rows) > 1:
            long += 1
            _, cut = terminal.counterfoil([*one.words, "--limit", "1"])
            if not re.search(r"1 of (more than )?[\d,]+; --limit \d+ shows more|--limit shows up to", cut):
                wrong.append(f"{command} does not say how much of the list it shows: {cut[-200:]}")
        elif "--limit" not in one.options and isinstance(told, list) and " ".join(one.words) not in WHOLE:
            wrong.append(f"{command} has no --limit")
    assert wrong == []
    assert long >= 6, "the demo has long lists"
    assert seen > 50, "and amounts in them"


def test_one_of_every_list_is_shown_by_its_id(played: Demo, tmp_path: Path) -> None:
    terminal = terminal_of(tmp_path, played)
    shown = []
    for name, part in PARTS.items():
        commands = {} if part.alone else load(name).commands
        if not {"list", "show"} <= set(commands) or name == "periods" or any(one.required for one in commands["list"].params):
            continue
        rows = terminal.told(f"counterfoil {name} list")
        if not rows:
            continue
        given = rows[0]["id"]
        code, printed = terminal.counterfoil([name, "show", given])
        assert code == 0, printed
        assert given in printed
        told = terminal.told(f"counterfoil {name} show {given}")
        minor = {value for value, _ in amounts_of(told) if len(value.lstrip("-")) > 2} - other_figures(told)
        assert not minor & set(printed.split()), f"{name} show tells {minor & set(printed.split())} in minor units"
        code, printed = terminal.counterfoil([name, "show", "nonsense"])
        assert (code in (2, 3, 4), "Traceback" in printed) == (True, False), f"{name} show nonsense: {code} {printed}"
        shown.append(name)
    assert len(shown) >= 5, shown


def other_figures(thing: Any) -> set[str]:
    """Figures of an answer that are no amounts, such as counts and parts of names."""
    if isinstance(thing, dict):
        plain = {str(value) for name, value in thing.items() if not is_amount(name, value) and not isinstance(value, dict | list)}
        return plain.union(*map(other_figures, thing.values()))
    return set().union(*map(other_figures, thing)) if isinstance(thing, list) else set()
