"""Spans of postings, each in the trace of the payment that its journal was posted for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from psycopg import Connection

from counterfoil.base.tracing.spans import followed_by, is_traced, spans_of
from counterfoil.ledger.journals.journal import NewJournal


def traced_postings(conn: Connection[Any], journals: Sequence[NewJournal]) -> AbstractContextManager[Any]:
    """A span for each journal whose source is followed, while all of them are posted. Its kind alone is told, and of what it is."""
    stack = ExitStack()
    if not is_traced():
        return stack
    by: dict[tuple[str, str], list[str]] = {}
    for one in journals:
        if one.source is not None:
            by.setdefault((one.source[0], one.kind), []).append(one.source[1])
    for (table, kind), ids in by.items():
        stack.enter_context(spans_of(f"post {kind}", followed_by(conn, table, ids)))
    return stack
