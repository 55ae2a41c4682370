"""The other side of a run: a provider's statement, asked for, or the bank lines that were imported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx2

from counterfoil.base.problems import Problem
from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.operations.providers import NoStatement, Provider
from counterfoil.reconciliation.runs.sides import fold_statement
from counterfoil.statements import read

if TYPE_CHECKING:
    import pyarrow as pa

STATEMENT_DAYS_MAX: Final = 366
ERROR_MAX: Final = 500


class StatementUnavailable(Problem, kind="busy"):
    """The provider does not give its statement now."""


class ProviderStatement(NamedTuple):
    """What a statement says beside its lines: the hash of its files, remarks of the reader, rejected rows, and the balances before
    and at the end of the days by asset, where they are known."""

    sha256: bytes
    notes: list[str]
    rejected: int
    opening: dict[str, int]
    stated: dict[str, int]


def fetch_statement(
    engine: DuckEngine,
    provider: Provider,
    which: str,
    days: tuple[date, date],
    around: tuple[date, date],
    path: Path,
) -> ProviderStatement:
    """Ask for the statement of the days `around`, and write its movements to `path`.

    The `days` themselves are a statement of their own, so its closing balance is the provider's word for their end.
    Raises StatementUnavailable, SourceBroken.
    """
    import pyarrow as pa

    digest, rejected = hashlib.sha256(), 0
    notes: list[str] = []
    opening: dict[str, int] = {}
    stated: dict[str, int] = {}
    tables: list[pa.Table] = []
    first, last = days
    for start, end in _spans(around[0], first - timedelta(days=1), first, last, last + timedelta(days=1), around[1]):
        file = path.with_name("statement.csv")
        _ask(provider, start, end, file)
        found = read(file, format="simulator", strict=False)
        digest.update(bytes.fromhex(found.sha256))
        notes += [f"{start} to {end}, {note}" if around != days else note for note in found.notes]
        rejected += len(found.rejected)
        tables.append(_renumbered(found.lines, sum(each.num_rows for each in tables)))
        if start == first:
            opening = {each.asset: each.opening for each in found.statements if each.asset and each.opening is not None}
        if end == last:
            stated = {each.asset: each.closing for each in found.statements if each.asset and each.closing is not None}
        file.unlink()
    fold_statement(engine, pa.concat_tables(tables), which, path)
    return ProviderStatement(digest.digest(), notes, rejected, opening, stated)


def _spans(*edges: date) -> Iterator[tuple[date, date]]:
    """Pairs of days that a statement can be asked for, none longer than it may be; empty ones are left out."""
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        at = start
        while at <= end:
            until = min(end, at + timedelta(days=STATEMENT_DAYS_MAX - 1))
            yield at, until
            at = until + timedelta(days=1)


def _ask(provider: Provider, first: date, last: date, path: Path) -> None:
    try:
        path.write_bytes(provider.statement(first.isoformat(), last.isoformat()))
    except (httpx2.HTTPError, NoStatement) as error:  # the provider's; a mistake of ours is shown as what it is
        raise StatementUnavailable(detail=f"{type(error).__name__}: {error}"[:ERROR_MAX]) from error


def _renumbered(lines: pa.Table, before: int) -> pa.Table:
    """Rows are numbered through all parts, with a gap between two, so that the fee of one is no part of the other."""
    import pyarrow.compute as pc

    rows = pc.add(lines["row"], before * 2)
    return lines.set_column(lines.column_names.index("row"), "row", rows)
