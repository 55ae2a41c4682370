"""A metric as it is declared, beside what it is about. What is exposed is read from the database, so every server tells the same, and a
restart loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString, NamedTuple

from psycopg import Connection

MetricKind = Literal["gauge", "counter", "histogram"]


class Metric(NamedTuple):
    """`name` is without the namespace. `query` gives its labels, in their order, and then a value.

    A gauge is asked as of `%(now)s`, or by a function of the connection and the moment. A counter's query gives how many there were after
    `%(since)s`, up to `%(until)s`, and a histogram's one row for each of them, with its value: what was counted once is kept, and only what
    is new is asked. `bounds` are the upper ends of a histogram's buckets.
    """

    name: str
    kind: MetricKind
    labels: tuple[str, ...]
    says: str
    query: LiteralString | Callable[[Connection[Any], datetime], Sequence[Sequence[Any]]]
    bounds: tuple[float, ...] = ()
