"""The files that the house rules are asked of."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = sorted(path.relative_to(ROOT) for path in (ROOT / "src").rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def text_of(path: Path) -> str:
    """The text of a file, named from the root."""
    return (ROOT / path).read_text("utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(text_of(path), str(path))


def functions_of(path: Path) -> Iterator[Function]:
    """Every function of a file, inner ones too."""
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, Function))


def tracked() -> list[Path]:
    """What is in the repository, or would be with the next `git add`; everything outside of ignored folders where git is missing."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return sorted(Path(name) for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file())
    hidden = {".venv", "build", "dist", "_build", "__pycache__", ".counterfoil"}
    return sorted(path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file() and not hidden & set(path.parts))
