"""What an install brings, and what this environment has beyond it: a process can be told to see only the former."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
# Run first in a process, with the modules to refuse as its first argument, in JSON.
ONLY_DECLARED: Final = '''
import importlib.abc, json, sys

modules = json.loads(sys.argv[1])


class OnlyDeclared(importlib.abc.MetaPathFinder):
    """Nothing else is installed, as far as this process can see."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in modules:
            raise ModuleNotFoundError(f"No module named {name!r}: it is not declared", name=name)
        return None


sys.meta_path.insert(0, OnlyDeclared())
'''


def declared() -> set[str]:
    """The distributions that an install brings, by their normal names."""
    locked = (ROOT / "requirements" / "run.txt").read_text()
    return {re.sub(r"[-_.]+", "-", name).lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", locked, re.MULTILINE)}


def undeclared_modules() -> list[str]:
    """Modules that this environment has and an install has not, and some that libraries look for when they are there."""
    allowed = declared() | {"counterfoil", "pip", "setuptools"}
    known = {
        module: {re.sub(r"[-_.]+", "-", each).lower() for each in distributions}
        for module, distributions in importlib.metadata.packages_distributions().items()
    }
    own = {module for module, distributions in known.items() if distributions & allowed}
    looked_for = {"pytz", "pandas", "polars", "dateutil", "lxml", "chardet", "babel"}
    return sorted((looked_for | set(known)) - own - set(sys.stdlib_module_names))
