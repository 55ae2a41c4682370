"""The reference page knows every fault with its parameters, every setting, column and error, and no more faults than there are."""

from __future__ import annotations

import re
from pathlib import Path

from counterfoil.simulator.__main__ import parser
from counterfoil.simulator.http.app import make_app
from counterfoil.simulator.rules.faults import KINDS
from counterfoil.simulator.rules.statement import COLUMNS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/simulator.md").read_text()
SOURCES = "".join(path.read_text() for path in (ROOT / "src/counterfoil/simulator").rglob("*.py"))


def test_every_fault_is_described_with_its_parameters():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*)\|", PAGE.split("## Faults")[1].split("## Clock")[0], re.MULTILINE))
    assert {fault: sorted(re.findall(r"`(\w+)`", params)) for fault, params in rows.items()} == {
        fault: sorted(kind.params) for fault, kind in KINDS.items()
    }


def test_every_argument_is_described():
    options = [option for action in parser()._actions for option in action.option_strings if option.startswith("--")]
    assert [option for option in options if option not in PAGE and option != "--help"] == []


def test_every_path_column_and_error_code_is_described():
    paths = {re.sub(r"\{\w+\}", "{id}", path) for path in make_app(None).openapi()["paths"]}  # type: ignore[arg-type]
    codes = set(re.findall(r'(?:error|Refused)\(\s*(?:\d+|[\w.]+)?,?\s*"([a-z_]{8,})"', SOURCES))
    assert len(codes) >= 6
    assert [word for word in [*paths, *COLUMNS, *codes] if word not in PAGE] == []
