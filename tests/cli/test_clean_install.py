"""The program with nothing but the declared dependencies: whoever installs it without an extra has all that needs none."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

from tests.declared import ONLY_DECLARED, ROOT, undeclared_modules

IMPORTED: Final = """
import importlib, pkgutil

import counterfoil

failed = {}
for one in pkgutil.walk_packages(counterfoil.__path__, "counterfoil."):
    try:
        importlib.import_module(one.name)
    except ModuleNotFoundError as error:
        failed[one.name] = error.name
print(json.dumps(failed))
"""
# What is imported only where its extra is there, by the library that it is for.
OF_EXTRAS: Final = {
    "counterfoil.operations.providers.sepa.pain001": "xmlschema",
    "counterfoil.operations.providers.sepa.provider": "xmlschema",
    "counterfoil.operations.providers.stripe.answers": "stripe",
    "counterfoil.operations.providers.stripe.provider": "stripe",
    "counterfoil.operations.providers.stripe.sdk_http": "stripe",
}


def ran(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    refused = undeclared_modules()
    assert {"eth_account", "stripe", "pytest"} <= set(refused)
    asked = [sys.executable, "-c", ONLY_DECLARED + program, json.dumps(refused), *words]
    return subprocess.run(asked, capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)


def test_every_module_but_those_of_the_extras_is_imported_with_the_declared_dependencies_alone() -> None:
    done = ran(IMPORTED)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == OF_EXTRAS


TELLS: Final = """
from counterfoil.cli.main import run

print("ends with", *[run([one, "--help"]) for one in sys.argv[2:]])
"""


def test_every_command_tells_of_itself_with_the_declared_dependencies_alone() -> None:
    commands = ("up", "serve", "worker", "demo", "payouts", "reconcile")
    done = ran(TELLS, *commands)
    assert done.stdout.splitlines()[-1] == "ends with 0 0 0 0 0 0", done.stderr[-2000:]
    assert [f"counterfoil {one} " in done.stdout for one in commands] == [True] * len(commands)
