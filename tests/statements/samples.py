"""Our own sample files, and helpers to look at what was read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from counterfoil import statements as sources
from counterfoil.statements import SourceRead

DATA = Path(__file__).parent / "data"
SAMPLES = sorted(path.name for path in DATA.iterdir())


def sample(name: str, **options: Any) -> SourceRead:
    """One of our own samples, read."""
    return sources.read(DATA / name, **options)


def rows(read: SourceRead, *names: str) -> list[tuple[Any, ...]]:
    """The lines' values in these columns."""
    return [tuple(row[name] for name in names) for row in read.lines.select(list(names)).to_pylist()]


def written(folder: Path, text: str | bytes, name: str = "file.txt", encoding: str = "utf-8") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


def a_statement(*, opening: str = "C240229EUR100,00", entries: str = "", closing: str = "C240301EUR100,00") -> str:
    """An MT940 statement with these balances and entries."""
    return f":20:REF\n:25:NL02BANK0123456789\n:28C:1/1\n:60F:{opening}\n{entries}:62F:{closing}\n-\n"
