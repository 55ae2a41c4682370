"""A folder that the operator names, and what lies in it: each thing under a name that says of which bytes and rules it was computed.

The name is a digest of the files' content, the rules of their side, the SQL, DuckDB and this program's own code. What any of them
changes is another name, so nothing that is found can be stale. What is found is checked before it is used: a thing that is damaged or
lies under another's name is made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine, Row
from counterfoil.matching.reading.provenance import file_digest
from counterfoil.matching.rules.model import Source

KEPT_BYTES_MAX: Final = 4 << 30  # of one folder; what was not used for longest goes first
FORM: Final = 1  # of what is written here
ABANDONED_SECONDS: Final = 86_400  # what a run that was killed left half written
NAMED: Final = re.compile(r"[0-9a-f]{64}\.(json|parquet)")
STAGED: Final = ".staged-"
CODE: Final = ("matching", "statements", "base")
What = Literal["totals", "marks", "texts"]
Done = Literal["used", "made", "damaged", "not kept"]


class OnShelf(NamedTuple):
    """Something of a side that lies in the folder: small facts, and the Parquet file with the rows, if it has any."""

    facts: Any
    rows: Path | None


class _Damaged(Exception):
    """What lies under a name is not what was put there."""


class Shelf:
    """The folder during one run. What is put is seen by others after `commit` alone: a file that changes while it is read keeps nothing."""

    def __init__(self, folder: Path, digests: Mapping[Path, str]) -> None:
        """`digests`: SHA-256 of each file that the run reads. Raises InvalidInput for a folder that cannot be written to."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            raise InvalidInput("keep", "a folder that can be written to", got=str(folder)[:200], reason=error.strerror or "") from error
        self.folder, self._digests = folder, digests
        self._staged: list[tuple[Path, Path]] = []
        self._done: dict[str, dict[What, Done]] = {}
        self._touched: list[Path] = []

    def holds(self, paths: Sequence[Path]) -> bool:
        """Are these the files of the run, whose content is known?"""
        return all(path in self._digests for path in paths)

    def name(self, what: What, paths: Sequence[Path], source: Source, *parts: Any) -> str:
        """Under what a thing of these files lies: everything that it was computed from, as one digest."""
        import duckdb  # not before the first run

        origin = [FORM, _code(), duckdb.__version__, platform.machine(), what, [self._digests[path] for path in paths]]
        return _digest(canonical_json([*origin, source.model_dump(mode="json"), *parts]))

    def find(self, side: str, what: What, name: str) -> OnShelf | None:
        """What lies under a name, checked; None where there is nothing, or nothing that can be used."""
        path = self.folder / f"{name}.json"
        try:
            found = _read(path, name, self.folder)
        except FileNotFoundError:
            return None
        except (_Damaged, OSError, ValueError):
            self._done.setdefault(side, {})[what] = "damaged"
            return None
        self._done.setdefault(side, {})[what] = "used"
        self._touched.append(path)
        return found

    def put(self, side: str, what: What, name: str, facts: Any, write: Callable[[Path], None] | None = None) -> None:
        """Keep facts, and rows where `write` makes their file. A folder that takes nothing more keeps no run from its end."""
        import duckdb

        done = self._done.setdefault(side, {})
        staged = self.folder / f"{STAGED}{os.getpid()}-{name}.parquet"
        told: dict[str, Any] = {"name": name, "what": what, "facts": facts, "rows": None}
        try:
            if write is not None:
                self._staged.append((staged, staged))
                write(staged)
                digest = file_digest(staged)
                self._staged[-1] = (staged, self.folder / f"{digest}.parquet")
                told["rows"] = digest
            described = staged.with_suffix(".json")
            self._staged.append((described, self.folder / f"{name}.json"))
            described.write_text(canonical_json({**told, "seal": _digest(canonical_json(told))}), "utf-8")
        except (OSError, duckdb.Error):
            done[what] = "not kept"
            return
        if done.get(what) != "damaged":
            done[what] = "made"

    def answered(self, engine: DuckEngine, side: str, paths: Sequence[Path], source: Source, scan: str, sql: str) -> list[Row]:
        """The totals of a side as `sql` asks for them: as they were answered before, or asked now and kept."""
        if not self.holds(paths):
            return engine.rows(sql)
        name = self.name("totals", paths, source, side, sql.replace(scan, ""))
        if kept := self.find(side, "totals", name):
            return [tuple(row) for row in kept.facts]
        rows = engine.rows(sql)
        self.put(side, "totals", name, rows)
        return rows

    def settle(self) -> None:
        """What was put is there from now on; what was used counts as new; what was not used for longest goes where it is too much."""
        for staged, final in self._staged:  # rows before what describes them
            if staged != final and staged.exists():
                staged.replace(final)
                self._touched.append(final)
        self._staged.clear()
        for path in self._touched:
            if path.exists():
                os.utime(path)
        self._prune()

    def close(self) -> None:
        """Nothing that was not committed stays."""
        for staged, _ in self._staged:
            staged.unlink(missing_ok=True)

    def told(self) -> tuple[str, ...]:
        """What was kept and used, in sentences; by side."""
        said = {
            "used": "{}: kept by an earlier run over the same bytes and rules, and used",
            "made": "{}: kept for a later run over the same bytes and rules",
            "damaged": "{}: what an earlier run kept was damaged; made and kept anew",
            "not kept": "{}: not kept, because the folder takes nothing more",
        }
        found = []
        for side in sorted(self._done):
            for done, words in said.items():
                if whats := [what for what, how in self._done[side].items() if how == done]:
                    found.append(f"{side} side, {words.format(' and '.join(whats))}")
        return tuple(found)

    def _prune(self) -> None:
        """Only what carries one of our names. Rows that nothing describes any more go with what described them."""
        there = [(path, path.stat()) for path in sorted(self.folder.iterdir()) if NAMED.fullmatch(path.name)]
        newest = max((stat.st_mtime for _, stat in there), default=0.0)
        for path in self.folder.glob(f"{STAGED}*"):
            if newest - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink(missing_ok=True)
        described = sorted((path for path, _ in there if path.suffix == ".json"), key=lambda path: -path.stat().st_mtime)
        sizes = {path: stat.st_size for path, stat in there}
        left, wanted = KEPT_BYTES_MAX, set[Path]()
        for path in described:
            rows = _rows_of(path, self.folder)
            size = sizes[path] + (sizes.get(rows, 0) if rows and rows not in wanted else 0)
            if size > left:
                break
            left -= size
            wanted |= {path} | ({rows} if rows else set())
        for path in sizes:
            if path not in wanted:
                path.unlink(missing_ok=True)


def _read(path: Path, name: str, folder: Path) -> OnShelf:
    told = json.loads(path.read_text("utf-8"))
    if not isinstance(told, dict) or told.pop("seal", None) != _digest(canonical_json(told)) or told.get("name") != name:
        raise _Damaged
    if told["rows"] is None:
        return OnShelf(told["facts"], None)
    rows = folder / f"{told['rows']}.parquet"
    if not rows.is_file() or file_digest(rows) != told["rows"]:
        raise _Damaged
    return OnShelf(told["facts"], rows)


def _rows_of(path: Path, folder: Path) -> Path | None:
    try:
        told = json.loads(path.read_text("utf-8"))
        return folder / f"{told['rows']}.parquet" if told["rows"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """The program itself: a version that is built from other sources is another one, whatever it calls itself."""
    root, found = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted(path for part in CODE for path in (root / part).rglob("*.py")):
        found.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


__all__ = ["KEPT_BYTES_MAX", "OnShelf", "Shelf"]
